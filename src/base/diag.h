/* SPDX-License-Identifier: MIT
 *
 * Where a pure room says what was wrong with its input: one line, "file: place: reason", to a sink the caller chose.
 * Errors and warnings both go here; the return value alone decides whether the call failed.
 */
#ifndef WINBPF_BASE_DIAG_H
#define WINBPF_BASE_DIAG_H

#include <stdarg.h>
#include "base/annotate.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag {
    /* `line`: no newline at the end; valid during the call only. */
    void (*emit)(void *self, enum diag_level level, const char *line);
    void *self;
    const char *file; /* name of the input as a person knows it; NULL when there is none */
};

/* Each formats like base/text.h and prefixes the file name.  `diag` may be NULL: then nothing is said. */
WINBPF_PRINTF(2, 3)
void diag_error(const struct diag *diag, const char *format, ...);
WINBPF_PRINTF(2, 3)
void diag_warning(const struct diag *diag, const char *format, ...);
WINBPF_PRINTF(2, 3)
void diag_note(const struct diag *diag, const char *format, ...);

#endif
