/* SPDX-License-Identifier: MIT
 *
 * Text written into a caller's buffer, never past its end and always NUL-terminated.  `length` goes on counting past
 * the end, so a caller can tell truncation and learn the size that would have sufficed.  The formatter is our own, so
 * that a message reads the same in a process, in the driver and on every C library; it knows
 * %d %i %u %x %X %c %s %p %% with -, 0, +, #, space, width, precision (also *), and hh h l ll z j.  No floating point.
 */
#ifndef WINBPF_BASE_TEXT_H
#define WINBPF_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/annotate.h"

struct text {
    char *buffer;
    size_t capacity; /* bytes in buffer, the NUL included; may be 0 */
    size_t length;   /* characters written or that would have been */
};

void text_init(struct text *text, char *buffer, size_t capacity);
void text_char(struct text *text, char c);
void text_string(struct text *text, const char *string);
WINBPF_PRINTF(2, 3)
void text_format(struct text *text, const char *format, ...);
void text_vformat(struct text *text, const char *format, va_list arguments);

static inline bool text_truncated(const struct text *text)
{
    return text->length >= text->capacity;
}

#endif
