/* SPDX-License-Identifier: MIT
 *
 * The verifier's cases: programs with their verdicts, many to a file.  What begins a line is a directive, what is
 * indented belongs to the program; "#" at a line's start is a comment.
 *
 *   let NAME = TEXT            from here on @NAME in programs of this file is TEXT
 *   case NAME                  begins a case; what is not said is an xdp program of Linux's personality that a
 *                              privileged loader brings (addresses may leak, unwritten stack may be read)
 *   type T   attach N   personality efw
 *   flags [unprivileged] [sleepable] [strict]
 *   map NAME KIND KEY VALUE ENTRIES [flags=N] [frozen] [lock=OFF] [timer=OFF] [inner=MAP] [bytes=HEX]
 *   global LABEL [ARG…]        the function at LABEL is global, with BTF; ARG: int, ctx, mem:BYTES
 *   limit [steps=N] [insns=N] [bytes=N]
 *       PROGRAM                isa/assemble.c's lines, several to a line between ";"; and
 *                              call bpf_NAME   lddw REG, map NAME   lddw REG, value NAME [OFFSET]
 *   accept CODE | reject CODE  the verdict, and the reason that the case is about: an accepted one is a neighbour
 *   reject CODE or CODE        either will do: a loop is known not to end, or walked until the budget ends
 *   kernel accept: WHY         the kernel's verdict, where it is not ours (kernel reject: WHY alike), or
 *   kernel none: WHY           that it cannot be asked
 *   known WHY                  the verdict is what ought to be and is not yet: printed, not counted as a failure
 */
#ifndef WINBPF_TESTS_VERIFY_CASES_H
#define WINBPF_TESTS_VERIFY_CASES_H

#include <ctype.h>
#include "base/text.h"
#include "check.h"
#include "contract/contract.h"
#include "image/image.h"
#include "isa/isa.h"
#include "verify/verify.h"

enum { CASE_MAPS = 8, CASE_GLOBALS = 4, CASE_ARGS = 5, CASE_SOURCE = 1 << 17, CASE_INSNS = 1 << 14, CASE_LETS = 32 };

struct case_map {
    char name[32], inner[32];
    uint32_t kind, key_size, value_size, max_entries, flags;
    bool frozen;
    int32_t lock, timer; /* -1: none */
    uint8_t bytes[64];
    uint32_t byte_count;
};

enum case_arg { CASE_ARG_INT, CASE_ARG_CONTEXT, CASE_ARG_MEMORY };

struct case_global {
    char label[32];
    uint32_t insn, arg_count;
    enum case_arg args[CASE_ARGS];
    uint32_t sizes[CASE_ARGS];
};

enum case_kernel { CASE_AS_OURS, CASE_KERNEL_ACCEPTS, CASE_KERNEL_REJECTS, CASE_KERNEL_NONE };

struct verify_case {
    char name[128];
    const char *file;
    enum personality personality;
    uint32_t type, attach;
    bool unprivileged, sleepable, strict;
    struct case_map maps[CASE_MAPS];
    uint32_t map_count;
    struct case_global globals[CASE_GLOBALS];
    uint32_t global_count;
    uint64_t max_steps, max_insns, max_bytes;
    char source[CASE_SOURCE];
    size_t length;
    bool accept, judged;
    enum verify_reason reason, otherwise; /* otherwise: allowed in the reason's place */
    enum case_kernel kernel;
    char why[256], known[256];
    struct insn insns[CASE_INSNS];
    size_t insn_count;
};

struct case_let {
    char name[32], text[512];
};

struct case_reader {
    const char *file, *at;
    unsigned line;
    struct case_let lets[CASE_LETS];
    uint32_t let_count;
    bool failed; /* a line said what is wrong */
    bool quiet;
};

static inline bool case_complain(struct case_reader *r, const char *what, const char *more)
{
    if (!r->quiet)
        printf("%s:%u: %s%s\n", r->file, r->line, what, more);
    r->failed = true;
    return false;
}

static inline enum verify_reason case_reason(const char *code)
{
    for (int i = 1; i < REASONS; i++)
        if (!strcmp(verify_reason_code((enum verify_reason)i), code))
            return (enum verify_reason)i;
    return REASON_NONE;
}

