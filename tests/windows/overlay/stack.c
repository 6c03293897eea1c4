/* SPDX-License-Identifier: MIT
 *
 * How much stack a driver's routine takes.  A kernel stack has 24 KiB on x64 ("Using the Kernel Stack"), and whoever
 * calls the driver has used some of it; here 16 KiB are a driver's.  The room below the caller is filled with a
 * pattern before the routine is called, and searched for it afterwards, from the far end on.  Wine's own part of what
 * the routine calls is counted too, so the true depth is less.
 */
#include "overlay.h"

enum { ROOM = 48 << 10, NEAR = 512, ALLOWED = 16 << 10 };
static const ULONG64 pattern = 0x5aa5c33c5aa5c33c;

__attribute__((noinline)) void *stack_mark(void)
{
    volatile ULONG64 here = 0;
    volatile ULONG64 *at = (volatile ULONG64 *)((ULONG_PTR)&here - NEAR);
    for (ULONG i = 0; i < ROOM / 8; i++)
        *--at = pattern; /* downwards, so that the stack grows page by page */
    return (void *)(ULONG_PTR)at;
}

void stack_judge(void *mark, const void *routine)
{
    const volatile ULONG64 *at = mark;
    ULONG untouched = 0;
    while (untouched < ROOM && *at++ == pattern)
        untouched += 8;
    LONG64 used = ROOM - untouched + NEAR;
    if (used > judge->deepest_stack)
        judge->deepest_stack = used;
    if (used > ALLOWED)
        violation(routine, "the routine takes %lld bytes of stack, allowed %d", used, ALLOWED);
}
