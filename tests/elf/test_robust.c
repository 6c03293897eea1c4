/* SPDX-License-Identifier: MIT
 *
 * Bad objects and scarce memory: one line that names place and reason, nothing left behind, no time lost.  The objects
 * are the committed fuzz corpus, damaged here.
 */
#include <time.h>
#include "check.h"
#include "elf/object.h"

static const char *const names[] = {"core", "features", "gcc", "undefined"};
enum { NAMES = sizeof names / sizeof *names };

static struct bytes corpus(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fuzz/corpus/elf/%s", name);
    return test_file(path);
}

static void drop(struct bytes bytes)
{
    free((void *)(uintptr_t)bytes.data);
}

static enum result try_open(struct bytes bytes, struct test_job *job, struct elf_object *object)
{
    test_begin(job, "x.o");
    return elf_open(bytes, NULL, &job->arena, &job->diag, object);
}

TEST(every_allocation_fails)
{
    for (int n = 0; n < NAMES; n++) {
        struct bytes bytes = corpus(names[n]);
        struct test_job job;
        struct elf_object object;
        REQUIRE(bytes.data != NULL);
        CHECK_EQ(try_open(bytes, &job, &object), RESULT_OK);
        unsigned long total = job.memory.allocations, failures = 0;
        test_end(&job);
        CHECK(total > 0);
        for (unsigned long i = 1; i <= total; i++) {
            test_begin(&job, "x.o");
            job.memory.fail_at = i;
            CHECK_EQ(elf_open(bytes, NULL, &job.arena, &job.diag, &object), RESULT_NO_MEMORY);
            CHECK_EQ(job.errors, 1);
            failures += job.memory.failures;
            test_end(&job);
            CHECK_EQ(job.memory.out, 0);
        }
        CHECK_EQ(failures, total);
        /* The arena's own limit does the same, at every size. */
        for (size_t limit = 0; limit < 20000; limit += 97) {
            memset(&job, 0, sizeof job);
            test_begin(&job, "x.o");
            job.arena.limit = limit;
            enum result result = elf_open(bytes, NULL, &job.arena, &job.diag, &object);
            CHECK(result == RESULT_OK || result == RESULT_NO_MEMORY);
            test_end(&job);
            CHECK_EQ(job.memory.out, 0);
        }
        drop(bytes);
    }
}

TEST(every_truncation)
{
    for (int n = 0; n < NAMES; n++) {
        struct bytes bytes = corpus(names[n]);
        for (size_t size = 0; size < bytes.size; size += size < 128 ? 1 : 13) {
            struct test_job job;
            struct elf_object object;
            uint8_t *copy = malloc(size ? size : 1);
            memcpy(copy, bytes.data, size);
            CHECK_EQ(try_open((struct bytes){copy, size}, &job, &object), RESULT_INVALID);
            CHECK_EQ(job.errors, 1);
            CHECK(!strncmp(job.error, "x.o: ", 5) && strlen(job.error) > 10 && !strchr(job.error, '\n'));
            test_end(&job);
            free(copy);
        }
        drop(bytes);
    }
}

/* The header of section `wanted` in a well-formed object. */
static uint8_t *section_header(uint8_t *data, const char *wanted)
{
    uint8_t *headers = data + load_le64(data + 40);
    uint32_t count = load_le16(data + 60), names_index = load_le16(data + 62);
    const char *strings = (const char *)data + load_le64(headers + 64 * names_index + 24);
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(strings + load_le32(headers + 64 * i), wanted))
            return headers + 64 * i;
    return NULL;
}

/* Opens a copy of "features" after `damage`; the error must hold `text`. */
static void damaged(void (*damage)(uint8_t *data), const char *text)
{
    struct bytes bytes = corpus("features");
    struct test_job job;
    struct elf_object object;
    uint8_t *data = (uint8_t *)(uintptr_t)bytes.data;
    damage(data);
    CHECK_EQ(try_open(bytes, &job, &object), RESULT_INVALID);
    CHECK_EQ(job.errors, 1);
    if (!strstr(job.error, text))
        printf("'%s' lacks '%s'\n", job.error, text);
    CHECK(strstr(job.error, text));
    test_end(&job);
    drop(bytes);
}

