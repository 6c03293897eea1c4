/* SPDX-License-Identifier: MIT
 *
 * The kernel's own declarations, for this folder and the drivers only.  Oldest system: Windows 10 1607 and Server 2016;
 * what is called here was documented by then.  "IRQL:" in a comment quotes the routine's page.
 * Nothing of a driver is pageable: its code and data lie in sections that stay in memory, what it allocates in
 * non-paged pool or locked pages, so no routine here has a paging rule beyond its IRQL.
 *
 * mingw's headers define the routines that change the IRQL inline over CR8.  We call the ones that the system exports,
 * as a verifier (or our test kernel) then sees them.
 */
#ifndef WINBPF_PLATFORM_WIN_KERNEL_H
#define WINBPF_PLATFORM_WIN_KERNEL_H

/* mingw's header gives two inline routines external linkage in every file; one of them, any, is kept. */
#pragma weak InterlockedBitTestAndSet
#pragma weak InterlockedBitTestAndReset
#include <ntifs.h>
#include "platform/os.h"

/* Flags of a mapping's priority, since Windows 8 and 10. */
enum { MAP_NO_EXECUTE = 0x40000000 };
#define MAP_NO_WRITE 0x80000000u

extern KIRQL(NTAPI *const import_raise)(KIRQL to) __asm__("__imp_KfRaiseIrql");
extern VOID(NTAPI *const import_lower)(KIRQL to) __asm__("__imp_KeLowerIrql");

/* What the failure means to those who ask for memory, threads or objects. */
enum result kernel_result(NTSTATUS status);

/* Once, at PASSIVE_LEVEL, before anything else of the platform; RESULT_NO_MEMORY or RESULT_NOT_SUPPORTED. */
enum result kernel_start(void);
void kernel_stop(void);

/* One who waits for an event without a thread of its own.  `fired` is called once, at up to DISPATCH_LEVEL, for one set
 * of the event; the set is then used up. */
struct os_event_waiter {
    LIST_ENTRY entry;
    bool waiting;
    void (*fired)(struct os_event_waiter *waiter);
};
void os_event_listen(struct os_event *event, struct os_event_waiter *waiter);
/* False when it has fired or is about to: then `fired` is called, or was. */
bool os_event_unlisten(struct os_event *event, struct os_event_waiter *waiter);

#endif
