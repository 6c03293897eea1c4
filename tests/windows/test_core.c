/* SPDX-License-Identifier: MIT
 *
 * ebpfcore.sys through its device, from load to unload.  `test_core smoke` is what also holds under Wine's own kernel;
 * the rest needs the overlay kernel, which judges.
 */
#include "device.h"
#include "check.h"

static SC_HANDLE service;
static HANDLE device = INVALID_HANDLE_VALUE;

static bool start(void)
{
    service = prefix_service(L"ebpfcore", L"ebpfcore.sys");
    if (!service || !prefix_start(service))
        return false;
    device = device_open();
    return device != INVALID_HANDLE_VALUE;
}

static bool stop(void)
{
    if (device != INVALID_HANDLE_VALUE)
        CloseHandle(device);
    device = INVALID_HANDLE_VALUE;
    return prefix_stop(service);
}

static const struct bpf_insn returns_two[] = {
    {.code = 0xb7, .dst_reg = 0, .imm = 2},
    {.code = 0x95},
};

TEST(load_map_program_run_unload)
{
    int64_t zero = 0;
    uint32_t key = 3, retval = 0;
    uint64_t value = 0x1122334455667788, got = 0;
    uint8_t packet[64] = {0};
    CHECK(device_open() == INVALID_HANDLE_VALUE);
    REQUIRE(start());
    uint64_t hello[3] = {0};
    CHECK_EQ(device_control(device, WIRE_HELLO, 0, hello), WIRE_VERSION);
    CHECK(hello[0] >= 1);

    int64_t map = device_map_create(device, BPF_MAP_TYPE_HASH, 4, 8, 16, 0);
    CHECK(map > 0);
    CHECK_EQ(device_lookup(device, (int)map, &key, 4, &got, 8), FAILS(NOT_FOUND));
    CHECK_EQ(device_update(device, (int)map, &key, 4, &value, 8), zero);
    CHECK_EQ(device_lookup(device, (int)map, &key, 4, &got, 8), zero);
    CHECK_EQ(got, value);

    int64_t prog = device_load(device, returns_two, 2, NULL, 0);
    CHECK(prog > 0);
    CHECK_EQ(device_run(device, (int)prog, packet, sizeof packet, 1, &retval), zero);
    CHECK_EQ(retval, 2);

    CHECK_EQ(device_control(device, WIRE_CLOSE, (int)map, NULL), zero);
    CHECK_EQ(device_control(device, WIRE_CLOSE, (int)map, NULL), FAILS(BAD_HANDLE));
    CHECK_EQ(device_lookup(device, (int)map, &key, 4, &got, 8), FAILS(BAD_HANDLE));
    CHECK(stop());
    CHECK(device_open() == INVALID_HANDLE_VALUE);
}

int main(int argc, char **argv)
{
    return check_main(argc, argv);
}
