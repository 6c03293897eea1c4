/* SPDX-License-Identifier: MIT
 *
 * The fixed-width names that Linux interfaces use.  Repeating a typedef is legal C11, so this file and the kernel's own
 * <asm/types.h> may meet in one translation unit.
 */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H

#if !defined(__bpf__) && !defined(__BPF__) && defined(__linux__) && defined(__has_include)
#if __has_include(<linux/posix_types.h>)
#include <linux/posix_types.h> /* other kernel headers expect it from here */
#endif
#endif

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
#ifdef __GNUC__
__extension__ typedef long long __s64;
__extension__ typedef unsigned long long __u64;
#else
typedef long long __s64;
typedef unsigned long long __u64;
#endif

#ifndef __bitwise
#define __bitwise
#endif
#ifndef __bitwise__
#define __bitwise__
#endif
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __le64;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;
typedef unsigned __poll_t;

#ifndef __aligned_u64
#define __aligned_u64  __u64 __attribute__((aligned(8)))
#define __aligned_be64 __be64 __attribute__((aligned(8)))
#define __aligned_le64 __le64 __attribute__((aligned(8)))
#endif
#ifndef __aligned_s64
#define __aligned_s64 __s64 __attribute__((aligned(8)))
#endif

#endif
