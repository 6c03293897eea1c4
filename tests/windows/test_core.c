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
    if (device == INVALID_HANDLE_VALUE)
        printf("no device: error %lu\n", GetLastError());
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

/* A program of `count` instructions is many times 64 KiB, and its log comes back. */
TEST(programs_have_no_64_kib_limit)
{
    enum { COUNT = 60000 };
    struct bpf_insn *insns = calloc(COUNT, sizeof *insns);
    uint8_t packet[64] = {0};
    uint32_t retval = 0;
    char log[256] = {0};
    REQUIRE(insns && start());
    for (int i = 0; i < COUNT - 1; i++)
        insns[i] = (struct bpf_insn){.code = i ? 0x07 : 0xb7, .dst_reg = 0, .imm = i ? 1 : 0};
    insns[COUNT - 1].code = 0x95;
    int64_t prog = device_load(device, insns, COUNT, NULL, 0);
    CHECK(prog > 0);
    CHECK_EQ(device_run(device, (int)prog, packet, sizeof packet, 1, &retval), 0);
    CHECK_EQ(retval, COUNT - 2);
    insns[COUNT / 2].code = 0xff; /* no such instruction */
    CHECK_EQ(device_load(device, insns, COUNT, log, sizeof log), FAILS(INVALID));
    CHECK(log[0] != 0);
    free(insns);
    CHECK(stop());
}

static struct wire_head *run_message(int prog, uint32_t repeat, union bpf_attr *attr)
{
    static uint8_t packet[64];
    const struct piece pieces[] = {{packet, sizeof packet, WIRE_IN}};
    *attr = (union bpf_attr){.test = {.prog_fd = (uint32_t)prog, .data_size_in = sizeof packet, .repeat = repeat}};
    attr->test.data_in = (uintptr_t)packet;
    return device_message(BPF_PROG_TEST_RUN, attr, sizeof *attr, pieces, 1);
}

static bool begin(HANDLE file, struct wire_head *message, OVERLAPPED *overlapped)
{
    *overlapped = (OVERLAPPED){.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    return !DeviceIoControl(file, (DWORD)WIRE_IOCTL, message, (DWORD)message->size, message, (DWORD)message->size, NULL,
                            overlapped) &&
           GetLastError() == ERROR_IO_PENDING;
}

/* 0, or the Windows error the request ended with; WAIT_TIMEOUT when it has not within five seconds. */
static DWORD ended(HANDLE file, OVERLAPPED *overlapped)
{
    DWORD got;
    if (WaitForSingleObject(overlapped->hEvent, 5000) != WAIT_OBJECT_0)
        return WAIT_TIMEOUT;
    DWORD error = GetOverlappedResult(file, overlapped, &got, TRUE) ? 0 : GetLastError();
    CloseHandle(overlapped->hEvent);
    return error;
}

/* Four thousand million runs are given up at once, and other commands are served meanwhile. */
TEST(a_test_run_is_cancelled)
{
    union bpf_attr attr;
    OVERLAPPED overlapped;
    REQUIRE(start());
    int64_t prog = device_load(device, returns_two, 2, NULL, 0);
    struct wire_head *message = run_message((int)prog, UINT32_MAX, &attr);
    REQUIRE(begin(device, message, &overlapped));
    uint64_t hello[3];
    CHECK_EQ(device_control(device, WIRE_HELLO, 0, hello), WIRE_VERSION);
    CHECK_EQ(WaitForSingleObject(overlapped.hEvent, 50), WAIT_TIMEOUT);
    CHECK(CancelIoEx(device, &overlapped));
    CHECK_EQ(ended(device, &overlapped), ERROR_OPERATION_ABORTED);
    free(message);
    CHECK(stop());
}

/* What is malformed is refused with its status, and the driver stands. */
TEST(malformed_requests_are_refused)
{
    REQUIRE(start());
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY};
    struct wire_head *good = device_message(BPF_MAP_CREATE, &attr, sizeof attr, NULL, 0);
    uint8_t room[512];
    size_t size = (size_t)good->size;
    OVERLAPPED overlapped = {0};
    DWORD got;
    REQUIRE(size <= sizeof room);
#define REFUSED(change, error)                                                                                         \
    do {                                                                                                               \
        memcpy(room, good, size);                                                                                      \
        struct wire_head *head = (struct wire_head *)room;                                                             \
        struct wire_segment *segment = (struct wire_segment *)(head + 1);                                              \
        (void)segment;                                                                                                 \
        change;                                                                                                        \
        CHECK_EQ(device_send(device, room, size), error);                                                              \
    } while (0)
    REFUSED((void)0, 0);
    REFUSED(head->magic++, ERROR_INVALID_PARAMETER);
    REFUSED(head->version++, ERROR_INVALID_PARAMETER);
    REFUSED(head->size++, ERROR_INVALID_PARAMETER);
    REFUSED(head->kind = WIRE_KINDS, ERROR_INVALID_PARAMETER);
    REFUSED(head->segment_count = 0, ERROR_INVALID_PARAMETER);
    REFUSED(head->segment_count = 0xffffffff, ERROR_INVALID_PARAMETER);
    REFUSED(segment->direction = 0, ERROR_INVALID_PARAMETER);
    REFUSED(segment->direction = 4, ERROR_INVALID_PARAMETER);
    REFUSED(segment->length = ~0ull, ERROR_INVALID_PARAMETER);
    REFUSED(segment->length += 8, ERROR_INVALID_PARAMETER);
    REFUSED(segment->offset -= 8, ERROR_INVALID_PARAMETER);
    REFUSED(segment->reserved = 1, ERROR_INVALID_PARAMETER);
    REFUSED(head->kind = WIRE_HELLO, ERROR_INVALID_PARAMETER);
    /* Another control code; no room for the answer; no message. */
    CHECK(!DeviceIoControl(device, CTL_CODE(FILE_DEVICE_UNKNOWN, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS), good,
                           (DWORD)size, room, sizeof room, &got, &overlapped) &&
          GetLastError() == ERROR_INVALID_FUNCTION);
    CHECK(!DeviceIoControl(device, (DWORD)WIRE_IOCTL, good, (DWORD)size, room, 8, &got, &overlapped) &&
          GetLastError() == ERROR_INSUFFICIENT_BUFFER);
    CHECK(!DeviceIoControl(device, (DWORD)WIRE_IOCTL, NULL, 0, NULL, 0, &got, &overlapped) &&
          GetLastError() == ERROR_INVALID_PARAMETER);
    free(good);
    CHECK(stop());
}

