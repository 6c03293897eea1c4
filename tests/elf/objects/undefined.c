/* SPDX-License-Identifier: MIT
 *
 * One program calls what nobody defines; the other is whole.
 */
#include "bpf.h"

int not_there(int x);
extern int weak_function(int x) __weak __ksym;
extern u32 CONFIG_STRONG __kconfig;

SEC("xdp") int good(struct xdp_md *ctx)
{
    return 2;
}

SEC("xdp/bad") int bad(struct xdp_md *ctx)
{
    return not_there((int)ctx->rx_queue_index);
}

SEC("xdp/config") int config(struct xdp_md *ctx)
{
    return (int)CONFIG_STRONG;
}

SEC("xdp/weak") int weak(struct xdp_md *ctx)
{
    return weak_function ? weak_function(1) : 2;
}

char license_text[] SEC("license") = "GPL";
