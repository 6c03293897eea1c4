/* SPDX-License-Identifier: MIT
 *
 * ebpfapi.dll over ebpfcore.sys, as an application has it: the library's calls, its error numbers, ring buffers that
 * wake up, names of pins, what a client leaves when it is killed.  `test_api hold` is that client.
 */
#include "core/fixture.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* ebpf-for-windows' numbers, which the library's own functions speak. */
enum { EFW_XDP = 1, EFW_HASH = 1, EFW_ARRAY = 2, EFW_RINGBUF = 13, EFW_PASS = 1, RING = 1 << 16 };

static int make_map(int type, uint32_t key, uint32_t value, uint32_t entries)
{
    return bpf_map_create((enum bpf_map_type)type, "table", key, value, entries, NULL);
}

static const struct bpf_insn returns_two[] = {
    {.code = 0xb7, .dst_reg = 0, .imm = 2},
    {.code = 0x95},
};

/* A program that puts the number of its run's first 8 bytes into the ring. */
static int make_writer(int ring)
{
    const struct bpf_insn insns[] = {
        {.code = 0x18, .dst_reg = 1, .imm = 0x05060708},
        {.imm = 0x01020304},
        {.code = 0x7b, .dst_reg = 10, .src_reg = 1, .off = -8},
        {.code = 0x18, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = ring},
        {0},
        {.code = 0xbf, .dst_reg = 2, .src_reg = 10},
        {.code = 0x07, .dst_reg = 2, .imm = -8},
        {.code = 0xb7, .dst_reg = 3, .imm = 8},
        {.code = 0xb7, .dst_reg = 4, .imm = 0},
        {.code = 0x85, .imm = 130},
        {.code = 0xb7, .dst_reg = 0, .imm = 2},
        {.code = 0x95},
    };
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP};
    attr.insns = (uintptr_t)insns;
    attr.insn_cnt = sizeof insns / sizeof *insns;
    attr.license = (uintptr_t) "GPL";
    return winbpf_bpf_linux(BPF_PROG_LOAD, &attr, 144);
}

static int run(int prog, uint32_t repeat)
{
    uint8_t in[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = sizeof in, .repeat = (int)repeat);
    int result = bpf_prog_test_run_opts(prog, &opts);
    return result ? result : (int)opts.retval;
}

TEST(without_a_driver)
{
    uint32_t key = 0, value = 0;
    errno = 0;
    CHECK_EQ(bpf_map_lookup_elem(1, &key, &value), -ENODEV);
    CHECK_EQ(errno, ENODEV);
    CHECK(libbpf_num_possible_cpus() >= 1);
    CHECK_EQ(ebpf_close_fd(1), EBPF_FAILED);
    CHECK(!ring_buffer__new(1, NULL, NULL, NULL));
}

TEST(maps_and_programs)
{
    REQUIRE(fixture_start());
    uint32_t key = 7;
    uint64_t value = 0x1122334455667788, got = 0;
    int map = make_map(EFW_HASH, 4, 8, 4);
    CHECK(map > 0 && map < 100);
    CHECK_EQ(bpf_map_lookup_elem(map, &key, &got), -ENOENT);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(bpf_map_update_elem(map, &key, &value, 0), 0);
    CHECK_EQ(bpf_map_lookup_elem(map, &key, &got), 0);
    CHECK_EQ(got, value);
    int prog = bpf_prog_load((enum bpf_prog_type)EFW_XDP, "two", "MIT", returns_two, 2, NULL);
    CHECK(prog > 0 && prog != map);
    CHECK_EQ(run(prog, 1), 2);
    struct bpf_map_info info = {0};
    uint32_t size = sizeof info;
    CHECK_EQ(bpf_obj_get_info_by_fd(map, &info, &size), 0);
    CHECK_STR(info.name, "table"); /* Linux's layout */
    CHECK_EQ(info.max_entries, 4);
    struct bpf_prog_info prog_info = {0};
    size = sizeof prog_info;
    CHECK_EQ(bpf_obj_get_info_by_fd(prog, &prog_info, &size), 0);
    CHECK_EQ(prog_info.type, EFW_XDP);
    /* Each door has its numbers. */
    int ring = make_map(EFW_RINGBUF, 0, 0, RING);
    size = sizeof info;
    CHECK_EQ(bpf_obj_get_info_by_fd(ring, &info, &size), 0);
    CHECK_EQ(info.type, EFW_RINGBUF);
    union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)ring, .info_len = sizeof info, .info = (uintptr_t)&info}};
    CHECK_EQ(winbpf_bpf_linux(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.type, BPF_MAP_TYPE_RINGBUF);
    CHECK_EQ(ebpf_close_fd(map), EBPF_SUCCESS);
    CHECK_EQ(ebpf_close_fd(map), EBPF_INVALID_FD);
    CHECK_EQ(ebpf_close_fd(0), EBPF_INVALID_FD);
    CHECK_EQ(ebpf_close_fd(-1), EBPF_INVALID_FD);
    CHECK_EQ(ebpf_close_fd(prog), EBPF_SUCCESS);
    CHECK(fixture_stop());
}

