/* SPDX-License-Identifier: MIT
 *
 * Every sample object opens, or fails with one right line; the programs found and their sizes are those that the
 * corpus's own table lists (it counts what the peers' readers found).
 */
#include <dirent.h>
#include <time.h>
#include "check.h"
#include "elf/samples.h"

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
            for (unsigned r = 0; r < sample_count; r++)
                if (!samples[r].seen && !strcmp(samples[r].object, name) && sample_is(&samples[r], image)) {
                    samples[r].seen = true;
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
    if (!samples_read())
        SKIP("no ../shared/corpus (set WINBPF_SHARED)");
    for (unsigned i = 0; i < sizeof projects / sizeof *projects; i++)
        walk(projects[i]);
    printf("%u objects opened, %u refused, %u of %u listed programs found\n", opened, refused, matched, sample_count);
    for (unsigned r = 0; r < sample_count; r++)
        if (!samples[r].seen)
            printf("not found: %s %s %s %u\n", samples[r].object, samples[r].section, samples[r].function,
                   samples[r].insns);
    /* The folder invalid/ has two objects whose section names are corrupted; they are refused as a whole. */
    for (unsigned r = 0; r < sample_count; r++)
        if (!samples[r].seen)
            CHECK(!strncmp(samples[r].object, "invalid/", 8));
    CHECK_EQ(sample_count, 405);
    CHECK_EQ(opened, 98);
    CHECK_EQ(refused, 2);
    CHECK_EQ(matched, 403);
}

TEST_MAIN
