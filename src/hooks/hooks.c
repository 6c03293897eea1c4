/* SPDX-License-Identifier: MIT
 *
 * The table of hooks.
 */
#include "hooks/hooks.h"
#include "hooks/xdp.h"

const struct hook_ops *const hook_table[] = {&hook_xdp, &hook_bind, NULL};

enum { LINUX_PROG_TYPE_XDP = 6 };

const struct hook_helpers hook_helper_families[] = {
    {xdp_helpers, 1ull << LINUX_PROG_TYPE_XDP},
    {NULL, 0},
};
