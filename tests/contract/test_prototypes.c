/* SPDX-License-Identifier: MIT
 *
 * Prototypes before the running kernel: for each helper a program that calls it as its row says must be accepted, and
 * the same call with one thing changed (an argument left out, a number for a pointer, NULL, read-only memory, no bytes,
 * too few bytes, a pointer for a number, a map of another kind, its result used otherwise) must be accepted or refused
 * as the row has it.
 */
#include "contract/kernel.h"

enum {
    EXIT = 0x95,
    MOV = 0xb7,
    MOV_REG = 0xbf,
    CALL = 0x85,
    JNE = 0x55,
    JLE_REG = 0xbd,
    ADD = 0x07,
    STORE8 = 0x7a,
    LDDW = 0x18
};
enum { MAP_FD = 1, MAP_VALUE = 2, FUNC = 4 }; /* lddw's source registers */
enum { KINDS = 34, INSNS = 120, ROOM = 64 };

/* ---- maps ---- */

struct map_create {
    uint32_t kind, key_size, value_size, max_entries, flags, inner_fd, numa;
    char name[16];
    uint32_t ifindex, btf_fd, key_type, value_type;
};

struct freeze {
    uint32_t fd;
};

static int kinds[KINDS], scratch, frozen, locks, timers, btf_fd;

enum { BTF_INT = 1, BTF_U64, BTF_LOCK, BTF_TIMER, BTF_LOCKED, BTF_TIMED, BTF_PROTO, BTF_MAIN, BTF_CALLBACK };

static int load_btf(void)
{
    static const char strings[] = "\0int\0u64\0bpf_spin_lock\0bpf_timer\0value\0main\0called";
    enum {
        INT_NAME = 1,
        U64_NAME = 5,
        LOCK_NAME = 9,
        TIMER_NAME = 23,
        VALUE_NAME = 33,
        MAIN_NAME = 39,
        CALLED_NAME = 44
    };
#define INFO(kind, count) ((uint32_t)(kind) << 24 | (count))
    static const uint32_t types[] = {
        INT_NAME,    INFO(1, 0),  4,          1u << 24 | 32, /* int */
        U64_NAME,    INFO(1, 0),  8,          64,            /* u64 */
        LOCK_NAME,   INFO(4, 1),  4,          VALUE_NAME,
        BTF_INT,     0, /* struct bpf_spin_lock */
        TIMER_NAME,  INFO(4, 2),  16,         VALUE_NAME,
        BTF_U64,     0,           INT_NAME,   BTF_U64,
        64,          VALUE_NAME,  INFO(4, 2), 8,
        LOCK_NAME,   BTF_LOCK,    0,          INT_NAME,
        BTF_INT,     32,          VALUE_NAME, INFO(4, 1),
        16,          TIMER_NAME,  BTF_TIMER,  0,
        0,           INFO(13, 0), BTF_INT, /* int (void) */
        MAIN_NAME,   INFO(12, 0), BTF_PROTO,  CALLED_NAME,
        INFO(12, 0), BTF_PROTO,
    };
    struct {
        uint16_t magic;
        uint8_t version, flags;
        uint32_t header, types_at, types_size, strings_at, strings_size;
    } header = {0xeb9f, 1, 0, sizeof header, 0, sizeof types, sizeof types, sizeof strings};
    uint8_t blob[sizeof header + sizeof types + sizeof strings];
    struct {
        uint64_t btf, log;
        uint32_t size, log_size, log_level;
    } attr = {(uintptr_t)blob, (uintptr_t)kernel_log, sizeof blob, sizeof kernel_log, 1};

    memcpy(blob, &header, sizeof header);
    memcpy(blob + sizeof header, types, sizeof types);
    memcpy(blob + sizeof header + sizeof types, strings, sizeof strings);
    return kernel_bpf(COMMAND_BTF_LOAD, &attr, sizeof attr);
}

static int create(uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags, uint32_t value_type)
{
    struct map_create attr = {
        .kind = kind, .key_size = key, .value_size = value, .max_entries = entries, .flags = flags};

    if (kind == 12 || kind == 13)
        attr.inner_fd = (uint32_t)kinds[2];
    if (value_type) {
        attr.btf_fd = (uint32_t)btf_fd;
        attr.key_type = BTF_INT;
        attr.value_type = value_type;
    }
    return kernel_bpf(COMMAND_MAP_CREATE, &attr, sizeof attr);
}

enum { NO_PREALLOC = 1, MMAPABLE = 1 << 10, RDONLY_PROG = 1 << 7, PAGE = 4096 };

