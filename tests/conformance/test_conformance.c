/* SPDX-License-Identifier: MIT
 *
 * Programs with their answers, on every engine.  A case is a file of the public suite's form; sections begin at a line
 * "-- NAME", lines with # are comments:
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
 *
 * The repository's cases must between them execute every operation of the table; those of the public suite run where
 * WINBPF_SHARED has it.
 */
#include <dirent.h>
#include "check.h"
#include "conformance/raw.h"

enum { MAX_INSNS = 70000, MAX_MEMORY = 4096, MAX_VALUES = 4096 };

static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};

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

static void keep_line(void *self, enum diag_level level, const char *line)
{
    (void)level;
    snprintf(self, 200, "%s", line);
}

/* One case on one engine: true when it did what it must. */
static bool passes(const struct test_case *c, const struct engine *engine)
{
    char reason[200] = "";
    const struct diag diag = {keep_line, reason, NULL};
    struct code_fault fault = {0};
    struct raw_maps maps;
    struct raw raw, tail;
    bool has_tail = c->tail != NULL;
    uint8_t memory[MAX_MEMORY];
    enum result result;
    uint64_t r0 = 0;

    memcpy(memory, c->memory, sizeof(memory));
    for (uint32_t i = 0; i < c->map_count; i++)
        memset(c->maps[i].values, 0, MAX_VALUES);
    raw_maps_make(&maps, c->maps, c->map_count);
    result = raw_open(&raw, engine, c->insns, c->count, &maps, &diag);
    if (result != RESULT_OK) {
        if (!c->error)
            printf("%s: %s refuses it: %s\n", c->name, engine->name, reason);
        return c->error;
    }
    if (has_tail) {
        result = raw_open(&tail, engine, c->tail_insns, c->tail_count, &maps, &diag);
        if (result == RESULT_OK) {
            size_t size;

            maps.tail[0].code = tail.code;
            maps.tail[0].jit_entry = code_machine(tail.code, &size); /* NULL but for the JIT, which jumps there */
            maps.slots[0] = &maps.tail[0];
        } else {
            printf("%s: %s refuses the tail: %s\n", c->name, engine->name, reason);
            has_tail = false;
        }
    }
    if (result == RESULT_OK) {
        result = raw_run(&raw, memory, c->memory_length, &r0, &fault);
        if (result == RESULT_OK && c->has_result && r0 != c->result)
            printf("%s: %s: r0 is 0x%llx, not 0x%llx\n", c->name, engine->name, (unsigned long long)r0,
                   (unsigned long long)c->result);
        if (result == RESULT_OK && (c->error || c->fault))
            printf("%s: %s: ran to 0x%llx and should not have\n", c->name, engine->name, (unsigned long long)r0);
        if (result != RESULT_OK && !c->error && !c->fault)
            printf("%s: %s: stopped at instruction %u: %s\n", c->name, engine->name, fault.insn, fault.reason);
    }
    if (has_tail)
        raw_close(&tail);
    raw_close(&raw);
    return c->error || c->fault ? result != RESULT_OK : result == RESULT_OK && r0 == c->result;
}

struct tally {
    unsigned files, runs, failed;
    bool seen[ISA_OPS]; /* operations that some program has */
};

static void count_ops(struct tally *tally, const struct insn *insns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tally->seen[isa_decode(&insns[i])] = true;
        i += (size_t)insn_is_lddw(&insns[i]);
    }
}

/* Runs every *.data file of a folder. */
static bool run_folder(const char *folder, struct tally *tally)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;
    struct test_case c;

    if (!directory)
        return false;
    while ((entry = readdir(directory))) {
        size_t length = strlen(entry->d_name);
        char path[4096];

        if (length < 5 || strcmp(entry->d_name + length - 5, ".data"))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        tally->files++;
        if (load(path, entry->d_name, &c)) {
            if (!c.error && !c.fault) {
                count_ops(tally, c.insns, c.count);
                count_ops(tally, c.tail_insns, c.tail_count);
            }
            for (unsigned e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
                if (c.fault && engines[e] != &engine_checked)
                    continue;
                tally->runs++;
                tally->failed += !passes(&c, engines[e]);
            }
        } else {
            tally->failed++;
        }
        unload(&c);
    }
    closedir(directory);
    return true;
}

/* Operations that no raw program can execute. */
static bool beyond_raw(enum isa_op op)
{
    return op == ISA_INVALID || op == ISA_MOVSX32_32 || op == ISA_CALL_KFUNC;
}

TEST(own_cases)
{
    struct tally tally = {0};

    REQUIRE(run_folder("tests/conformance/cases", &tally));
    printf("own cases: %u files, %u runs, %u failed\n", tally.files, tally.runs, tally.failed);
    CHECK(tally.files > 100);
    CHECK_EQ(tally.failed, 0);
    for (unsigned op = 0; op < ISA_OPS; op++) {
        if (!tally.seen[op] && !beyond_raw((enum isa_op)op))
            printf("no case executes %s\n", isa_op_name((enum isa_op)op));
        CHECK(tally.seen[op] || beyond_raw((enum isa_op)op));
    }
}

/* The computed cases are what their generator writes; one that was touched by hand would be lost. */
TEST(computed_cases_are_current)
{
    if (system("command -v python3 >/dev/null"))
        SKIP("python3 is not installed");
    CHECK_EQ(system("set -e; folder=$(mktemp -d); trap 'rm -r \"$folder\"' EXIT; "
                    "python3 tests/tools/gen_conformance_cases.py \"$folder\"; "
                    "for file in \"$folder\"/*; do cmp \"$file\" tests/conformance/cases/\"${file##*/}\"; done"),
             0);
}

TEST(public_suite)
{
    const char *shared = getenv("WINBPF_SHARED");
    struct tally tally = {0};
    char folder[4096];

    snprintf(folder, sizeof(folder), "%s/corpus/conformance", shared ? shared : "../shared");
    if (!run_folder(folder, &tally))
        SKIP("no conformance corpus (WINBPF_SHARED)");
    printf("public suite: %u files, %u runs, %u failed\n", tally.files, tally.runs, tally.failed);
    CHECK(tally.files > 0);
    CHECK_EQ(tally.failed, 0);
}

TEST_MAIN