static void no_magic(uint8_t *data)
{
    data[1] = 'M';
}
static void bits32(uint8_t *data)
{
    data[4] = 1;
}
static void big_endian(uint8_t *data)
{
    data[5] = 2;
}
static void machine(uint8_t *data)
{
    store_le16(data + 18, 62);
}
static void executable(uint8_t *data)
{
    store_le16(data + 16, 2);
}
static void names_missing(uint8_t *data)
{
    store_le16(data + 62, 500);
}
static void section_outside(uint8_t *data)
{
    store_le64(section_header(data, "xdp") + 24, 1 << 20);
}
static void section_huge(uint8_t *data)
{
    store_le64(section_header(data, "xdp") + 32, UINT64_MAX - 7);
}
static void overlap(uint8_t *data)
{
    store_le64(section_header(data, "xdp") + 24, load_le64(section_header(data, ".maps") + 24));
}
static void odd_code(uint8_t *data)
{
    uint8_t *header = section_header(data, "xdp");
    store_le64(header + 32, load_le64(header + 32) - 4);
}
static void odd_relocations(uint8_t *data)
{
    store_le64(section_header(data, ".relxdp") + 32, 24);
}
static void relocation_outside(uint8_t *data)
{
    store_le64(data + load_le64(section_header(data, ".relxdp") + 24), 1 << 20);
}
static void relocation_symbol(uint8_t *data)
{
    store_le32(data + load_le64(section_header(data, ".relxdp") + 24) + 12, 100000);
}
static void symbols_odd(uint8_t *data)
{
    store_le64(section_header(data, ".symtab") + 32, 25);
}
static void btf_magic(uint8_t *data)
{
    data[load_le64(section_header(data, ".BTF") + 24)] = 0;
}
static void btf_type_kind(uint8_t *data)
{
    store_le32(data + load_le64(section_header(data, ".BTF") + 24) + 24 + 4, 31u << 24);
}
static void btf_text(uint8_t *data)
{
    store_le32(data + load_le64(section_header(data, ".BTF") + 24) + 20, 1u << 30);
}
static void map_relocation(uint8_t *data)
{
    store_le64(data + load_le64(section_header(data, ".rel.maps") + 24), 1);
}

TEST(damage)
{
    damaged(no_magic, "not an ELF object");
    damaged(bits32, "32-bit");
    damaged(big_endian, "big-endian");
    damaged(machine, "machine 62");
    damaged(executable, "not a relocatable object");
    damaged(names_missing, "section name table 500");
    damaged(section_outside, "(xdp): 0x");
    damaged(section_huge, "lie outside the file");
    damaged(overlap, "overlap");
    damaged(odd_code, "not a whole number of instructions");
    damaged(odd_relocations, "(.relxdp): size is not a multiple");
    damaged(relocation_outside, "relocation at 0x100000 lies outside section 'xdp'");
    damaged(relocation_symbol, "symbol 100000 does not exist");
    damaged(symbols_odd, "(.symtab): size is not a multiple");
    damaged(btf_magic, "(.BTF): BTF: wrong magic number; the object's maps need it");
    damaged(btf_type_kind, "type 1: unknown kind 31");
    damaged(btf_text, "string section out of range");
    damaged(map_relocation, "(.maps): relocation at 0x1 belongs to no map's values");
}

/* "gcc" has legacy maps and no CO-RE: nothing needs its BTF. */
TEST(broken_types_are_dropped)
{
    struct bytes bytes = corpus("gcc");
    struct test_job job;
    struct elf_object object;
    btf_magic((uint8_t *)(uintptr_t)bytes.data);
    CHECK_EQ(try_open(bytes, &job, &object), RESULT_OK);
    CHECK_EQ(job.warnings, 1);
    CHECK(strstr(job.warning, "ignored, nothing needs it"));
    CHECK(object.btf == NULL && object.btf_bytes.size == 0 && object.program_count == 1 && !object.broken[0]);
    test_end(&job);
    drop(bytes);
}

