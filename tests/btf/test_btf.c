/* SPDX-License-Identifier: MIT
 *
 * BTF built word by word: what is accepted, and each reason to refuse.
 */
#include "btf/btf.h"
#include "check.h"
#include "elf/object.h"

static uint8_t data[8192];
static uint32_t words, text_size;
static char text[1024];

static void begin(void)
{
    words = 0;
    text_size = 1;
    memset(text, 0, sizeof text);
}

static uint32_t name(const char *string)
{
    uint32_t at = text_size;
    memcpy(text + at, string, strlen(string) + 1);
    text_size += (uint32_t)strlen(string) + 1;
    return at;
}

static void word(uint32_t value)
{
    store_le32(data + 24 + 4 * words++, value);
}

static void type(uint32_t name_offset, enum btf_kind kind, uint32_t vlen, uint32_t size_or_type)
{
    word(name_offset);
    word((uint32_t)kind << 24 | vlen);
    word(size_or_type);
}

static struct bytes finish(void)
{
    store_le32(data, 0x0001eb9f);
    store_le32(data + 4, 24);
    store_le32(data + 8, 0);
    store_le32(data + 12, 4 * words);
    store_le32(data + 16, 4 * words);
    store_le32(data + 20, text_size);
    memcpy(data + 24 + 4 * words, text, text_size);
    return (struct bytes){data, 24 + 4 * words + text_size};
}

static void integer(void) /* 32 bits, signed */
{
    type(name("int"), BTF_KIND_INT, 0, 4);
    word(1u << 24 | 32);
}

static void refused(const char *reason)
{
    struct test_job job;
    struct btf *btf;
    test_begin(&job, "t");
    CHECK_EQ(btf_open(finish(), &job.arena, &job.diag, &btf), RESULT_INVALID);
    CHECK_EQ(job.errors, 1);
    if (!strstr(job.error, reason))
        printf("'%s' lacks '%s'\n", job.error, reason);
    CHECK(strstr(job.error, reason) != NULL);
    test_end(&job);
}

TEST(accessors)
{
    struct test_job job;
    struct btf *btf;
    uint32_t size;
    int64_t value;
    begin();
    integer();                                                /* 1 */
    type(0, BTF_KIND_CONST, 0, 1);                            /* 2 */
    type(name("number"), BTF_KIND_TYPEDEF, 0, 2);             /* 3 */
    type(0, BTF_KIND_ARRAY, 0, 0), word(3), word(1), word(5); /* 4 */
    type(name("pair"), BTF_KIND_STRUCT, 2, 24);               /* 5 */
    word(name("a")), word(3), word(0);
    word(name("b")), word(4), word(32);
    type(0, BTF_KIND_PTR, 0, 5);              /* 6 */
    type(name("color"), BTF_KIND_ENUM, 2, 4); /* 7 */
    word(name("RED")), word(1), word(name("GREEN")), word(0xffffffff);
    type(name("pair___old"), BTF_KIND_STRUCT, 0, 4); /* 8 */
    type(name("forward"), BTF_KIND_FWD, 0, 0);       /* 9 */
    test_begin(&job, "t");
    enum result result = btf_open(finish(), &job.arena, &job.diag, &btf);
    if (result)
        printf("%s\n", job.error);
    REQUIRE(result == RESULT_OK);
    CHECK_EQ(btf_type_count(btf), 10);
    CHECK_EQ(btf_skip_modifiers(btf, 3), 1);
    CHECK(btf_sizeof(btf, 4, &size) == RESULT_OK && size == 20);
    CHECK(btf_sizeof(btf, 6, &size) == RESULT_OK && size == 8);
    CHECK_EQ(btf_sizeof(btf, 9, &size), RESULT_INVALID);
    CHECK_EQ(btf_sizeof(btf, 0, &size), RESULT_INVALID);
    CHECK_EQ(btf_find(btf, BTF_KIND_STRUCT, "pair"), 5);
    CHECK_EQ(btf_find(btf, BTF_KIND_STRUCT, "pair___old"), 8);
    CHECK_EQ(btf_find(btf, BTF_KIND_UNION, "pair"), 0);
    CHECK_EQ(btf_find_essential(btf, "pair", 4, 0), 5);
    CHECK_EQ(btf_find_essential(btf, "pair", 4, 5), 8);
    CHECK_EQ(btf_find_essential(btf, "pair", 4, 8), 0);
    CHECK_EQ(btf_essential_length("a___b"), 1);
    CHECK_EQ(btf_essential_length("a___b___c"), 5);
    CHECK_EQ(btf_essential_length("a____b"), 6);
    CHECK_EQ(btf_essential_length("___b"), 4);
    CHECK_STR(btf_member(btf, 5, 1).name, "b");
    CHECK_EQ(btf_member(btf, 5, 1).bit_offset, 32);
    CHECK_EQ(btf_array_type(btf, 4).count, 5);
    CHECK_STR(btf_enumerator(btf, 7, 1, &value), "GREEN");
    CHECK_EQ(value, 0xffffffffll);
    CHECK(btf_is_signed(btf, 1) && !btf_is_signed(btf, 7));
    test_end(&job);
}

