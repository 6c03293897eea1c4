/* SPDX-License-Identifier: MIT
 *
 * BTF: the type information that compilers put beside BPF code.  btf_open() is the hostile check; every other
 * function takes only what it accepted and cannot fail on shape.  Types are numbered from 1; id 0 is void.
 * Source: Linux Documentation/bpf/btf.rst.
 */
#ifndef WINBPF_BTF_BTF_H
#define WINBPF_BTF_BTF_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/result.h"

enum btf_kind {
    BTF_KIND_VOID,
    BTF_KIND_INT,
    BTF_KIND_PTR,
    BTF_KIND_ARRAY,
    BTF_KIND_STRUCT,
    BTF_KIND_UNION,
    BTF_KIND_ENUM,
    BTF_KIND_FWD,
    BTF_KIND_TYPEDEF,
    BTF_KIND_VOLATILE,
    BTF_KIND_CONST,
    BTF_KIND_RESTRICT,
    BTF_KIND_FUNC,
    BTF_KIND_FUNC_PROTO,
    BTF_KIND_VAR,
    BTF_KIND_DATASEC,
    BTF_KIND_FLOAT,
    BTF_KIND_DECL_TAG,
    BTF_KIND_TYPE_TAG,
    BTF_KIND_ENUM64,
    BTF_KINDS
};

enum { BTF_MAX_TYPES = 1 << 20, BTF_MAX_SIZE = 64 << 20 };

struct btf;

/* Where a BTF header says its two sections are; both inside the bytes. */
struct btf_layout {
    struct bytes types, strings;
};

/* The header alone: magic, version, and two sections that lie inside `bytes`, strings closed by a NUL.  True, or false
 * with a static text in *reason. */
bool btf_layout(struct bytes bytes, struct btf_layout *out, const char **reason);

/* A type's fixed part, unpacked. */
struct btf_type_view {
    enum btf_kind kind;
    const char *name; /* "" for none */
    uint32_t vlen;
    bool kind_flag;
    uint32_t size_or_type; /* size (INT, STRUCT, UNION, ENUM, ENUM64, FLOAT, DATASEC) or the type it refers to */
    const uint8_t *extra;  /* kind-specific data: vlen members, params, … in stored form */
};

struct btf_member_view {
    const char *name;
    uint32_t type;
    uint32_t bit_offset;
    uint32_t bit_size; /* 0: not a bit field */
};

struct btf_var_view { /* a DATASEC's entry */
    uint32_t type;    /* VAR */
    uint32_t offset, size;
};

struct btf_array_view {
    uint32_t type, index_type, count;
};

/* Reads .BTF bytes (kept by reference: `bytes` must outlive it).  RESULT_INVALID with one line in `diag`. Checks:
 * magic, version, section ranges, every string offset, kind, vlen, size, referenced id, no cycle through typedefs,
 * modifiers, arrays and by-value members, nesting at most 64, member offsets inside their struct, INT encodings, names
 * where the format wants them.  A DATASEC may have size 0 and section-relative zero offsets (before the loader fills it
 * in). */
enum result btf_open(struct bytes bytes, struct arena *arena, const struct diag *diag, struct btf **out);

uint32_t btf_type_count(const struct btf *btf); /* ids 1 … count - 1 are valid; 0 is void */
struct bytes btf_bytes(const struct btf *btf);
struct bytes btf_strings(const struct btf *btf);
const char *btf_string(const struct btf *btf, uint32_t offset); /* NULL outside the string section */

/* `id` must be < btf_type_count(). */
struct btf_type_view btf_type(const struct btf *btf, uint32_t id);
struct btf_member_view btf_member(const struct btf *btf, uint32_t struct_id, uint32_t index);
struct btf_var_view btf_datasec_var(const struct btf *btf, uint32_t datasec_id, uint32_t index);
struct btf_array_view btf_array_type(const struct btf *btf, uint32_t array_id);

/* Enumerator `index` of an ENUM or ENUM64: its name and its value, sign-extended where the type is signed. */
const char *btf_enumerator(const struct btf *btf, uint32_t enum_id, uint32_t index, int64_t *value);

