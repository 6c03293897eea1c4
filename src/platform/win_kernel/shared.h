/* SPDX-License-Identifier: MIT
 *
 * A client's view of shared pages: mapped and unmapped in the client's process.
 */
#ifndef WINBPF_PLATFORM_WIN_KERNEL_SHARED_H
#define WINBPF_PLATFORM_WIN_KERNEL_SHARED_H

#include "platform/win_kernel/kernel.h"

struct shared_view {
    PMDL pages;
    PVOID address;
};

/* In the current process; `offset` and `length` count in what is seen, the data pages twice.  IRQL: <= APC_LEVEL. */
enum result shared_view_map(struct os_shared *shared, size_t offset, size_t length, bool writable,
                            struct shared_view *view);
/* In the same process, before the pages are freed. */
void shared_view_unmap(struct shared_view *view);

/* MmMapLockedPagesSpecifyCache into the current process, which raises an exception where others return NULL: this
 * returns NULL. */
PVOID kernel_map_user(PMDL pages, ULONG priority);

#endif
