/* SPDX-License-Identifier: MIT
 *
 * mingw-w64's wdm.h asks for this file where the processor is no PC's, and does not have it.  What the ARM64 compile
 * check needs: sizes of pages and the routines that change the IRQL, which ARM64's kernel exports.
 */
#ifndef WINBPF_TESTS_ARMDDK_H
#define WINBPF_TESTS_ARMDDK_H

#define PAGE_SIZE       0x1000
#define PAGE_SHIFT      12
#define PASSIVE_LEVEL   0
#define APC_LEVEL       1
#define DISPATCH_LEVEL  2
#define HIGH_LEVEL      15
#define PAUSE_PROCESSOR __asm__ volatile("yield");

NTKERNELAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
NTKERNELAPI VOID NTAPI KeLowerIrql(KIRQL to);
NTKERNELAPI KIRQL NTAPI KfRaiseIrql(KIRQL to);
NTKERNELAPI KIRQL NTAPI KeRaiseIrqlToDpcLevel(VOID);
NTKERNELAPI KIRQL NTAPI KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);

#define InterlockedExchangePointer(target, value) __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST)

#endif
