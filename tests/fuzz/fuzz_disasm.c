/* SPDX-License-Identifier: MIT
 *
 * Any bytes as instructions: all three syntaxes print them, a buffer that is too small changes nothing but the text's
 * end, the RFC text of the whole assembles to the same bytes, and a program that isa_validate accepts has no slot that
 * does not decode.  Input that begins with '#' is source text for the assembler instead; what it makes of it must
 * survive the same way.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "isa/isa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SLOTS = 512, LINE = 160 };

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void check(const struct insn *insns, size_t count)
{
    static char source[MAX_SLOTS * LINE], message[200];
    static struct insn again[MAX_SLOTS];
    struct text all, error;
    struct isa_fault fault;
    bool valid = isa_validate(insns, count, ISA_ALLOW_FD_LDDW | ISA_ALLOW_INDEX_LDDW, &fault);
    size_t made = 0;

    if (!valid)
        MUST(fault.reason && (fault.insn < count || !count));
    text_init(&all, source, sizeof(source));
    for (size_t at = 0; at < count;) {
        size_t slots = 0;

        for (int syntax = ISA_SYNTAX_KERNEL; syntax <= ISA_SYNTAX_RFC; syntax++) {
            char line[LINE], cut[7];
            struct text text, part;

            text_init(&text, line, sizeof(line));
            slots = isa_disassemble(insns, count, at, (enum isa_syntax)syntax, NULL, &text);
            MUST(slots == 1 || (slots == 2 && at + 2 <= count));
            MUST(text.length && !text_truncated(&text) && !strchr(line, '\n'));
            MUST(!valid || line[0] != '.');
            text_init(&part, cut, sizeof(cut));
            MUST(isa_disassemble(insns, count, at, (enum isa_syntax)syntax, NULL, &part) == slots);
            MUST(part.length == text.length && !strncmp(cut, line, strlen(cut)));
            if (syntax == ISA_SYNTAX_RFC)
                text_format(&all, "%s\n", line);
        }
        at += slots;
    }
    text_init(&error, message, sizeof(message));
    if (!isa_assemble(source, strlen(source), again, MAX_SLOTS, &made, &error)) {
        fprintf(stderr, "%s\n%s\n", source, message);
        abort();
    }
    MUST(made == count && !memcmp(again, insns, count * sizeof(*insns)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct insn insns[MAX_SLOTS];
    size_t count = size / sizeof(*insns) < MAX_SLOTS ? size / sizeof(*insns) : MAX_SLOTS;
    char message[200];
    struct text error;

    if (size && data[0] == '#') {
        if (size > 4096)
            return 0;
        text_init(&error, message, sizeof(message));
        if (!isa_assemble((const char *)data, size, insns, MAX_SLOTS, &count, &error)) {
            MUST(!strncmp(message, "line ", 5));
            return 0;
        }
    } else {
        memcpy(insns, data, count * sizeof(*insns));
    }
    check(insns, count);
    return 0;
}