/* -errno and errno, of Microsoft's C runtime; what is no command; structures of other releases. */
TEST(errors_are_microsofts)
{
    REQUIRE(fixture_start());
    union bpf_attr attr = {.map_type = EFW_HASH};
    uint8_t longer[sizeof attr + 64] = {0};
    int ring = make_map(EFW_RINGBUF, 0, 0, RING);
    CHECK(ring > 0);
    uint32_t key = 0;
    CHECK_EQ(bpf_map_delete_elem(ring, &key), -EINVAL); /* a ring has no keys */
    CHECK_EQ(bpf_map_get_next_key(ring, NULL, &key), -129);
    CHECK_EQ(errno, 129);
    CHECK_EQ(errno, ENOTSUP);

    SetLastError(1234);
    CHECK_EQ(bpf_map_get_next_key(99, NULL, &key), -EBADF);
    CHECK_EQ(GetLastError(), 1234);
    /* An application of the other C runtime finds it there, however late that came. */
    HMODULE runtime = LoadLibraryW(L"ucrtbase.dll");
    REQUIRE(runtime);
    int *(__cdecl * place)(void) = (int *(__cdecl *)(void))(void (*)(void))GetProcAddress(runtime, "_errno");
    REQUIRE(place);
    *place() = 0;
    CHECK_EQ(bpf_map_get_next_key(99, NULL, &key), -EBADF);
    CHECK_EQ(*place(), EBADF);
    CHECK_EQ(errno, EBADF);

    SetLastError(1234);
    CHECK_EQ(bpf(999, &attr, sizeof attr), -EINVAL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(GetLastError(), ERROR_CALL_NOT_IMPLEMENTED);
    SetLastError(1234);
    CHECK_EQ(bpf(BPF_MAP_CREATE, &attr, 72), -EINVAL); /* a command, but its map makes no sense */
    CHECK_EQ(GetLastError(), 1234);

    attr.key_size = 4;
    attr.value_size = 8;
    attr.max_entries = 4;
    memcpy(longer, &attr, sizeof attr);
    int fd = bpf(BPF_MAP_CREATE, (union bpf_attr *)longer, sizeof longer);
    CHECK(fd > 0);
    longer[sizeof attr + 9] = 1;
    CHECK_EQ(bpf(BPF_MAP_CREATE, (union bpf_attr *)longer, sizeof longer), -E2BIG);
    CHECK(bpf(BPF_MAP_CREATE, &attr, 20) > 0); /* an older release's */
    CHECK_EQ(bpf(BPF_MAP_CREATE, NULL, 72), -EFAULT);
    CHECK_EQ(bpf(BPF_MAP_CREATE, (union bpf_attr *)(uintptr_t)0x7fff12340000, 72), -EFAULT);
    char text[100];
    CHECK_EQ(libbpf_strerror(ENOTSUP, text, sizeof text), 0);
    CHECK(strstr(text, "not supported"));
    CHECK(fixture_stop());
}

/* Many times 64 KiB of program, and its log. */
TEST(large_programs)
{
    enum { COUNT = 60000 };
    struct bpf_insn *insns = calloc(COUNT, sizeof *insns);
    char *log = calloc(1, 1 << 20);
    REQUIRE(insns && log);
    REQUIRE(fixture_start());
    for (int i = 0; i < COUNT - 1; i++)
        insns[i] = (struct bpf_insn){.code = i ? 0x07 : 0xb7, .dst_reg = 0, .imm = i ? 1 : 0};
    insns[COUNT - 1].code = 0x95;
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = 1 << 20, .log_level = 1);
    int prog = bpf_prog_load((enum bpf_prog_type)EFW_XDP, "long", "MIT", insns, COUNT, &opts);
    CHECK(prog > 0);
    CHECK_EQ(run(prog, 1), COUNT - 2);
    insns[COUNT / 2].code = 0xff;
    CHECK_EQ(bpf_prog_load((enum bpf_prog_type)EFW_XDP, "long", "MIT", insns, COUNT, &opts), -EINVAL);
    CHECK(strstr(log, "30000"));
    CHECK_EQ(opts.log_true_size, strlen(log) + 1);
    free(insns);
    free(log);
    CHECK(fixture_stop());
}

