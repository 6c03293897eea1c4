/* SPDX-License-Identifier: MIT
 *
 * The wire's corpus, sent to the driver: prints for each message what tests/fuzz/wire_results.c prints for the library,
 * so that the two can be compared, and checks what the answer may look like.   test_wire FOLDER
 */
#include "device.h"
#include "check.h"
#include "fuzz/wire_messages.h"

static HANDLE device;
static const char *file_name;
static unsigned number, wrong;

static void say(const char *text)
{
    printf("%s %u: %s\n", file_name, number++, text);
}

static void send(void *self, uint8_t *message, size_t size)
{
    char line[64];
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    const struct wire_head *head = (const struct wire_head *)message;
    bool formed = !wire_check(message, size);
    bool platform = formed && (head->kind == WIRE_RING_MAP || head->kind == WIRE_RING_UNMAP || head->kind == WIRE_WAIT);
    uint8_t *sent = malloc(size ? size : 1);
    DWORD got = 0, error = 0;
    if (!sent)
        exit(3);
    memcpy(sent, message, size);
    if (!DeviceIoControl(device, (DWORD)WIRE_IOCTL, message, (DWORD)size, message, (DWORD)size, NULL, &overlapped))
        error = GetLastError();
    if (error == ERROR_IO_PENDING && WaitForSingleObject(overlapped.hEvent, platform ? 20 : 20000) != WAIT_OBJECT_0)
        CancelIoEx(device, &overlapped);
    if (!error || error == ERROR_IO_PENDING)
        error = GetOverlappedResult(device, &overlapped, &got, TRUE) ? 0 : GetLastError();
    CloseHandle(overlapped.hEvent);
    if (!formed) {
        say(error == ERROR_INVALID_PARAMETER ? "malformed" : "malformed, and the driver took it");
    } else if (platform) {
        say("the platform's");
    } else if (error) {
        snprintf(line, sizeof line, "error %lu", error);
        say(line);
    } else {
        snprintf(line, sizeof line, "%d %lld", head->result, head->result ? 0ll : (long long)head->value);
        say(line);
    }
    if (formed && !error &&
        (got != wire_answer_size(sent) || !wire_answer_allowed(sent, message, size) ||
         memcmp(sent + got, message + got, size - got))) {
        printf("%s %u: an answer that the wire does not allow\n", file_name, number - 1);
        wrong++;
    }
    free(sent);
}

int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    char pattern[MAX_PATH], path[MAX_PATH];
    WIN32_FIND_DATAA found;
    if (argc != 2)
        return 2;
    snprintf(pattern, sizeof pattern, "%s\\*", argv[1]);
    HANDLE search = FindFirstFileA(pattern, &found);
    if (search == INVALID_HANDLE_VALUE)
        return 3;
    do {
        if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
            continue;
        snprintf(path, sizeof path, "%s\\%s", argv[1], found.cFileName);
        FILE *file = fopen(path, "rb");
        SC_HANDLE service = prefix_service(L"ebpfcore", L"ebpfcore.sys");
        if (!file || !service || !prefix_start(service))
            return 4;
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        device = device_open();
        file_name = found.cFileName;
        number = 0;
        wire_messages(data, size, send, NULL);
        CloseHandle(device);
        if (!prefix_stop(service))
            return 5;
    } while (FindNextFileA(search, &found));
    return wrong ? 1 : 0;
}
