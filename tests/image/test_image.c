/* SPDX-License-Identifier: MIT
 *
 * Images: bytecode in, flat form and back, every check refused by the one fault that it is for.
 */
#include "check.h"
#include "elf/object.h"
#include "image/image.h"

static uint32_t handle_index(void *self, int32_t handle)
{
    (void)self;
    return handle >= 10 && handle < 12 ? (uint32_t)handle - 10 : IMAGE_NO_INDEX;
}

/* r1 = map 10; call 1; call 7; call 1; r2 = value of map 11 + 4; call the subprogram; exit; subprogram: r0 = 0; exit */
static const struct insn code[] = {
    {0x18, 0x11, 0, 10}, {0, 0, 0, 0},       {0x85, 0, 0, 1}, {0x85, 0, 0, 7}, {0x85, 0, 0, 1}, {0x18, 0x22, 0, 11},
    {0, 0, 0, 4},        {0x85, 0x10, 0, 1}, {0x95, 0, 0, 0}, {0xb7, 0, 0, 0}, {0x95, 0, 0, 0},
};
enum { COUNT = sizeof code / sizeof *code };

static struct map_spec maps[2] = {
    {.name = "first", .kind = 1, .key_size = 4, .value_size = 8, .max_entries = 3, .inner = IMAGE_NO_INDEX},
    {.name = ".data",
     .kind = 2,
     .key_size = 4,
     .value_size = 8,
     .max_entries = 1,
     .inner = IMAGE_NO_INDEX,
     .extra = 0x123456789abcull,
     .contents = {(const uint8_t *)"12345678", 8}},
};

static enum result make(struct test_job *job, struct image *image)
{
    memset(image, 0, sizeof *image);
    test_begin(job, "image");
    enum result result = image_from_insns(code, COUNT, &job->arena, &job->diag, handle_index, NULL, image);
    image->name = "prog";
    image->section = "xdp";
    image->license = "GPL";
    image->maps = maps;
    image->map_count = 2;
    return result ? result : image_find_funcs(&job->arena, image);
}

TEST(from_insns)
{
    struct test_job job;
    struct image image;
    REQUIRE(make(&job, &image) == RESULT_OK);
    CHECK_EQ(image.helper_count, 2);
    CHECK_EQ(image.helpers[0].id, 1);
    CHECK_EQ(image.helpers[1].id, 7);
    CHECK_EQ(image.insns[2].imm, 0);
    CHECK_EQ(image.insns[3].imm, 1);
    CHECK_EQ(image.insns[4].imm, 0);
    CHECK_EQ(insn_src(&image.insns[0]), LDDW_SRC_MAP_INDEX);
    CHECK_EQ(image.insns[0].imm, 0);
    CHECK_EQ(insn_src(&image.insns[5]), LDDW_SRC_MAP_INDEX_VALUE);
    CHECK_EQ(image.insns[5].imm, 1);
    CHECK_EQ(image.insns[6].imm, 4);
    CHECK_EQ(image.func_count, 2);
    CHECK_EQ(image.funcs[1].insn, 9);
    CHECK_EQ(image_check(&image, &job.diag), RESULT_OK);
    test_end(&job);
    struct insn foreign[COUNT];
    memcpy(foreign, code, sizeof code);
    foreign[0].imm = 12;
    test_begin(&job, "image");
    CHECK_EQ(image_from_insns(foreign, COUNT, &job.arena, &job.diag, handle_index, NULL, &image), RESULT_BAD_HANDLE);
    CHECK(strstr(job.error, "instruction 0") != NULL);
    CHECK_EQ(image_from_insns(foreign, 0, &job.arena, &job.diag, handle_index, NULL, &image), RESULT_TOO_BIG);
    test_end(&job);
}

TEST(round_trip)
{
    struct test_job job;
    struct image image, out;
    struct bytes flat, again;
    REQUIRE(make(&job, &image) == RESULT_OK);
    REQUIRE(image_encode(&image, &job.arena, &flat) == RESULT_OK);
    REQUIRE(image_decode(flat, &job.arena, &job.diag, &out) == RESULT_OK);
    CHECK_STR(out.name, "prog");
    CHECK_STR(out.section, "xdp");
    CHECK_STR(out.license, "GPL");
    CHECK_EQ(out.insn_count, COUNT);
    CHECK(!memcmp(out.insns, image.insns, sizeof code));
    CHECK_STR(out.maps[1].name, ".data");
    CHECK_EQ(out.maps[1].extra, maps[1].extra);
    CHECK_EQ(out.maps[1].contents.size, 8);
    CHECK(!memcmp(out.maps[1].contents.data, "12345678", 8));
    CHECK_EQ(out.helpers[1].id, 7);
    CHECK_EQ(out.funcs[1].insn, 9);
    REQUIRE(image_encode(&out, &job.arena, &again) == RESULT_OK);
    CHECK(again.size == flat.size && !memcmp(again.data, flat.data, flat.size));
    /* Every prefix, and one byte too many, is refused with a line. */
    for (size_t size = 0; size <= flat.size + 1; size++) {
        uint8_t *copy = calloc(1, size ? size : 1);
        memcpy(copy, flat.data, size < flat.size ? size : flat.size);
        job.errors = 0;
        enum result result = image_decode((struct bytes){copy, size}, &job.arena, &job.diag, &out);
        CHECK_EQ(result, size == flat.size ? RESULT_OK : RESULT_INVALID);
        CHECK_EQ(job.errors, size != flat.size);
        free(copy);
    }
    test_end(&job);
}