/* An array's counter goes up by one, and the ring gets a record of 8 bytes, 0x0102030405060708. */
static int64_t load_counter(HANDLE file, int array, int ring)
{
    const struct bpf_insn insns[] = {
        {.code = 0x62, .dst_reg = 10, .off = -4, .imm = 0},                       /* key = 0 */
        {.code = 0xbf, .dst_reg = 2, .src_reg = 10},                              /* r2 = r10 */
        {.code = 0x07, .dst_reg = 2, .imm = -4},                                  /* r2 += -4 */
        {.code = 0x18, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = array}, /* r1 = array */
        {0},                                                                      /* */
        {.code = 0x85, .imm = BPF_FUNC_map_lookup_elem},                          /* r0 = the value */
        {.code = 0x15, .dst_reg = 0, .off = 12, .imm = 0},                        /* if !r0 goto the end */
        {.code = 0xb7, .dst_reg = 1, .imm = 1},                                   /* r1 = 1 */
        {.code = 0xdb, .dst_reg = 0, .src_reg = 1},                               /* lock *(u64 *)r0 += r1 */
        {.code = 0x18, .dst_reg = 1, .imm = 0x05060708},                          /* r1 = record */
        {.imm = 0x01020304},                                                      /* */
        {.code = 0x7b, .dst_reg = 10, .src_reg = 1, .off = -16},                  /* *(u64 *)(r10 - 16) = r1 */
        {.code = 0x18, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = ring},  /* r1 = ring */
        {0},                                                                      /* */
        {.code = 0xbf, .dst_reg = 2, .src_reg = 10},                              /* r2 = r10 */
        {.code = 0x07, .dst_reg = 2, .imm = -16},                                 /* r2 += -16 */
        {.code = 0xb7, .dst_reg = 3, .imm = 8},                                   /* r3 = 8 */
        {.code = 0xb7, .dst_reg = 4, .imm = 0},                                   /* r4 = 0 */
        {.code = 0x85, .imm = BPF_FUNC_ringbuf_output},                           /* output */
        {.code = 0xb7, .dst_reg = 0, .imm = 2},                                   /* r0 = XDP_PASS */
        {.code = 0x95},
    };
    return device_load(file, insns, sizeof insns / sizeof *insns, NULL, 0);
}

