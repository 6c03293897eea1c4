/* SPDX-License-Identifier: MIT
 *
 * MmMapLockedPagesSpecifyCache raises an exception when it cannot map into a process.  gcc and clang for this target
 * have no reliable __try, so the one frame that needs it is written out: a call with a scope record for
 * __C_specific_handler that says "continue behind the call, with NULL".
 */
#include "platform/win_kernel/shared.h"

#if defined(__x86_64__)
PVOID kernel_map_user_guarded(PMDL pages, KPROCESSOR_MODE mode, MEMORY_CACHING_TYPE cache, PVOID base, ULONG bug,
                              ULONG priority);
__asm__(".text\n"
        ".globl kernel_map_user_guarded\n"
        ".def kernel_map_user_guarded; .scl 2; .type 32; .endef\n"
        ".seh_proc kernel_map_user_guarded\n"
        "kernel_map_user_guarded:\n"
        "    sub $56, %rsp\n"
        "    .seh_stackalloc 56\n"
        "    .seh_endprologue\n"
        "    mov 96(%rsp), %eax\n" /* the fifth and sixth argument */
        "    mov %eax, 32(%rsp)\n"
        "    mov 104(%rsp), %eax\n"
        "    mov %eax, 40(%rsp)\n"
        "Lguard_begin:\n"
        "    call *__imp_MmMapLockedPagesSpecifyCache(%rip)\n"
        "    nop\n"
        "Lguard_end:\n"
        "    add $56, %rsp\n"
        "    ret\n"
        "Lguard_refused:\n"
        "    xor %eax, %eax\n"
        "    add $56, %rsp\n"
        "    ret\n"
        "    .seh_handler __C_specific_handler, @except\n"
        "    .seh_handlerdata\n"
        "    .long 1\n"
        "    .rva Lguard_begin, Lguard_end\n"
        "    .long 1\n" /* EXCEPTION_EXECUTE_HANDLER */
        "    .rva Lguard_refused\n"
        "    .text\n"
        "    .seh_endproc\n");

PVOID kernel_map_user(PMDL pages, ULONG priority)
{
    return kernel_map_user_guarded(pages, UserMode, MmCached, NULL, FALSE, priority);
}
#else
/* Until that frame is written for this processor, views are refused. */
PVOID kernel_map_user(PMDL pages, ULONG priority)
{
    return NULL;
}
#endif