static const struct {
    uint32_t key, value, entries, flags, value_type;
} shapes[KINDS] = {
    [1] = {4, 8, 4},
    [2] = {4, ROOM, 4},
    [3] = {4, 4, 4},
    [4] = {4, 4, 4},
    [5] = {4, 8, 4},
    [6] = {4, 8, 4},
    [7] = {4, 80, 4},
    [8] = {4, 4, 4},
    [9] = {4, 8, 4},
    [10] = {4, 8, 4},
    [11] = {8, 8, 4, NO_PREALLOC},
    [12] = {4, 4, 4},
    [13] = {4, 4, 4},
    [14] = {4, 4, 4},
    [15] = {4, 4, 4},
    [16] = {4, 4, 1},
    [17] = {4, 4, 4},
    [18] = {4, 4, 4},
    [19] = {8, 8, 0},
    [20] = {4, 8, 4},
    [21] = {8, 8, 0},
    [22] = {0, 8, 4},
    [23] = {0, 8, 4},
    [24] = {4, 4, 0, NO_PREALLOC, BTF_INT},
    [25] = {4, 4, 4},
    [27] = {0, 0, PAGE},
    [28] = {4, 4, 0, NO_PREALLOC, BTF_INT},
    [29] = {4, 4, 0, NO_PREALLOC, BTF_INT},
    [30] = {0, 8, 4},
    [31] = {0, 0, PAGE},
    [32] = {4, 4, 0, NO_PREALLOC, BTF_INT},
};

static void create_kind(uint32_t kind)
{
    kinds[kind] = -1;
    if (shapes[kind].value || shapes[kind].entries)
        kinds[kind] = create(kind, shapes[kind].key, shapes[kind].value, shapes[kind].entries, shapes[kind].flags,
                             shapes[kind].value_type);
}

/* Maps that may hold programs belong to the first type that uses them: each helper gets new ones. */
static void renew_maps(void)
{
    static const uint32_t owned[] = {3, 14, 16, 25};

    for (unsigned i = 0; i < sizeof owned / sizeof *owned; i++) {
        close(kinds[owned[i]]);
        create_kind(owned[i]);
    }
}

/* One map of every kind, or -errno. */
static void create_maps(void)
{
    struct freeze freeze;

    btf_fd = load_btf();
    if (btf_fd < 0)
        printf("the types are refused: %s\n", kernel_log);
    for (uint32_t kind = 1; kind < KINDS; kind++)
        create_kind(kind);
    scratch = create(2, 4, ROOM, 1, 0, 0);
    frozen = create(2, 4, ROOM, 1, RDONLY_PROG, 0);
    locks = create(2, 4, 8, 1, 0, BTF_LOCKED);
    timers = create(2, 4, 16, 1, 0, BTF_TIMED);
    freeze.fd = (uint32_t)frozen;
    CHECK(frozen >= 0 && !kernel_bpf(COMMAND_MAP_FREEZE, &freeze, sizeof freeze));
    for (uint32_t kind = 1; kind < KINDS; kind++)
        CHECK(kinds[kind] >= 0 || kind == 26 || kind == 33); /* struct_ops and arena are nothing that helpers take */
    CHECK(btf_fd >= 0 && scratch >= 0 && locks >= 0 && timers >= 0);
}

/* ---- programs ---- */

enum change {
    AS_IT_IS,
    LEFT_OUT,   /* the argument's register is not written */
    NUMBER,     /* 4660 */
    NOTHING,    /* NULL, and a size of 0 behind it */
    READ_ONLY,  /* memory that the program may not store to */
    EMPTY,      /* a size of 0 */
    SHORT,      /* memory shorter than it must be */
    POINTER,    /* the stack's address */
    OTHER_KIND, /* a map of the kind `with` */
    USED_AS,    /* the result used as `with` says */
    PACKET,     /* a byte of the packet, proven before the call, loaded after it */
};

struct variant {
    enum change change;
    unsigned argument, with;
};

/* Ways to use a result. */
enum use { UNUSED, ADDED, LOADED, ASKED_LOADED, ASKED_SOCK, ASKED_TCP, USES };

struct program {
    struct insn insns[INSNS];
    uint32_t count, callback; /* index of the callback's reference, 0: none */
};

static void put(struct program *p, unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
    p->insns[p->count++] = insn_make(code, dst, src, off, imm);
}

static void put_wide(struct program *p, unsigned dst, unsigned src, int32_t low, int32_t high)
{
    put(p, LDDW, dst, src, 0, low);
    put(p, 0, 0, 0, 0, high);
}

