/* SPDX-License-Identifier: MIT
 *
 * Programs of efW's personality in C (tests/verify/efw), compiled against the headers that they are given: each whose
 * name begins with good_ is accepted, each bad_CODE_ is refused for that reason; every program type and attach type of
 * efW has both.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"
#include "elf/object.h"
#include "verify/subject.h"

static const char *const files[] = {"xdp", "bind", "sock_addr", "sock_ops", "netevent", "process", "sample"};

struct tally {
    uint32_t type, attach, good, bad;
};

/* efW's, but for attach type 9, which is none of a program's. */
static struct tally tallies[] = {{1, 1, 0, 0},  {2, 2, 0, 0},  {3, 3, 0, 0},  {3, 4, 0, 0},
                                 {3, 5, 0, 0},  {3, 6, 0, 0},  {3, 12, 0, 0}, {3, 13, 0, 0},
                                 {3, 14, 0, 0}, {3, 15, 0, 0}, {3, 16, 0, 0}, {3, 17, 0, 0},
                                 {4, 7, 0, 0},  {5, 10, 0, 0}, {6, 11, 0, 0}, {999, 8, 0, 0}};

/* Is the verdict on a program the one that its name says? */
static bool as_named(const char *name, const struct verify_result *result)
{
    char code[8];
    if (!strncmp(name, "good_", 5))
        return result->verdict == VERIFY_ACCEPT;
    snprintf(code, sizeof code, "V%.4s", name + 4);
    return !strncmp(name, "bad_", 4) && result->verdict != VERIFY_ACCEPT &&
           !strcmp(verify_reason_code(result->reason), code);
}

static void judge(const char *file, const struct elf_object *object, const struct image *image)
{
    struct subject s;
    struct tally *tally = NULL;
    for (size_t i = 0; i < sizeof tallies / sizeof *tallies; i++)
        if (tallies[i].type == image->prog_type && tallies[i].attach == image->attach_type)
            tally = &tallies[i];
    if (image->personality != PERSONALITY_EFW || !tally || !subject_verify(&s, image, object->btf, 0, 0, 0)) {
        printf("%s: %s is no program of efW's\n", file, image->name);
        check_failures++;
        return;
    }
    if (!as_named(image->name, &s.result)) {
        printf("%s: %s: %s at instruction %u: %s\n", file, image->name,
               s.result.verdict == VERIFY_ACCEPT ? "accepted" : verify_reason_code(s.result.reason), s.result.insn,
               s.result.message);
        check_failures++;
    }
    if (*image->name == 'g')
        tally->good++;
    else
        tally->bad++;
    subject_end(&s);
}

TEST(programs)
{
    char folder[] = "/tmp/winbpf-efw-XXXXXX", command[512], path[128];
    const struct elf_options options = {.personality = ELF_PERSONALITY_EFW};
    uint32_t programs = 0;

    if (system("command -v clang-16 >/dev/null 2>&1"))
        SKIP("clang-16 is not installed");
    REQUIRE(mkdtemp(folder));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct test_job job;
        struct elf_object object;
        struct bytes bytes;

        snprintf(path, sizeof path, "%s/%s.o", folder, files[i]);
        snprintf(command, sizeof command,
                 "clang-16 -target bpf -O2 -g -Wall -Werror -Iinclude/ebpf -c tests/verify/efw/%s.c -o %s", files[i],
                 path);
        if (system(command)) {
            check_failures++;
            continue;
        }
        bytes = test_file(path);
        test_begin(&job, path);
        if (!bytes.data || elf_open(bytes, &options, &job.arena, &job.diag, &object) != RESULT_OK) {
            printf("%s: %s\n", files[i], job.error);
            check_failures++;
        } else {
            for (uint32_t p = 0; p < object.program_count; p++) {
                if (object.broken[p]) {
                    printf("%s: %s: %s\n", files[i], object.programs[p].name, object.broken[p]);
                    check_failures++;
                } else {
                    judge(files[i], &object, &object.programs[p]);
                }
                programs++;
            }
        }
        test_end(&job);
        free((void *)(uintptr_t)bytes.data);
        unlink(path);
    }
    rmdir(folder);
    for (size_t i = 0; i < sizeof tallies / sizeof *tallies; i++)
        if (!tallies[i].good || !tallies[i].bad) {
            printf("type %u, attach type %u: %u good programs, %u bad ones\n", tallies[i].type, tallies[i].attach,
                   tallies[i].good, tallies[i].bad);
            check_failures++;
        }
    printf("%u programs of %zu ways to attach\n", programs, sizeof tallies / sizeof *tallies);
}

/* The judge of names: a verdict that is another one is seen. */
TEST(names)
{
    struct verify_result accepted = {.verdict = VERIFY_ACCEPT},
                         refused = {.verdict = VERIFY_REJECT, .reason = REASON_PACKET_BOUNDS};
    CHECK(as_named("good_one", &accepted) && !as_named("good_one", &refused));
    CHECK(as_named("bad_0203_one", &refused) && !as_named("bad_0203_one", &accepted));
    CHECK(!as_named("bad_0204_one", &refused) && !as_named("other_0203", &refused) && !as_named("other", &accepted));
}

TEST_MAIN
