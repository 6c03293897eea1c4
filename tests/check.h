/* SPDX-License-Identifier: MIT
 *
 * The test frame: a test file defines TEST(name) { … } blocks with CHECK(…) in them and ends with TEST_MAIN.
 * Every program prints one line a failure and closes with "N passed, N failed, N skipped"; its exit status is 0 only
 * without failures.  `program NAME…` runs the named tests alone.  A skip needs a reason and is counted.
 */
#ifndef WINBPF_TESTS_CHECK_H
#define WINBPF_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No aligned_alloc() there whose memory free() takes; what malloc() gives is aligned to 16 bytes, which is all we ask.
 */
#ifdef _WIN32
#define aligned_alloc(alignment, size) malloc(size)
#endif

struct check_test {
    const char *name;
    void (*body)(void);
    struct check_test *next;
};

#define CHECK_STATIC static __attribute__((unused)) /* a fuzz target takes the macros alone */
CHECK_STATIC struct check_test *check_first, **check_last = &check_first;
CHECK_STATIC const char *check_name;
CHECK_STATIC unsigned check_failures, check_passed, check_failed, check_skipped;
CHECK_STATIC const char *check_skip_reason;
CHECK_STATIC const char *check_not_here; /* why this test is another place's, where it runs: no skip */

#define TEST(test_name)                                                                                                \
    static void test_##test_name(void);                                                                                \
    __attribute__((constructor)) static void register_##test_name(void)                                                \
    {                                                                                                                  \
        static struct check_test test = {#test_name, test_##test_name, NULL};                                          \
        *check_last = &test;                                                                                           \
        check_last = &test.next;                                                                                       \
    }                                                                                                                  \
    static void test_##test_name(void)

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: %s: CHECK(%s)\n", __FILE__, __LINE__, check_name, #condition);                              \
            check_failures++;                                                                                          \
        }                                                                                                              \
    } while (0)

/* As CHECK, and leaves the test when it fails. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: %s: REQUIRE(%s)\n", __FILE__, __LINE__, check_name, #condition);                            \
            check_failures++;                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

#define CHECK_EQ(a, b)                                                                                                 \
    do {                                                                                                               \
        long long check_a = (long long)(a), check_b = (long long)(b);                                                  \
        if (check_a != check_b) {                                                                                      \
            printf("%s:%d: %s: %s is %lld (0x%llx), not %lld (0x%llx) = %s\n", __FILE__, __LINE__, check_name, #a,     \
                   check_a, check_a, check_b, check_b, #b);                                                            \
            check_failures++;                                                                                          \
        }                                                                                                              \
    } while (0)

#define CHECK_STR(a, b)                                                                                                \
    do {                                                                                                               \
        const char *check_a = (a), *check_b = (b);                                                                     \
        if (!check_a || !check_b || strcmp(check_a, check_b)) {                                                        \
            printf("%s:%d: %s: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, check_name, #a,                        \
                   check_a ? check_a : "(null)", check_b ? check_b : "(null)");                                        \
            check_failures++;                                                                                          \
        }                                                                                                              \
    } while (0)

#define SKIP(reason)                                                                                                   \
    do {                                                                                                               \
        check_skip_reason = (reason);                                                                                  \
        return;                                                                                                        \
    } while (0)

static inline int check_main(int argc, char **argv)
{
    for (struct check_test *test = check_first; test; test = test->next) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= !strcmp(argv[i], test->name);
        if (!wanted)
            continue;
        check_name = test->name;
        check_failures = 0;
        check_skip_reason = check_not_here = NULL;
        test->body();
        if (check_failures)
            check_failed++;
        else if (check_not_here)
            printf("not here: %s: %s\n", test->name, check_not_here);
        else if (check_skip_reason) {
            printf("skipped: %s: %s\n", test->name, check_skip_reason);
            check_skipped++;
        } else
            check_passed++;
        fflush(stdout);
    }
    printf("%u passed, %u failed, %u skipped\n", check_passed, check_failed, check_skipped);
    return check_failed ? 1 : 0;
}

#define TEST_MAIN                                                                                                      \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        return check_main(argc, argv);                                                                                 \
    }

#endif
