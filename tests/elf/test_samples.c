/* SPDX-License-Identifier: MIT
 *
 * Every sample object opens, or fails with one right line; the programs found and their sizes are those that the
 * corpus's own table lists (it counts what the peers' readers found).
 */
#include <dirent.h>
#include <time.h>
#include "check.h"
#include "elf/object.h"
#include "image/image.h"

/* A row of expected.tsv: project, object, section, function, insns. */
struct row {
    char object[256], section[128], function[128];
    unsigned insns;
    bool seen;
};

static struct row rows[1024];
static unsigned row_count;

static bool read_rows(void)
{
    char path[1024], line[8192];
    snprintf(path, sizeof path, "%s/corpus/samples/expected.tsv", test_shared());
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    row_count = 0;
    while (fgets(line, sizeof line, file) && row_count < 1024) {
        char *field[6], *at = line;
        for (int i = 0; i < 6; i++) {
            field[i] = at;
            at += strcspn(at, "\t");
            if (*at)
                *at++ = 0;
        }
        if (!strcmp(field[0], "project"))
            continue;
        struct row *row = &rows[row_count++];
        snprintf(row->object, sizeof row->object, "%s/%s", field[0], field[1]);
        snprintf(row->section, sizeof row->section, "%s", field[2]);
        snprintf(row->function, sizeof row->function, "%s", field[3]);
        row->insns = (unsigned)atoi(field[5]);
        row->seen = false;
    }
    fclose(file);
    return true;
}

/* Instructions of the first function alone, as PREVAIL counts, or of the whole image, as libbpf does. */
static bool same_size(const struct image *image, unsigned insns)
{
    unsigned first = image->func_count > 1 ? image->funcs[1].insn : image->insn_count;
    return insns == 0 || insns == image->insn_count || insns == first;
}

static unsigned opened, refused, matched;

static void one(const char *name, struct bytes bytes)
{
    struct test_job job;
    struct elf_object object;
    struct elf_options options = {.text_entries = true};
    struct timespec a, b;
    test_begin(&job, name);
    clock_gettime(CLOCK_MONOTONIC, &a);
    enum result result = elf_open(bytes, &options, &job.arena, &job.diag, &object);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (getenv("WINBPF_VERBOSE"))
        printf("%-60s %s %u maps %u programs %.3f ms %zu KB %s %s\n", name, result_text(result),
               result ? 0 : object.map_count, result ? 0 : object.program_count,
               (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6, job.arena.used / 1024,
               job.error, job.warning);
    if (result) {
        refused++;
        CHECK_EQ(job.errors, 1);
        CHECK(strlen(job.error) > strlen(name) + 2);
    } else {
        opened++;
        CHECK_EQ(job.errors, 0);
        for (uint32_t i = 0; i < object.program_count; i++) {
            const struct image *image = &object.programs[i];
            if (getenv("WINBPF_VERBOSE") && object.broken[i])
                printf("    %s/%s: %s\n", image->section, image->name, object.broken[i]);
            for (unsigned r = 0; r < row_count; r++)
                if (!rows[r].seen && !strcmp(rows[r].object, name) && !strcmp(rows[r].section, image->section) &&
                    (!strcmp(rows[r].function, image->name) || !strcmp(rows[r].function, image->section)) &&
                    same_size(image, rows[r].insns)) {
                    rows[r].seen = true;
                    matched++;
                    break;
                }
        }
    }
    test_end(&job);
    CHECK_EQ(job.memory.out, 0);
}

static void walk(const char *project)
{
    char folder[1024], path[2048], name[512];
    snprintf(folder, sizeof folder, "%s/corpus/samples/%s", test_shared(), project);
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        snprintf(name, sizeof name, "%s/%s", project, entry->d_name);
        struct bytes bytes = test_file(path);
        CHECK(bytes.data != NULL);
        one(name, bytes);
        free((void *)(uintptr_t)bytes.data);
    }
    closedir(directory);
}

TEST(corpus)
{
    static const char *const projects[] = {"build",   "cilium", "cilium-core", "cilium-examples",  "falco",
                                           "invalid", "linux",  "ovs",         "prototype-kernel", "suricata"};
    if (!read_rows())
        SKIP("no ../shared/corpus (set WINBPF_SHARED)");
    for (unsigned i = 0; i < sizeof projects / sizeof *projects; i++)
        walk(projects[i]);
    printf("%u objects opened, %u refused, %u of %u listed programs found\n", opened, refused, matched, row_count);
    for (unsigned r = 0; r < row_count; r++)
        if (!rows[r].seen)
            printf("not found: %s %s %s %u\n", rows[r].object, rows[r].section, rows[r].function, rows[r].insns);
    /* The folder invalid/ has two objects whose section names are corrupted; they are refused as a whole. */
    for (unsigned r = 0; r < row_count; r++)
        if (!rows[r].seen)
            CHECK(!strncmp(rows[r].object, "invalid/", 8));
    CHECK_EQ(row_count, 405);
    CHECK_EQ(opened, 98);
    CHECK_EQ(refused, 2);
    CHECK_EQ(matched, 403);
}

TEST_MAIN
