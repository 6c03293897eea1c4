/* SPDX-License-Identifier: MIT
 *
 * What a program of efW's personality is written with: sections, map definitions, helpers.  A file includes this one or
 * <bpf/bpf_helpers.h>, whose helpers have Linux's numbers.
 */
#ifndef WINBPF_EBPF_BPF_HELPERS_H
#define WINBPF_EBPF_BPF_HELPERS_H

#include "bpf_helpers_platform.h"

#if defined(__clang__)
#define SEC(name)                                                                                                      \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")                          \
        __attribute__((section(name), used)) _Pragma("GCC diagnostic pop")
#else
#define SEC(name) __attribute__((section(name), used))
#endif

/* The fields of a map definition: a structure of pointers whose types carry the values into BTF. */
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  __typeof__(value) *name
#define __array(name, value) __typeof__(value) *name[]

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef NULL
#define NULL ((void *)0)
#endif

#endif
