/* SPDX-License-Identifier: MIT
 *
 * Linux's system calls from a PE image.  Wine runs our code in an ordinary Linux process, and only Linux can map the
 * same page of a file at any page of an address range: sections are laid out by 64 KiB.
 */
#ifndef WINBPF_TESTS_OVERLAY_LINUX_H
#define WINBPF_TESTS_OVERLAY_LINUX_H

enum {
    LINUX_MMAP = 9,
    LINUX_MPROTECT = 10,
    LINUX_GETPID = 39,
    LINUX_FTRUNCATE = 77,
    LINUX_FALLOCATE = 285,
    LINUX_MEMFD_CREATE = 319,
    LINUX_READ = 1,
    LINUX_WRITE = 2,
    LINUX_EXEC = 4, /* PROT_* */
    LINUX_SHARED_FIXED = 0x11,
    LINUX_PUNCH_HOLE = 3, /* and keep the size */
};

static inline long long linux_call(long long number, long long one, long long two, long long three, long long four,
                                   long long five, long long six)
{
    register long long r10 __asm__("r10") = four;
    register long long r8 __asm__("r8") = five;
    register long long r9 __asm__("r9") = six;
    long long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(one), "S"(two), "d"(three), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
