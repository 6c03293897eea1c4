/* SPDX-License-Identifier: MIT
 *
 * bpf() over the driver's device, as a test wants it: messages (wire/wire.h) made by hand, so that the driver is judged
 * apart from the library's client.
 */
#ifndef WINBPF_TESTS_WINDOWS_DEVICE_H
#define WINBPF_TESTS_WINDOWS_DEVICE_H

#include <linux/bpf.h>
#include "prefix.h"
#include "base/result.h"
#include "wire/wire.h"

/* What bpf() gives for a result: Linux's numbers, which are not the C library's here. */
#define FAILS(name) ((int64_t)-result_errno(RESULT_##name))

/* A piece of the caller's memory that a command's attr points at. */
struct piece {
    const void *memory;
    size_t length;
    uint32_t direction;
};

/* The device, opened for overlapped use; INVALID_HANDLE_VALUE when there is none. */
static inline HANDLE device_open(void)
{
    return CreateFileW(L"\\\\.\\EbpfIoDevice", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                       FILE_FLAG_OVERLAPPED, NULL);
}

/* A message for `command` with its attr and at most six pieces; to be freed.  Pieces without memory are left out. */
static inline struct wire_head *device_message(uint32_t command, void *attr, size_t attr_size,
                                               const struct piece *pieces, size_t count)
{
    struct piece all[8] = {{attr, attr_size, WIRE_IN | WIRE_OUT}};
    uint32_t segments = 1;
    for (size_t i = 0; i < count; i++)
        if (pieces[i].memory)
            all[segments++] = pieces[i];
    size_t size = sizeof(struct wire_head) + segments * sizeof(struct wire_segment);
    for (uint32_t i = 0; i < segments; i++)
        size += (all[i].length + 7) & ~(size_t)7;
    struct wire_head *head = calloc(1, size);
    if (!head)
        exit(3);
    struct wire_segment *table = (struct wire_segment *)(head + 1);
    size_t at = sizeof *head + segments * sizeof *table;
    *head = (struct wire_head){.magic = WIRE_MAGIC,
                               .version = WIRE_VERSION,
                               .kind = WIRE_COMMAND,
                               .command = command,
                               .size = size,
                               .segment_count = segments};
    for (int out = 1; out >= 0; out--)
        for (uint32_t i = 0; i < segments; i++) {
            if (!!(all[i].direction & WIRE_OUT) != out)
                continue;
            table[i] = (struct wire_segment){.address = (uintptr_t)all[i].memory,
                                             .length = all[i].length,
                                             .offset = at,
                                             .direction = all[i].direction};
            memcpy((uint8_t *)head + at, all[i].memory, all[i].length);
            at += (all[i].length + 7) & ~(size_t)7;
        }
    return head;
}

/* Sends; 0, or the Windows error.  Waits for the end, at most 20 seconds. */
static inline DWORD device_send(HANDLE device, void *message, size_t size)
{
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    DWORD got = 0, error = 0;
    if (!DeviceIoControl(device, (DWORD)WIRE_IOCTL, message, (DWORD)size, message, (DWORD)size, NULL, &overlapped))
        error = GetLastError();
    if (error == ERROR_IO_PENDING && WaitForSingleObject(overlapped.hEvent, 20000) != WAIT_OBJECT_0)
        CancelIoEx(device, &overlapped);
    if (!error || error == ERROR_IO_PENDING)
        error = GetOverlappedResult(device, &overlapped, &got, TRUE) ? 0 : GetLastError();
    CloseHandle(overlapped.hEvent);
    return error;
}

/* Copies what the driver wrote back to where it belongs. */
static inline void device_take(const struct wire_head *head)
{
    const struct wire_segment *table = (const struct wire_segment *)(head + 1);
    for (uint32_t i = 0; i < head->segment_count; i++)
        if (table[i].written)
            memcpy((void *)(uintptr_t)table[i].address, (const uint8_t *)head + table[i].offset, table[i].written);
}

