/* SPDX-License-Identifier: MIT
 *
 * What a program may assume: the shapes of contexts, the types of helpers' arguments, the meaning of return values.
 * A contract is data.  The engines' checked interpreter, the verifier, `lower`, the command line and the docs read
 * the same structs; compiled-in tables and those fetched from an extension at run time look alike.
 *
 * A program has a *personality*: the numbers and layouts that its source assumed (Linux's or efW's).  The provider of
 * a hook has one real context layout; each personality's visible context maps onto it field by field.
 */
#ifndef WINBPF_CONTRACT_CONTRACT_H
#define WINBPF_CONTRACT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum personality { PERSONALITY_LINUX, PERSONALITY_EFW, PERSONALITIES };

struct guid {
    uint8_t bytes[16]; /* as Windows stores a GUID on little-endian machines */
};

/* What a helper's argument must be.  The `+ size` kinds take their length in bytes from the next argument. */
enum arg_kind {
    ARG_NONE,             /* the helper takes fewer arguments */
    ARG_ANYTHING,         /* any initialised value */
    ARG_SCALAR,           /* a number, not a pointer */
    ARG_CONST_MAP,        /* a map of the kinds in helper_proto.map_kinds */
    ARG_MAP_KEY,          /* readable, key_size bytes of the map in the CONST_MAP argument */
    ARG_MAP_VALUE,        /* readable, value_size bytes */
    ARG_MAP_VALUE_UNINIT, /* writable, value_size bytes; need not be initialised */
    ARG_CONTEXT,          /* the program's context, unmodified */
    ARG_CONTEXT_OR_NULL,
    ARG_MEM,         /* + size: readable */
    ARG_MEM_OR_NULL, /* + size: readable, or NULL with size 0 */
    ARG_MEM_UNINIT,  /* + size: writable */
    ARG_MEM_UNINIT_OR_NULL,
    ARG_SIZE, /* number of bytes, at least 1 */
    ARG_SIZE_OR_ZERO,
    ARG_CONST_SIZE_OR_ZERO, /* a constant known before the program runs: the size of what is returned */
    ARG_RECORD,             /* a reserved record, given up by the call (ring buffer submit, discard) */
    ARG_CONST_STR,          /* NUL-terminated text in frozen read-only memory */
    ARG_LONG,               /* writable, 8 bytes, aligned */
    ARG_INT,                /* writable, 4 bytes, aligned */
    ARG_CALLBACK,           /* a subprogram of this program */
    ARG_STACK_OR_NULL,      /* pointer to stack handed to a callback, or NULL */
    ARG_SPIN_LOCK,          /* pointer to a bpf_spin_lock in a map value */
    ARG_TIMER,              /* pointer to a bpf_timer in a map value */
    ARG_DYNPTR,             /* an initialised dynptr on the stack */
    ARG_DYNPTR_UNINIT,      /* 16 bytes of stack that become a dynptr */
    ARG_SOCK_COMMON,
    ARG_SOCKET,
    ARG_BTF_ID,
    ARG_KPTR,
    ARG_FIXED_MEM,        /* readable, helper_proto.fixed_size bytes */
    ARG_FIXED_MEM_UNINIT, /* writable, helper_proto.fixed_size bytes */
    ARG_MAP_VALUE_OR_NULL,
    ARG_SOCK_COMMON_OR_NULL,
    ARG_BTF_ID_OR_NULL,
    ARG_VARIADIC, /* handed on as it is, written or not: how many the helper reads is said elsewhere (a format) */
    ARG_KINDS
};

enum ret_kind {
    RET_INTEGER,
    RET_VOID,
    RET_MAP_VALUE_OR_NULL, /* value_size bytes of the map in the CONST_MAP argument; a map for map-in-map kinds */
    RET_MEM_OR_NULL,       /* as many bytes as the CONST_SIZE argument says */
    RET_RECORD_OR_NULL,    /* the same, and must be given up by a call with ARG_RECORD */
    RET_SOCKET_OR_NULL,
    RET_SOCK_COMMON_OR_NULL,
    RET_TCP_SOCK_OR_NULL,
    RET_DYNPTR_MEM_OR_NULL,
    RET_BTF_ID,
    RET_BTF_ID_OR_NULL,
    RET_MAP_VALUE, /* value_size bytes of the map in the CONST_MAP argument, never NULL */
    RET_NEVER,     /* ends the program when it succeeds (tail call); an integer when it fails */
    RET_KINDS
};

enum {
    HELPER_CHANGES_PACKET = 1u << 0, /* packet pointers die */
    HELPER_TAIL_CALL = 1u << 1,
    HELPER_GPL_ONLY = 1u << 2,
    HELPER_MIGHT_SLEEP = 1u << 3,
    HELPER_CALLS_BACK = 1u << 4,
    HELPER_WRITES_VALUE = 1u << 5, /* may change or free map values the program still points at */
    HELPER_UNWIND = 1u << 6,       /* when it returns 0 the whole program ends with r0 = 0, from any depth of calls; the
                                    * conformance suite's helper 5, never set for a loaded program's helpers */
};

