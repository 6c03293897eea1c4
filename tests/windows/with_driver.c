/* SPDX-License-Identifier: MIT
 *
 *     with_driver PROGRAM [ARGUMENT…]
 *
 * Starts ebpfcore.sys of C:\winbpf, runs a program, stops the driver; the program's exit status, or 9 when the driver
 * did not start or stop.
 */
#include "prefix.h"

int main(int argc, char **argv)
{
    char line[4096] = "";
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    DWORD status = 9;
    SC_HANDLE service = prefix_service(L"ebpfcore", L"ebpfcore.sys");
    for (int i = 1; i < argc; i++) {
        if (strlen(line) + strlen(argv[i]) + 4 > sizeof line)
            return 9;
        strcat(strcat(strcat(line, i > 1 ? " \"" : "\""), argv[i]), "\"");
    }
    if (argc < 2 || !service || !prefix_start(service)) {
        fprintf(stderr, "with_driver: the driver does not start (error %lu)\n", GetLastError());
        return 9;
    }
    if (CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) {
        WaitForSingleObject(process.hProcess, INFINITE);
        GetExitCodeProcess(process.hProcess, &status);
    } else {
        fprintf(stderr, "with_driver: %s: error %lu\n", argv[1], GetLastError());
    }
    return prefix_stop(service) ? (int)status : 9;
}
