/* SPDX-License-Identifier: MIT
 *
 * The cases of cases.h on every engine.  The repository's own must between them execute every operation of the table;
 * those of the public suite run where WINBPF_SHARED has it.
 */
#include <dirent.h>
#include "conformance/cases.h"

static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};

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