TEST(personality)
{
    struct bytes bytes = corpus("undefined");
    struct test_job job;
    struct elf_object object;
    struct elf_options options = {.personality = ELF_PERSONALITY_EFW};
    CHECK_EQ(try_open(bytes, &job, &object), RESULT_OK);
    CHECK_EQ(object.personality, PERSONALITY_LINUX);
    test_end(&job);
    test_begin(&job, "x.o");
    CHECK_EQ(elf_open(bytes, &options, &job.arena, &job.diag, &object), RESULT_OK);
    CHECK_EQ(object.personality, PERSONALITY_EFW);
    CHECK_EQ(object.programs[0].prog_type, 1); /* BPF_PROG_TYPE_XDP of efW */
    test_end(&job);
    drop(bytes);
}

/* A made-up object: `relocations` of one section, each against one of `symbols` with the same name of `length`. */
static struct bytes hostile(uint32_t symbols, uint32_t relocations, uint32_t length)
{
    enum { SECTIONS = 5 };
    size_t code = 64, relocs = code + (size_t)relocations * 16, syms = relocs + (size_t)relocations * 16;
    size_t strings = syms + (size_t)symbols * 24, headers = (strings + length + 64 + 7) & ~(size_t)7;
    size_t size = headers + SECTIONS * 64;
    uint8_t *data = calloc(1, size);
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    memcpy(data, magic, sizeof magic);
    store_le16(data + 16, 1);
    store_le16(data + 18, 247);
    store_le64(data + 40, headers);
    store_le16(data + 58, 64);
    store_le16(data + 60, SECTIONS);
    store_le16(data + 62, 4);
    memcpy(data + strings + 1, "xdp\0.rel\0", 9);
    memset(data + strings + 16, 'a', length);
    for (uint32_t i = 0; i < relocations; i++) {
        data[code + i * 16] = 0x18;
        store_le64(data + relocs + (size_t)i * 16, (uint64_t)(relocations - 1 - i) * 16);
        store_le32(data + relocs + (size_t)i * 16 + 8, 1);
        store_le32(data + relocs + (size_t)i * 16 + 12, 1 + i % (symbols - 1));
    }
    for (uint32_t i = 1; i < symbols; i++) {
        store_le32(data + syms + (size_t)i * 24, 16);
        data[syms + (size_t)i * 24 + 4] = 0x12; /* global function */
        store_le16(data + syms + (size_t)i * 24 + 6, 1);
        store_le64(data + syms + (size_t)i * 24 + 8, (uint64_t)(i % relocations) * 16);
    }
    const uint64_t table[SECTIONS][8] = {
        /* name, type, flags, offset, size, link, info, entry size */
        {0},
        {1, 1, 4, code, (uint64_t)relocations * 16, 0, 0, 0},
        {5, 9, 0, relocs, (uint64_t)relocations * 16, 3, 1, 16},
        {5, 2, 0, syms, (uint64_t)symbols * 24, 4, 1, 24},
        {5, 3, 0, strings, length + 20, 0, 0, 0},
    };
    for (int i = 0; i < SECTIONS; i++) {
        uint8_t *row = data + headers + i * 64;
        store_le32(row, (uint32_t)table[i][0]);
        store_le32(row + 4, (uint32_t)table[i][1]);
        store_le64(row + 8, table[i][2]);
        store_le64(row + 24, table[i][3]);
        store_le64(row + 32, table[i][4]);
        store_le32(row + 40, (uint32_t)table[i][5]);
        store_le32(row + 44, (uint32_t)table[i][6]);
        store_le64(row + 56, table[i][7]);
    }
    return (struct bytes){data, size};
}

TEST(no_quadratic_work)
{
    static const uint32_t lengths[] = {8, 1000, 1 << 20};
    for (int i = 0; i < 3; i++) {
        struct bytes bytes = hostile(65000, 65000, lengths[i]);
        struct test_job job;
        struct elf_object object;
        struct timespec a, b;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        try_open(bytes, &job, &object);
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
        double seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
        if (seconds > 5)
            printf("names of %u bytes: %.2f s\n", lengths[i], seconds);
        CHECK(seconds <= 5);
        test_end(&job);
        CHECK_EQ(job.memory.out, 0);
        drop(bytes);
    }
}

TEST_MAIN