/* Is this INT or enumeration signed? */
bool btf_is_signed(const struct btf *btf, uint32_t id);

/* Byte offset of a type's record in btf_bytes(): its entries follow the first 12 bytes. */
uint32_t btf_type_offset(const struct btf *btf, uint32_t id);

/* First id ≥ 1 with this kind and name; 0 for none. */
uint32_t btf_find(const struct btf *btf, enum btf_kind kind, const char *name);

/* The ids > `after` whose name, without a ___flavor, is the first `length` characters of `name`, smallest first; 0
 * after the last. */
uint32_t btf_find_essential(const struct btf *btf, const char *name, size_t length, uint32_t after);

/* Length of a name without its flavor: "sock___old" counts as "sock". */
size_t btf_essential_length(const char *name);

/* Typedefs, const, volatile, restrict and type tags taken off. */
uint32_t btf_skip_modifiers(const struct btf *btf, uint32_t id);

/* Bytes of a type; RESULT_INVALID for one without a size (void, func, fwd), RESULT_TOO_BIG past 4 GiB. */
enum result btf_sizeof(const struct btf *btf, uint32_t id, uint32_t *size);

/* .BTF.ext, for one ELF section: records in instruction-offset order, offsets in bytes from the section's start. */
struct btf_func_record {
    uint32_t insn_offset, type;
};
struct btf_line_record {
    uint32_t insn_offset, file, text, line, column;
};
struct btf_core_record {
    uint32_t insn_offset, type, access, kind; /* access: string offset; kind: enum bpf_core_relo_kind */
};

struct btf_ext;

/* Reads .BTF.ext against its .BTF; the same promises as btf_open(). */
enum result btf_ext_open(struct bytes bytes, const struct btf *btf, struct arena *arena, const struct diag *diag,
                         struct btf_ext **out);
/* Records of the ELF section `section`; *records in the arena of btf_ext_open, *count 0 for none. */
void btf_ext_funcs(const struct btf_ext *ext, const char *section, const struct btf_func_record **records,
                   uint32_t *count);
void btf_ext_lines(const struct btf_ext *ext, const char *section, const struct btf_line_record **records,
                   uint32_t *count);
void btf_ext_cores(const struct btf_ext *ext, const char *section, const struct btf_core_record **records,
                   uint32_t *count);

/* enum bpf_core_relo_kind. */
enum btf_core_kind {
    BTF_CORE_FIELD_OFFSET,
    BTF_CORE_FIELD_SIZE,
    BTF_CORE_FIELD_EXISTS,
    BTF_CORE_FIELD_SIGNED,
    BTF_CORE_FIELD_LSHIFT,
    BTF_CORE_FIELD_RSHIFT,
    BTF_CORE_TYPE_LOCAL,
    BTF_CORE_TYPE_TARGET,
    BTF_CORE_TYPE_EXISTS,
    BTF_CORE_TYPE_SIZE,
    BTF_CORE_ENUM_EXISTS,
    BTF_CORE_ENUM_VALUE,
    BTF_CORE_TYPE_MATCHES,
    BTF_CORE_KINDS
};

/* One CO-RE relocation (Linux Documentation/bpf/llvm_reloc.rst, "CO-RE Relocations"): what the instruction's constant
 * must become for the types of `target`.  *value is the new constant; *exists false when the target lacks the type or
 * field (then the instruction is poisoned unless the kind asks about existence). */
struct btf_core_result {
    uint64_t local, value; /* the constant for the local types, for the target's */
    bool exists;           /* the target has it */
    bool check_local;      /* the instruction must hold `local` before it is patched (not so for bit fields) */
    uint32_t field_size;   /* new size in bytes of the accessed field (FIELD_BYTE_OFFSET), 0 unchanged */
    bool resizable; /* the field is an unsigned integer or a pointer on both sides: a load may change its width */
};
/* `target` NULL: the local types are the target. */
enum result btf_core_resolve(const struct btf *local, const struct btf_core_record *record, const struct btf *target,
                             struct arena *arena, const struct diag *diag, struct btf_core_result *out);

#endif