static void put_stack(struct program *p, unsigned dst, int32_t offset)
{
    put(p, MOV_REG, dst, 10, 0, 0);
    put(p, ADD, dst, 0, 0, offset);
}

static void leave_if_null(struct program *p, unsigned reg, int32_t returns)
{
    put(p, JNE, reg, 0, 2, 0);
    put(p, MOV, 0, 0, 0, returns);
    put(p, EXIT, 0, 0, 0, 0);
}

static bool named(const struct helper_proto *proto, const char *name)
{
    return !strcmp(proto->name, name);
}

static bool has(const struct helper_proto *proto, enum arg_kind kind)
{
    for (unsigned i = 0; i < HELPER_ARGS; i++)
        if (proto->args[i] == kind)
            return true;
    return false;
}

/* A field of the context that is a socket; NULL where there is none. */
static const struct context_field *socket_field(const struct subject *subject)
{
    const struct context_layout *layout =
        contract_context(contract_program(PERSONALITY_LINUX, subject->type), PERSONALITY_LINUX, subject->attach);

    for (uint32_t i = 0; i < layout->field_count; i++)
        switch (layout->fields[i].kind) {
        case FIELD_SOCKET:
        case FIELD_SOCKET_OR_NULL:
        case FIELD_SOCK_COMMON_OR_NULL: return &layout->fields[i];
        default: break;
        }
    return NULL;
}

/* The packet's two fields; NULL where there is none. */
static const struct context_field *packet_field(const struct subject *subject)
{
    const struct context_layout *layout =
        contract_context(contract_program(PERSONALITY_LINUX, subject->type), PERSONALITY_LINUX, subject->attach);

    return layout->field_count > 1 && layout->fields[0].kind == FIELD_PACKET ? layout->fields : NULL;
}

enum { BUFFER = -ROOM, DYNPTR = -ROOM - 16, NEW_DYNPTR = -ROOM - 32 };

static void look_up(struct program *p, int map, unsigned into, int32_t returns)
{
    put_wide(p, 1, MAP_FD, map, 0);
    put_stack(p, 2, BUFFER);
    put(p, CALL, 0, 0, 0, 1);
    leave_if_null(p, 0, returns);
    put(p, MOV_REG, into, 0, 0, 0);
}

