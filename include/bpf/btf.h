/* SPDX-License-Identifier: MIT
 *
 * Type information (BTF) read by applications.  Ids count from 1; 0 is void.
 */
#ifndef __LIBBPF_BTF_H
#define __LIBBPF_BTF_H

#include <stdarg.h>
#include <stdbool.h>
#include <linux/btf.h>
#include <linux/types.h>

#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BTF_ELF_SEC      ".BTF"
#define BTF_EXT_ELF_SEC  ".BTF.ext"
#define BTF_BASE_ELF_SEC ".BTF.base"
#define MAPS_ELF_SEC     ".maps"

struct btf;

/* Reads and checks .BTF bytes (copied).  NULL with errno set when they are malformed. */
LIBBPF_API struct btf *btf__new(const void *data, __u32 size);
/* NULL is nothing. */
LIBBPF_API void btf__free(struct btf *btf);
LIBBPF_API struct btf *btf__load_from_kernel_by_id(__u32 id);
/* Gives it to bpf(); btf__fd() is its descriptor afterwards. */
LIBBPF_API int btf__load_into_kernel(struct btf *btf);
LIBBPF_API int btf__fd(const struct btf *btf);
LIBBPF_API void btf__set_fd(struct btf *btf, int fd);
LIBBPF_API const void *btf__raw_data(const struct btf *btf, __u32 *size);

/* How many types, void included. */
LIBBPF_API __u32 btf__type_cnt(const struct btf *btf);
LIBBPF_API const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id);
LIBBPF_API const char *btf__name_by_offset(const struct btf *btf, __u32 offset);
LIBBPF_API const char *btf__str_by_offset(const struct btf *btf, __u32 offset);
/* The id, or -ENOENT. */
LIBBPF_API __s32 btf__find_by_name(const struct btf *btf, const char *type_name);
LIBBPF_API __s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind);
/* Bytes of a type, or -EINVAL for one without a size. */
LIBBPF_API __s64 btf__resolve_size(const struct btf *btf, __u32 type_id);
/* The id without typedefs and modifiers. */
LIBBPF_API int btf__resolve_type(const struct btf *btf, __u32 type_id);

/* A type's parts. */
static inline __u16 btf_kind(const struct btf_type *t)
{
    return BTF_INFO_KIND(t->info);
}

static inline __u32 btf_vlen(const struct btf_type *t)
{
    return BTF_INFO_VLEN(t->info);
}

static inline bool btf_kflag(const struct btf_type *t)
{
    return BTF_INFO_KFLAG(t->info);
}

#define BTF_IS(name, KIND)                                                                                             \
    static inline bool btf_is_##name(const struct btf_type *t)                                                         \
    {                                                                                                                  \
        return btf_kind(t) == KIND;                                                                                    \
    }
BTF_IS(void, BTF_KIND_UNKN)
BTF_IS(int, BTF_KIND_INT)
BTF_IS(ptr, BTF_KIND_PTR)
BTF_IS(array, BTF_KIND_ARRAY)
BTF_IS(struct, BTF_KIND_STRUCT)
BTF_IS(union, BTF_KIND_UNION)
BTF_IS(enum, BTF_KIND_ENUM)
BTF_IS(enum64, BTF_KIND_ENUM64)
BTF_IS(fwd, BTF_KIND_FWD)
BTF_IS(typedef, BTF_KIND_TYPEDEF)
BTF_IS(volatile, BTF_KIND_VOLATILE)
BTF_IS(const, BTF_KIND_CONST)
BTF_IS(restrict, BTF_KIND_RESTRICT)
BTF_IS(func, BTF_KIND_FUNC)
BTF_IS(func_proto, BTF_KIND_FUNC_PROTO)
BTF_IS(var, BTF_KIND_VAR)
BTF_IS(datasec, BTF_KIND_DATASEC)
BTF_IS(float, BTF_KIND_FLOAT)
BTF_IS(decl_tag, BTF_KIND_DECL_TAG)
BTF_IS(type_tag, BTF_KIND_TYPE_TAG)
#undef BTF_IS

static inline bool btf_is_composite(const struct btf_type *t)
{
    return btf_is_struct(t) || btf_is_union(t);
}

static inline bool btf_is_any_enum(const struct btf_type *t)
{
    return btf_is_enum(t) || btf_is_enum64(t);
}

static inline bool btf_is_mod(const struct btf_type *t)
{
    return btf_is_volatile(t) || btf_is_const(t) || btf_is_restrict(t) || btf_is_type_tag(t);
}

static inline __u8 btf_int_encoding(const struct btf_type *t)
{
    return BTF_INT_ENCODING(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_offset(const struct btf_type *t)
{
    return BTF_INT_OFFSET(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_bits(const struct btf_type *t)
{
    return BTF_INT_BITS(*(const __u32 *)(t + 1));
}

static inline struct btf_array *btf_array(const struct btf_type *t)
{
    return (struct btf_array *)(t + 1);
}

static inline struct btf_enum *btf_enum(const struct btf_type *t)
{
    return (struct btf_enum *)(t + 1);
}

static inline struct btf_enum64 *btf_enum64(const struct btf_type *t)
{
    return (struct btf_enum64 *)(t + 1);
}

static inline __u64 btf_enum64_value(const struct btf_enum64 *e)
{
    return (__u64)e->val_hi32 << 32 | e->val_lo32;
}

static inline struct btf_member *btf_members(const struct btf_type *t)
{
    return (struct btf_member *)(t + 1);
}

static inline __u32 btf_member_bit_offset(const struct btf_type *t, __u32 member_idx)
{
    const struct btf_member *m = btf_members(t) + member_idx;
    return btf_kflag(t) ? BTF_MEMBER_BIT_OFFSET(m->offset) : m->offset;
}

static inline __u32 btf_member_bitfield_size(const struct btf_type *t, __u32 member_idx)
{
    const struct btf_member *m = btf_members(t) + member_idx;
    return btf_kflag(t) ? BTF_MEMBER_BITFIELD_SIZE(m->offset) : 0;
}

static inline struct btf_param *btf_params(const struct btf_type *t)
{
    return (struct btf_param *)(t + 1);
}

static inline struct btf_var *btf_var(const struct btf_type *t)
{
    return (struct btf_var *)(t + 1);
}

static inline struct btf_var_secinfo *btf_var_secinfos(const struct btf_type *t)
{
    return (struct btf_var_secinfo *)(t + 1);
}

static inline struct btf_decl_tag *btf_decl_tag(const struct btf_type *t)
{
    return (struct btf_decl_tag *)(t + 1);
}

#ifdef __cplusplus
}
#endif

#endif
