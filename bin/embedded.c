/* SPDX-License-Identifier: MIT
 *
 * The library as an entry point: the whole system inside the process that links it.  Programs are verified and run as
 * machine code.  An administrator who sets WINBPF_UNSAFE=1 has them run unverified, in the checked interpreter; with
 * WINBPF_JIT=0 no machine code is made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/local.h"
#include "compose.h"
#include "engine/engine.h"
#include "hooks/xdp_af_packet.h"
#include "load/load.h"
#include "platform/os.h"
#include "winbpf/winbpf.h"

static void report_fault(void *self, uint32_t ifindex, const struct code_fault *fault)
{
    api_warn("XDP program on interface %u stopped at instruction %u: %s\n", ifindex, fault->insn, fault->reason);
}

/* An administrator's switch in the environment: 0, or anything else; ignored in a program that runs with more rights
 * than its caller. */
static bool is_on(const char *name, bool otherwise)
{
    const char *value = secure_getenv(name);
    return value && *value ? strcmp(value, "0") != 0 : otherwise;
}

enum result api_start(void)
{
    struct core_options options = {
        .engine = &engine_checked, .admission = &load_admission, .executable = &os_executable};
    if (!is_on("WINBPF_JIT", true))
        options.admission = &load_admission_interp;
    if (is_on("WINBPF_UNSAFE", false)) {
        options.admission = NULL;
        api_warn("WINBPF_UNSAFE is set: programs are not verified, and run in the checked interpreter\n");
    }
    enum result result = compose_start(&options);
    if (!result) {
        xdp_af_packet_start();
        xdp_fault_listen(report_fault, NULL);
    }
    return result;
}

int winbpf_xdp_join(unsigned int ifindex_a, unsigned int ifindex_b)
{
    int result = api_ready();
    return result ? result : api_result(xdp_join(ifindex_a, ifindex_b));
}

int winbpf_xdp_leave(unsigned int ifindex_a, unsigned int ifindex_b)
{
    return api_result(xdp_leave(ifindex_a, ifindex_b));
}

int winbpf_xdp_counts(unsigned int ifindex, struct winbpf_xdp_counts *counts, uint32_t size)
{
    struct xdp_counts all;
    _Static_assert(sizeof all == sizeof *counts, "the same counters");
    enum result result = xdp_counts_read(ifindex, &all);
    if (!result) {
        memset(counts, 0, size);
        memcpy(counts, &all, size < sizeof all ? size : sizeof all);
    }
    return api_result(result);
}