static unsigned long records;

static int on_record(void *context, void *data, size_t size)
{
    uint64_t value;
    memcpy(&value, data, sizeof value);
    if (size != 8 || value != 0x0102030405060708)
        check_failures++;
    records++;
    return 0;
}

struct later {
    int prog;
    uint32_t delay_ms, repeat;
};

static void run_later(void *argument)
{
    const struct later *later = argument;
    Sleep(later->delay_ms);
    run(later->prog, later->repeat);
}

/* Waiting ends with a record, not with the time; without one, with the time. */
TEST(ring_buffers_wake_up)
{
    struct os_thread *thread;
    REQUIRE(fixture_start());
    int ring = make_map(EFW_RINGBUF, 0, 0, RING), other = make_map(EFW_RINGBUF, 0, 0, RING);
    struct later later = {make_writer(ring), 200, 1}, second = {make_writer(other), 200, 3};
    REQUIRE(ring > 0 && other > 0 && later.prog > 0 && second.prog > 0);
    struct ring_buffer *rb = ring_buffer__new(ring, on_record, NULL, NULL);
    REQUIRE(rb != NULL);
    CHECK_EQ(ring_buffer__add(rb, other, on_record, NULL), 0);
    CHECK(!ring_buffer__new(later.prog, on_record, NULL, NULL));
    records = 0;
    uint64_t begin = os_time_monotonic();
    CHECK_EQ(ring_buffer__poll(rb, 150), 0);
    CHECK(os_time_monotonic() - begin > 100000000);
    REQUIRE(!os_thread_start(run_later, &later, &thread));
    begin = os_time_monotonic();
    CHECK_EQ(ring_buffer__poll(rb, 20000), 1);
    CHECK(os_time_monotonic() - begin < 10000000000);
    os_thread_join(thread);
    REQUIRE(!os_thread_start(run_later, &second, &thread));
    for (int i = 0; i < 100 && records < 4; i++)
        CHECK(ring_buffer__poll(rb, 20000) >= 0);
    os_thread_join(thread);
    CHECK_EQ(records, 4);
    /* More than the ring holds at once, read while it is written. */
    later = (struct later){later.prog, 0, 20000};
    REQUIRE(!os_thread_start(run_later, &later, &thread));
    records = 0;
    unsigned long before;
    do {
        before = records;
        CHECK(ring_buffer__poll(rb, 500) >= 0);
    } while (records != before);
    os_thread_join(thread);
    ring_buffer__consume(rb);
    CHECK(records > RING / 16 / 2 && records <= 20000);
    /* The map's descriptor may go; the buffer has its own. */
    ebpf_close_fd(ring);
    CHECK_EQ(run(later.prog, 1), 2);
    records = 0;
    CHECK_EQ(ring_buffer__consume(rb), 1);
    ring_buffer__free(rb); /* with its waits under way */
    CHECK(fixture_stop());
}