/* r6 the context, 64 zeroed bytes of stack, r7 what an argument that must be made first is; then r1 to r5 forgotten. */
static bool prologue(struct program *p, const struct subject *subject, const struct helper_proto *proto,
                     const struct variant *variant)
{
    int32_t returns = subject->returns;

    put(p, MOV_REG, 6, 1, 0, 0);
    if (variant->change == PACKET) {
        const struct context_field *data = packet_field(subject);

        put(p, data[0].size == 8 ? 0x79 : 0x61, 9, 6, data[0].offset, 0);
        put(p, data[1].size == 8 ? 0x79 : 0x61, 1, 6, data[1].offset, 0);
        put(p, MOV_REG, 2, 9, 0, 0);
        put(p, ADD, 2, 0, 0, 1);
        put(p, JLE_REG, 2, 1, 2, 0);
        put(p, MOV, 0, 0, 0, returns);
        put(p, EXIT, 0, 0, 0, 0);
    }
    for (int32_t at = BUFFER; at < 0; at += 8)
        put(p, STORE8, 10, 0, at, 0);
    if (has(proto, ARG_SOCK_COMMON) || has(proto, ARG_SOCK_COMMON_OR_NULL)) {
        const struct context_field *field = socket_field(subject);

        if (proto->flags & HELPER_RELEASES) {
            put(p, MOV_REG, 1, 6, 0, 0);
            put_stack(p, 2, BUFFER);
            put(p, MOV, 3, 0, 0, 12);
            put(p, MOV, 4, 0, 0, -1);
            put(p, MOV, 5, 0, 0, 0);
            put(p, CALL, 0, 0, 0, 84);
            leave_if_null(p, 0, returns);
            put(p, MOV_REG, 7, 0, 0, 0);
        } else if (field) {
            put(p, 0x79, 7, 6, field->offset, 0);
            leave_if_null(p, 7, returns);
        } else {
            return false;
        }
    }
    if (has(proto, ARG_BTF_ID) || has(proto, ARG_BTF_ID_OR_NULL)) {
        static const char *const tasks[] = {"get_task_stack",   "task_pt_regs",        "find_vma",
                                            "task_storage_get", "task_storage_delete", "copy_from_user_task"};
        bool task = false;

        for (unsigned i = 0; i < sizeof tasks / sizeof *tasks; i++)
            task |= named(proto, tasks[i]);
        if (!task)
            return false;
        put(p, CALL, 0, 0, 0, 158);
        put(p, MOV_REG, 7, 0, 0, 0);
    }
    if (has(proto, ARG_RECORD)) {
        put_wide(p, 1, MAP_FD, kinds[27], 0);
        put(p, MOV, 2, 0, 0, 16);
        put(p, MOV, 3, 0, 0, 0);
        put(p, CALL, 0, 0, 0, 131);
        leave_if_null(p, 0, returns);
        put(p, MOV_REG, 7, 0, 0, 0);
    }
    if (has(proto, ARG_DYNPTR)) {
        if (named(proto, "ringbuf_submit_dynptr") || named(proto, "ringbuf_discard_dynptr")) {
            put_wide(p, 1, MAP_FD, kinds[27], 0);
            put(p, MOV, 2, 0, 0, 16);
            put(p, MOV, 3, 0, 0, 0);
            put_stack(p, 4, DYNPTR);
            put(p, CALL, 0, 0, 0, 198);
        } else {
            put_wide(p, 1, MAP_VALUE, scratch, 0);
            put(p, MOV, 2, 0, 0, 32);
            put(p, MOV, 3, 0, 0, 0);
            put_stack(p, 4, DYNPTR);
            put(p, CALL, 0, 0, 0, 197);
        }
    }
    if (has(proto, ARG_SPIN_LOCK)) {
        look_up(p, locks, 7, returns);
        if (named(proto, "spin_unlock")) {
            put(p, MOV_REG, 1, 7, 0, 0);
            put(p, CALL, 0, 0, 0, 93);
        }
    }
    if (has(proto, ARG_TIMER))
        look_up(p, timers, 7, returns);
    if (has(proto, ARG_KPTR))
        return false;
    if (!named(proto,
               "spin_unlock")) /* with a lock held, nothing may be called: r1 to r5 are forgotten there as well */
        put(p, CALL, 0, 0, 0, 7);
    return true;
}

static int map_for(const struct helper_proto *proto)
{
    if (named(proto, "timer_init"))
        return timers;
    if (!proto->map_kinds)
        return kinds[1];
    for (uint32_t kind = 1; kind < KINDS; kind++)
        if (proto->map_kinds >> kind & 1 && kinds[kind] >= 0)
            return kinds[kind];
    return -1;
}

static uint32_t needed(const struct helper_proto *proto, unsigned i)
{
    switch (proto->args[i]) {
    case ARG_FIXED_MEM:
    case ARG_FIXED_MEM_UNINIT: return proto->fixed_size[i];
    case ARG_LONG: return 8;
    case ARG_INT:
    case ARG_MAP_KEY: return 4;
    case ARG_MAP_VALUE:
    case ARG_MAP_VALUE_UNINIT: return 8;
    default: return 16;
    }
}