static struct wire_head *wait_message(int ring)
{
    struct wire_head *head = calloc(1, sizeof *head);
    if (!head)
        exit(3);
    *head = (struct wire_head){.magic = WIRE_MAGIC,
                               .version = WIRE_VERSION,
                               .kind = WIRE_WAIT,
                               .command = (uint32_t)ring,
                               .size = sizeof *head};
    return head;
}

static int64_t view(HANDLE file, int map, uint64_t offset, uint64_t length, bool writable)
{
    uint64_t argument[3] = {offset, length, writable};
    return device_control(file, WIRE_RING_MAP, map, argument);
}

enum { PAGE = 4096, RING = 4 * PAGE };

static int64_t ring_create(HANDLE file)
{
    return device_map_create(file, BPF_MAP_TYPE_RINGBUF, 0, 0, RING, 0);
}

/* Client and program see one memory: the ring's positions and records, its data twice in a row, an array's values. */
TEST(memory_is_shared_with_the_client)
{
    uint8_t packet[64] = {0};
    uint32_t retval, key = 0;
    uint64_t value = 0;
    REQUIRE(start());
    int64_t array = device_map_create(device, BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE), ring = ring_create(device);
    int64_t prog = load_counter(device, (int)array, (int)ring);
    REQUIRE(array > 0 && ring > 0 && prog > 0);
    int64_t consumer = view(device, (int)ring, 0, PAGE, true);
    int64_t producer = view(device, (int)ring, PAGE, PAGE + 2 * RING, false);
    int64_t values = view(device, (int)array, 0, 8, true);
    REQUIRE(consumer > 0 && producer > 0 && values > 0);
    volatile uint64_t *taken = (volatile uint64_t *)(uintptr_t)consumer;
    volatile uint64_t *given = (volatile uint64_t *)(uintptr_t)producer;
    volatile uint8_t *data = (volatile uint8_t *)(uintptr_t)producer + PAGE;
    volatile uint64_t *counter = (volatile uint64_t *)(uintptr_t)values;
    *counter = 40;
    /* More records than the ring holds, taken one by one: they wrap, and each lies in one piece. */
    for (uint64_t i = 0; i < RING / 16 + 10; i++) {
        REQUIRE(device_run(device, (int)prog, packet, sizeof packet, 1, &retval) == 0 && retval == 2);
        REQUIRE(*given == (i + 1) * 16);
        volatile uint8_t *record = data + i * 16 % RING;
        REQUIRE(*(volatile uint32_t *)record == 8);
        REQUIRE(*(volatile uint64_t *)(record + 8) == 0x0102030405060708);
        REQUIRE(*(volatile uint64_t *)(record + RING + 8) == 0x0102030405060708);
        *taken = *given;
    }
    CHECK_EQ(*counter, 40 + RING / 16 + 10);
    CHECK_EQ(device_lookup(device, (int)array, &key, 4, &value, 8), 0);
    CHECK_EQ(value, *counter);

    /* What is not the client's to write, and what is not there. */
    CHECK_EQ(view(device, (int)ring, PAGE, PAGE, true), FAILS(NOT_PERMITTED));
    CHECK_EQ(view(device, (int)ring, 0, 2 * PAGE, true), FAILS(NOT_PERMITTED));
    CHECK_EQ(view(device, (int)ring, 0, 3 * PAGE + 2 * RING, false), FAILS(INVALID));
    CHECK_EQ(view(device, (int)ring, 1, PAGE, false), FAILS(INVALID));
    CHECK_EQ(view(device, (int)ring, ~0ull & ~0xfffull, 2 * PAGE, false), FAILS(INVALID));
    CHECK_EQ(view(device, (int)prog, 0, PAGE, false), FAILS(NOT_SUPPORTED));
    CHECK_EQ(view(device, 99, 0, PAGE, false), FAILS(BAD_HANDLE));
    int64_t plain = device_map_create(device, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0);
    CHECK_EQ(view(device, (int)plain, 0, 8, false), FAILS(NOT_SUPPORTED));

    /* Frozen contents stay as they are: no freezing under a writable view, none made after it. */
    union bpf_attr freeze = {.map_fd = (uint32_t)array};
    CHECK_EQ(device_bpf(device, BPF_MAP_FREEZE, &freeze, NULL, 0), FAILS(BUSY));
    uint64_t address[3] = {(uint64_t)values};
    CHECK_EQ(device_control(device, WIRE_RING_UNMAP, (int)array, address), 0);
    CHECK_EQ(device_control(device, WIRE_RING_UNMAP, (int)array, address), FAILS(INVALID));
    CHECK_EQ(device_bpf(device, BPF_MAP_FREEZE, &freeze, NULL, 0), 0);
    CHECK_EQ(view(device, (int)array, 0, 8, true), FAILS(NOT_PERMITTED));
    values = view(device, (int)array, 0, 8, false);
    CHECK(values > 0 && *(volatile uint64_t *)(uintptr_t)values == value);
    CHECK(stop()); /* the views go with the handle */
}