enum {
    HELPER_ACQUIRES = 1u << 7, /* what it returns, if not NULL, must be given to a helper that releases it */
    HELPER_RELEASES = 1u << 8, /* gives up the reference that its first argument of a socket kind holds */
    HELPER_ASYNC = 1u << 9,    /* its callback runs later, on its own: not in its caller's frames (timers) */
};

enum { HELPER_ARGS = 5 };

/* A helper as seen from a program.  `id` per personality, -1 where it has none.  The implementation stands beside it
 * in src/helpers (struct helper, core/helper.h); verification-only rows have none. */
struct helper_proto {
    const char *name; /* without bpf_ */
    int32_t id[PERSONALITIES];
    enum ret_kind ret;
    enum arg_kind args[HELPER_ARGS];
    uint32_t flags;
    uint64_t map_kinds;              /* bit n: Linux map kind n is allowed as ARG_CONST_MAP; 0: any */
    uint8_t max_irql;                /* highest IRQL at which it may run: 0 PASSIVE, 1 APC, 2 DISPATCH */
    uint8_t fixed_size[HELPER_ARGS]; /* bytes of each ARG_FIXED_MEM argument */
};

enum field_kind {
    FIELD_SCALAR,
    FIELD_PACKET,      /* pointer to the first byte of packet data */
    FIELD_PACKET_END,  /* pointer past the last */
    FIELD_PACKET_META, /* pointer to metadata before the packet */
    FIELD_MEMORY,      /* pointer to the first byte of some other region (app_id_start) */
    FIELD_MEMORY_END,
    FIELD_SOCKET_OR_NULL,
    FIELD_SOCKET,
    FIELD_SOCK_COMMON_OR_NULL,
    FIELD_FLOW_KEYS, /* pointer to a struct bpf_flow_keys */
    FIELD_BYTES, /* an array, as long where the provider keeps it: any part may be loaded or, with FIELD_WRITE, stored
                  */
};

/* Bytes of the longest region that a hook may hand to a program (packet, metadata, other memory), headroom that it may
 * grow into included.  The verifier relies on it: a hook refuses what is longer. */
enum { CONTRACT_REGION_MOST = 0x7ffff };

enum {
    FIELD_READ = 1u << 0,
    FIELD_WRITE = 1u << 1,
    FIELD_NARROW = 1u << 2, /* parts of it may be loaded */
};

/* One visible field, and where the provider keeps it. */
struct context_field {
    const char *name;
    enum field_kind kind;
    uint16_t offset, size;           /* as the program sees it, bytes */
    uint16_t real_offset, real_size; /* in the provider's context; a pointer field is 8 bytes there */
    uint16_t flags;
    int16_t partner; /* index of the _END field of a pointer field (of PACKET_META: of PACKET, where
                      * metadata ends), -1 for others */
};

struct context_layout {
    uint32_t size; /* visible size, bytes */
    uint32_t field_count;
    const struct context_field *fields;
};

/* Return values a program may give, inclusive, as the int its low 32 bits are. */
struct return_range {
    int32_t lowest, highest;
};

/* How a verdict of a personality reads in the provider's own numbers: real[value - range.lowest]; NULL: as it is. */
struct return_map {
    struct return_range range;
    const uint8_t *real;
    uint32_t otherwise; /* the provider's number for a value outside the range */
};

enum {
    CONTRACT_VERIFY_ONLY = 1u << 0,  /* no hook here runs it: for verification and listings */
    CONTRACT_PACKET_WRITE = 1u << 1, /* packet bytes may be stored to */
    CONTRACT_LEGACY_LOADS = 1u << 2, /* packet loads of classic BPF are allowed */
    CONTRACT_ANY_RETURN = 1u << 3,   /* any value may be returned, where no attach type's row says otherwise: `returns`
                                      * says what each will mean, not what the verifier asks for */
};

/* The return range of one attach type, where it differs from the type's. */
struct attach_returns {
    enum personality personality;
    uint32_t attach_type; /* in that personality's numbers */
    struct return_range range;
};

/* The context of one attach type, where the type's programs do not all see the same. */
struct attach_context {
    enum personality personality;
    uint32_t attach_type; /* in that personality's numbers */
    struct context_layout layout;
};

struct program_contract {
    const char *name; /* "xdp" */
    struct guid guid;
    uint32_t type[PERSONALITIES]; /* number; 0 where that personality lacks it */
    struct context_layout context[PERSONALITIES];
    struct return_map returns[PERSONALITIES];
    uint32_t real_size;                          /* bytes of the provider's context */
    const struct helper_proto *const *helpers;   /* its own, beside the general ones; NULL-terminated, may be NULL */
    uint32_t flags;                              /* CONTRACT_ */
    const struct attach_returns *attach_returns; /* attach_returns_count rows; a type without one has `returns` */
    uint32_t attach_returns_count;
    uint32_t attach_contexts_count;
    const struct attach_context *attach_contexts; /* a type without a row has `context` */
};

