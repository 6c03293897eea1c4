/* SPDX-License-Identifier: MIT
 *
 * What every test program in a prefix does: install a driver of C:\winbpf, start and stop it, look at the judge's
 * counters and at what its log gained.
 */
#ifndef WINBPF_TESTS_PREFIX_H
#define WINBPF_TESTS_PREFIX_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <winioctl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "judge.h"

/* The shared counters; the section is made here when no driver has run yet.  NULL when there is none. */
static inline struct judge *prefix_judge(void)
{
    static struct judge *judge;
    if (!judge) {
        HANDLE section =
            CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof *judge, JUDGE_SECTION);
        judge = section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0) : NULL;
    }
    return judge;
}

/* The service of C:\winbpf\FILE, made at the first call; every driver is in one load-order group, so that they share
 * one process as they share one kernel. */
static inline SC_HANDLE prefix_service(const wchar_t *name, const wchar_t *file)
{
    static SC_HANDLE manager;
    wchar_t path[MAX_PATH];
    if (!manager)
        manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_ALL_ACCESS);
    if (service)
        return service;
    _snwprintf(path, MAX_PATH, L"C:\\winbpf\\%ls", file);
    return CreateServiceW(manager, name, name, SERVICE_ALL_ACCESS, SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START,
                          SERVICE_ERROR_NORMAL, path, L"winbpf", NULL, NULL, NULL, NULL);
}

static inline bool prefix_start(SC_HANDLE service)
{
    /* Wine's service manager answers ERROR_INTERNAL_ERROR while the process that ran the drivers before still ends. */
    for (unsigned patience = 0; patience < 50; patience++) {
        if (StartServiceW(service, 0, NULL) || GetLastError() == ERROR_SERVICE_ALREADY_RUNNING)
            return true;
        if (GetLastError() != ERROR_INTERNAL_ERROR)
            break;
        Sleep(100);
    }
    if (GetLastError() != ERROR_NO_SYSTEM_RESOURCES) /* what a refused allocation is */
        printf("the driver did not start: error %lu\n", GetLastError());
    return false;
}

/* True once the driver is unloaded; a line and false when it is not within 30 seconds. */
static inline bool prefix_stop(SC_HANDLE service)
{
    SERVICE_STATUS status;
    struct judge *judge = prefix_judge();
    long long before = judge ? judge->unloads : 0;
    bool asked = ControlService(service, SERVICE_CONTROL_STOP, &status);
    if (!asked && GetLastError() != ERROR_SERVICE_REQUEST_TIMEOUT) { /* a busy machine: it was asked, and goes on */
        if (GetLastError() != ERROR_SERVICE_NOT_ACTIVE)              /* it never started, as its caller knows */
            printf("the driver cannot be stopped: error %lu\n", GetLastError());
        return false;
    }
    for (int i = 0; i < 3000; i++) {
        if (QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_STOPPED &&
            (!judge || judge->magic != JUDGE_MAGIC || judge->unloads > before))
            return true;
        Sleep(10);
    }
    printf("the driver does not stop: state %lu, %lld unloads after %lld\n", status.dwCurrentState,
           judge ? judge->unloads : 0, before);
    return false;
}

/* What the judge's log holds from byte `from` on, terminated; to be freed.  NULL without a log. */
static inline char *prefix_log(long from, long *end)
{
    HANDLE file = CreateFileW(L"C:\\judge.log", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                              NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return NULL;
    DWORD size = GetFileSize(file, NULL), got = 0;
    if ((DWORD)from > size)
        from = (long)size;
    char *text = calloc(1, size - (DWORD)from + 1);
    SetFilePointer(file, from, NULL, FILE_BEGIN);
    if (text)
        ReadFile(file, text, size - (DWORD)from, &got, NULL);
    CloseHandle(file);
    if (end)
        *end = (long)size;
    return text;
}

#endif
