/* SPDX-License-Identifier: MIT
 *
 * The whole system under the failure dial: maps of every kind there is, elements, BTF, a program of the real
 * checked interpreter with func_info, a test run, a pin.  Each allocation on the way fails once; each time the call
 * that needed it says so, nothing is left over, and the same works afterwards.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>
#include "check.h"
#include "compose.h"
#include "core/client.h"
#include "core/epoch.h"
#include "core/map.h"
#include "core/pin.h"
#include "engine/engine.h"
#include "isa/insn.h"
#include "maps/maps.h"
#include "platform/handle.h"
#include "platform/os.h"

static int bpf(uint32_t command, union bpf_attr *attr)
{
    int64_t value = 0;
    enum result result = core_command(client_process(), command, (uintptr_t)attr, sizeof *attr, &value);
    if (!result)
        return (int)value;
    errno = result_errno(result);
    return -1;
}

enum { FDS = 32 };

static int fds[FDS], fd_count;
static bool refused_oddly; /* a call failed with anything but "no memory" */

static int keep(int fd)
{
    if (fd >= 0 && fd_count < FDS)
        fds[fd_count++] = fd;
    if (fd < 0 && errno != ENOMEM)
        refused_oddly = true;
    return fd;
}

static bool fine(int value)
{
    if (value < 0 && errno != ENOMEM)
        refused_oddly = true;
    return value >= 0;
}

static const struct {
    struct {
        uint16_t magic;
        uint8_t version, flags;
        uint32_t hdr_len, type_off, type_len, str_off, str_len;
    } header;
    uint32_t types[4 + 3 + 3];
    char strings[16];
} btf = {{0xeb9f, 1, 0, 24, 0, 40, 40, 16},
         {1, 1u << 24, 4, 32,   /* 1: INT int */
          0, 13u << 24, 1,      /* 2: FUNC_PROTO int () */
          5, 12u << 24 | 1, 2}, /* 3: FUNC main, global */
         "\0int\0main"};

static bool use_map(const struct map_ops *kind)
{
    union bpf_attr attr;
    uint32_t key = 1;
    uint8_t value[8 * 256] = {0};
    bool ring = kind->kind == BPF_MAP_TYPE_RINGBUF;
    memset(&attr, 0, sizeof attr);
    attr.map_type = kind->kind;
    attr.key_size = ring ? 0 : 4;
    attr.value_size = ring ? 0 : kind->store ? 4 : 8;
    attr.max_entries = ring ? 4096 : 4;
    int fd = keep(bpf(BPF_MAP_CREATE, &attr));
    if (fd < 0)
        return false;
    if (ring || kind->store)
        return true;
    for (key = 0; key < 4; key++) {
        memset(&attr, 0, sizeof attr);
        attr.map_fd = (uint32_t)fd;
        attr.key = (uintptr_t)&key;
        attr.value = (uintptr_t)value;
        if (!fine(bpf(BPF_MAP_UPDATE_ELEM, &attr)) || !fine(bpf(BPF_MAP_LOOKUP_ELEM, &attr)))
            return false;
    }
    return true;
}

