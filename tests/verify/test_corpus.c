/* SPDX-License-Identifier: MIT
 *
 * The sample objects: what either peer accepts is accepted, what both reject is rejected; exceptions are listed with
 * the way in which the program goes wrong.  Flags are a root's: pointers may leak, unwritten stack may be read.
 */
#include "check.h"
#include "elf/object.h"
#include "image/image.h"
#include "verify/subject.h"

struct row {
    char object[256], section[128], function[128], type[32], prevail[16], kernel[16];
    unsigned insns;
    double kernel_us;
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
    while (fgets(line, sizeof line, file) && row_count < 1024) {
        char *field[12], *at = line;
        for (int i = 0; i < 12; i++) {
            field[i] = at;
            at += strcspn(at, "\t\n");
            if (*at)
                *at++ = 0;
        }
        if (!strcmp(field[0], "project"))
            continue;
        struct row *row = &rows[row_count++];
        snprintf(row->object, sizeof row->object, "%s/%s", field[0], field[1]);
        snprintf(row->section, sizeof row->section, "%s", field[2]);
        snprintf(row->function, sizeof row->function, "%s", field[3]);
        snprintf(row->type, sizeof row->type, "%s", field[4]);
        snprintf(row->prevail, sizeof row->prevail, "%s", field[6]);
        snprintf(row->kernel, sizeof row->kernel, "%s", field[7]);
        row->insns = (unsigned)atoi(field[5]);
        row->kernel_us = atof(field[10]);
    }
    fclose(file);
    return true;
}

static uint32_t type_number(const char *name)
{
    for (uint32_t type = 0; type < 64; type++) {
        const char *known = contract_program_type_name(PERSONALITY_LINUX, type);
        if (known && !strcmp(known, name))
            return type;
    }
    return 0;
}

static bool same_size(const struct image *image, unsigned insns)
{
    unsigned first = image->func_count > 1 ? image->funcs[1].insn : image->insn_count;
    return insns == 0 || insns == image->insn_count || insns == first;
}

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

static void judge(struct row *row, const struct image *image, const struct btf *btf, const char *broken)
{
    struct subject s;
    struct image copy = *image;
    bool either = !strncmp(row->prevail, "accept", 6) || !strncmp(row->kernel, "accept", 6);
    bool both = !strncmp(row->prevail, "reject", 6) && !strncmp(row->kernel, "reject", 6);
    row->seen = true;
    /* a function of .text that no section gives a type is what libbpf takes it for */
    if (*row->type || !copy.prog_type)
        copy.prog_type = type_number(*row->type ? row->type : "socket_filter");
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
            for (unsigned r = 0; r < row_count; r++)
                if (!rows[r].seen && !strcmp(rows[r].object, name) && !strcmp(rows[r].section, image->section) &&
                    (!strcmp(rows[r].function, image->name) || !strcmp(rows[r].function, image->section)) &&
                    same_size(image, rows[r].insns)) {
                    judge(&rows[r], image, object.btf, object.broken[i]);
                    break;
                }
        }
    test_end(&job);
}

TEST(corpus)
{
    char path[2048];
    if (!read_rows())
        SKIP("no ../shared/corpus (set WINBPF_SHARED)");
    REQUIRE(read_exceptions());
    if (getenv("WINBPF_TABLE"))
        table = fopen(getenv("WINBPF_TABLE"), "w");
    for (unsigned r = 0; r < row_count; r++) {
        if (rows[r].seen || (r && !strcmp(rows[r].object, rows[r - 1].object)))
            continue;
        snprintf(path, sizeof path, "%s/corpus/samples/%.250s", test_shared(), rows[r].object);
        struct bytes bytes = test_file(path);
        CHECK(bytes.data != NULL);
        one(rows[r].object, bytes);
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