static inline int32_t case_helper(const struct verify_case *c, const char *name)
{
    for (int32_t base = 0; base <= 65536; base += 65536)
        for (int32_t id = base; id < base + 300; id++) {
            const char *there = contract_program_helper_name(c->personality, c->type, id);
            if (there && !strcmp(there, name))
                return id;
        }
    return -1;
}

/* Copies one line of a program with @names replaced, ";" as line ends. */
static inline bool case_expand(struct case_reader *r, struct verify_case *c, const char *text, unsigned depth)
{
    while (*text) {
        if (*text == '@') {
            char name[32];
            size_t n = 0;
            uint32_t i = 0;
            for (text++; isalnum((unsigned char)*text) || *text == '_'; text++)
                if (n < sizeof name - 1)
                    name[n++] = *text;
            name[n] = 0;
            while (i < r->let_count && strcmp(r->lets[i].name, name) != 0)
                i++;
            if (i == r->let_count || depth == 4)
                return case_complain(r, "no such name: @", name);
            if (!case_expand(r, c, r->lets[i].text, depth + 1))
                return false;
            continue;
        }
        if (c->length + 2 >= sizeof c->source)
            return case_complain(r, "the program is too long", "");
        c->source[c->length++] = *text == ';' ? '\n' : *text;
        text++;
    }
    c->source[c->length] = 0;
    return true;
}

