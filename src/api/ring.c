/* SPDX-License-Identifier: MIT
 *
 * Ring buffers read in place.  A ring is two positions and a power-of-two data area, mapped twice in a row so that a
 * record never wraps (Linux Documentation/bpf/ringbuf.rst).  The consumer's page is ours to write; the producer's
 * position and the data are read-only.
 *
 * No handle here is pollable and mappable at once, so the map's own event stands in for it: poll looks at the positions
 * first, then waits for the event.  The event is reset *before* the positions are read, so a record that comes after
 * the reading sets it again and is never slept over.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "api/local.h"
#include "core/map.h"
#include "platform/os.h"

enum { RECORD_HEADER = 8 };

struct ring {
    struct map *map;
    int fd;
    ring_buffer_sample_fn sample;
    void *context;
    unsigned long *consumer;
    const unsigned long *producer;
    const uint8_t *data;
    uint64_t mask;
    struct os_event *event;
};

struct ring_buffer {
    struct ring **rings;
    int count, epoll;
};

static void ring_close(struct ring *ring)
{
    size_t page = os_page_size();
    if (ring->consumer)
        os_shared_unmap(ring->consumer, page);
    if (ring->producer)
        os_shared_unmap((void *)(uintptr_t)ring->producer, page + 2 * (size_t)(ring->mask + 1));
    if (ring->map)
        api_map_put(ring->map);
    free(ring);
}

static int ring_open(int fd, ring_buffer_sample_fn sample, void *context, struct ring **out)
{
    size_t page = os_page_size();
    struct ring *ring = calloc(1, sizeof *ring);
    void *place;
    if (!ring)
        return api_fail(ENOMEM);
    ring->map = api_map_get(fd);
    if (!ring->map) {
        int error = errno;
        free(ring);
        return api_fail(error);
    }
    if (ring->map->kind != BPF_MAP_TYPE_RINGBUF || !ring->map->ops->shared || !ring->map->ops->event) {
        api_warn("ring buffer: the map is of another type\n");
        ring_close(ring);
        return api_fail(EINVAL);
    }
    ring->fd = fd;
    ring->sample = sample;
    ring->context = context;
    ring->mask = ring->map->max_entries - 1;
    struct os_shared *shared = ring->map->ops->shared(ring->map);
    enum result result = os_shared_map_client(shared, 0, page, true, &place);
    if (!result) {
        ring->consumer = place;
        result = os_shared_map_client(shared, page, page + 2 * (size_t)(ring->mask + 1), false, &place);
    }
    if (!result) {
        ring->producer = place;
        ring->data = (const uint8_t *)place + page;
        ring->event = ring->map->ops->event(ring->map);
        *out = ring;
        return 0;
    }
    ring_close(ring);
    return api_result(result);
}

/* Up to `most` records; their number, or the callback's negative answer. */
static int64_t consume(struct ring *ring, size_t most)
{
    int64_t count = 0;
    os_event_wait(ring->event, 0);
    unsigned long at = os_load_acquire(ring->consumer);
    for (bool more = true; more;) {
        more = false;
        os_fence(); /* our position is out before we look: a producer sees one or we see the other */
        unsigned long end = os_load_acquire(ring->producer);
        while (at < end) {
            const uint8_t *record = ring->data + (at & ring->mask);
            uint32_t length = os_load_acquire((const uint32_t *)(const void *)record);
            if (length & BPF_RINGBUF_BUSY_BIT)
                break; /* its submission sets the event */
            more = true;
            at += ((length & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT) + RECORD_HEADER + 7) & ~7u;
            if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
                int answer = ring->sample(ring->context, (void *)(uintptr_t)(record + RECORD_HEADER), length);
                if (answer < 0) {
                    os_store_release(ring->consumer, at);
                    return answer;
                }
                count++;
            }
            os_store_release(ring->consumer, at);
            if ((uint64_t)count >= most)
                return count;
        }
    }
    return count;
}

