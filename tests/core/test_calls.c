/* SPDX-License-Identifier: MIT
 *
 * Each call of calls.h must have the same outcome wherever the core is; that the outcome in a process is Linux's, says
 * test_bpf_errno.c.  Behind messages both are asked in one program.  `test_calls print` prints the outcomes, so that
 * the driver's can be held against a process's: one line a call, with the error number of Microsoft's C runtime, which
 * is the coarser one.
 */
#include "fixture.h"
#include "calls.h"

static struct side reference, side;

#if defined(_WIN32)
static int call(const struct side *s, uint32_t command, union bpf_attr *attr, uint32_t size)
{
    return fixture_bpf(command, attr, size);
}

static void close_fd(const struct side *s, int fd)
{
    fixture_close(fd);
}

static int portable_error(void)
{
    return errno;
}
#else
/* `kernel`: the core in this process, of which the other is to be the same. */
static int call(const struct side *s, uint32_t command, union bpf_attr *attr, uint32_t size)
{
    int64_t value = 0;
    if (!s->kernel)
        return fixture_bpf(command, attr, size);
    enum result result = core_command(client_process(), command, (uintptr_t)attr, size, &value);
    return fixture_errno(result) ? -1 : (int)value;
}

static void close_fd(const struct side *s, int fd)
{
    if (s->kernel)
        close(fd);
    else
        fixture_close(fd);
}

static int portable_error(void)
{
    return result_msvc_errno(result_from_errno(errno));
}
#endif

/* Rows that mean something else where descriptors are not the process's. */
static const struct {
    const char *row, *why;
} apart[] = {
    {"(attr->info.bpf_fd = 0)", "0 is standard input in a process, and nothing elsewhere"},
};

static bool is_apart(const char *row)
{
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        if (!strcmp(row, apart[i].row))
            return true;
    return false;
}

static int attempt(struct side *s, uint32_t command, union bpf_attr *attr, uint32_t size)
{
    errno = 0;
    int value = call(s, command, attr, size), error = value < 0 ? portable_error() : 0;
    if (value >= 0 && makes_fd(command))
        close_fd(s, value);
    if (value >= 0 && command == BPF_OBJ_PIN)
        fixture_unpin((const char *)(uintptr_t)attr->pathname);
    return error;
}

/* All calls on one side; the outcomes go to `out`, their number is returned. */
static unsigned ask(struct side *s, int *out, bool print)
{
    unsigned count = 0;
#define X(command, size, fill, why)                                                                                    \
    {                                                                                                                  \
        union bpf_attr a, *attr = &a;                                                                                  \
        memset(&a, 0, sizeof a);                                                                                       \
        memset(&s->info, 0, sizeof s->info);                                                                           \
        (void)(fill);                                                                                                  \
        out[count] = attempt(s, BPF_##command, attr, size);                                                            \
        if (print && !is_apart(#fill))                                                                                 \
            printf("%3u " #command " %s: %d\n", count, #fill, out[count]);                                             \
        count++;                                                                                                       \
    }
    CALLS
#undef X
    return count;
}

enum { CALLS_MOST = 400 };

TEST(same_as_in_a_process)
{
    static const char *const texts[] = {
#define X(command, size, fill, why) #fill,
        CALLS
#undef X
    };
    int expected[CALLS_MOST], got[CALLS_MOST];
    _Static_assert(sizeof texts / sizeof *texts <= CALLS_MOST, "all fit");
    REQUIRE(fixture_start());
    REQUIRE(begin(&reference, true) && begin(&side, false));
    unsigned count = ask(&reference, expected, false);
    CHECK_EQ(ask(&side, got, false), count);
    for (unsigned i = 0; i < count; i++)
        if (expected[i] != got[i] && !is_apart(texts[i])) {
            printf("call %u, %s: error %d, in a process %d\n", i, texts[i], got[i], expected[i]);
            check_failures++;
        }
    printf("%u calls compared\n", count);
    CHECK(count > 150);
    end(&reference);
    end(&side);
    CHECK(fixture_stop());
}

int main(int argc, char **argv)
{
    static const struct fixture_exception exceptions[] = {
        {"same_as_in_a_process", FIXTURE_AT_PROCESS, "it is what the others are compared with"},
        {"same_as_in_a_process", FIXTURE_AT_DRIVER, "no process beside it: what is printed is compared"},
        {NULL, 0, NULL},
    };
    if (argc == 2 && !strcmp(argv[1], "print")) {
        int outcomes[CALLS_MOST];
        if (!fixture_start() || !begin(&side, false))
            return 1;
        ask(&side, outcomes, true);
        end(&side);
        return fixture_stop() ? 0 : 1;
    }
    return fixture_main(argc, argv, exceptions);
}
