/* SPDX-License-Identifier: MIT
 *
 * The library over a driver: one open of its device for the process, every command a message (wire/client.h), handles
 * as the driver numbers them for this open, from 1 on.
 *
 * A ring is read through views that the driver makes.  A request that waits for the map stays with the driver all the
 * time; each end of one sets the waiter's event, so an event that is set says "look again", never "there is one".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/device.h"
#include "api/over_wire.h"
#include "core/object.h"
#include "platform/handle.h"

const enum personality_of_caller api_numbers = CALLER_EFW;

static struct wire_client client = {.exchange = device_exchange};
static uint32_t cpus, page_size;
static struct os_lock start_lock;
static uint32_t ready;

static enum result start(void)
{
    uint64_t argument[3] = {0};
    int64_t version;
    enum result result = RESULT_OK;
    device_once(&start_lock);
    os_lock_acquire(&start_lock);
    if (!os_load(&ready)) {
        result = device_open();
        if (!result)
            result = wire_control(&client, WIRE_HELLO, 0, argument, &version);
        if (!result && version != WIRE_VERSION)
            result = RESULT_PROTOCOL;
        if (!result) {
            cpus = (uint32_t)argument[0];
            page_size = (uint32_t)argument[1];
            os_store_release(&ready, 1);
        }
    }
    os_lock_release(&start_lock);
    return result;
}

/* Sees to it that the driver is there; it is looked for again each time until it is. */
static enum result reach(void)
{
    return likely(os_load_acquire(&ready)) ? RESULT_OK : start();
}

void over_wire_leave(void)
{
    device_once(&start_lock);
    os_lock_acquire(&start_lock);
    os_store(&ready, 0);
    device_close();
    memset(client.remembered, 0, sizeof client.remembered);
    os_lock_release(&start_lock);
}

int api_ready(void)
{
    return api_result(reach());
}

bool over_wire_path(const char *from, char to[256])
{
    static const char prefix[] = "/sys/fs/bpf/";
    size_t length = strlen(from), at = sizeof prefix - 1;
    if (length < 4 || (from[0] | 32) != 'b' || (from[1] | 32) != 'p' || (from[2] | 32) != 'f' || from[3] != ':') {
        if (length >= 256)
            return false;
        memcpy(to, from, length + 1);
        return true;
    }
    from += 4;
    while (*from == '\\' || *from == '/')
        from++;
    memcpy(to, prefix, at);
    for (; *from; from++) {
        if (at == 255)
            return false;
        to[at++] = *from == '\\' ? '/' : *from;
    }
    to[at] = 0;
    return true;
}

/* A pin's path in Windows' spelling becomes the core's; everything else goes as it is. */
static enum result translate(uint32_t command, union bpf_attr *attr, unsigned size, union bpf_attr *copy,
                             char path[256], bool *translated)
{
    char given[256] = "";
    *translated = false;
    if ((command != BPF_OBJ_PIN && command != BPF_OBJ_GET && command != WIRE_UNPIN) || size < 8 ||
        size > sizeof *copy || os_memory_read(copy, api_address(attr), size))
        return RESULT_OK;
    for (size_t i = 0; i < sizeof given - 1; i++) {
        if (os_memory_read(&given[i], copy->pathname + i, 1))
            return RESULT_OK;
        if (!given[i] || (i == 3 && given[3] != ':'))
            break;
    }
    if ((given[0] | 32) != 'b' || given[3] != ':')
        return RESULT_OK;
    if (!over_wire_path(given, path))
        return RESULT_NAME_TOO_LONG;
    copy->pathname = api_address(path);
    *translated = true;
    return RESULT_OK;
}

int api_bpf_as(enum personality_of_caller numbers, enum bpf_cmd command, union bpf_attr *attr, unsigned size)
{
    int64_t value = 0;
    bool known = true, translated;
    union bpf_attr copy;
    char path[256];
    enum result result = reach();
    if (!result)
        result = translate((uint32_t)command, attr, size, &copy, path, &translated);
    if (!result)
        result = wire_command(&client, numbers, (uint32_t)command, api_address(translated ? &copy : attr), size, &value,
                              &known);
    device_error(known);
    return result ? api_result(result) : (int)value;
}

enum result over_wire_command(uint32_t command, union bpf_attr *attr, unsigned size, int64_t *value)
{
    bool known;
    enum result result = reach();
    return result ? result : wire_command(&client, api_numbers, command, api_address(attr), size, value, &known);
}

enum result over_wire_close(int fd)
{
    enum result result = reach();
    return result ? result : wire_close(&client, fd);
}

int api_close(int fd)
{
    return api_result(over_wire_close(fd));
}

enum result over_wire_duplicate(int fd, int *copy)
{
    int64_t value = 0;
    enum result result = reach();
    if (!result)
        result = wire_control(&client, WIRE_DUPLICATE, fd, NULL, &value);
    if (!result)
        *copy = (int)value;
    return result;
}