TEST(wait_handles)
{
    REQUIRE(fixture_start());
    int ring = make_map(EFW_RINGBUF, 0, 0, RING), array = make_map(EFW_ARRAY, 4, 8, 1), prog = make_writer(ring);
    HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
    void *consumer;
    const void *producer;
    const uint8_t *data;
    size_t size;
    REQUIRE(ring > 0 && prog > 0 && event);
    CHECK_EQ(ebpf_map_set_wait_handle(ring, 1, (ebpf_handle_t)event), EBPF_INVALID_ARGUMENT);
    CHECK_EQ(ebpf_map_set_wait_handle(array, 0, (ebpf_handle_t)event), EBPF_OPERATION_NOT_SUPPORTED);
    CHECK_EQ(ebpf_map_set_wait_handle(ring, 0, (ebpf_handle_t)event), EBPF_SUCCESS);
    CHECK_EQ(WaitForSingleObject(event, 50), WAIT_TIMEOUT);
    CHECK_EQ(run(prog, 1), 2);
    CHECK_EQ(WaitForSingleObject(event, 5000), WAIT_OBJECT_0);
    CHECK_EQ(ebpf_ring_buffer_map_map_buffer(array, &consumer, &producer, &data, &size), EBPF_INVALID_ARGUMENT);
    CHECK_EQ(ebpf_ring_buffer_map_map_buffer(ring, &consumer, &producer, &data, &size), EBPF_SUCCESS);
    CHECK_EQ(size, RING);
    CHECK_EQ(*(volatile const uint64_t *)producer, 16);
    *(volatile uint64_t *)consumer = 16; /* read: the next record is worth waking for */
    CHECK_EQ(run(prog, 1), 2);
    CHECK_EQ(WaitForSingleObject(event, 5000), WAIT_OBJECT_0);
    CHECK_EQ(ebpf_map_set_wait_handle(ring, 0, 0), EBPF_SUCCESS);
    *(volatile uint64_t *)consumer = 32;
    CHECK_EQ(run(prog, 1), 2);
    CHECK_EQ(WaitForSingleObject(event, 100), WAIT_TIMEOUT);
    CHECK_EQ(ebpf_ring_buffer_map_unmap_buffer(ring, consumer, producer, data), EBPF_SUCCESS);
    CHECK_EQ(ebpf_ring_buffer_map_unmap_buffer(ring, consumer, producer, data), EBPF_INVALID_ARGUMENT);
    CHECK_EQ(ebpf_map_set_wait_handle(ring, 0, (ebpf_handle_t)event), EBPF_SUCCESS);
    CHECK_EQ(ebpf_close_fd(ring), EBPF_SUCCESS); /* ends the wait too */
    CloseHandle(event);
    CHECK(fixture_stop());
}

TEST(pins_have_windows_names)
{
    char path[300];
    ebpf_object_type_t type = EBPF_OBJECT_UNKNOWN;
    REQUIRE(fixture_start());
    int map = make_map(EFW_HASH, 4, 8, 4), prog = make_writer(make_map(EFW_RINGBUF, 0, 0, RING));
    CHECK_EQ(bpf_obj_pin(map, "BPF:\\folder\\map"), 0);
    CHECK_EQ(bpf_obj_pin(map, "/sys/fs/bpf/folder/map"), -EEXIST);
    CHECK_EQ(bpf_obj_pin(prog, "bpf:/prog"), 0);
    int again = bpf_obj_get("/sys/fs/bpf/folder/map"), third = ebpf_object_get("BPF:\\folder\\map");
    CHECK(again > 0 && third > 0 && again != third);
    CHECK_EQ(ebpf_get_next_pinned_object_path("", path, sizeof path, &type), EBPF_SUCCESS);
    CHECK_STR(path, "BPF:\\folder\\map");
    CHECK_EQ(type, EBPF_OBJECT_MAP);
    type = EBPF_OBJECT_PROGRAM;
    CHECK_EQ(ebpf_get_next_pinned_object_path("", path, sizeof path, &type), EBPF_SUCCESS);
    CHECK_STR(path, "BPF:\\prog");
    CHECK_EQ(ebpf_get_next_pinned_object_path(path, path, sizeof path, &type), EBPF_NO_MORE_KEYS);
    CHECK_EQ(ebpf_get_next_pinned_object_path("", path, 5, &type), EBPF_INSUFFICIENT_BUFFER);
    CHECK_EQ(ebpf_canonicalize_pin_path(path, sizeof path, "/sys/fs/bpf/a/b"), EBPF_SUCCESS);
    CHECK_STR(path, "BPF:\\a\\b");
    CHECK_EQ(ebpf_canonicalize_pin_path(path, sizeof path, "BPF:/a\\b"), EBPF_SUCCESS);
    CHECK_STR(path, "BPF:\\a\\b");
    CHECK_EQ(ebpf_canonicalize_pin_path(path, 4, "BPF:/a"), EBPF_INSUFFICIENT_BUFFER);
    CHECK_EQ(ebpf_object_unpin("BPF:\\folder\\map"), EBPF_SUCCESS);
    CHECK_EQ(ebpf_object_unpin("BPF:\\folder\\map"), EBPF_NOT_PINNED);
    CHECK(fixture_stop()); /* the program's pin goes with the driver */
}

