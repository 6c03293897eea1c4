/* SPDX-License-Identifier: MIT
 *
 * A helper: a function that programs call.  Its contract stands beside its body in src/helpers; the core knows helpers
 * only through registered tables.
 */
#ifndef WINBPF_CORE_HELPER_H
#define WINBPF_CORE_HELPER_H

#include "contract/contract.h"
#include "engine/engine.h"

struct helper {
    struct helper_proto proto;
    helper_fn fn;
};

/* One family, ended by a row whose proto.name is NULL.  prog_types: bit per Linux program type that may call it,
 * 0: all. */
void helper_register(const struct helper *family, uint64_t prog_types);

/* The helper of a personality's id that a program type may call, or NULL. */
const struct helper *helper_find(enum personality personality, uint32_t linux_prog_type, int32_t id);

#endif
