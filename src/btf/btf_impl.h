/* SPDX-License-Identifier: MIT
 *
 * What btf.c, btf_ext.c and core.c share: the table behind struct btf.
 */
#ifndef WINBPF_BTF_BTF_IMPL_H
#define WINBPF_BTF_BTF_IMPL_H

#include "btf/btf.h"

enum { BTF_HEADER = 24, BTF_RECORD = 12, BTF_NESTING = 64 };

/* Sizes that are none. */
enum { BTF_UNSIZED = 0xffffffffu, BTF_OVERSIZED = 0xfffffffeu };

struct btf {
    struct bytes bytes, types, strings;
    uint32_t count;    /* types, void included */
    uint32_t *offsets; /* of each type's record in `types`; [0] unused */
    uint32_t *sizes;   /* in bytes, or BTF_UNSIZED, BTF_OVERSIZED */
    uint32_t *buckets; /* first id of each name, hashed without flavor; ids ascend along `next` */
    uint32_t *next;
    uint32_t mask; /* buckets - 1 */
};

#endif
