/* SPDX-License-Identifier: MIT
 *
 * ebpf-for-windows' own functions, as ebpf/ebpf_api.h declares them: thin, over the same connection as bpf().
 */
#include <stdlib.h>
#include <string.h>
#include "api/device.h"
#include "api/over_wire.h"
#include "bpf/bpf.h"
#include "core/object.h"
#include "ebpf/ebpf_api.h"

static ebpf_result_t translate(enum result result)
{
    switch (result) {
    case RESULT_OK: return EBPF_SUCCESS;
    case RESULT_BAD_HANDLE: return EBPF_INVALID_FD;
    case RESULT_INVALID: return EBPF_INVALID_ARGUMENT;
    case RESULT_NOT_FOUND: return EBPF_OBJECT_NOT_FOUND;
    case RESULT_EXISTS: return EBPF_OBJECT_ALREADY_EXISTS;
    case RESULT_NO_MEMORY:
    case RESULT_TOO_MANY_HANDLES: return EBPF_NO_MEMORY;
    case RESULT_ACCESS:
    case RESULT_NOT_PERMITTED: return EBPF_ACCESS_DENIED;
    case RESULT_NOT_SUPPORTED:
    case RESULT_NOT_SUPP: return EBPF_OPERATION_NOT_SUPPORTED;
    case RESULT_NO_SPACE: return EBPF_INSUFFICIENT_BUFFER;
    case RESULT_FAULT: return EBPF_INVALID_POINTER;
    case RESULT_CANCELED: return EBPF_CANCELED;
    case RESULT_TIME: return EBPF_TIMEOUT;
    default: return EBPF_FAILED;
    }
}

int bpf(int cmd, union bpf_attr *attr, unsigned int size)
{
    return api_bpf((enum bpf_cmd)cmd, attr, size);
}

int winbpf_bpf_linux(int cmd, union bpf_attr *attr, unsigned int size)
{
    return api_bpf_as(CALLER_LINUX, (enum bpf_cmd)cmd, attr, size);
}

/* Waits that applications asked for, by descriptor. */
static struct wait {
    struct wait *next;
    fd_t fd;
    struct device_wait *wait;
} * waits;
static struct os_spin_lock waits_lock;

static void put_wait(struct wait *wait)
{
    os_irql irql = os_spin_acquire(&waits_lock);
    wait->next = waits;
    waits = wait;
    os_spin_release(&waits_lock, irql);
}

static void end_wait(fd_t fd)
{
    os_irql irql = os_spin_acquire(&waits_lock);
    struct wait **place = &waits;
    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    struct wait *wait = *place;
    if (wait)
        *place = wait->next;
    os_spin_release(&waits_lock, irql);
    if (wait)
        device_wait_end(wait->wait);
    free(wait);
}

void winbpf_disconnect(void)
{
    while (waits)
        end_wait(waits->fd);
    over_wire_leave();
}

ebpf_result_t ebpf_close_fd(fd_t fd)
{
    end_wait(fd);
    return translate(over_wire_close(fd));
}

ebpf_result_t ebpf_duplicate_fd(fd_t fd, fd_t *dup)
{
    return dup ? translate(over_wire_duplicate(fd, dup)) : EBPF_INVALID_ARGUMENT;
}

ebpf_result_t ebpf_object_unpin(const char *path)
{
    char name[256];
    union bpf_attr attr;
    int64_t value;
    if (!path || !over_wire_path(path, name))
        return EBPF_INVALID_ARGUMENT;
    memset(&attr, 0, sizeof attr);
    attr.pathname = api_address(name);
    enum result result = over_wire_command(WIRE_UNPIN, &attr, sizeof attr.pathname, &value);
    return result == RESULT_NOT_FOUND ? EBPF_NOT_PINNED : translate(result);
}

fd_t ebpf_object_get(const char *path)
{
    return bpf_obj_get(path);
}

ebpf_result_t ebpf_canonicalize_pin_path(char *output, size_t output_size, const char *input)
{
    static const char prefix[] = "/sys/fs/bpf/";
    char name[256];
    if (!output || !output_size || !input || !over_wire_path(input, name))
        return EBPF_INVALID_ARGUMENT;
    const char *rest = strncmp(name, prefix, sizeof prefix - 1) ? name : name + sizeof prefix - 1;
    size_t at = 0;
    while (*rest == '/')
        rest++;
    if (strlen(rest) + sizeof "BPF:\\" > output_size)
        return EBPF_INSUFFICIENT_BUFFER;
    memcpy(output, "BPF:\\", 5);
    for (at = 5; *rest; rest++)
        output[at++] = *rest == '/' ? '\\' : *rest;
    output[at] = 0;
    return EBPF_SUCCESS;
}