/* bpf(): what it returns, or the negative errno; -1000 - the Windows error when the request itself fails. */
static inline int64_t device_bpf(HANDLE device, uint32_t command, union bpf_attr *attr, const struct piece *pieces,
                                 size_t count)
{
    struct wire_head *head = device_message(command, attr, sizeof *attr, pieces, count);
    DWORD error = device_send(device, head, head->size);
    int64_t value = -1000 - (int64_t)error;
    if (!error) {
        device_take(head);
        value = head->result ? -result_errno((enum result)head->result) : head->value;
    }
    free(head);
    return value;
}

/* A control message: its value, or as device_bpf(). */
static inline int64_t device_control(HANDLE device, uint32_t kind, int handle, uint64_t argument[3])
{
    struct wire_head head = {
        .magic = WIRE_MAGIC, .version = WIRE_VERSION, .kind = kind, .command = (uint32_t)handle, .size = sizeof head};
    if (argument)
        memcpy(head.argument, argument, sizeof head.argument);
    DWORD error = device_send(device, &head, sizeof head);
    if (error)
        return -1000 - (int64_t)error;
    if (argument)
        memcpy(argument, head.argument, sizeof head.argument);
    return head.result ? -result_errno((enum result)head.result) : head.value;
}

static inline int64_t device_map_create(HANDLE device, uint32_t kind, uint32_t key, uint32_t value, uint32_t entries,
                                        uint32_t flags)
{
    union bpf_attr attr = {.map_type = kind};
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = entries;
    attr.map_flags = flags;
    return device_bpf(device, BPF_MAP_CREATE, &attr, NULL, 0);
}

static inline int64_t device_update(HANDLE device, int map, const void *key, size_t key_size, const void *value,
                                    size_t value_size)
{
    union bpf_attr attr = {.map_type = (uint32_t)map};
    const struct piece pieces[] = {{key, key_size, WIRE_IN}, {value, value_size, WIRE_IN}};
    attr.key = (uintptr_t)key;
    attr.value = (uintptr_t)value;
    return device_bpf(device, BPF_MAP_UPDATE_ELEM, &attr, pieces, 2);
}

static inline int64_t device_lookup(HANDLE device, int map, const void *key, size_t key_size, void *value,
                                    size_t value_size)
{
    union bpf_attr attr = {.map_type = (uint32_t)map};
    const struct piece pieces[] = {{key, key_size, WIRE_IN}, {value, value_size, WIRE_OUT}};
    attr.key = (uintptr_t)key;
    attr.value = (uintptr_t)value;
    return device_bpf(device, BPF_MAP_LOOKUP_ELEM, &attr, pieces, 2);
}

/* Loads an XDP program of Linux's personality. */
static inline int64_t device_load(HANDLE device, const struct bpf_insn *insns, uint32_t count, char *log,
                                  uint32_t log_size)
{
    static const char license[] = "MIT";
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP};
    const struct piece pieces[] = {
        {insns, count * sizeof *insns, WIRE_IN}, {license, sizeof license, WIRE_IN}, {log, log_size, WIRE_OUT}};
    attr.insns = (uintptr_t)insns;
    attr.insn_cnt = count;
    attr.license = (uintptr_t)license;
    attr.log_buf = (uintptr_t)log;
    attr.log_size = log_size;
    attr.log_level = log ? 1 : 0;
    return device_bpf(device, BPF_PROG_LOAD, &attr, pieces, 3);
}

/* Runs a program on `size` bytes; *retval is what it returned. */
static inline int64_t device_run(HANDLE device, int prog, const void *data, uint32_t size, uint32_t repeat,
                                 uint32_t *retval)
{
    union bpf_attr attr = {.test = {.prog_fd = (uint32_t)prog, .data_size_in = size, .repeat = repeat}};
    const struct piece pieces[] = {{data, size, WIRE_IN}};
    attr.test.data_in = (uintptr_t)data;
    int64_t value = device_bpf(device, BPF_PROG_TEST_RUN, &attr, pieces, 1);
    *retval = attr.test.retval;
    return value;
}

#endif