static inline bool case_take_map(struct case_reader *r, struct verify_case *c, char *text)
{
    struct case_map *m = &c->maps[c->map_count];
    char kind[32], *word, *save = NULL;
    int used = 0;
    if (c->map_count == CASE_MAPS)
        return case_complain(r, "too many maps", "");
    memset(m, 0, sizeof *m);
    m->lock = m->timer = -1;
    if (sscanf(text, "%31s %31s %u %u %u%n", m->name, kind, &m->key_size, &m->value_size, &m->max_entries, &used) != 5)
        return case_complain(r, "not a map: ", text);
    for (uint32_t k = 1; k < 40; k++) {
        const char *name = contract_map_kind_name(k);
        if (name && !strcmp(name, kind))
            m->kind = k;
    }
    if (!m->kind)
        return case_complain(r, "no such kind of map: ", kind);
    for (word = strtok_r(text + used, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (!strcmp(word, "frozen")) {
            m->frozen = true;
        } else if (!strncmp(word, "flags=", 6)) {
            m->flags = (uint32_t)strtoul(word + 6, NULL, 0);
        } else if (!strncmp(word, "lock=", 5)) {
            m->lock = atoi(word + 5);
        } else if (!strncmp(word, "timer=", 6)) {
            m->timer = atoi(word + 6);
        } else if (!strncmp(word, "inner=", 6)) {
            snprintf(m->inner, sizeof m->inner, "%s", word + 6);
        } else if (!strncmp(word, "bytes=", 6)) {
            for (const char *p = word + 6; p[0] && p[1] && m->byte_count < sizeof m->bytes; p += 2) {
                char byte[3] = {p[0], p[1], 0};
                m->bytes[m->byte_count++] = (uint8_t)strtoul(byte, NULL, 16);
            }
        } else {
            return case_complain(r, "no such word of a map: ", word);
        }
    }
    c->map_count++;
    return true;
}

static inline bool case_take_global(struct case_reader *r, struct verify_case *c, char *text)
{
    struct case_global *g = &c->globals[c->global_count];
    char *save = NULL, *word = strtok_r(text, " ", &save);
    if (!word || c->global_count == CASE_GLOBALS)
        return case_complain(r, "not a global function", "");
    memset(g, 0, sizeof *g);
    snprintf(g->label, sizeof g->label, "%s", word);
    while ((word = strtok_r(NULL, " ", &save))) {
        enum case_arg arg = !strcmp(word, "int")            ? CASE_ARG_INT
                            : !strcmp(word, "ctx")          ? CASE_ARG_CONTEXT
                            : strncmp(word, "mem:", 4) != 0 ? (enum case_arg)99
                                                            : CASE_ARG_MEMORY;
        if (arg == (enum case_arg)99 || g->arg_count == CASE_ARGS)
            return case_complain(r, "no such argument: ", word);
        g->sizes[g->arg_count] = arg == CASE_ARG_MEMORY ? (uint32_t)strtoul(word + 4, NULL, 0) : 0;
        g->args[g->arg_count++] = arg;
    }
    c->global_count++;
    return true;
}

static inline bool case_take(struct case_reader *r, struct verify_case *c, char *line)
{
    char *text = line + strcspn(line, " "), *colon;
    if (*text)
        *text++ = 0;
    if (!strcmp(line, "type")) {
        static const uint32_t numbers[] = {999, LINUX_TYPE_BIND};
        for (uint32_t i = 0; i < 40 + 2; i++) {
            uint32_t type = i < 40 ? i : numbers[i - 40];
            const char *name = contract_program_type_name(c->personality, type);
            if (name && !strcmp(name, text)) {
                c->type = type;
                return true;
            }
        }
        return case_complain(r, "no such program type: ", text);
    }
    if (!strcmp(line, "attach")) {
        c->attach = (uint32_t)strtoul(text, NULL, 0);
        return true;
    }
    if (!strcmp(line, "personality") && !strcmp(text, "efw")) {
        c->personality = PERSONALITY_EFW;
        c->type = 1;
        return true;
    }
    if (!strcmp(line, "flags")) {
        char *save = NULL;
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            if (!strcmp(word, "unprivileged"))
                c->unprivileged = true;
            else if (!strcmp(word, "sleepable"))
                c->sleepable = true;
            else if (!strcmp(word, "strict"))
                c->strict = true;
            else
                return case_complain(r, "no such flag: ", word);
        }
        return true;
    }
    if (!strcmp(line, "map"))
        return case_take_map(r, c, text);
    if (!strcmp(line, "global"))
        return case_take_global(r, c, text);
    if (!strcmp(line, "limit")) {
        char *save = NULL;
        for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            uint64_t *out = !strncmp(word, "steps=", 6)   ? &c->max_steps
                            : !strncmp(word, "insns=", 6) ? &c->max_insns
                            : !strncmp(word, "bytes=", 6) ? &c->max_bytes
                                                          : NULL;
            if (!out)
                return case_complain(r, "no such limit: ", word);
            *out = strtoull(word + 6, NULL, 0);
        }
        return true;
    }
    if (!strcmp(line, "accept") || !strcmp(line, "reject")) {
        c->accept = *line == 'a';
        c->judged = true;
        colon = strstr(text, " or ");
        if (colon) {
            *colon = 0;
            c->otherwise = case_reason(colon + 4);
            if (c->accept || !c->otherwise)
                return case_complain(r, "no such other reason: ", colon + 4);
        }
        c->reason = case_reason(text);
        return c->reason != REASON_NONE || case_complain(r, "no such reason: ", text);
    }
    if (!strcmp(line, "known")) {
        snprintf(c->known, sizeof c->known, "%s", text);
        return *text || case_complain(r, "known needs a reason", "");
    }
    if (!strcmp(line, "kernel")) {
        colon = strstr(text, ": ");
        if (!colon || !colon[2])
            return case_complain(r, "kernel needs a reason: ", text);
        *colon = 0;
        c->kernel = !strcmp(text, "accept")   ? CASE_KERNEL_ACCEPTS
                    : !strcmp(text, "reject") ? CASE_KERNEL_REJECTS
                    : !strcmp(text, "none")   ? CASE_KERNEL_NONE
                                              : CASE_AS_OURS;
        snprintf(c->why, sizeof c->why, "%s", colon + 2);
        return c->kernel != CASE_AS_OURS || case_complain(r, "the kernel can accept, reject or none, not ", text);
    }
    return case_complain(r, "no such directive: ", line);
}

