/* SPDX-License-Identifier: MIT
 *
 * The base room: results, checked arithmetic, byte views, arena, list, text and diagnostics.
 */
#include <errno.h>
#include <limits.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/diag.h"
#include "base/list.h"
#include "base/result.h"
#include "base/text.h"
#include "check.h"

/* Linux's numbers, and Microsoft's: each where the C library has them. */
TEST(results_carry_errnos)
{
#ifdef _WIN32
#define HERE(result) result_msvc_errno(result)
#else
#define HERE(result) result_errno(result)
#endif
    CHECK_EQ(HERE(RESULT_OK), 0);
    CHECK_EQ(HERE(RESULT_NOT_FOUND), ENOENT);
    CHECK_EQ(HERE(RESULT_TOO_BIG), E2BIG);
    CHECK_EQ(HERE(RESULT_TOO_MANY_HANDLES), EMFILE);
    CHECK_EQ(HERE(RESULT_NOT_FOLDER), ENOTDIR);
    CHECK_EQ(HERE(RESULT_NAME_TOO_LONG), ENAMETOOLONG);
    CHECK_EQ(HERE(RESULT_LOOP), ELOOP);
    CHECK_EQ(HERE(RESULT_TIME), ETIME);
    CHECK_EQ(HERE(RESULT_NO_LINK), ENOLINK);
    CHECK_EQ(HERE(RESULT_PROTOCOL), EPROTO);
    CHECK_EQ(HERE(RESULT_OVERFLOWED), EOVERFLOW);
    CHECK_EQ(HERE(RESULT_NOT_SUPPORTED), ENOTSUP);
    CHECK_EQ(HERE(RESULT_CANCELED), ECANCELED);
    CHECK_EQ(HERE((enum result)9999), EINVAL);
    CHECK_EQ(result_msvc_errno(RESULT_NOT_SUPP), 129);
    CHECK_EQ(result_errno(RESULT_NOT_SUPP), 524);
    CHECK_STR(result_text((enum result)9999), "unknown result");
    for (int i = 0; i < RESULT_COUNT; i++) {
        CHECK_EQ(result_from_errno(result_errno((enum result)i)), i);
        CHECK(result_text((enum result)i)[0]);
    }
    CHECK_EQ(result_from_errno(12345), RESULT_INVALID);
}

TEST(checked_arithmetic_refuses_overflow)
{
    size_t z = 7;
    uint64_t q = 7;
    uint32_t w = 7;
    CHECK(checked_add_size(SIZE_MAX - 1, 1, &z) && z == SIZE_MAX);
    CHECK(!checked_add_size(SIZE_MAX, 1, &z) && z == SIZE_MAX);
    CHECK(checked_mul_size(SIZE_MAX / 3, 3, &z));
    CHECK(!checked_mul_size(SIZE_MAX / 3 + 1, 3, &z));
    CHECK(checked_mul_size(0, SIZE_MAX, &z) && z == 0);
    CHECK(!checked_add_u64(UINT64_MAX, 1, &q) && q == 7);
    CHECK(!checked_mul_u64(1ull << 32, 1ull << 32, &q) && q == 7);
    CHECK(!checked_add_u32(UINT32_MAX, 1, &w) && w == 7);
    CHECK(checked_align_size(17, 16, &z) && z == 32);
    CHECK(checked_align_size(32, 16, &z) && z == 32);
    CHECK(!checked_align_size(SIZE_MAX, 16, &z));
    CHECK(range_within(0, 0, 0));
    CHECK(range_within(4, 0, 4));
    CHECK(range_within(0, 4, 4));
    CHECK(!range_within(1, 4, 4));
    CHECK(!range_within(5, 0, 4));
    CHECK(!range_within(2, UINT64_MAX, 4));
}

TEST(bytes_stay_inside)
{
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 'h', 'i', 0, 'x'};
    struct bytes all = {data, sizeof data}, part;
    CHECK_EQ(load_le16(data), 0x0201);
    CHECK_EQ(load_le32(data + 1), 0x05040302);
    CHECK_EQ(load_le64(data), 0x0807060504030201ll);
    uint8_t out[8];
    store_le64(out, 0x1122334455667788ull);
    CHECK(out[0] == 0x88 && out[7] == 0x11);
    CHECK(bytes_slice(all, 8, 4, &part) && part.size == 4 && part.data == data + 8);
    CHECK(!bytes_slice(all, 9, 4, &part));
    CHECK(!bytes_slice(all, UINT64_MAX, 2, &part));
    CHECK_STR(bytes_string(all, 8), "hi");
    CHECK(!bytes_string(all, 11)); /* no NUL before the end */
    CHECK(!bytes_string(all, 12));
    CHECK(!bytes_string((struct bytes){NULL, 0}, 0));
}

struct counted {
    size_t live, calls, fail_at;
};