/* A wait ends when a record comes, when it is cancelled, and when its handle is closed. */
TEST(waits_end)
{
    uint8_t packet[64] = {0};
    uint32_t retval;
    REQUIRE(start());
    int64_t array = device_map_create(device, BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0), ring = ring_create(device);
    int64_t prog = load_counter(device, (int)array, (int)ring);
    REQUIRE(array > 0 && ring > 0 && prog > 0);
    OVERLAPPED first, second;
    struct wire_head *message = wait_message((int)ring), *other = wait_message((int)ring);

    REQUIRE(begin(device, message, &first));
    CHECK_EQ(WaitForSingleObject(first.hEvent, 30), WAIT_TIMEOUT);
    CHECK_EQ(device_run(device, (int)prog, packet, sizeof packet, 1, &retval), 0);
    CHECK_EQ(ended(device, &first), 0);
    CHECK_EQ(message->result, 0);

    REQUIRE(begin(device, message, &first));
    REQUIRE(begin(device, other, &second));
    CHECK(CancelIoEx(device, &first));
    CHECK_EQ(ended(device, &first), ERROR_OPERATION_ABORTED);
    CHECK_EQ(WaitForSingleObject(second.hEvent, 30), WAIT_TIMEOUT);
    CloseHandle(device);
    device = INVALID_HANDLE_VALUE;
    CHECK_EQ(WaitForSingleObject(second.hEvent, 5000), WAIT_OBJECT_0);
    free(message);
    free(other);
    CHECK(stop());
}

/* ---- figures ---- */

static int scaled(int normal, int most)
{
    const char *effort = getenv("WINBPF_EFFORT");
    return effort && !strcmp(effort, "long") ? most : effort && !strcmp(effort, "quick") ? normal / 5 : normal;
}

/* Everything at least once; what fails is let be, because an allocation may have been refused. */
static void use_everything(HANDLE file)
{
    uint8_t packet[64] = {0};
    uint32_t retval, key = 1;
    uint64_t value = 5, got, hello[3];
    OVERLAPPED pending;
    device_control(file, WIRE_HELLO, 0, hello);
    int64_t hash = device_map_create(file, BPF_MAP_TYPE_HASH, 4, 8, 16, 0);
    device_update(file, (int)hash, &key, 4, &value, 8);
    device_lookup(file, (int)hash, &key, 4, &got, 8);
    int64_t percpu = device_map_create(file, BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 4, 0);
    int64_t array = device_map_create(file, BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE), ring = ring_create(file);
    int64_t prog = load_counter(file, (int)array, (int)ring), copy;
    struct wire_head *message = wait_message((int)ring);
    bool waits = ring > 0 && begin(file, message, &pending);
    view(file, (int)ring, 0, PAGE, true);
    view(file, (int)ring, PAGE, PAGE + 2 * RING, false);
    device_run(file, (int)prog, packet, sizeof packet, 3, &retval);
    copy = device_control(file, WIRE_DUPLICATE, (int)prog, NULL);
    device_control(file, WIRE_CLOSE, (int)copy, NULL);
    union bpf_attr pin = {.pathname = (uintptr_t) "/sys/fs/bpf/counter", .bpf_fd = (uint32_t)prog};
    const struct piece path[] = {{"/sys/fs/bpf/counter", 20, WIRE_IN}};
    device_bpf(file, BPF_OBJ_PIN, &pin, path, 1);
    device_control(file, WIRE_CLOSE, (int)percpu, NULL);
    if (waits) {
        if (WaitForSingleObject(pending.hEvent, 0) == WAIT_TIMEOUT)
            CancelIoEx(file, &pending);
        ended(file, &pending);
    }
    free(message);
}

