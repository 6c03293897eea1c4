/* SPDX-License-Identifier: MIT
 *
 * The load configuration that tells the system about control flow guard: where the pointers are that it fills with its
 * own check routines, and the linker's table of addresses that may be called.  Until it has filled them, checks pass
 * and dispatches jump.
 */
#if defined(__x86_64__)
#define JUMP_TO_TARGET "jmp *%rax\n"
#elif defined(__aarch64__)
#define JUMP_TO_TARGET "br x15\n" /* the register that check routines are given; nothing dispatches here */
#endif
__asm__(".section .00cfg,\"dr\"\n"
        ".balign 8\n"
        ".globl __guard_check_icall_fptr\n"
        "__guard_check_icall_fptr: .quad Lguard_check\n"
        ".globl __guard_dispatch_icall_fptr\n"
        "__guard_dispatch_icall_fptr: .quad Lguard_dispatch\n"
        ".text\n"
        "Lguard_check: ret\n"
        "Lguard_dispatch: " JUMP_TO_TARGET ".section .rdata,\"dr\"\n"
        ".balign 16\n"
        ".globl _load_config_used\n"
        "_load_config_used:\n"
        ".long 0x140\n" /* size of IMAGE_LOAD_CONFIG_DIRECTORY64 */
        ".zero 0x70 - 4\n"
        ".quad __guard_check_icall_fptr\n"
        ".quad __guard_dispatch_icall_fptr\n"
        ".quad __guard_fids_table\n"
        ".quad __guard_fids_count\n"
        ".long __guard_flags\n"
        ".zero 12\n"
        ".quad __guard_iat_table\n"
        ".quad __guard_iat_count\n"
        ".quad __guard_longjmp_table\n"
        ".quad __guard_longjmp_count\n"
        ".zero 0x140 - 0xc0\n"
        ".text\n");