ebpf_result_t ebpf_get_next_pinned_object_path(const char *start_path, char *next_path, size_t next_path_len,
                                               ebpf_object_type_t *type)
{
    static const ebpf_object_type_t types[OBJECT_KINDS] = {
        [OBJECT_MAP] = EBPF_OBJECT_MAP, [OBJECT_LINK] = EBPF_OBJECT_LINK, [OBJECT_PROG] = EBPF_OBJECT_PROGRAM};
    char path[256], next[256];
    if (!start_path || !next_path || !type || !over_wire_path(start_path, path))
        return EBPF_INVALID_ARGUMENT;
    for (;;) {
        int64_t kind = 0;
        union bpf_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.map_fd = sizeof next;
        attr.key = api_address(path);
        attr.value = api_address(next);
        enum result result = over_wire_command(WIRE_NEXT_PIN, &attr, offsetof(union bpf_attr, flags), &kind);
        if (result == RESULT_NOT_FOUND)
            return EBPF_NO_MORE_KEYS;
        if (result)
            return translate(result);
        ebpf_object_type_t found = kind >= 0 && kind < OBJECT_KINDS ? types[kind] : EBPF_OBJECT_UNKNOWN;
        if (*type == EBPF_OBJECT_UNKNOWN || *type == found) {
            ebpf_result_t named = ebpf_canonicalize_pin_path(next_path, next_path_len, next);
            if (!named)
                *type = found;
            return named;
        }
        memcpy(path, next, sizeof path);
    }
}

ebpf_result_t ebpf_ring_buffer_map_map_buffer(fd_t map_fd, void **consumer, const void **producer, const uint8_t **data,
                                              size_t *data_size)
{
    struct wire_description map;
    void *mine, *theirs;
    size_t page = api_page_size();
    if (!consumer || !producer || !data || !data_size)
        return EBPF_INVALID_ARGUMENT;
    enum result result = over_wire_describe(map_fd, &map);
    if (result)
        return translate(result);
    if (map.kind != OBJECT_MAP || map.map_kind != BPF_MAP_TYPE_RINGBUF)
        return EBPF_INVALID_ARGUMENT;
    result = over_wire_map(map_fd, 0, page, true, &mine);
    if (result)
        return translate(result);
    result = over_wire_map(map_fd, page, page + 2 * (size_t)map.max_entries, false, &theirs);
    if (result) {
        over_wire_unmap(mine);
        return translate(result);
    }
    *consumer = mine;
    *producer = theirs;
    *data = (const uint8_t *)theirs + page;
    *data_size = map.max_entries;
    return EBPF_SUCCESS;
}

ebpf_result_t ebpf_ring_buffer_map_unmap_buffer(fd_t map_fd, void *consumer, const void *producer, const void *data)
{
    if (!consumer || !producer || (const uint8_t *)data != (const uint8_t *)producer + api_page_size())
        return EBPF_INVALID_ARGUMENT;
    enum result first = over_wire_unmap(consumer), second = over_wire_unmap(producer);
    return translate(first ? first : second);
}

ebpf_result_t ebpf_map_set_wait_handle(fd_t map_fd, uint64_t index, ebpf_handle_t handle)
{
    if (index)
        return EBPF_INVALID_ARGUMENT;
    end_wait(map_fd);
    if (handle == 0 || handle == -1)
        return EBPF_SUCCESS;
    struct wire_description map;
    enum result result = over_wire_describe(map_fd, &map);
    if (result)
        return translate(result);
    struct wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return EBPF_NO_MEMORY;
    wait->fd = map_fd;
    result = device_wait_begin_handle(map_fd, handle, &wait->wait);
    if (result) {
        free(wait);
        return translate(result);
    }
    put_wait(wait);
    return EBPF_SUCCESS;
}

ebpf_handle_t ebpf_ring_buffer_get_wait_handle(struct ring_buffer *ring_buffer)
{
    return api_ring_wait_handle(ring_buffer);
}
