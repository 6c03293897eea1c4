/* SPDX-License-Identifier: MIT
 *
 * Each kind of CO-RE relocation, as a constant returned by a program of its own.  core_target.c is the other layout.
 */
#include "bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct deep {
    u32 x, y;
};

struct sock___local {
    u32 first;
    u32 moved;
    u32 gone;
    u16 narrow;
    struct deep nested[4];
    union {
        u32 in_union;
        u64 other;
    };
    u32 bits : 5;
    int signed_bits : 7;
};

struct missing_type {
    u32 x;
};

#pragma clang attribute pop

enum color___local { RED = 1, GREEN = 2, PURPLE = 9 };
typedef u32 handle_t;

#define PROGRAM(name, value)                                                                                           \
    SEC("xdp/" #name) int name(struct sock___local *s)                                                                 \
    {                                                                                                                  \
        return (int)(value);                                                                                           \
    }
#define FIELD(field, kind)      __builtin_preserve_field_info(s->field, kind)
#define TYPE(type, kind)        __builtin_preserve_type_info(*(type *)0, kind)
#define ENUM(type, value, kind) __builtin_preserve_enum_value(*(type *)value, kind)

PROGRAM(load_moved, s->moved)
PROGRAM(load_narrow, s->narrow)
PROGRAM(load_nested, s->nested[2].y)
PROGRAM(load_union, s->in_union)
PROGRAM(load_gone, s->gone)
PROGRAM(offset_moved, FIELD(moved, 0))
PROGRAM(size_narrow, FIELD(narrow, 1))
PROGRAM(exists_moved, FIELD(moved, 2))
PROGRAM(exists_gone, FIELD(gone, 2))
PROGRAM(signed_bits, FIELD(signed_bits, 3))
PROGRAM(lshift_bits, FIELD(bits, 4))
PROGRAM(rshift_bits, FIELD(bits, 5))
PROGRAM(type_local, __builtin_btf_type_id(*(struct sock___local *)0, 0))
PROGRAM(type_target, __builtin_btf_type_id(*(struct sock___local *)0, 1))
PROGRAM(type_exists, TYPE(struct sock___local, 0))
PROGRAM(type_missing, TYPE(struct missing_type, 0))
PROGRAM(type_size, TYPE(struct sock___local, 1))
PROGRAM(typedef_exists, TYPE(handle_t, 0))
#if __clang_major__ >= 16
PROGRAM(deep_matches, TYPE(struct deep, 2))
PROGRAM(sock_matches, TYPE(struct sock___local, 2))
#endif

SEC("xdp/enum_value") int enum_value(void *ctx)
{
    return (int)__builtin_preserve_enum_value(*(enum color___local *)GREEN, 1);
}

SEC("xdp/enum_exists") int enum_exists(void *ctx)
{
    return (int)__builtin_preserve_enum_value(*(enum color___local *)PURPLE, 0);
}

char license_text[] SEC("license") = "GPL";