TEST(refusals)
{
    begin(), type(0, BTF_KIND_PTR, 0, 9);
    refused("type 1: refers to a type that does not exist");
    begin(), type(0, BTF_KIND_CONST, 0, 1);
    refused("contains itself");
    begin(), type(0, BTF_KIND_ARRAY, 0, 0), word(1), word(1), word(2);
    refused("contains itself");
    begin(), type(0, BTF_KIND_CONST, 0, 2), type(0, BTF_KIND_VOLATILE, 0, 1);
    refused("contains itself");
    begin(), type(name("s"), BTF_KIND_STRUCT, 1, 4), word(0), word(1), word(0);
    refused("contains itself");
    begin(), integer(), type(name("s"), BTF_KIND_STRUCT, 1, 4), word(0), word(1), word(8);
    refused("type 2 's': member lies outside");
    begin(), integer(), type(name("s"), BTF_KIND_STRUCT, 1, 4), word(9999), word(1), word(0);
    refused("member name out of range");
    begin(), type(name("s"), BTF_KIND_STRUCT, 1, 4), word(0), word(7), word(0);
    refused("member of a type that does not exist");
    begin(), type(name("i"), BTF_KIND_INT, 0, 3), word(24);
    refused("integer size");
    begin(), type(name("i"), BTF_KIND_INT, 0, 4), word(33);
    refused("more bits");
    begin(), type(name("i"), BTF_KIND_INT, 0, 4), word(9u << 24 | 32);
    refused("integer encoding");
    begin(), type(0, BTF_KIND_TYPEDEF, 0, 0);
    refused("has no name");
    begin(), type(name("p"), BTF_KIND_PTR, 0, 0);
    refused("has a name");
    begin(), type(0, (enum btf_kind)20, 0, 0);
    refused("unknown kind 20");
    begin(), integer(), type(name("f"), BTF_KIND_FUNC, 0, 1);
    refused("without a prototype");
    begin(), integer(), type(name("d"), BTF_KIND_DATASEC, 1, 4), word(1), word(0), word(4);
    refused("no variable");
    begin(), integer(), type(name("v"), BTF_KIND_VAR, 0, 1), word(1);
    type(name("d"), BTF_KIND_DATASEC, 1, 4), word(2), word(4), word(4);
    refused("outside its section");
    begin(), type(0, BTF_KIND_ARRAY, 0, 0), word(0), word(0), word(2);
    refused("without a size");
    begin(), type(name("s"), BTF_KIND_STRUCT, 3, 4);
    refused("cut short");
    begin(), integer();
    for (uint32_t i = 0; i < 70; i++)
        type(0, BTF_KIND_CONST, 0, i + 1);
    refused("nested too deeply");
}

TEST(header)
{
    struct test_job job;
    struct btf *btf;
    begin(), integer();
    struct bytes good = finish();
    uint8_t copy[256];
    REQUIRE(good.size < sizeof copy);
    test_begin(&job, "t");
    CHECK_EQ(btf_open(good, &job.arena, &job.diag, &btf), RESULT_OK);
    for (size_t size = 0; size < good.size; size++)
        CHECK_EQ(btf_open((struct bytes){data, size}, &job.arena, &job.diag, &btf), RESULT_INVALID);
    static const struct {
        uint32_t at, value;
    } faults[] = {{0, 0x00019feb}, {0, 0x0002eb9f}, {4, 8},  {4, 1u << 31}, {8, 2},
                  {12, 1u << 30},  {16, 0},         {20, 0}, {20, 4}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        memcpy(copy, good.data, good.size);
        store_le32(copy + faults[i].at, faults[i].value);
        CHECK_EQ(btf_open((struct bytes){copy, good.size}, &job.arena, &job.diag, &btf), RESULT_INVALID);
    }
    test_end(&job);
    CHECK_EQ(job.memory.out, 0);
}

TEST_MAIN
