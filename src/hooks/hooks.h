/* SPDX-License-Identifier: MIT
 *
 * What this room offers, for whoever composes a system: its hooks, and the helpers that make sense only there.
 */
#ifndef WINBPF_HOOKS_HOOKS_H
#define WINBPF_HOOKS_HOOKS_H

#include <stdint.h>
#include "core/helper.h"
#include "core/hook.h"

/* Ended by a NULL pointer. */
extern const struct hook_ops *const hook_table[];

/* Helpers beside the general ones, with the program types that may call them (as helper_register() takes them).  Ended
 * by a family of NULL. */
struct hook_helpers {
    const struct helper *helpers;
    uint64_t prog_types;
};
extern const struct hook_helpers hook_helper_families[];

extern const struct hook_ops hook_xdp, hook_bind;

#endif
