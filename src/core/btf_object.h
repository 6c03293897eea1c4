/* SPDX-License-Identifier: MIT
 *
 * BTF that a client loaded: checked, kept, and handed back byte for byte.
 */
#ifndef WINBPF_CORE_BTF_OBJECT_H
#define WINBPF_CORE_BTF_OBJECT_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/list.h"
#include "btf/btf.h"
#include "core/epoch.h"
#include "core/object.h"

struct btf_object {
    struct object object; /* first */
    struct arena arena;   /* everything below */
    struct bytes bytes;
    struct btf *btf;
    struct epoch_entry retired;
};

/* Checks and publishes a copy of `bytes`; *out holds REF_CREATOR. */
enum result btf_object_create(struct bytes bytes, const struct diag *diag, struct btf_object **out);

#endif