static void refused(struct test_job *job, const struct image *image, const char *text)
{
    job->errors = 0;
    CHECK_EQ(image_check(image, &job->diag), RESULT_INVALID);
    CHECK_EQ(job->errors, 1);
    if (!strstr(job->error, text))
        printf("'%s' lacks '%s'\n", job->error, text);
    CHECK(strstr(job->error, text) != NULL);
}

TEST(each_fault)
{
    struct test_job job;
    struct image good, image;
    struct insn insns[COUNT];
    struct map_spec bad_maps[2];
    struct image_func funcs[2] = {{"a", 0, 0, 0}, {"b", 9, 0, 0}};
    struct image_line line = {0, 0, 0, 1, 1};
    char long_name[IMAGE_NAME + 1];
    REQUIRE(make(&job, &good) == RESULT_OK);
#define WITH_INSN(at, field, value, text)                                                                              \
    (image = good, memcpy(insns, good.insns, sizeof insns), insns[at].field = (value), image.insns = insns,            \
     refused(&job, &image, text))
    WITH_INSN(0, imm, 2, "instruction 0: map index");
    WITH_INSN(5, imm, -1, "instruction 5: map index");
    WITH_INSN(2, imm, 2, "instruction 2: helper index");
    WITH_INSN(7, imm, 2, "instruction 7");
    image = good, image.func_count = 1;
    refused(&job, &image, "instruction 7: calls what is no function");
    WITH_INSN(0, regs, 0x11, "instruction 0");
    WITH_INSN(9, code, 0xff, "instruction 9");
    image = good, image.insn_count = 0;
    refused(&job, &image, "no instructions");
    image = good, image.personality = PERSONALITIES;
    refused(&job, &image, "personality");
    image = good, image.map_count = IMAGE_MAX_MAPS + 1;
    refused(&job, &image, "too many");
#define WITH_MAP(field, value, text)                                                                                   \
    (image = good, memcpy(bad_maps, maps, sizeof maps), bad_maps[1].field = value, image.maps = bad_maps,              \
     refused(&job, &image, text))
    memset(long_name, 'x', sizeof long_name);
    WITH_MAP(inner, 1, "map 1: inner");
    WITH_MAP(inner, 2, "map 1: inner");
    WITH_MAP(name, long_name, "map 1: name too long");
    WITH_MAP(value_size, 7, "map 1: contents larger");
    WITH_MAP(frozen, 2, "map 1: unknown");
    WITH_MAP(personality, 9, "map 1: unknown");
    image = good, image.funcs = funcs, funcs[0].insn = 1;
    refused(&job, &image, "function 0: out of order");
    funcs[0].insn = 0, funcs[1].insn = 11;
    refused(&job, &image, "function 1: start");
    image = good, image.lines = &line, image.line_count = 1;
    refused(&job, &image, "line 0: text out of range");
    image = good, image.btf = (struct bytes){(const uint8_t *)"no types", 8};
    refused(&job, &image, "BTF");
    test_end(&job);
}

TEST(every_allocation_fails)
{
    struct test_job job;
    struct image image, out;
    struct bytes flat, copy;
    REQUIRE(make(&job, &image) == RESULT_OK && image_encode(&image, &job.arena, &flat) == RESULT_OK);
    uint8_t *data = malloc(flat.size);
    memcpy(data, flat.data, flat.size);
    copy = (struct bytes){data, flat.size};
    test_end(&job);
    for (size_t limit = 0; limit < 6000; limit += 16) {
        test_begin(&job, "image");
        job.arena.limit = limit;
        enum result result = image_decode(copy, &job.arena, &job.diag, &out);
        CHECK(result == RESULT_OK || result == RESULT_NO_MEMORY);
        test_end(&job);
        CHECK_EQ(job.memory.out, 0);
    }
    free(data);
}

/* Ids that share their low or high digits, a million calls of them: as many indices as ids, in order of occurrence. */
TEST(many_helpers)
{
    enum { CALLS = 1000000 };
    struct insn *insns = malloc(CALLS * sizeof *insns);
    struct test_job job;
    struct image image;
    REQUIRE(insns);
    for (unsigned shift = 0; shift <= 20; shift += 4) {
        test_begin(&job, "helpers");
        memset(&image, 0, sizeof image);
        for (uint32_t i = 0; i < CALLS; i++)
            insns[i] = (struct insn){0x85, 0, 0, (int32_t)(i % IMAGE_MAX_HELPERS << shift)};
        CHECK_EQ(image_number_helpers(insns, CALLS, &job.arena, &image), RESULT_OK);
        CHECK_EQ(image.helper_count, IMAGE_MAX_HELPERS);
        unsigned wrong = 0;
        for (uint32_t i = 0; i < CALLS; i++)
            wrong += (uint32_t)insns[i].imm != i % IMAGE_MAX_HELPERS;
        for (uint32_t i = 0; i < image.helper_count; i++)
            wrong += image.helpers[i].id != (int32_t)(i << shift);
        CHECK_EQ(wrong, 0);
        for (uint32_t i = 0; i < CALLS; i++)
            insns[i].imm = (int32_t)(i % (IMAGE_MAX_HELPERS + 1) * 2654435761u);
        CHECK_EQ(image_number_helpers(insns, CALLS, &job.arena, &image), RESULT_TOO_BIG);
        test_end(&job);
        CHECK_EQ(job.memory.out, 0);
    }
    free(insns);
}

TEST_MAIN
