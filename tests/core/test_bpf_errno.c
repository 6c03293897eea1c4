/* SPDX-License-Identifier: MIT
 *
 * The same calls through the running kernel's bpf() and through ours: success or errno must agree, and so must what
 * information commands say.  Where they differ on purpose, the row says why, and the test fails when they begin to
 * agree (then the row is out of date).
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "check.h"
#include "compose.h"
#include "core/client.h"
#include "core/core.h"
#include "engine/engine.h"
#include "isa/insn.h"
#include "platform/os.h"

#include "core/calls.h"

static struct side sides[2];

static int call(const struct side *side, uint32_t command, union bpf_attr *attr, uint32_t size)
{
    if (side->kernel)
        return (int)syscall(SYS_bpf, command, attr, size);
    int64_t value = 0;
    enum result result = core_command(client_process(), command, (uintptr_t)attr, size, &value);
    if (!result)
        return (int)value;
    errno = result_errno(result);
    return -1;
}

static void close_fd(const struct side *side, int fd)
{
    close(fd);
}

struct outcome {
    int value, error;
};

static unsigned calls, documented;

static void compare(const char *text, struct outcome kernel, struct outcome ours, const char *why)
{
    bool same = (kernel.value < 0) == (ours.value < 0) && kernel.error == ours.error;
    calls++;
    documented += !same && why;
    if (same == !why)
        return;
    printf("%s: the kernel says %s, we say %s%s%s\n", text, kernel.error ? strerror(kernel.error) : "success",
           ours.error ? strerror(ours.error) : "success", why ? "; no longer different: " : "", why ? why : "");
    check_failures++;
}

static struct outcome attempt(struct side *s, uint32_t command, union bpf_attr *attr, uint32_t size)
{
    errno = 0;
    int value = call(s, command, attr, size);
    struct outcome outcome = {value, value < 0 ? errno : 0};
    if (value >= 0 && makes_fd(command))
        close(value);
    return outcome;
}

static const char *start(void)
{
    struct core_options options = {.engine = &engine_checked};
    if (compose_start(&options))
        return "the system does not start";
    if (!begin(&sides[0], true)) {
        end(&sides[0]);
        compose_stop();
        return "no permission for the kernel's bpf()";
    }
    return begin(&sides[1], false) ? NULL : "our side does not have its objects";
}

static void stop(void)
{
    uint64_t blocks, bytes;
    end(&sides[0]);
    end(&sides[1]);
    compose_stop();
    os_alloc_live(&blocks, &bytes);
    CHECK_EQ(blocks, 0);
    CHECK_EQ(bytes, 0);
}

static bool must_run(const char *problem)
{
    if (problem && strstr(problem, "permission") && geteuid() != 0) {
        check_skip_reason = problem;
        return false;
    }
    if (problem) {
        printf("%s\n", problem);
        check_failures++;
    }
    return !problem;
}

TEST(same_errors)
{
    if (!must_run(start()))
        return;
#define X(command, size, fill, why)                                                                                    \
    {                                                                                                                  \
        struct outcome outcomes[2];                                                                                    \
        for (int i = 0; i < 2; i++) {                                                                                  \
            struct side *s = &sides[i];                                                                                \
            union bpf_attr a, *attr = &a;                                                                              \
            memset(&a, 0, sizeof a);                                                                                   \
            memset(&s->info, 0, sizeof s->info);                                                                       \
            (void)(fill);                                                                                              \
            outcomes[i] = attempt(s, BPF_##command, attr, size);                                                       \
        }                                                                                                              \
        compare(#command " " #fill, outcomes[0], outcomes[1], why);                                                    \
    }
    CALLS
#undef X
    printf("%u calls compared, %u documented differences\n", calls, documented);
    stop();
}

TEST(same_information)
{
    struct insn xlated[2][8];
    uint32_t ids[2];
    if (!must_run(start()))
        return;
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        union bpf_attr attr;
        memset(&s->info, 0, sizeof s->info);
        memset(&attr, 0, sizeof attr);
        s->info.prog.xlated_prog_insns = A xlated[i];
        s->info.prog.xlated_prog_len = sizeof xlated[i];
        s->info.prog.map_ids = A & ids[i];
        s->info.prog.nr_map_ids = 1;
        attr.info.bpf_fd = (uint32_t)s->prog;
        attr.info.info = A & s->info;
        attr.info.info_len = 232;
        CHECK_EQ(call(s, BPF_OBJ_GET_INFO_BY_FD, &attr, 16), 0);
        CHECK_EQ(attr.info.info_len, 232);
        CHECK_EQ((uint32_t)xlated[i][0].imm, ids[i]);
        xlated[i][0].imm = 0;
    }
    struct bpf_prog_info *kernel = &sides[0].info.prog, *ours = &sides[1].info.prog;
    CHECK(!memcmp(kernel->tag, ours->tag, 8));
    CHECK_STR(ours->name, kernel->name);
    CHECK_EQ(ours->type, kernel->type);
    CHECK_EQ(ours->nr_map_ids, kernel->nr_map_ids);
    CHECK_EQ(ours->xlated_prog_len, kernel->xlated_prog_len);
    CHECK(!memcmp(xlated[0], xlated[1], ours->xlated_prog_len < sizeof xlated[0] ? ours->xlated_prog_len : 8));
    CHECK_EQ(ours->gpl_compatible, kernel->gpl_compatible);
    CHECK_EQ(ours->created_by_uid, kernel->created_by_uid);
    CHECK_EQ(ours->func_info_rec_size, kernel->func_info_rec_size);
    CHECK_EQ(ours->line_info_rec_size, kernel->line_info_rec_size);
    CHECK_EQ(ours->nr_func_info, kernel->nr_func_info);
    CHECK_EQ(ours->nr_line_info, kernel->nr_line_info);
    CHECK(ours->load_time - kernel->load_time < 10000000000u);
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        union bpf_attr attr;
        memset(&s->info, 0, sizeof s->info);
        memset(&attr, 0, sizeof attr);
        attr.info.bpf_fd = (uint32_t)s->hash;
        attr.info.info = A & s->info;
        attr.info.info_len = 80;
        CHECK_EQ(call(s, BPF_OBJ_GET_INFO_BY_FD, &attr, 16), 0);
        CHECK_EQ(attr.info.info_len, 80);
        s->info.map.id = 0;
    }
    CHECK(!memcmp(&sides[0].info, &sides[1].info, 80));
    stop();
}

/* A test run's outputs. */
TEST(same_test_run)
{
    if (!must_run(start()))
        return;
    union bpf_attr attr[2];
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        memset(&attr[i], 0, sizeof attr[i]);
        for (unsigned at = 0; at < sizeof s->data; at++)
            s->data[at] = (uint8_t)at;
        attr[i].test.prog_fd = (uint32_t)s->prog;
        attr[i].test.data_in = A s->data;
        attr[i].test.data_size_in = sizeof s->data;
        attr[i].test.data_out = A s->out;
        attr[i].test.data_size_out = 20;
        attr[i].test.repeat = 5;
        CHECK_EQ(call(s, BPF_PROG_TEST_RUN, &attr[i], 80), -1);
        CHECK_EQ(errno, ENOSPC);
    }
    CHECK_EQ(attr[1].test.retval, attr[0].test.retval);
    CHECK_EQ(attr[1].test.data_size_out, attr[0].test.data_size_out);
    CHECK(!memcmp(sides[0].out, sides[1].out, sizeof sides[0].out));
    stop();
}

TEST_MAIN