/* What a pointer that is not to plain memory points at, field by field; a load may take any part of a field that has
 * FIELD_NARROW.  Linux's layouts (struct bpf_sock …), for verification. */
enum contract_object { CONTRACT_SOCK_COMMON, CONTRACT_SOCK, CONTRACT_TCP_SOCK, CONTRACT_FLOW_KEYS, CONTRACT_OBJECTS };
const struct context_layout *contract_object_layout(enum contract_object object);

/* Section name to type and attach type (libbpf's SEC names; efW's).  `prefix` ends in '/' where something may follow.
 */
struct section_contract {
    const char *prefix;
    enum personality personality;
    uint32_t prog_type, attach_type; /* in the personality's numbers */
    bool decides;        /* only this personality has such a section, so it settles an object's personality */
    uint32_t prog_flags; /* PROG_FLAG_ of what such a program is loaded with */
};

/* BPF_F_SLEEPABLE and BPF_F_XDP_HAS_FRAGS of PROG_LOAD's prog_flags. */
enum { PROG_FLAG_SLEEPABLE = 1u << 4, PROG_FLAG_XDP_FRAGS = 1u << 5 };

/* Program and attach types for hooks that Linux lacks, far above those that it has: a Linux-personality program on the
 * bind hook. */
enum { LINUX_TYPE_BIND = 10002 };

/* The row that a section name matches, the longest prefix first; NULL where none does.  A Linux prefix with a '/' at
 * its end matches alone and with anything behind the slash, any other one exactly; efW's match with '/' or '_' and
 * more. */
const struct section_contract *contract_section(enum personality personality, const char *section);

/* The row whose prefix is closest to a name that no row matches, for "did you mean"; NULL where none is close. */
const struct section_contract *contract_section_nearest(enum personality personality, const char *section);

/* Does a section of this name exist in efW only?  (bind, recv_accept, process …) */
bool contract_section_is_efw(const char *section);

/* A program type's name in a personality ("xdp", "sched_cls"); NULL for an unknown number. */
const char *contract_program_type_name(enum personality personality, uint32_t type);

/* A map kind's bpftool name ("hash") by Linux number; NULL for an unknown one. */
const char *contract_map_kind_name(uint32_t kind);

/* The Linux number of a map kind of a personality; 0 (UNSPEC) for an unknown one. */
uint32_t contract_map_kind(enum personality personality, uint32_t number);

/* A helper's name by id, known or merely defined by the personality; NULL where the id is not one. */
const char *contract_helper_name(enum personality personality, int32_t id);

/* The same for a program of type `type`, which may have helpers of its own (efW: ids from 65536, anew for each type).
 */
const char *contract_program_helper_name(enum personality personality, uint32_t type, int32_t id);

/* The id of the helper that a program of type `type` (0: of any, then only what all have) calls by the name `name`,
 * "bpf_map_lookup_elem"; -1 where there is none. */
int32_t contract_helper_id(enum personality personality, uint32_t type, const char *name);

/* The program types whose hooks are here. */
extern const struct program_contract contract_xdp, contract_bind;

/* The contract of the program type that has this number in a personality, with or without a hook; NULL for another. */
const struct program_contract *contract_program(enum personality personality, uint32_t type);

/* The context that a program of this type and attach type sees. */
const struct context_layout *contract_context(const struct program_contract *contract, enum personality personality,
                                              uint32_t attach_type);

/* The field that allows a load (or store) of `size` bytes, a power of two, at an offset; NULL where none does.  A field
 * is reached whole; one with FIELD_NARROW is loaded in aligned parts of any size, one of FIELD_BYTES in any parts. */
const struct context_field *contract_field(const struct context_layout *layout, int32_t offset, uint32_t size,
                                           bool store);

/* The range that a program of this type and attach type must return from; false: any value will do. */
bool contract_return_range(const struct program_contract *contract, enum personality personality, uint32_t attach_type,
                           struct return_range *range);

/* The prototype of every helper of Linux 6.18 and efW by id, where programs of the personality's type `type` may call
 * it; NULL otherwise.  Helpers that are implemented have their contract beside their body (core/helper.h), which comes
 * first for the types that a hook here runs. */
const struct helper_proto *contract_helper_proto(enum personality personality, uint32_t type, int32_t id);

/* A struct guid's initialiser from the parts of its text: the first three as numbers, the rest byte by byte. */
#define GUID_BYTES(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)                                                            \
    {                                                                                                                  \
        {                                                                                                              \
            (a) & 255, (a) >> 8 & 255, (a) >> 16 & 255, (a) >> 24 & 255, (b)&255, (b) >> 8, (c)&255, (c) >> 8, d0, d1, \
                d2, d3, d4, d5, d6, d7                                                                                 \
        }                                                                                                              \
    }

#endif