static unsigned left_behind(const char *when)
{
    struct judge *judge = prefix_judge();
    const struct {
        const char *name;
        long long count;
    } alive[] = {
        {"pool blocks", judge->pool_blocks}, {"pool bytes", judge->pool_bytes}, {"handles", judge->handles},
        {"references", judge->references},   {"devices", judge->devices},       {"links", judge->links},
        {"callbacks", judge->callbacks},     {"threads", judge->threads},       {"mappings", judge->mappings},
        {"queued DPCs", judge->dpcs},        {"timers", judge->timers},         {"work items", judge->work_items},
        {"crashes", judge->crashes}};
    unsigned left = 0;
    for (size_t i = 0; i < sizeof alive / sizeof *alive; i++)
        if (alive[i].count) {
            printf("%s: %s: %lld\n", when, alive[i].name, alive[i].count);
            left++;
        }
    return left;
}

/* Load, run, unload with the n-th allocation refused, for every n that there is. */
TEST(each_allocation_is_refused_in_turn)
{
    struct judge *judge = prefix_judge();
    char when[32];
    long long total = 0;
    unsigned injected = 0;
    for (int nth = 0; nth <= total; nth++) {
        long long before = judge->injected, violations = judge->violations;
        judge->allocations = 0;
        judge->fail_at = nth;
        if (start())
            use_everything(device);
        if (!nth || judge->injected == before) { /* DriverEntry went through, or this allocation comes at the end */
            REQUIRE(stop());
        } else {
            stop();
        }
        judge->fail_at = 0;
        if (!nth)
            total = judge->allocations;
        else
            injected += judge->injected - before == 1;
        snprintf(when, sizeof when, "allocation %d refused", nth);
        REQUIRE(!left_behind(when));
        REQUIRE(judge->violations == violations);
    }
    printf("failures injected %u = allocations counted %lld; left behind: 0\n", injected, total);
    CHECK(total > 30);
    CHECK_EQ(injected, total);
}

TEST(start_and_stop)
{
    int cycles = scaled(50, 200);
    for (int i = 0; i < cycles; i++) {
        REQUIRE(start());
        use_everything(device);
        REQUIRE(stop());
        REQUIRE(!left_behind("after a stop"));
    }
    printf("%d starts and stops, nothing left behind; the deepest stack %lld bytes\n", cycles,
           prefix_judge()->deepest_stack);
}

/* What a victim does until it is ended: everything, with requests pending. */
static int victim(void)
{
    union bpf_attr attr;
    OVERLAPPED pending[2];
    HANDLE go = OpenEventW(EVENT_MODIFY_STATE, FALSE, L"Global\\WinbpfVictim");
    HANDLE file = device_open();
    if (file == INVALID_HANDLE_VALUE || !go)
        return 1;
    int64_t prog = device_load(file, returns_two, 2, NULL, 0), ring = ring_create(file);
    struct wire_head *run = run_message((int)prog, UINT32_MAX, &attr), *wait = wait_message((int)ring);
    begin(file, run, &pending[0]);
    begin(file, wait, &pending[1]);
    SetEvent(go);
    for (;;)
        use_everything(file);
}

TEST(clients_are_killed)
{
    int kills = scaled(50, 200), idle;
    struct judge *judge = prefix_judge();
    uint32_t seed = 12345;
    wchar_t command[] = L"C:\\winbpf\\test_core.exe victim";
    HANDLE go = CreateEventW(NULL, FALSE, FALSE, L"Global\\WinbpfVictim");
    for (int i = 0; i < kills; i++) {
        STARTUPINFOW startup = {.cb = sizeof startup};
        PROCESS_INFORMATION process;
        REQUIRE(start());
        long long cleanups = judge->cleanups;
        REQUIRE(CreateProcessW(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
        REQUIRE(WaitForSingleObject(go, 20000) == WAIT_OBJECT_0);
        seed = seed * 1103515245 + 12345;
        Sleep(seed >> 16 & 31);
        CHECK(TerminateProcess(process.hProcess, 9));
        CHECK_EQ(WaitForSingleObject(process.hProcess, 20000), WAIT_OBJECT_0);
        CloseHandle(process.hProcess);
        CloseHandle(process.hThread);
        for (idle = 0; judge->magic == JUDGE_MAGIC && idle < 1000 && judge->cleanups == cleanups; idle++)
            Sleep(5);
        CHECK(judge->magic != JUDGE_MAGIC || judge->cleanups > cleanups);
        uint64_t hello[3];
        CHECK_EQ(device_control(device, WIRE_HELLO, 0, hello), WIRE_VERSION); /* others are served as before */
        REQUIRE(stop());
        REQUIRE(!left_behind("after a kill"));
    }
    CloseHandle(go);
    printf("%d clients killed, nothing left behind\n", kills);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "victim"))
        return victim();
    return check_main(argc, argv);
}
