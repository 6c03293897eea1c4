/* SPDX-License-Identifier: MIT
 *
 * The registrar of the test netio.sys, and its rules, each broken once by binder.sys.
 */
#include "prefix.h"
#include "check.h"

static const struct rule_case {
    unsigned number;
    bool at_unload;
    const char *words; /* NULL: nothing is wrong */
} cases[] = {
    {0, false, NULL},
    {1, false, "NmrRegisterProvider called at IRQL 2"},
    {2, true, "left at unload: a registration with the NMR"},
    {3, false, "a detach is completed that is not pending"},
    {4, false, "ClientAttachProvider succeeded and did not attach"},
    {5, false, "deregistered that is not registered"},
    {6, false, "NmrWaitForProviderDeregisterComplete called at IRQL 2"},
    {0, false, NULL},
};

static long log_read;

static bool control(unsigned number)
{
    DWORD got = 0;
    HANDLE device = CreateFileW(L"\\\\.\\WinbpfBinder", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (device == INVALID_HANDLE_VALUE)
        return false;
    bool done = DeviceIoControl(device, CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + number, METHOD_BUFFERED, FILE_ANY_ACCESS),
                                NULL, 0, NULL, 0, &got, NULL);
    CloseHandle(device);
    return done;
}

static void log_gained(const char *words, unsigned number)
{
    char *text = prefix_log(log_read, &log_read);
    bool as_expected = words ? text && strstr(text, words) : !text || !*text;
    if (!as_expected)
        printf("rule %u: expected '%s', the log gained: %s\n", number, words ? words : "nothing", text ? text : "");
    CHECK(as_expected);
    free(text);
}

TEST(each_rule_of_the_registrar)
{
    REQUIRE(prefix_judge());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SC_HANDLE service = prefix_service(L"WinbpfBinder", L"binder.sys");
        REQUIRE(service && prefix_start(service));
        CHECK(control(cases[i].number));
        log_gained(cases[i].at_unload ? NULL : cases[i].words, cases[i].number);
        CHECK(prefix_stop(service));
        log_gained(cases[i].at_unload ? cases[i].words : NULL, cases[i].number);
    }
}

TEST_MAIN