/* ---- the client that is killed ---- */

static void run_for_ever(void *argument)
{
    run(*(int *)argument, 0x7fffffff);
}

/* Has one of everything, a test run of two thousand million rounds and a wait under way; says so and sleeps. */
static int hold(void)
{
    struct os_thread *thread;
    uint32_t key = 1;
    uint64_t value = 1;
    int map = make_map(EFW_HASH, 4, 8, 4), ring = make_map(EFW_RINGBUF, 0, 0, RING), prog = make_writer(ring);
    struct ring_buffer *rb = ring_buffer__new(ring, on_record, NULL, NULL);
    int endless = bpf_prog_load((enum bpf_prog_type)EFW_XDP, "two", "MIT", returns_two, 2, NULL);
    HANDLE ready = OpenEventW(EVENT_MODIFY_STATE, FALSE, L"winbpf_hold");
    if (map < 0 || ring < 0 || prog < 0 || !rb || endless < 0 || !ready)
        return 3;
    bpf_map_update_elem(map, &key, &value, 0);
    if (os_thread_start(run_for_ever, &endless, &thread))
        return 4;
    Sleep(100);
    SetEvent(ready);
    Sleep(INFINITE);
    return 0;
}

TEST(killed_while_holding_everything)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    char line[] = "test_api.exe hold";
    REQUIRE(fixture_start());
    HANDLE ready = CreateEventW(NULL, FALSE, FALSE, L"winbpf_hold");
    for (int round = 0; round < 3; round++) {
        REQUIRE(CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
        CHECK_EQ(WaitForSingleObject(ready, 20000), WAIT_OBJECT_0);
        CHECK_EQ(fixture_count(OBJECT_MAP), 2);
        CHECK_EQ(fixture_count(OBJECT_PROG), 2);
        CHECK(TerminateProcess(process.hProcess, 1));
        CHECK_EQ(WaitForSingleObject(process.hProcess, 20000), WAIT_OBJECT_0);
        CHECK(fixture_settles(OBJECT_PROG, 0));
        CHECK(fixture_settles(OBJECT_MAP, 0));
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess);
    }
    CHECK(fixture_stop());
}

/* Other calls are answered while a test run goes on; a thread that ends gives its run up. */
TEST(a_run_does_not_hold_up_others)
{
    REQUIRE(fixture_start());
    int prog = bpf_prog_load((enum bpf_prog_type)EFW_XDP, "two", "MIT", returns_two, 2, NULL);
    int map = make_map(EFW_HASH, 4, 8, 4);
    uint32_t key = 1;
    uint64_t value = 5;
    HANDLE thread = CreateThread(NULL, 0, (LPTHREAD_START_ROUTINE)(void (*)(void))run_for_ever, &prog, 0, NULL);
    REQUIRE(thread && prog > 0 && map > 0);
    Sleep(100);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(bpf_map_update_elem(map, &key, &value, 0), 0);
    CHECK_EQ(WaitForSingleObject(thread, 0), WAIT_TIMEOUT);
    winbpf_disconnect(); /* the connection's end is the run's */
    CHECK_EQ(WaitForSingleObject(thread, 10000), WAIT_OBJECT_0);
    CloseHandle(thread);
    CHECK(fixture_stop());
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "hold"))
        return hold();
    libbpf_set_print(NULL);
    return check_main(argc, argv);
}