int api_dup(int fd)
{
    int copy;
    enum result result = over_wire_duplicate(fd, &copy);
    return result ? api_result(result) : copy;
}

enum result over_wire_describe(int fd, struct wire_description *out)
{
    enum result result = reach();
    return result ? result : wire_describe(&client, fd, out);
}

int api_unpin(const char *path)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.pathname = api_address(path);
    return api_bpf((enum bpf_cmd)WIRE_UNPIN, &attr, sizeof attr.pathname);
}

int api_errno(enum result result)
{
    return result_msvc_errno(result);
}

void api_set_errno(int error)
{
    device_set_errno(error);
}

/* The C runtime has no texts for POSIX's later numbers. */
const char *api_strerror(int error)
{
    for (int result = 1; error >= 100 && result < RESULT_COUNT; result++)
        if (result_msvc_errno((enum result)result) == error)
            return result_text((enum result)result);
    return strerror(error);
}

size_t api_page_size(void)
{
    return reach() ? 4096 : page_size;
}

/* Without a driver: the CPUs that one would count. */
uint32_t api_cpu_count(void)
{
    return reach() ? os_cpu_count() : cpus;
}

enum result over_wire_map(int fd, size_t offset, size_t length, bool writable, void **out)
{
    uint64_t argument[3] = {offset, length, writable};
    int64_t address;
    enum result result = reach();
    if (!result)
        result = wire_control(&client, WIRE_RING_MAP, fd, argument, &address);
    if (!result)
        *out = (void *)(uintptr_t)address;
    return result;
}

enum result over_wire_unmap(const void *view)
{
    uint64_t argument[3] = {api_address(view)};
    return view ? wire_control(&client, WIRE_RING_UNMAP, 0, argument, NULL) : RESULT_OK;
}

int api_pages_map(int fd, size_t length, bool writable, void **out)
{
    *out = NULL;
    enum result result = over_wire_map(fd, 0, length, writable, out);
    return api_result(result == RESULT_NOT_SUPPORTED ? RESULT_OK : result);
}

void api_pages_unmap(void *pages, size_t length)
{
    over_wire_unmap(pages);
}

struct source {
    struct api_ring ring; /* first */
    int fd;               /* our own copy */
    struct device_wait *wait;
};

struct api_waiter {
    struct device_event *event;
};

int api_waiter_create(struct api_waiter **out)
{
    struct api_waiter *waiter = malloc(sizeof *waiter);
    if (!waiter)
        return api_fail(ENOMEM);
    enum result result = device_event_create(&waiter->event);
    if (result) {
        free(waiter);
        return api_result(result);
    }
    *out = waiter;
    return 0;
}

void api_waiter_destroy(struct api_waiter *waiter)
{
    if (!waiter)
        return;
    device_event_destroy(waiter->event);
    free(waiter);
}

void api_waiter_reset(struct api_waiter *waiter)
{
    device_event_wait(waiter->event, 0);
}

int api_waiter_wait(struct api_waiter *waiter, int timeout_ms)
{
    device_event_wait(waiter->event, timeout_ms);
    return 0;
}

intptr_t api_waiter_handle(const struct api_waiter *waiter)
{
    return device_event_handle(waiter->event);
}

/* The waiter's event serves all rings: api_waiter_reset(). */
void api_ring_reset(struct api_ring *ring) {}

void api_ring_close(struct api_ring *ring)
{
    struct source *source = (struct source *)ring;
    device_wait_end(source->wait);
    over_wire_unmap(ring->consumer);
    over_wire_unmap(ring->producer);
    if (source->fd > 0)
        wire_close(&client, source->fd);
    free(source);
}

int api_ring_open(int fd, struct api_waiter *waiter, struct api_ring **out)
{
    struct wire_description map;
    size_t page = api_page_size();
    void *place;
    enum result result = over_wire_describe(fd, &map);
    if (!result && (map.kind != OBJECT_MAP || map.map_kind != BPF_MAP_TYPE_RINGBUF))
        result = RESULT_INVALID;
    if (result)
        return api_result(result);
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return api_fail(ENOMEM);
    result = over_wire_duplicate(fd, &source->fd);
    source->ring.mask = (uint64_t)map.max_entries - 1;
    if (!result)
        result = over_wire_map(source->fd, 0, page, true, &place);
    if (!result) {
        source->ring.consumer = place;
        result = over_wire_map(source->fd, page, page + 2 * (size_t)map.max_entries, false, &place);
    }
    if (!result) {
        source->ring.producer = place;
        source->ring.data = (const uint8_t *)place + page;
        result = device_wait_begin(source->fd, waiter->event, &source->wait);
    }
    if (result) {
        api_ring_close(&source->ring);
        return api_result(result);
    }
    *out = &source->ring;
    return 0;
}
