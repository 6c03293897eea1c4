/* SPDX-License-Identifier: MIT
 *
 * The formats of trace_printk and snprintf, written by programs and therefore hostile.
 */
#ifndef WINBPF_HELPERS_FORMAT_H
#define WINBPF_HELPERS_FORMAT_H

#include <stdint.h>
#include "base/result.h"
#include "base/text.h"

/* Formats as Linux's BPF helpers do: %c %d %i %u %x %X with l, ll, flags and width; %s; %p and its K, x, I4, I6, i4,
 * i6, ks, us, B forms.  `size`: bytes at `format`, in which a NUL must be.  RESULT_INVALID for a bad format or one that
 * asks for more than `count` arguments. */
enum result format_write(struct text *out, const char *format, uint64_t size, const uint64_t *arguments,
                         uint32_t count);

#endif