static bool use_program(void)
{
    union bpf_attr attr;
    uint8_t data[64] = {0}, out[64];
    memset(&attr, 0, sizeof attr);
    attr.btf = (uintptr_t)&btf;
    attr.btf_size = sizeof btf;
    int types = keep(bpf(BPF_BTF_LOAD, &attr));
    if (types < 0)
        return false;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_HASH;
    attr.key_size = attr.value_size = 4;
    attr.max_entries = 4;
    attr.map_flags = BPF_F_NO_PREALLOC;
    attr.btf_fd = (uint32_t)types;
    attr.btf_key_type_id = attr.btf_value_type_id = 1;
    int map = keep(bpf(BPF_MAP_CREATE, &attr));
    if (map < 0)
        return false;
    struct insn insns[] = {
        insn_make(0x62, 10, 0, -4, 7),                              /* *(u32 *)(r10 - 4) = 7 */
        insn_make(0xbf, 2, 10, 0, 0),                               /* r2 = r10 - 4 */
        insn_make(0x07, 2, 0, 0, -4),  insn_make(0xbf, 3, 2, 0, 0), /* r3 = r2 */
        insn_make(0xb7, 4, 0, 0, 0),   insn_make(0x18, 1, 1, 0, map),
        insn_make(0, 0, 0, 0, 0),      insn_make(0x85, 0, 0, 0, 2), /* map_update_elem */
        insn_make(0xb7, 0, 0, 0, 2),   insn_make(0x95, 0, 0, 0, 0),
    };
    struct bpf_func_info func = {0, 3};
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insns = (uintptr_t)insns;
    attr.insn_cnt = sizeof insns / sizeof *insns;
    attr.license = (uintptr_t) "GPL";
    attr.prog_btf_fd = (uint32_t)types;
    attr.func_info = (uintptr_t)&func;
    attr.func_info_cnt = 1;
    attr.func_info_rec_size = 8;
    int prog = keep(bpf(BPF_PROG_LOAD, &attr));
    if (prog < 0)
        return false;
    memset(&attr, 0, sizeof attr);
    attr.test.prog_fd = (uint32_t)prog;
    attr.test.data_in = (uintptr_t)data;
    attr.test.data_size_in = sizeof data;
    attr.test.data_out = (uintptr_t)out;
    attr.test.data_size_out = sizeof out;
    if (!fine(bpf(BPF_PROG_TEST_RUN, &attr)))
        return false;
    CHECK_EQ(attr.test.retval, 2);
    memset(&attr, 0, sizeof attr);
    attr.pathname = (uintptr_t) "/sys/fs/bpf/injected";
    attr.bpf_fd = (uint32_t)prog;
    return fine(bpf(BPF_OBJ_PIN, &attr));
}

static bool life(void)
{
    bool good = true;
    fd_count = 0;
    refused_oddly = false;
    for (const struct map_ops *const *kind = map_kinds; *kind && good; kind++)
        good = use_map(*kind);
    good = good && use_program();
    while (fd_count)
        close(fds[--fd_count]);
    return good;
}

static bool nothing_left(void)
{
    uint64_t blocks, bytes;
    compose_stop();
    os_alloc_live(&blocks, &bytes);
    return !blocks && !bytes;
}

TEST(every_allocation_fails_once)
{
    struct core_options options = {.engine = &engine_checked};
    uint64_t injected = 0, silent = 0, odd = 0, leaks = 0;
    REQUIRE(!compose_start(&options));
    os_alloc_fail(0);
    CHECK(life());
    uint64_t allocations = os_alloc_count();
    CHECK(nothing_left());
    for (uint64_t n = 1; n <= allocations; n++) {
        REQUIRE(!compose_start(&options));
        os_alloc_fail(n);
        bool good = life();
        /* Allocations of a run (the program's update, the interpreter's own) fail inside the program, which goes on. */
        bool reached = os_alloc_count() >= n;
        os_alloc_fail(0);
        injected += reached;
        silent += reached && good;
        if (refused_oddly)
            printf("allocation %llu: errno %d\n", (unsigned long long)n, errno);
        odd += refused_oddly;
        os_handles_sweep();
        pin_remove("/sys/fs/bpf/injected");
        epoch_synchronize();
        epoch_synchronize();
        leaks += object_count(OBJECT_MAP) || object_count(OBJECT_PROG) || object_count(OBJECT_BTF);
        leaks += !life();
        leaks += !nothing_left();
    }
    printf("failures injected %llu = allocations counted %llu; %llu inside a run; leaks %llu\n",
           (unsigned long long)injected, (unsigned long long)allocations, (unsigned long long)silent,
           (unsigned long long)leaks);
    CHECK_EQ(injected, allocations);
    CHECK(silent <= 3);
    CHECK_EQ(odd, 0);
    CHECK_EQ(leaks, 0);
}

TEST(starting_fails_whole)
{
    struct core_options options = {.engine = &engine_checked};
    uint64_t blocks, bytes, n = 0;
    enum result result;
    do {
        os_alloc_fail(++n);
        result = compose_start(&options);
        os_alloc_fail(0);
        CHECK(!result || result == RESULT_NO_MEMORY);
        if (result) {
            os_alloc_live(&blocks, &bytes);
            CHECK_EQ(blocks, 0);
        }
    } while (result);
    CHECK(n > 1);
    CHECK(life());
    CHECK(nothing_left());
}

TEST_MAIN
