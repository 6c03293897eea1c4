/* SPDX-License-Identifier: MIT
 *
 * ebpfapi.dll over ebpfcore.sys, as an application has it: the library's calls, its error numbers, ring buffers that
 * wake up, what a client leaves when it is gone.
 */
#include <errno.h>
#include <linux/bpf.h>
#include "prefix.h"
#include "check.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ebpf/ebpf_api.h>

static SC_HANDLE service;

static bool start(void)
{
    service = prefix_service(L"ebpfcore", L"ebpfcore.sys");
    return service && prefix_start(service);
}

enum { EFW_XDP = 1, EFW_HASH = 1, EFW_ARRAY = 2, EFW_RINGBUF = 13 };

static const struct bpf_insn returns_two[] = {
    {.code = 0xb7, .dst_reg = 0, .imm = 2},
    {.code = 0x95},
};

TEST(without_a_driver)
{
    uint32_t key = 0, value = 0;
    errno = 0;
    CHECK_EQ(bpf_map_lookup_elem(1, &key, &value), -ENODEV);
    CHECK_EQ(errno, ENODEV);
    CHECK(libbpf_num_possible_cpus() >= 1);
}

TEST(maps_and_programs)
{
    REQUIRE(start());
    uint32_t key = 7;
    uint64_t value = 0x1122334455667788, got = 0;
    int map = bpf_map_create((enum bpf_map_type)EFW_HASH, "table", 4, 8, 4, NULL);
    CHECK(map > 0);
    CHECK_EQ(bpf_map_lookup_elem(map, &key, &got), -ENOENT);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(bpf_map_update_elem(map, &key, &value, 0), 0);
    CHECK_EQ(bpf_map_lookup_elem(map, &key, &got), 0);
    CHECK_EQ(got, value);
    int prog = bpf_prog_load((enum bpf_prog_type)EFW_XDP, "two", "MIT", returns_two, 2, NULL);
    CHECK(prog > 0);
    uint8_t in[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = sizeof in, .repeat = 1);
    CHECK_EQ(bpf_prog_test_run_opts(prog, &run), 0);
    CHECK_EQ(run.retval, 2);
    CHECK_EQ(ebpf_close_fd(map), EBPF_SUCCESS);
    CHECK_EQ(ebpf_close_fd(map), EBPF_INVALID_FD);
    CHECK_EQ(ebpf_close_fd(0), EBPF_INVALID_FD);
    CHECK_EQ(ebpf_close_fd(prog), EBPF_SUCCESS);
}

TEST_MAIN