static void *counted_alloc(void *self, size_t size)
{
    struct counted *counted = self;
    if (++counted->calls == counted->fail_at)
        return NULL;
    counted->live += size;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void counted_free(void *self, void *memory, size_t size)
{
    ((struct counted *)self)->live -= size;
    free(memory);
}

TEST(arena_respects_its_limit)
{
    struct counted counted = {0};
    struct allocator allocator = {counted_alloc, counted_free, &counted};
    struct arena arena;
    arena_init(&arena, &allocator, 20000);
    size_t got = 0;
    uint8_t *last = NULL;
    for (;;) {
        uint8_t *memory = arena_alloc(&arena, 100);
        if (!memory)
            break;
        CHECK(((uintptr_t)memory & 15) == 0);
        for (int i = 0; i < 100; i++)
            CHECK(memory[i] == 0);
        memset(memory, 0xff, 100);
        CHECK(memory != last);
        last = memory;
        got += 100;
    }
    CHECK(got > 15000 && got <= 20000);
    CHECK(arena.used <= 20000 && counted.live == arena.used);
    arena_release(&arena);
    CHECK_EQ(counted.live, 0);
    CHECK(arena_alloc(&arena, 10) != NULL); /* usable again */
    CHECK(!arena_array(&arena, SIZE_MAX / 2, 4));
    CHECK(!arena_alloc(&arena, SIZE_MAX));
    CHECK_STR(arena_text(&arena, "hello", 4), "hell");
    arena_release(&arena);
    CHECK_EQ(counted.live, 0);
}

TEST(arena_fails_cleanly)
{
    size_t injected = 0;
    for (size_t fail = 1; fail < 10; fail++) {
        struct counted counted = {.fail_at = fail};
        struct allocator allocator = {counted_alloc, counted_free, &counted};
        struct arena arena;
        arena_init(&arena, &allocator, SIZE_MAX);
        for (int i = 0; i < 9; i++)
            if (!arena_alloc(&arena, 4096u << i))
                injected++;
        arena_release(&arena);
        CHECK_EQ(counted.live, 0);
    }
    CHECK_EQ(injected, 9);
}

TEST(list_links_and_unlinks)
{
    struct item {
        int value;
        struct list entry;
    } items[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
    struct list head = LIST_INIT(head);
    CHECK(list_empty(&head));
    for (int i = 0; i < 3; i++)
        list_insert(&head, &items[i].entry);
    list_remove(&items[1].entry);
    list_remove(&items[1].entry); /* harmless */
    int sum = 0, count = 0;
    list_for_each (node, &head) {
        sum = sum * 10 + container_of(node, struct item, entry)->value;
        count++;
    }
    CHECK_EQ(sum, 13);
    CHECK_EQ(count, 2);
    list_for_each_safe (node, after, &head)
        list_remove(node);
    CHECK(list_empty(&head));
}

/* Our formatter and the C library's, side by side. */
#define SAME(...)                                                                                                      \
    do {                                                                                                               \
        char ours[300], theirs[300];                                                                                   \
        struct text text;                                                                                              \
        text_init(&text, ours, sizeof ours);                                                                           \
        text_format(&text, __VA_ARGS__);                                                                               \
        int length = snprintf(theirs, sizeof theirs, __VA_ARGS__);                                                     \
        CHECK_STR(ours, theirs);                                                                                       \
        CHECK_EQ(text.length, length);                                                                                 \
    } while (0)

TEST(text_formats_like_printf)
{
    SAME("plain");
    SAME("%d %i %u", -5, 0, 4000000000u);
    SAME("%d %lld", INT_MIN, LLONG_MIN);
    SAME("%5d|%-5d|%05d|%+d|% d", 42, 42, 42, 42, 42);
    SAME("%x %X %#x %#X %08x %#010x", 0xabcu, 0xabcu, 0xabcu, 0xabcu, 0xabcu, 0xabcu);
    SAME("%#x", 0u);
    SAME("%lx %llx %zu %jd", (unsigned long)0xfffffffffful, 0xffffffffffffffffull, (size_t)-1, (intmax_t)-7);
    SAME("%hhd %hd %hhu %hu", 300, 70000, 300, 70000);
    SAME("%c%c%%", 'o', 'k');
    SAME("[%s] [%10s] [%-10s] [%.2s] [%*s]", "abc", "abc", "abc", "abc", 6, "abc");
    SAME("%.3d %.0d|%8.3d|%-8.3d|", 7, 0, 7, 7);
    SAME("%*d|%-*d", 6, 1, 6, 1);
#ifndef _WIN32 /* Microsoft's has other digits */
    SAME("%p", (void *)&check_first);
#endif
}

TEST(text_counts_past_the_end)
{
    char small[4];
    struct text text;
    text_init(&text, small, sizeof small);
    text_format(&text, "%s%d", "ab", 1234);
    CHECK_STR(small, "ab1");
    CHECK_EQ(text.length, 6);
    CHECK(text_truncated(&text));
    text_init(&text, NULL, 0);
    text_string(&text, "never written");
    CHECK_EQ(text.length, 13);
}

static char said[1100];
static enum diag_level said_level;
static void hear(void *self, enum diag_level level, const char *line)
{
    said_level = level;
    snprintf(said, sizeof said, "%s", line);
}

TEST(diagnostics_are_single_clean_lines)
{
    struct diag diag = {hear, NULL, "in.o"};
    diag_error(&diag, "section '%s' at %u: no\nsuch\x1b[31m", ".maps", 3);
    CHECK_STR(said, "in.o: section '.maps' at 3: no?such?[31m");
    CHECK_EQ(said_level, DIAG_ERROR);
    diag_warning(&diag, "w");
    CHECK_EQ(said_level, DIAG_WARNING);
    diag_note(&diag, "%2000s", "x");
    CHECK_EQ(strlen(said), 1023);
    diag_error(NULL, "nobody listens");
}

TEST_MAIN