static bool argument(struct program *p, const struct helper_proto *proto, unsigned i, const struct variant *variant)
{
    enum arg_kind kind = proto->args[i];
    unsigned reg = i + 1;
    bool here = variant->argument == i;
    int map;

    if (variant->change == NOTHING && i == variant->argument + 1 && (kind == ARG_SIZE || kind == ARG_SIZE_OR_ZERO)) {
        put(p, MOV, reg, 0, 0, 0);
        return true;
    }
    if (here)
        switch (variant->change) {
        case LEFT_OUT: return true;
        case NUMBER: put(p, MOV, reg, 0, 0, 4660); return true;
        case NOTHING:
        case EMPTY: put(p, MOV, reg, 0, 0, 0); return true;
        case READ_ONLY: put_wide(p, reg, MAP_VALUE, frozen, 0); return true;
        case SHORT: put_stack(p, reg, 1 - (int32_t)needed(proto, i)); return true;
        case POINTER: put(p, MOV_REG, reg, 10, 0, 0); return true;
        default: break;
        }
    switch (kind) {
    case ARG_ANYTHING:
    case ARG_SCALAR:
        put(p, MOV, reg, 0, 0, named(proto, "loop") || named(proto, "ringbuf_reserve_dynptr") ? 1 : 0);
        return true;
    case ARG_CONST_MAP:
        map = here && variant->change == OTHER_KIND ? kinds[variant->with] : map_for(proto);
        if (map < 0)
            return false;
        put_wide(p, reg, MAP_FD, map, 0);
        return true;
    case ARG_CONTEXT:
    case ARG_CONTEXT_OR_NULL: put(p, MOV_REG, reg, 6, 0, 0); return true;
    case ARG_MEM_UNINIT:
        if (named(proto, "dynptr_from_mem")) { /* not of the stack */
            put_wide(p, reg, MAP_VALUE, scratch, 0);
            return true;
        }
        put_stack(p, reg, BUFFER);
        return true;
    case ARG_MEM:
    case ARG_MEM_OR_NULL:
    case ARG_MEM_UNINIT_OR_NULL:
    case ARG_MAP_KEY:
    case ARG_MAP_VALUE:
    case ARG_MAP_VALUE_UNINIT:
    case ARG_FIXED_MEM:
    case ARG_FIXED_MEM_UNINIT:
    case ARG_LONG:
    case ARG_INT: put_stack(p, reg, BUFFER); return true;
    case ARG_SIZE:
    case ARG_SIZE_OR_ZERO: put(p, MOV, reg, 0, 0, 16); return true;
    case ARG_CONST_SIZE_OR_ZERO: put(p, MOV, reg, 0, 0, 16); return true;
    case ARG_CONST_STR: put_wide(p, reg, MAP_VALUE, frozen, 0); return true;
    case ARG_CALLBACK:
        p->callback = p->count;
        put_wide(p, reg, FUNC, 0, 0);
        return true;
    case ARG_STACK_OR_NULL:
    case ARG_MAP_VALUE_OR_NULL: put(p, MOV, reg, 0, 0, 0); return true;
    case ARG_RECORD:
    case ARG_SOCK_COMMON:
    case ARG_SOCK_COMMON_OR_NULL:
    case ARG_BTF_ID:
    case ARG_BTF_ID_OR_NULL:
    case ARG_SPIN_LOCK:
    case ARG_TIMER: put(p, MOV_REG, reg, 7, 0, 0); return true;
    case ARG_DYNPTR: put_stack(p, reg, DYNPTR); return true;
    case ARG_DYNPTR_UNINIT: put_stack(p, reg, NEW_DYNPTR); return true;
    case ARG_VARIADIC: return true;
    default: return false;
    }
}

/* After the call: the result put to use, what was taken given back. */
static void epilogue(struct program *p, const struct subject *subject, const struct helper_proto *proto, enum use use)
{
    if (proto->flags & HELPER_ACQUIRES) {
        leave_if_null(p, 0, subject->returns);
        put(p, MOV_REG, 8, 0, 0, 0);
        if (use == ASKED_SOCK || use == ASKED_TCP)
            put(p, use == ASKED_SOCK ? 0x61 : 0x79, 1, 0, use == ASKED_SOCK ? 8 : 80, 0);
        put(p, MOV_REG, 1, 8, 0, 0);
        put(p, CALL, 0, 0, 0, 86);
    } else if (proto->ret == RET_RECORD_OR_NULL) {
        leave_if_null(p, 0, subject->returns);
        put(p, MOV_REG, 1, 0, 0, 0);
        put(p, MOV, 2, 0, 0, 0);
        put(p, CALL, 0, 0, 0, 133);
    } else {
        switch (use) {
        case ADDED: put(p, ADD, 0, 0, 0, 0); break;
        case LOADED: put(p, 0x71, 1, 0, 0, 0); break;
        case ASKED_LOADED:
            leave_if_null(p, 0, subject->returns);
            put(p, 0x71, 1, 0, 0, 0);
            break;
        case ASKED_SOCK: /* type, of full sockets alone */
            leave_if_null(p, 0, subject->returns);
            put(p, 0x61, 1, 0, 8, 0);
            break;
        case ASKED_TCP: /* bytes_received */
            leave_if_null(p, 0, subject->returns);
            put(p, 0x79, 1, 0, 80, 0);
            break;
        default: break;
        }
    }
    if (named(proto, "spin_lock")) {
        put(p, MOV_REG, 1, 7, 0, 0);
        put(p, CALL, 0, 0, 0, 94);
    }
    if (named(proto, "ringbuf_reserve_dynptr")) {
        put_stack(p, 1, NEW_DYNPTR);
        put(p, MOV, 2, 0, 0, 0);
        put(p, CALL, 0, 0, 0, 200);
    }
    put(p, MOV, 0, 0, 0, subject->returns);
    put(p, EXIT, 0, 0, 0, 0);
}

