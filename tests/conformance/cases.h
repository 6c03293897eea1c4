/* SPDX-License-Identifier: MIT
 *
 * Programs with their answers.  A case is a file of the public suite's form; sections begin at a line "-- NAME", lines
 * with # are comments:
 *
 *   -- asm      the program (isa/assemble.c has the grammar)
 *   -- raw      the same as numbers, one instruction each; without asm it is the program, with it the two must agree
 *   -- mem      bytes in hex: what r1 points to
 *   -- result   what r0 must be
 *   -- error    the program must be refused, or stopped, by every engine
 * and three of ours, for what that form cannot say:
 *   -- map      a map a line: kind key_size value_size max_entries [flags]; values begin as zero
 *   -- tail     a second program, compiled like the first; slot 0 of every prog array
 *   -- fault    as error, for the checked interpreter alone: the others trust the program and are not run
 * What "-- no register offset" and "-- c" introduce is for other readers.
 */
#ifndef WINBPF_TESTS_CONFORMANCE_CASES_H
#define WINBPF_TESTS_CONFORMANCE_CASES_H

#include "check.h"
#include "conformance/raw.h"

enum { MAX_INSNS = 70000, MAX_MEMORY = 4096, MAX_VALUES = 4096 };

struct test_case {
    char name[256];
    char *assembly, *tail; /* source text of these sections, NULL without */
    struct insn *insns;
    struct insn *tail_insns;
    size_t count, tail_count, raw_count;
    uint8_t memory[MAX_MEMORY];
    size_t memory_length;
    struct raw_map maps[RAW_MAPS];
    uint32_t map_count;
    uint64_t result;
    bool has_result, has_raw, error, fault;
};

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;

    if (!file)
        return NULL;
    if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET)) {
        text = calloc(1, (size_t)size + 1);
        if (text && fread(text, 1, (size_t)size, file) != (size_t)size) {
            free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

static bool complain(const struct test_case *c, const char *what)
{
    printf("%s: %s\n", c->name, what);
    return false;
}

static bool take_line(struct test_case *c, const char *section, char *line)
{
    char *end;

    line[strcspn(line, "#")] = 0;
    line += strspn(line, " \t\r");
    if (!*line)
        return true;
    if (!strcmp(section, "mem")) {
        for (;;) {
            unsigned long byte = strtoul(line, &end, 16);

            if (end == line)
                return !*(line + strspn(line, " \t\r")) || complain(c, "mem is not bytes in hex");
            if (byte > 255 || c->memory_length == MAX_MEMORY)
                return complain(c, "mem does not fit");
            c->memory[c->memory_length++] = (uint8_t)byte;
            line = end;
        }
    } else if (!strcmp(section, "result")) {
        c->result = strtoull(line, &end, 0);
        c->has_result = true;
        return end != line || complain(c, "result is not a number");
    } else if (!strcmp(section, "raw")) {
        uint64_t bits = strtoull(line, &end, 0);

        if (end == line)
            return complain(c, "raw is not a number");
        c->has_raw = true;
        if (!c->assembly)
            memcpy(&c->insns[c->count++], &bits, 8);
        else if (c->raw_count >= c->count || memcmp(&c->insns[c->raw_count], &bits, 8))
            return complain(c, "raw and asm differ");
        c->raw_count++;
    } else if (!strcmp(section, "map")) {
        struct raw_map *map = &c->maps[c->map_count];

        if (c->map_count == RAW_MAPS)
            return complain(c, "too many maps");
        if (sscanf(line, "%u %u %u %u %i", &map->kind, &map->key_size, &map->value_size, &map->max_entries,
                   (int *)&map->flags) < 4 ||
            (uint64_t)map->value_size * map->max_entries > MAX_VALUES)
            return complain(c, "map is not: kind key_size value_size max_entries [flags]");
        map->values = calloc(1, MAX_VALUES);
        c->map_count++;
    } else if (strcmp(section, "error") && strcmp(section, "fault") && strcmp(section, "c") &&
               strcmp(section, "no register offset") && strcmp(section, "")) {
        return complain(c, "unknown section");
    }
    return true;
}

static bool assemble_source(const struct test_case *c, const char *source, struct insn *insns, size_t *count)
{
    char message[200] = "";
    struct text error;

    text_init(&error, message, sizeof(message));
    return isa_assemble(source, strlen(source), insns, MAX_INSNS, count, &error) || complain(c, message);
}

/* Reads a case; false with a line when it is not one. */
static bool load(const char *path, const char *name, struct test_case *c)
{
    char *text = read_file(path), section[64] = "";
    bool good = true;

    memset(c, 0, sizeof(*c));
    snprintf(c->name, sizeof(c->name), "%s", name);
    c->insns = calloc(MAX_INSNS, sizeof(*c->insns));
    c->tail_insns = calloc(MAX_INSNS, sizeof(*c->tail_insns));
    if (!text || !c->insns || !c->tail_insns) {
        free(text);
        return complain(c, "cannot be read");
    }
    for (char *line = text; good && line;) {
        char *next = strchr(line, '\n');

        if (next)
            *next++ = 0;
        if (!strncmp(line, "-- ", 3)) {
            char **source;

            snprintf(section, sizeof(section), "%s", line + 3);
            section[strcspn(section, "\r")] = 0;
            c->error |= !strcmp(section, "error");
            c->fault |= !strcmp(section, "fault");
            source = !strcmp(section, "asm") ? &c->assembly : !strcmp(section, "tail") ? &c->tail : NULL;
            if (source) {
                /* Up to the next section, or the end. */
                char *end = next, *keep = next ? next : line + strlen(line);

                while (end && strncmp(end, "-- ", 3))
                    end = strchr(end, '\n') ? strchr(end, '\n') + 1 : NULL;
                *source = calloc(1, (end ? (size_t)(end - keep) : strlen(keep)) + 1);
                memcpy(*source, keep, end ? (size_t)(end - keep) : strlen(keep));
                good = assemble_source(c, *source, *source == c->assembly ? c->insns : c->tail_insns,
                                       *source == c->assembly ? &c->count : &c->tail_count);
                next = end;
            }
        } else {
            good = take_line(c, section, line);
        }
        line = next;
    }
    free(text);
    if (good && c->has_raw && c->raw_count != c->count)
        good = complain(c, "raw and asm differ in length");
    if (good && !c->has_result && !c->error && !c->fault)
        good = complain(c, "neither result nor error");
    return good;
}

static void unload(struct test_case *c)
{
    for (uint32_t i = 0; i < c->map_count; i++)
        free(c->maps[i].values);
    free(c->assembly);
    free(c->tail);
    free(c->insns);
    free(c->tail_insns);
}

#endif
