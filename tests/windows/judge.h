/* SPDX-License-Identifier: MIT
 *
 * What the overlay kernel (overlay/) counts and what a test may dial, in one shared section that any process of the
 * prefix can open by name.  Only calls that come from a watched driver count: a PE image in the driver process that is
 * not one of Wine's own.
 */
#ifndef WINBPF_TESTS_JUDGE_H
#define WINBPF_TESTS_JUDGE_H

#define JUDGE_SECTION L"Global\\WinbpfJudge"
#define JUDGE_MAGIC   0x4745444aul /* "JDGE" */

struct judge {
    unsigned long magic;
    volatile long padding;
    /* The failure dial: the fail_at-th allocation from the moment it is set fails, and no other; 0: none. `allocations`
     * counts from the last time a test set it to 0. */
    volatile long long fail_at, allocations, injected;
    /* A test sets it: pages cannot be made executable, as where a hypervisor guards kernel code. */
    volatile long long refuse_executable;
    /* Alive now.  mappings: pages, mappings of them, locked lists. */
    volatile long long pool_blocks, pool_bytes, handles, references, devices, links, callbacks, threads, mappings, dpcs,
        timers, work_items;
    /* Since the process began. */
    volatile long long violations, crashes, cleanups, unloads, deepest_stack /* bytes */;
};

#endif
