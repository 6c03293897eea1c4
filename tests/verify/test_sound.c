/* SPDX-License-Identifier: MIT
 *
 * Soundness, by trial: random programs and mutations of real ones; what the verifier accepts must run without a fault
 * and no longer than its verdict says (sound.h).  --seed and --programs by WINBPF_SOUND="SEED COUNT".
 */
#include <dirent.h>
#include "check.h"
#include "elf/object.h"
#include "verify/sound.h"

static bool effort(const char *name)
{
    const char *value = getenv("WINBPF_EFFORT");
    return value && !strcmp(value, name);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A program from text: "call NAME" is a helper of the world, "lddw rN, map M" one of its maps. */
static bool assemble(struct recipe *recipe, const char *source)
{
    static const char *const names[] = {
#define HELPER(NAME, linux_id, xdp_id, bind_id) "call " #NAME "\n",
#include "verify/generate_helpers.def"
    };
    char text[4096], said[200];
    struct text error;
    size_t used = 0, count;
    while (*source && used + 64 < sizeof text) {
        size_t line = strcspn(source, "\n") + 1;
        unsigned reg, map;
        int known = -1;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (!strncmp(source, names[i], strlen(names[i])))
                known = (int)i;
        if (known >= 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "call %d\n", known);
        else if (sscanf(source, "lddw %%r%u, map %u", &reg, &map) == 2)
            used += (size_t)snprintf(text + used, sizeof text - used, "lddw %%r%u, %u\n", reg, map | 0x40000000u);
        else
            used += (size_t)snprintf(text + used, sizeof text - used, "%.*s", (int)line, source);
        source += line;
    }
    memset(recipe, 0, sizeof *recipe);
    recipe->func_count = 1;
    text_init(&error, said, sizeof said);
    if (!isa_assemble(text, used, recipe->insns, RECIPE_INSNS, &count, &error)) {
        printf("%s in:\n%s", said, text);
        return false;
    }
    recipe->count = (uint32_t)count;
    for (uint32_t i = 0; i < recipe->count; i++)
        if (recipe->insns[i].code == 0x18 && recipe->insns[i].imm & 0x40000000) {
            recipe->insns[i].imm &= 0xff;
            recipe->insns[i].regs |= LDDW_SRC_MAP_INDEX << 4;
        }
    return true;
}

TEST(random_programs)
{
    static struct sound_count count;
    static struct sound_failure failure;
    static struct recipe recipe;
    unsigned long long seed = 1, programs = effort("long") ? 400000 : effort("quick") ? 2000 : 20000;
    const char *asked = getenv("WINBPF_SOUND");
    unsigned failures = 0;
    if (asked)
        sscanf(asked, "%llu %llu", &seed, &programs);
    sound_begin();
    for (unsigned long long i = 0; i < programs && failures < 5; i++) {
        recipe_generate(&recipe, seed + i);
        if (!sound_judge(&recipe, 12, &count, &failure)) {
            sound_report(&failure);
            failures++;
        }
    }
    sound_end();
    printf("%llu programs from seed %llu: %llu accepted as generated (%.0f %%), %llu after repair (%.0f %% together), "
           "%llu malformed\n",
           (unsigned long long)count.programs, seed, (unsigned long long)count.accepted,
           share(count.accepted, count.programs), (unsigned long long)count.repaired,
           share(count.accepted + count.repaired, count.programs), (unsigned long long)count.malformed);
    printf(
        "%llu variants accepted, %llu claims, %llu runs of %llu instructions, %llu exactly as long as the worst case\n",
        (unsigned long long)count.variants, (unsigned long long)count.claims, (unsigned long long)count.runs,
        (unsigned long long)count.instructions, (unsigned long long)count.worst_reached);
    unsigned ops = 0, helpers = 0, held = 0;
    printf("not in any accepted program:");
    for (int op = ISA_INVALID + 1; op < ISA_OPS; op++) {
        ops++;
        held += count.ops[op] != 0;
        if (!count.ops[op])
            printf(" %s", isa_op_name((enum isa_op)op));
    }
    printf("\n");
    for (int i = 0; i < WORLD_GENERATED; i++)
        helpers += count.helpers[i] != 0;
    printf("%u of %u operations, %u of %u helpers in accepted programs\n", held, ops, helpers, WORLD_GENERATED);
    CHECK_EQ(failures, 0);
    /* a judge that hardly anybody comes before says nothing */
    if (programs >= 500) {
        CHECK(share(count.accepted, count.programs) >= 30);
        CHECK(share(count.accepted + count.repaired, count.programs) >= 95);
        CHECK(count.malformed * 100 < count.programs);
        CHECK(count.claims > count.programs && count.variants > count.programs);
        CHECK(held >= 165 && helpers == WORLD_GENERATED);
    }
}

/* Does the samples' table say that this section is an XDP program's? */
static bool listed_as_xdp(const char *table, const char *name, const char *section)
{
    char start[600];
    snprintf(start, sizeof start, "%.300s\t%.200s\t", name, section);
    for (const char *row = table; (row = strstr(row, start)); row++) {
        const char *type = row + strlen(start);
        type += strcspn(type, "\t");
        if (!strncmp(type, "\txdp\t", 5))
            return true;
    }
    return false;
}

static void change_object(const char *table, const char *name, struct bytes bytes, unsigned changes,
                          struct sound_count *count, unsigned *programs, unsigned *failures)
{
    static struct recipe recipe;
    static struct sound_failure failure;
    struct test_job job;
    struct elf_object object;
    struct elf_options options = {0};
    test_begin(&job, name);
    if (!elf_open(bytes, &options, &job.arena, &job.diag, &object))
        for (uint32_t i = 0; i < object.program_count; i++) {
            struct verify_result result;
            struct image image = object.programs[i];
            if (!image.prog_type && listed_as_xdp(table, name, image.section))
                image.prog_type = 6;
            if (object.broken[i] || !sound_adopt(&image, &recipe))
                continue;
            if (!sound_accepts(&recipe, &result))
                continue;
            ++*programs;
            for (unsigned n = 0; n < changes && *failures < 5; n++)
                if (!sound_judge_changed(&recipe, n ? n * 1000003u + i : 0, 6, count, &failure)) {
                    printf("%s, program %u, change %u:\n", name, i, n);
                    sound_report(&failure);
                    ++*failures;
                }
        }
    test_end(&job);
}

/* Real programs, changed: an instruction, a bound, a target, a constant. */
TEST(changed_programs)
{
    static struct sound_count count;
    char path[2048], folder[1024];
    unsigned programs = 0, failures = 0, changes = effort("long") ? 5000 : effort("quick") ? 50 : 300;
    snprintf(folder, sizeof folder, "%s/corpus/samples", test_shared());
    DIR *projects = opendir(folder);
    snprintf(path, sizeof path, "%s/corpus/samples/expected.tsv", test_shared());
    struct bytes rows = test_file(path);
    if (!projects || !rows.data)
        SKIP("no ../shared/corpus (set WINBPF_SHARED)");
    char *table = calloc(rows.size + 1, 1);
    REQUIRE(table != NULL);
    memcpy(table, rows.data, rows.size);
    sound_begin();
    for (struct dirent *project; (project = readdir(projects));) {
        snprintf(path, sizeof path, "%s/%.200s", folder, project->d_name);
        DIR *objects = project->d_name[0] != '.' ? opendir(path) : NULL;
        if (!objects)
            continue;
        for (struct dirent *object; (object = readdir(objects));) {
            snprintf(path, sizeof path, "%s/%.200s/%.200s", folder, project->d_name, object->d_name);
            if (object->d_name[0] == '.' || !strstr(object->d_name, ".o"))
                continue;
            struct bytes bytes = test_file(path);
            if (bytes.data)
                change_object(table, object->d_name, bytes, changes, &count, &programs, &failures);
            free((void *)(uintptr_t)bytes.data);
        }
        closedir(objects);
    }
    closedir(projects);
    free(table);
    free((void *)(uintptr_t)rows.data);
    sound_end();
    printf(
        "%u programs run here, %llu changes, %llu accepted (%.0f %%), %llu malformed, %llu runs of %llu instructions\n",
        programs, (unsigned long long)count.programs, (unsigned long long)count.accepted,
        share(count.accepted, count.programs), (unsigned long long)count.malformed, (unsigned long long)count.runs,
        (unsigned long long)count.instructions);
    CHECK_EQ(failures, 0);
    CHECK(programs >= 15);
    CHECK(share(count.accepted, count.programs) >= 30);
}

/* Holes that were found: programs that were accepted once. */
TEST(holes)
{
    static const struct {
        const char *source;
        enum verify_reason reason;
    } holes[] = {
        /* check_mtu writes a u32, wherever it is */
        {"mov %r2, 0\nmov %r3, %r10\nadd %r3, -43\nmov %r4, 0\nmov %r5, 0\ncall CHECK_MTU\nmov %r0, 0\nexit\n",
         REASON_ALIGNMENT},
        /* no bytes, and no memory either */
        {"mov %r2, 0\nmov %r3, 0\nmov %r4, 0\nlddw %r1, map 3\ncall RING_OUTPUT\nmov %r0, 0\nexit\n",
         REASON_ARGUMENT_KIND},
        /* of 1 to 16 bytes only those are written */
        {"mov %r6, %r1\ncall PRANDOM\nand %r0, 15\nadd %r0, 1\nmov %r4, %r0\nmov %r1, %r6\nmov %r2, 0\n"
         "mov %r3, %r10\nadd %r3, -16\ncall LOAD_BYTES\nldxdw %r0, [%r10-8]\nexit\n",
         REASON_UNINIT_STACK},
        /* atomics are aligned, and know no pointers */
        {"mov %r6, 0\nstrelw [%r10-47], %r6\nmov %r0, 0\nexit\n", REASON_ALIGNMENT},
        {"streldw [%r10-8], %r1\nmov %r0, 0\nexit\n", REASON_POINTER_LEAK},
        {"stxdw [%r10-8], %r1\nldacqdw %r2, [%r10-8]\nmov %r0, 0\nexit\n", REASON_SPILLED_POINTER},
        {"ldacqw %r2, [%r1+12]\nmov %r0, 0\nexit\n", REASON_ATOMIC_MEMORY},
    };
    static struct recipe recipe;
    sound_begin();
    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++) {
        struct verify_result result;
        bool accepted;
        REQUIRE(assemble(&recipe, holes[i].source));
        accepted = sound_accepts(&recipe, &result);
        if (accepted || result.reason != holes[i].reason)
            printf("case %zu: %s: %s\n", i, accepted ? "accepted" : verify_reason_code(result.reason), result.message);
        CHECK(!accepted && result.reason == holes[i].reason);
    }
    sound_end();
}

TEST_MAIN
