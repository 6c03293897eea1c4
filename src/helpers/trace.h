/* SPDX-License-Identifier: MIT
 *
 * Where trace_printk's lines go: a ring of text, the newest 64 KiB of it, and a sink for those who want lines as they
 * come.
 */
#ifndef WINBPF_HELPERS_TRACE_H
#define WINBPF_HELPERS_TRACE_H

#include <stddef.h>
#include <stdint.h>

/* `sink(self, line)` is called by the program's thread for every line (NUL-terminated, as the program formatted it),
 * inside its epoch; it must not block.  NULL: none.  No program that traces may be running. */
void trace_set_sink(void (*sink)(void *self, const char *line), void *self);

/* Copies what was traced after *position (0: everything still there) and moves it on; at most `capacity` bytes, no NUL.
 * Lines end with a newline, whether or not the program wrote one. */
size_t trace_read(uint64_t *position, char *out, size_t capacity);

#endif
