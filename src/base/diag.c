/* SPDX-License-Identifier: MIT
 *
 * Diagnostics are lines of at most 1 KiB; bytes from hostile names that a terminal would act on become '?'.
 */
#include "base/diag.h"
#include "base/text.h"

static void say(const struct diag *diag, enum diag_level level, const char *format, va_list arguments)
{
    char line[1024];
    struct text text;
    if (!diag || !diag->emit)
        return;
    text_init(&text, line, sizeof line);
    if (diag->file)
        text_format(&text, "%s: ", diag->file);
    text_vformat(&text, format, arguments);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    diag->emit(diag->self, level, line);
}

void diag_error(const struct diag *diag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(diag, DIAG_ERROR, format, arguments);
    va_end(arguments);
}

void diag_warning(const struct diag *diag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(diag, DIAG_WARNING, format, arguments);
    va_end(arguments);
}

void diag_note(const struct diag *diag, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(diag, DIAG_NOTE, format, arguments);
    va_end(arguments);
}