static bool build(struct program *p, const struct subject *subject, const struct helper_proto *proto,
                  const struct variant *variant)
{
    p->count = p->callback = 0;
    if (!prologue(p, subject, proto, variant))
        return false;
    for (unsigned i = 0; i < HELPER_ARGS && proto->args[i] != ARG_NONE; i++)
        if (!argument(p, proto, i, variant))
            return false;
    put(p, CALL, 0, 0, 0, proto->id[PERSONALITY_LINUX]);
    if (variant->change == PACKET)
        put(p, 0x71, 2, 9, 0, 0);
    epilogue(p, subject, proto, variant->change == USED_AS ? variant->with : UNUSED);
    if (p->callback) {
        p->insns[p->callback].imm = (int32_t)(p->count - p->callback - 1);
        put(p, MOV, 0, 0, 0, 0);
        put(p, EXIT, 0, 0, 0, 0);
    }
    CHECK(p->count <= INSNS);
    return true;
}

static bool accepts(const struct subject *subject, const struct program *p)
{
    struct {
        uint32_t insn, type;
    } funcs[] = {{0, BTF_MAIN}, {p->count - 2, BTF_CALLBACK}};
    struct kernel_load load = {.type = subject->type,
                               .insn_count = p->count,
                               .insns = (uintptr_t)p->insns,
                               .license = (uintptr_t) "GPL",
                               .log_level = 1,
                               .log_size = sizeof kernel_log,
                               .log = (uintptr_t)kernel_log,
                               .flags = subject->flags,
                               .attach_type = subject->attach,
                               .attach_btf_id = subject->btf_id};
    int fd;

    if (p->callback) {
        load.btf_fd = (uint32_t)btf_fd;
        load.func_info_size = sizeof funcs[0];
        load.func_info = (uintptr_t)funcs;
        load.func_info_count = 2;
    }
    kernel_log[0] = 0;
    fd = kernel_bpf(COMMAND_PROG_LOAD, &load, sizeof load);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* ---- what the row says of a change ---- */

enum verdict { REFUSED, ACCEPTED, UNKNOWN };

static bool is_memory(enum arg_kind kind)
{
    switch (kind) {
    case ARG_MEM:
    case ARG_MEM_OR_NULL:
    case ARG_MEM_UNINIT:
    case ARG_MEM_UNINIT_OR_NULL:
    case ARG_MAP_KEY:
    case ARG_MAP_VALUE:
    case ARG_MAP_VALUE_UNINIT:
    case ARG_FIXED_MEM:
    case ARG_FIXED_MEM_UNINIT:
    case ARG_LONG:
    case ARG_INT: return true;
    default: return false;
    }
}

static bool is_written(enum arg_kind kind)
{
    return kind == ARG_MEM_UNINIT || kind == ARG_MEM_UNINIT_OR_NULL || kind == ARG_MAP_VALUE_UNINIT ||
           kind == ARG_FIXED_MEM_UNINIT || kind == ARG_LONG || kind == ARG_INT;
}

static bool is_nullable(enum arg_kind kind)
{
    return kind == ARG_MEM_OR_NULL || kind == ARG_MEM_UNINIT_OR_NULL || kind == ARG_CONTEXT_OR_NULL ||
           kind == ARG_STACK_OR_NULL || kind == ARG_MAP_VALUE_OR_NULL || kind == ARG_SOCK_COMMON_OR_NULL ||
           kind == ARG_BTF_ID_OR_NULL;
}

static bool is_number(enum arg_kind kind)
{
    return kind == ARG_ANYTHING || kind == ARG_SCALAR || kind == ARG_SIZE || kind == ARG_SIZE_OR_ZERO ||
           kind == ARG_CONST_SIZE_OR_ZERO || kind == ARG_VARIADIC;
}

static enum verdict expect(const struct helper_proto *proto, const struct variant *variant)
{
    enum arg_kind kind = variant->argument < HELPER_ARGS ? proto->args[variant->argument] : ARG_NONE;

    switch (variant->change) {
    case AS_IT_IS: return ACCEPTED;
    case LEFT_OUT: return kind == ARG_VARIADIC ? ACCEPTED : REFUSED;
    case NUMBER: return is_number(kind) ? UNKNOWN : REFUSED;
    case NOTHING:
        if (is_number(kind))
            return UNKNOWN;
        if (is_nullable(kind)) /* a size behind it that may not be 0 */
            return (kind == ARG_MEM_OR_NULL || kind == ARG_MEM_UNINIT_OR_NULL) &&
                           proto->args[variant->argument + 1] == ARG_SIZE
                       ? REFUSED
                       : ACCEPTED;
        return REFUSED;
    case READ_ONLY: return !is_memory(kind) ? UNKNOWN : is_written(kind) ? REFUSED : ACCEPTED;
    case EMPTY:
        return kind == ARG_SIZE                                             ? REFUSED
               : kind == ARG_SIZE_OR_ZERO || kind == ARG_CONST_SIZE_OR_ZERO ? ACCEPTED
                                                                            : UNKNOWN;
    case SHORT: return is_memory(kind) ? REFUSED : UNKNOWN;
    case POINTER: return kind == ARG_ANYTHING ? ACCEPTED : kind == ARG_SCALAR ? REFUSED : UNKNOWN;
    case OTHER_KIND:
        if (kind != ARG_CONST_MAP || kinds[variant->with] < 0)
            return UNKNOWN;
        if (named(proto, "timer_init") || /* wants the timer's own map */
            (named(proto, "map_lookup_elem") && (variant->with == 15 || variant->with == 18))) /* gives a socket */
            return UNKNOWN;
        return !proto->map_kinds || proto->map_kinds >> variant->with & 1 ? ACCEPTED : REFUSED;
    case PACKET:
        if (proto->ret == RET_NEVER) /* there what is called may change it and return here; here it does not return */
            return UNKNOWN;
        return proto->flags & HELPER_CHANGES_PACKET ? REFUSED : ACCEPTED;
    case USED_AS:
        if (proto->flags & HELPER_ACQUIRES)
            return variant->with == ASKED_SOCK  ? proto->ret == RET_SOCKET_OR_NULL ? ACCEPTED : REFUSED
                   : variant->with == ASKED_TCP ? REFUSED
                                                : UNKNOWN;
        switch (proto->ret) {
        case RET_VOID: return variant->with == UNUSED ? ACCEPTED : REFUSED;
        case RET_INTEGER: return variant->with <= ADDED ? ACCEPTED : REFUSED;
        case RET_MAP_VALUE: return variant->with == LOADED ? ACCEPTED : UNKNOWN;
        case RET_MAP_VALUE_OR_NULL:
            return variant->with == LOADED || variant->with == ADDED ? REFUSED
                   : variant->with == ASKED_LOADED                   ? ACCEPTED
                                                                     : UNKNOWN;
        case RET_MEM_OR_NULL:
        case RET_DYNPTR_MEM_OR_NULL:
            return variant->with == LOADED ? REFUSED : variant->with == ASKED_LOADED ? ACCEPTED : UNKNOWN;
        case RET_SOCKET_OR_NULL:
            return variant->with == ASKED_SOCK ? ACCEPTED : variant->with == ASKED_TCP ? REFUSED : UNKNOWN;
        case RET_SOCK_COMMON_OR_NULL: return variant->with == ASKED_SOCK ? REFUSED : UNKNOWN;
        case RET_TCP_SOCK_OR_NULL:
            return variant->with == ASKED_TCP ? ACCEPTED : variant->with == LOADED ? REFUSED : UNKNOWN;
        case RET_BTF_ID: return variant->with == LOADED ? ACCEPTED : UNKNOWN;
        case RET_BTF_ID_OR_NULL:
            return variant->with == ASKED_LOADED ? ACCEPTED : variant->with == LOADED ? REFUSED : UNKNOWN;
        default: return UNKNOWN;
        }
    }
    return UNKNOWN;
}

/* ---- the walk ---- */

static struct subject subjects[SUBJECTS];
static uint32_t subject_count, judged, packets, asked;

static bool judge(const struct subject *subject, const struct helper_proto *proto, const struct variant *variant)
{
    static const char *const changes[] = {"as it is", "left out",  "a number",  "NULL", "read-only",       "empty",
                                          "short",    "a pointer", "other map", "used", "keeps the packet"};
    enum verdict verdict = expect(proto, variant);
    struct program program;
    bool kernel;
    char *line;

    if (verdict == UNKNOWN || !build(&program, subject, proto, variant))
        return true;
    kernel = accepts(subject, &program);
    asked++;
    if (kernel == (verdict == ACCEPTED))
        return true;
    line = strstr(kernel_log, "\nprocessed");
    if (line)
        *line = 0;
    line = strrchr(kernel_log, '\n');
    printf("%s for %s, argument %u %s (%u): the kernel says %s%s\n", proto->name,
           contract_program_type_name(PERSONALITY_LINUX, subject->type), variant->argument + 1,
           changes[variant->change], variant->with, kernel ? "yes" : "no", !kernel && line ? line : "");
    check_failures++;
    return false;
}

/* false if this way to load lacks the helper. */
static bool judge_packet(const struct subject *subject, const struct helper_proto *proto)
{
    struct program program;

    if (!build(&program, subject, proto, &(struct variant){AS_IT_IS, HELPER_ARGS, 0}) || !accepts(subject, &program))
        return false;
    packets++;
    judge(subject, proto, &(struct variant){PACKET, HELPER_ARGS, 0});
    return true;
}

static void judge_helper(const struct subject *subject, const struct helper_proto *proto)
{
    if (!judge(subject, proto, &(struct variant){AS_IT_IS, HELPER_ARGS, 0}))
        return;
    judged++;
    for (unsigned i = 0; i < HELPER_ARGS && proto->args[i] != ARG_NONE; i++) {
        for (enum change change = LEFT_OUT; change <= POINTER; change++)
            judge(subject, proto, &(struct variant){change, i, 0});
        for (unsigned kind = 1; kind < KINDS; kind++)
            judge(subject, proto, &(struct variant){OTHER_KIND, i, kind});
    }
    for (unsigned use = ADDED; use < USES; use++)
        judge(subject, proto, &(struct variant){USED_AS, HELPER_ARGS, use});
    for (uint32_t i = 0; i < subject_count; i++)
        if (packet_field(&subjects[i]) &&
            contract_helper_proto(PERSONALITY_LINUX, subjects[i].type, proto->id[PERSONALITY_LINUX]) == proto) {
            renew_maps();
            if (judge_packet(&subjects[i], proto))
                break;
        }
}

/* May programs of this type call it at all? */
static void judge_caller(const struct subject *subject, const struct helper_proto *proto)
{
    struct program program;
    bool table = contract_helper_proto(PERSONALITY_LINUX, subject->type, proto->id[PERSONALITY_LINUX]) != NULL;

    REQUIRE(build(&program, subject, proto, &(struct variant){AS_IT_IS, HELPER_ARGS, 0}));
    asked++;
    if (accepts(subject, &program) == table)
        return;
    printf("%s calls %s: the table says %s, the kernel %s\n",
           contract_program_type_name(PERSONALITY_LINUX, subject->type), proto->name, table ? "yes" : "no", kernel_log);
    check_failures++;
}

TEST(prototypes)
{
    const struct helper_proto *seen[300];
    bool uncalled[212] = {false};
    uint32_t count = 0, all = 0;
    const char *why;

    if (!kernel_ready(&why))
        SKIP(why);
    all = kernel_subjects(subjects);
    for (uint32_t i = 0; i < all; i++)
        if (kernel_has(&subjects[i]))
            subjects[subject_count++] = subjects[i];
    create_maps();
    if (check_failures)
        return;
    all = 0;
    for (int32_t id = 1; id <= 211; id++) {
        uint32_t before = count;
        bool done = false, failed;

        for (uint32_t i = 0; i < subject_count; i++) {
            const struct helper_proto *proto = contract_helper_proto(PERSONALITY_LINUX, subjects[i].type, id);
            struct program program;
            bool known = !proto;

            for (uint32_t s = before; s < count; s++)
                known |= seen[s] == proto;
            if (known || !build(&program, &subjects[i], proto, &(struct variant){AS_IT_IS, HELPER_ARGS, 0}))
                continue;
            renew_maps();
            REQUIRE(build(&program, &subjects[i], proto, &(struct variant){AS_IT_IS, HELPER_ARGS, 0}));
            failed = !accepts(&subjects[i], &program);
            if (failed && (strstr(kernel_log, "cannot use helper") || strstr(kernel_log, "might sleep")))
                continue; /* this way to load lacks it, another may have it */
            for (uint32_t s = 0; s < subject_count; s++)
                if (has(proto, ARG_SPIN_LOCK) || has(proto, ARG_TIMER))
                    judge_caller(&subjects[s], proto);
            seen[count++] = proto;
            judge_helper(&subjects[i], proto);
            done = true;
        }
        uncalled[id] = !done;
        all += done;
    }
    printf("prototypes: %u of 211 helpers called, %u rows, %u with a packet, %u programs; not", all, judged, packets,
           asked);
    for (int32_t id = 1; id <= 211; id++)
        if (uncalled[id])
            printf(" %s", contract_helper_name(PERSONALITY_LINUX, id));
    printf("\n");
    CHECK(all >= 180 && packets > 120 && asked > 4000);
}

TEST_MAIN
