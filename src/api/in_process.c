/* SPDX-License-Identifier: MIT
 *
 * The library over the core in its own process: commands are calls, descriptors are the system's, a ring is read where
 * the core writes it.  No handle here is pollable and mappable at once, so a map's own event (an eventfd) stands in for
 * it in the waiter's epoll set.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "api/local.h"
#include "base/list.h"
#include "core/core.h"
#include "core/map.h"
#include "core/object.h"
#include "core/pin.h"
#include "platform/os.h"

const enum personality_of_caller api_numbers = CALLER_LINUX;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static enum result start_result;

static struct client *process, efw;

static void start(void)
{
    start_result = api_start();
    if (start_result)
        return;
    process = client_process();
    efw = *process; /* the same handles and memory, other numbers */
    efw.numbers = CALLER_EFW;
}

int api_ready(void)
{
    pthread_once(&once, start);
    return api_result(start_result);
}

int api_bpf_as(enum personality_of_caller numbers, enum bpf_cmd command, union bpf_attr *attr, unsigned size)
{
    int64_t value = 0;
    pthread_once(&once, start);
    if (start_result)
        return api_result(start_result);
    struct client *client = numbers == CALLER_EFW ? &efw : process;
    enum result result = core_command(client, (uint32_t)command, (uint64_t)(uintptr_t)attr, (uint32_t)size, &value);
    return result ? api_result(result) : (int)value;
}

int api_close(int fd)
{
    return close(fd) ? api_fail(errno) : 0;
}

int api_dup(int fd)
{
    int copy = dup(fd);
    return copy < 0 ? api_fail(errno) : copy;
}

int api_unpin(const char *path)
{
    pthread_once(&once, start);
    return api_result(start_result ? start_result : pin_remove(path));
}

int api_errno(enum result result)
{
    return result_errno(result);
}

void api_set_errno(int error)
{
    errno = error;
}

const char *api_strerror(int error)
{
    return strerror(error);
}

size_t api_page_size(void)
{
    return os_page_size();
}

uint32_t api_cpu_count(void)
{
    return os_cpu_count();
}

/* The map behind a descriptor, referenced (REF_LOOKUP), or NULL. */
static struct map *map_get(int fd)
{
    struct object *object;
    uint32_t flags;
    pthread_once(&once, start);
    if (start_result)
        return api_null(result_errno(start_result));
    enum result result = process->ops->handle_get(process, fd, &object, &flags);
    if (result)
        return api_null(result_errno(result));
    if (object->kind != OBJECT_MAP) {
        object_put(object, REF_LOOKUP);
        return api_null(EINVAL);
    }
    return container_of(object, struct map, object);
}

int api_pages_map(int fd, size_t length, bool writable, void **out)
{
    struct map *map = map_get(fd);
    *out = NULL;
    if (!map)
        return -errno;
    struct os_shared *shared = map->ops->shared ? map->ops->shared(map) : NULL;
    enum result result = shared ? os_shared_map_client(shared, 0, length, writable, out) : RESULT_OK;
    object_put(&map->object, REF_LOOKUP);
    return api_result(result);
}

void api_pages_unmap(void *pages, size_t length)
{
    os_shared_unmap(pages, length);
}

struct source {
    struct api_ring ring; /* first */
    struct map *map;
    struct os_event *event;
};

struct api_waiter {
    int epoll;
};

int api_waiter_create(struct api_waiter **out)
{
    struct api_waiter *waiter = malloc(sizeof *waiter);
    if (!waiter)
        return api_fail(ENOMEM);
    waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (waiter->epoll < 0) {
        int error = errno;
        free(waiter);
        return api_fail(error);
    }
    *out = waiter;
    return 0;
}

void api_waiter_destroy(struct api_waiter *waiter)
{
    if (!waiter)
        return;
    close(waiter->epoll);
    free(waiter);
}

/* Each ring has an event of its own: api_ring_reset(). */
void api_waiter_reset(struct api_waiter *waiter) {}

int api_waiter_wait(struct api_waiter *waiter, int timeout_ms)
{
    struct epoll_event ready[16];
    return epoll_wait(waiter->epoll, ready, 16, timeout_ms) < 0 ? api_fail(errno) : 0;
}

intptr_t api_waiter_handle(const struct api_waiter *waiter)
{
    return waiter->epoll;
}

void api_ring_reset(struct api_ring *ring)
{
    os_event_wait(((struct source *)ring)->event, 0);
}

void api_ring_close(struct api_ring *ring)
{
    struct source *source = (struct source *)ring;
    size_t page = os_page_size();
    os_shared_unmap(ring->consumer, page);
    if (ring->producer)
        os_shared_unmap((void *)(uintptr_t)ring->producer, page + 2 * (size_t)(ring->mask + 1));
    object_put(&source->map->object, REF_LOOKUP);
    free(source);
}

int api_ring_open(int fd, struct api_waiter *waiter, struct api_ring **out)
{
    size_t page = os_page_size();
    struct map *map = map_get(fd);
    void *place;
    if (!map)
        return -errno;
    struct source *source = calloc(1, sizeof *source);
    if (!source || map->kind != BPF_MAP_TYPE_RINGBUF || !map->ops->shared || !map->ops->event) {
        object_put(&map->object, REF_LOOKUP);
        int error = source ? EINVAL : ENOMEM;
        free(source);
        return api_fail(error);
    }
    source->map = map;
    source->event = map->ops->event(map);
    source->ring.mask = map->max_entries - 1;
    struct os_shared *shared = map->ops->shared(map);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = source};
    enum result result = os_shared_map_client(shared, 0, page, true, &place);
    if (!result) {
        source->ring.consumer = place;
        result = os_shared_map_client(shared, page, page + 2 * (size_t)(source->ring.mask + 1), false, &place);
    }
    if (!result) {
        source->ring.producer = place;
        source->ring.data = (const uint8_t *)place + page;
    }
    int error = result_errno(result);
    if (!error && epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, os_event_fd(source->event), &wanted))
        error = errno;
    if (error) {
        api_ring_close(&source->ring);
        return api_fail(error);
    }
    *out = &source->ring;
    return 0;
}
