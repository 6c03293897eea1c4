/* SPDX-License-Identifier: MIT
 *
 * What each system's memory.c gives to user/memory.c: aligned memory, neither counted nor refused.
 */
#ifndef WINBPF_PLATFORM_USER_ALIGNED_H
#define WINBPF_PLATFORM_USER_ALIGNED_H

#include <stddef.h>

enum { PAGED_FROM = 128 << 10 }; /* requests of so many bytes are pages of their own, untouched until used */

/* Zeroed, aligned to 64 bytes; NULL when there is none. */
void *aligned_take(size_t size);
/* What aligned_take gave for the same size. */
void aligned_give(void *memory, size_t size);

#endif
