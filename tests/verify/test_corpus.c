/* SPDX-License-Identifier: MIT
 *
 * The sample objects: what either peer accepts is accepted, what both reject is rejected; exceptions are listed with
 * the way in which the program goes wrong.  Flags are a root's: pointers may leak, unwritten stack may be read.
 */
#include "check.h"
#include "elf/samples.h"
#include "verify/subject.h"

static unsigned wrong, right;
static FILE *table;

/* corpus.exceptions: verdicts that differ on purpose. */
static struct exception {
    char object[256], program[128], verdict[16];
    bool used;
} exceptions[64];
static unsigned exception_count;

static bool read_exceptions(void)
{
    char line[1024];
    FILE *file = fopen("tests/verify/corpus.exceptions", "r");
    if (!file)
        return false;
    while (fgets(line, sizeof line, file) && exception_count < 64) {
        struct exception *e = &exceptions[exception_count];
        if (*line != '#' && sscanf(line, "%255[^\t]\t%127[^\t]\t%15[^\t]", e->object, e->program, e->verdict) == 3)
            exception_count++;
    }
    fclose(file);
    return true;
}

static bool excepted(const char *object, const char *program, bool accepted)
{
    for (unsigned i = 0; i < exception_count; i++) {
        struct exception *e = &exceptions[i];
        if (!strcmp(e->object, object) && !strcmp(e->program, program) && accepted == !strcmp(e->verdict, "accept"))
            return e->used = true;
    }
    return false;
}

static void judge(struct sample *row, const struct image *image, const struct btf *btf, const char *broken)
{
    struct subject s;
    struct image copy = *image;
    bool either = !strncmp(row->prevail, "accept", 6) || !strncmp(row->kernel, "accept", 6);
    bool both = !strncmp(row->prevail, "reject", 6) && !strncmp(row->kernel, "reject", 6);
    row->seen = true;
    /* a function of .text that no section gives a type is what libbpf takes it for */
    if (*row->type || !copy.prog_type)
        copy.prog_type = sample_type(*row->type ? row->type : "socket_filter");
    if (broken) {
        if (table)
            fprintf(table, "%s\t%s\t%s\tbroken\t\t\t\t%s\n", row->object, row->section, row->function, broken);
        if (either) {
            printf("%s %s %s: cannot be loaded: %s (prevail %s, kernel %s)\n", row->object, row->section, row->function,
                   broken, row->prevail, row->kernel);
            wrong++;
        }
        return;
    }
    bool known = subject_verify(&s, &copy, btf, 0, VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK, 0);
    bool accepted = known && s.result.verdict == VERIFY_ACCEPT;
    if (table)
        fprintf(table, "%s\t%s\t%s\t%d\t%.1f\t%.1f\t%zu\t%llu\t%s\t%s\t%s\n", row->object, row->section, row->function,
                known ? (int)s.result.verdict : -1, s.microseconds, row->kernel_us, s.result.peak_bytes,
                (unsigned long long)s.result.steps, row->prevail, row->kernel,
                known ? s.result.message : "unknown type");
    if (((either && !accepted) || (both && accepted)) && !excepted(row->object, image->name, accepted)) {
        printf("%s %s %s (%s, %u insns): %s at %u %s: %s (prevail %s, kernel %s)\n", row->object, row->section,
               row->function, row->type, image->insn_count, accepted ? "accepted" : "refused", s.result.insn,
               known ? verify_reason_code(s.result.reason) : "?", known ? s.result.message : "unknown type",
               row->prevail, row->kernel);
        wrong++;
    } else {
        right++;
    }
    subject_end(&s);
}

static void one(const char *name, struct bytes bytes)
{
    struct test_job job;
    struct elf_object object;
    /* the peers read every object as Linux's */
    struct elf_options options = {.personality = ELF_PERSONALITY_LINUX, .text_entries = true};
    test_begin(&job, name);
    if (!elf_open(bytes, &options, &job.arena, &job.diag, &object))
        for (uint32_t i = 0; i < object.program_count; i++) {
            const struct image *image = &object.programs[i];
            for (unsigned r = 0; r < sample_count; r++)
                if (!samples[r].seen && !strcmp(samples[r].object, name) && sample_is(&samples[r], image)) {
                    judge(&samples[r], image, object.btf, object.broken[i]);
                    break;
                }
        }
    test_end(&job);
}

TEST(corpus)
{
    char path[2048];
    if (!samples_read())
        SKIP("no ../shared/corpus (set WINBPF_SHARED)");
    REQUIRE(read_exceptions());
    if (getenv("WINBPF_TABLE"))
        table = fopen(getenv("WINBPF_TABLE"), "w");
    for (unsigned r = 0; r < sample_count; r++) {
        if (samples[r].seen || (r && !strcmp(samples[r].object, samples[r - 1].object)))
            continue;
        snprintf(path, sizeof path, "%s/corpus/samples/%.250s", test_shared(), samples[r].object);
        struct bytes bytes = test_file(path);
        CHECK(bytes.data != NULL);
        one(samples[r].object, bytes);
        free((void *)(uintptr_t)bytes.data);
    }
    if (table)
        fclose(table);
    for (unsigned i = 0; i < exception_count; i++)
        if (!exceptions[i].used) {
            printf("corpus.exceptions: %s %s is none\n", exceptions[i].object, exceptions[i].program);
            wrong++;
        }
    CHECK(right > 390);
    printf("%u verdicts as expected, %u not\n", right, wrong);
    CHECK_EQ(wrong, 0);
}

TEST_MAIN