static int64_t consume_all(struct ring_buffer *rb, size_t most)
{
    int64_t count = 0;
    for (int i = 0; i < rb->count && (uint64_t)count < most; i++) {
        int64_t got = consume(rb->rings[i], most - (size_t)count);
        if (got < 0)
            return got;
        count += got;
    }
    return count;
}

static int clamp(int64_t count)
{
    if (count < 0)
        return api_fail((int)-count);
    return count > INT32_MAX ? INT32_MAX : (int)count;
}

struct ring_buffer *ring_buffer__new(int map_fd, ring_buffer_sample_fn sample_cb, void *ctx,
                                     const struct ring_buffer_opts *opts)
{
    if (!api_opts_valid(opts, sizeof *opts))
        return api_null(EINVAL);
    struct ring_buffer *rb = calloc(1, sizeof *rb);
    if (!rb)
        return api_null(ENOMEM);
    rb->epoll = epoll_create1(EPOLL_CLOEXEC);
    int error = rb->epoll < 0 ? errno : -ring_buffer__add(rb, map_fd, sample_cb, ctx);
    if (error) {
        ring_buffer__free(rb);
        return api_null(error);
    }
    return rb;
}

void ring_buffer__free(struct ring_buffer *rb)
{
    if (!rb)
        return;
    for (int i = 0; i < rb->count; i++)
        ring_close(rb->rings[i]);
    if (rb->epoll >= 0)
        close(rb->epoll);
    free(rb->rings);
    free(rb);
}

int ring_buffer__add(struct ring_buffer *rb, int map_fd, ring_buffer_sample_fn sample_cb, void *ctx)
{
    struct ring *ring = NULL;
    int result = ring_open(map_fd, sample_cb, ctx, &ring);
    if (result)
        return result;
    struct ring **grown = realloc(rb->rings, (size_t)(rb->count + 1) * sizeof *grown);
    if (!grown) {
        ring_close(ring);
        return api_fail(ENOMEM);
    }
    rb->rings = grown;
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = ring};
    if (epoll_ctl(rb->epoll, EPOLL_CTL_ADD, os_event_fd(ring->event), &wanted)) {
        int error = errno;
        ring_close(ring);
        return api_fail(error);
    }
    rb->rings[rb->count++] = ring;
    return 0;
}

int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms)
{
    struct epoll_event ready[16];
    int64_t count = consume_all(rb, INT32_MAX);
    if (count || !timeout_ms)
        return clamp(count);
    int found = epoll_wait(rb->epoll, ready, 16, timeout_ms);
    if (found < 0)
        return api_fail(errno);
    return clamp(consume_all(rb, INT32_MAX));
}

int ring_buffer__consume(struct ring_buffer *rb)
{
    return clamp(consume_all(rb, INT32_MAX));
}

int ring_buffer__consume_n(struct ring_buffer *rb, size_t n)
{
    return clamp(consume_all(rb, n));
}

int ring_buffer__epoll_fd(const struct ring_buffer *rb)
{
    return rb->epoll;
}

struct ring *ring_buffer__ring(struct ring_buffer *rb, unsigned int idx)
{
    return idx < (unsigned)rb->count ? rb->rings[idx] : api_null(ERANGE);
}

unsigned long ring__consumer_pos(const struct ring *r)
{
    return os_load_acquire(r->consumer);
}

unsigned long ring__producer_pos(const struct ring *r)
{
    return os_load_acquire(r->producer);
}

size_t ring__avail_data_size(const struct ring *r)
{
    unsigned long consumer = ring__consumer_pos(r);
    return ring__producer_pos(r) - consumer;
}

size_t ring__size(const struct ring *r)
{
    return (size_t)(r->mask + 1);
}

int ring__map_fd(const struct ring *r)
{
    return r->fd;
}

int ring__consume(struct ring *r)
{
    return clamp(consume(r, INT32_MAX));
}

int ring__consume_n(struct ring *r, size_t n)
{
    return clamp(consume(r, n));
}
