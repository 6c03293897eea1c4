/* SPDX-License-Identifier: MIT
 *
 * The judge is judged: breaker.sys breaks each rule of the overlay once, and the log must gain a line with the rule's
 * words; what breaks nothing gains none, every count of living things is then zero, and the failure dial fails exactly
 * the allocation it is set to.  `test_judge crash N` runs a case that ends the driver process; the rig looks at the
 * log.
 */
#include "prefix.h"
#include "check.h"

static const struct rule_case {
    unsigned number;
    bool at_unload;
    const char *words;
} cases[] = {
    {1, false, "IoDeleteSymbolicLink called at IRQL 2"},
    {2, false, "KeWaitForSingleObject called at IRQL 2"},
    {3, false, "executable pool"},
    {4, false, "ExAllocatePoolWithTag(PagedPool) called at IRQL 2"},
    {5, false, "with another tag than at allocation"},
    {6, false, "taken twice by one thread"},
    {7, false, "released but not held"},
    {8, false, "KeLowerIrql to 2 from 0 raises"},
    {9, false, "dispatch of IRP major 14 returned at IRQL 1"},
    {10, false, "frees memory with a set timer in it"},
    {11, false, "DPC routine returned at IRQL"},
    {12, false, "without OBJ_KERNEL_HANDLE"},
    {13, false, "writable and executable at once"},
    {14, false, "pages that are still mapped"},
    {15, false, "without MdlMappingNoExecute"},
    {16, false, "ExReleaseRundownProtection without a matching acquire"},
    {17, false, "released by another thread or not held"},
    {18, true, "left at unload: 4096 bytes of pool, tag Leak"},
    {19, true, "left at unload: a handle"},
    {20, true, "left at unload: a set timer"},
    {25, false, "dispatch of IRP major 14 returned inside 1 critical regions"},
    {26, false, "KeLeaveCriticalRegion without KeEnterCriticalRegion"},
    {27, false, "ExAcquireFastMutexUnsafe while kernel APCs are enabled"},
    {28, false, "IoFreeMdl of an MDL that is still mapped"},
    {29, false, "MmMapLockedPagesSpecifyCache of a page that is not allocated"},
    {30, false, "MmMapLockedPagesSpecifyCache of an MDL that is mapped"},
    {31, true, "left at unload: 3 pages"},
    {32, false, "MmUnmapLockedPages of what is not mapped"},
    {33, false, "ObOpenObjectByPointer without OBJ_KERNEL_HANDLE"},
    {35, false, "work item routine returned at IRQL 1"},
    {36, false, "PsTerminateSystemThread inside 1 critical regions"},
    {37, false, "KeUnstackDetachProcess while not attached"},
    {38, false, "KeStackAttachProcess while attached"},
    {39, false, "PsSetCreateProcessNotifyRoutine removes what is not registered"},
    {40, false, "MmFreePagesFromMdl of pages that are not allocated"},
    {41, false, "still has a cancel routine"},
    {42, false, "bytes of stack, allowed 16384"},
    {34, true, "left at unload: a mapping of 1 pages"},
};

static SC_HANDLE service;
static long log_read;

static bool control(unsigned number, DWORD *answer)
{
    DWORD got = 0;
    HANDLE device = CreateFileW(L"\\\\.\\WinbpfBreaker", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (device == INVALID_HANDLE_VALUE)
        return false;
    bool done = DeviceIoControl(device, CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + number, METHOD_BUFFERED, FILE_ANY_ACCESS),
                                NULL, 0, answer, answer ? sizeof *answer : 0, &got, NULL);
    CloseHandle(device);
    return done;
}

static bool started(void)
{
    service = prefix_service(L"WinbpfBreaker", L"breaker.sys");
    return service && prefix_start(service);
}

static void nothing_lives(void)
{
    struct judge *judge = prefix_judge();
    CHECK_EQ(judge->pool_blocks, 0);
    CHECK_EQ(judge->pool_bytes, 0);
    CHECK_EQ(judge->handles, 0);
    CHECK_EQ(judge->references, 0);
    CHECK_EQ(judge->threads, 0);
    CHECK_EQ(judge->mappings, 0);
    CHECK_EQ(judge->dpcs, 0);
    CHECK_EQ(judge->timers, 0);
    CHECK_EQ(judge->work_items, 0);
}

/* The log gained a line with `words`; without words it gained nothing. */
static void log_gained(const char *words, unsigned number)
{
    char *text = prefix_log(log_read, &log_read);
    bool as_expected = words ? text && strstr(text, words) : !text || !*text;
    if (!as_expected)
        printf("rule %u: expected '%s', the log gained: %s\n", number, words ? words : "nothing", text ? text : "");
    CHECK(as_expected);
    free(text);
}

TEST(nothing_wrong_is_reported_as_nothing)
{
    struct judge *judge = prefix_judge();
    REQUIRE(judge && started());
    CHECK(control(0, NULL));
    log_gained(NULL, 0);
    CHECK(control(23, NULL));
    log_gained(NULL, 23);
    CHECK_EQ(judge->violations, 0);
    CHECK_EQ(judge->devices, 1);
    nothing_lives();
    CHECK(prefix_stop(service));
    CHECK_EQ(judge->unloads, 1);
    CHECK_EQ(judge->cleanups, 2);
    CHECK_EQ(judge->devices, 0);
    nothing_lives();
    log_gained(NULL, 0);
}

TEST(the_dial_fails_one_allocation)
{
    struct judge *judge = prefix_judge();
    REQUIRE(judge && started());
    for (int nth = 0; nth <= 17; nth++) {
        DWORD failed = 0xdead0000;
        long long injected = judge->injected;
        judge->allocations = 0;
        judge->fail_at = nth;
        CHECK(control(24, &failed));
        judge->fail_at = 0;
        CHECK_EQ(failed, nth >= 1 && nth <= 16 ? 1u << (nth - 1) : 0);
        CHECK_EQ(judge->injected - injected, nth >= 1 && nth <= 16);
        CHECK_EQ(judge->allocations, 16);
    }
    judge->fail_at = 1;
    CHECK(!control(0, NULL)); /* its first allocation */
    judge->fail_at = 0;
    nothing_lives();
    CHECK(prefix_stop(service));
    log_gained(NULL, 24);
}

TEST(each_broken_rule_is_found)
{
    unsigned found = 0;
    struct judge *judge = prefix_judge();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned before = check_failures;
        REQUIRE(judge && started());
        long long violations = judge->violations;
        control(cases[i].number, NULL);
        if (cases[i].at_unload)
            log_gained(NULL, cases[i].number);
        else
            log_gained(cases[i].words, cases[i].number);
        CHECK(prefix_stop(service));
        if (cases[i].at_unload)
            log_gained(cases[i].words, cases[i].number);
        else
            log_gained(NULL, cases[i].number);
        CHECK(judge->violations > violations);
        found += check_failures == before;
    }
    printf("judge: %u of %u broken rules found\n", found, (unsigned)(sizeof cases / sizeof *cases));
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "crash")) {
        if (!prefix_judge() || !started())
            return 1;
        control((unsigned)atoi(argv[2]), NULL);
        Sleep(300);
        return prefix_judge()->crashes ? 0 : 1;
    }
    return check_main(argc, argv);
}