/* Names to numbers, then the assembler. */
static inline bool case_assemble(struct case_reader *r, struct verify_case *c)
{
    static char plain[CASE_SOURCE * 2];
    char message[200] = "";
    struct text out, error;
    uint32_t slot = 0;
    text_init(&out, plain, sizeof plain);
    for (const char *at = c->source; *at;) {
        size_t n = strcspn(at, "\n");
        char line[600], first[64] = "", second[64] = "", third[64] = "", fourth[64] = "";
        const char *body = line;
        snprintf(line, sizeof line, "%.*s", (int)n, at);
        at += n + (at[n] == '\n');
        for (;;) { /* labels */
            size_t skip = strspn(body, " "), end = strcspn(body + skip, " ");
            if (!end || body[skip + end - 1] != ':')
                break;
            for (uint32_t g = 0; g < c->global_count; g++)
                if (strlen(c->globals[g].label) == end - 1 && !strncmp(c->globals[g].label, body + skip, end - 1))
                    c->globals[g].insn = slot;
            text_format(&out, "%.*s ", (int)end, body + skip);
            body += skip + end;
        }
        sscanf(body, "%63s %63[^, ]%*[, ]%63s %63s", first, second, third, fourth);
        if (!strcmp(first, "call") && !strncmp(second, "bpf_", 4)) {
            int32_t id = case_helper(c, second + 4);
            if (id < 0)
                return case_complain(r, "no such helper: ", second);
            text_format(&out, "call %d\n", id);
        } else if (!strcmp(first, "lddw") && (!strcmp(third, "map") || !strcmp(third, "value"))) {
            uint32_t m = 0;
            while (m < c->map_count && strcmp(c->maps[m].name, fourth) != 0)
                m++;
            if (m == c->map_count)
                return case_complain(r, "no such map: ", fourth);
            if (!strcmp(third, "map")) {
                text_format(&out, "lddw %s, map_fd %u\n", second, m);
            } else {
                const char *more = strstr(body, fourth) + strlen(fourth);
                more += strspn(more, " ");
                text_format(&out, "lddw %s, map_value %u, %s\n", second, m, *more ? more : "0");
            }
        } else {
            text_format(&out, "%s\n", body);
        }
        slot += !*first ? 0 : !strcmp(first, "lddw") ? 2 : 1;
    }
    text_init(&error, message, sizeof message);
    if (text_truncated(&out) || !isa_assemble(plain, out.length, c->insns, CASE_INSNS, &c->insn_count, &error))
        return case_complain(r, c->name, message);
    return true;
}

/* The next case; false at the end, and, with r->failed, after what is not one. */
static inline bool case_next(struct case_reader *r, struct verify_case *c)
{
    bool begun = false;
    memset(c, 0, offsetof(struct verify_case, insns));
    c->type = 6;
    c->file = r->file;
    while (*r->at) {
        char line[1024];
        size_t n = strcspn(r->at, "\n");
        const char *next = r->at + n + (r->at[n] == '\n');
        if (n >= sizeof line)
            return case_complain(r, "the line is too long", "");
        snprintf(line, sizeof line, "%.*s", (int)n, r->at);
        while (n && (line[n - 1] == ' ' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (!strncmp(line, "case ", 5) && begun)
            break;
        r->at = next;
        r->line++;
        if (!*line || *line == '#')
            continue;
        if (!strncmp(line, "case ", 5)) {
            snprintf(c->name, sizeof c->name, "%.127s", line + 5);
            begun = true;
        } else if (!strncmp(line, "let ", 4) && !begun) {
            struct case_let *let = &r->lets[r->let_count];
            char *equals = strstr(line, " = ");
            if (!equals || r->let_count == CASE_LETS)
                return case_complain(r, "not a let: ", line);
            *equals = 0;
            snprintf(let->name, sizeof let->name, "%.31s", line + 4);
            snprintf(let->text, sizeof let->text, "%.511s", equals + 3);
            r->let_count++;
        } else if (!begun) {
            return case_complain(r, "before any case: ", line);
        } else if (*line == ' ') {
            if (!case_expand(r, c, line + strspn(line, " "), 0) || !case_expand(r, c, ";", 0))
                return false;
        } else if (!case_take(r, c, line)) {
            return false;
        }
    }
    if (!begun)
        return false;
    if (!c->judged)
        return case_complain(r, c->name, ": neither accept nor reject");
    return case_assemble(r, c);
}

#endif
