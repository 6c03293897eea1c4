/* SPDX-License-Identifier: MIT
 *
 * Ring buffers read in place.  A ring is two positions and a power-of-two data area, mapped twice in a row so that a
 * record never wraps (Linux Documentation/bpf/ringbuf.rst).  The consumer's page is ours to write; the producer's
 * position and the data are read-only.
 *
 * poll looks at the positions first, then waits.  What wakes it is reset *before* the positions are read, so a record
 * that comes after the reading sets it again and is never slept over.
 */
#include <errno.h>
#include <stdlib.h>
#include "api/local.h"
#include "platform/atomic.h"

enum { RECORD_HEADER = 8 };

struct ring {
    struct api_ring *memory;
    int fd;
    ring_buffer_sample_fn sample;
    void *context;
};

struct ring_buffer {
    struct ring **rings;
    int count;
    struct api_waiter *waiter;
};

static void ring_close(struct ring *ring)
{
    api_ring_close(ring->memory);
    free(ring);
}

/* Up to `most` records; their number, or the callback's negative answer. */
static int64_t consume(struct ring *ring, size_t most)
{
    int64_t count = 0;
    const struct api_ring *memory = ring->memory;
    api_ring_reset(ring->memory);
    uint64_t at = os_load_acquire(memory->consumer);
    for (bool more = true; more;) {
        more = false;
        os_fence(); /* our position is out before we look: a producer sees one or we see the other */
        uint64_t end = os_load_acquire(memory->producer);
        while (at < end) {
            const uint8_t *record = memory->data + (at & memory->mask);
            uint32_t length = os_load_acquire((const uint32_t *)(const void *)record);
            if (length & BPF_RINGBUF_BUSY_BIT)
                break; /* its submission sets the event */
            more = true;
            at += ((length & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT) + RECORD_HEADER + 7) & ~7u;
            if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
                int answer = ring->sample(ring->context, (void *)(uintptr_t)(record + RECORD_HEADER), length);
                if (answer < 0) {
                    os_store_release(memory->consumer, at);
                    return answer;
                }
                count++;
            }
            os_store_release(memory->consumer, at);
            if ((uint64_t)count >= most)
                return count;
        }
    }
    return count;
}

static int64_t consume_all(struct ring_buffer *rb, size_t most)
{
    int64_t count = 0;
    api_waiter_reset(rb->waiter);
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
    int error = -api_waiter_create(&rb->waiter);
    if (!error)
        error = -ring_buffer__add(rb, map_fd, sample_cb, ctx);
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
    api_waiter_destroy(rb->waiter);
    free(rb->rings);
    free(rb);
}

int ring_buffer__add(struct ring_buffer *rb, int map_fd, ring_buffer_sample_fn sample_cb, void *ctx)
{
    struct ring *ring = calloc(1, sizeof *ring);
    struct ring **grown = ring ? realloc(rb->rings, (size_t)(rb->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        free(ring);
        return api_fail(ENOMEM);
    }
    rb->rings = grown;
    int result = api_ring_open(map_fd, rb->waiter, &ring->memory);
    if (result) {
        free(ring);
        if (result == -EINVAL)
            api_warn("ring buffer: the map is of another type\n");
        return api_fail(-result);
    }
    ring->fd = map_fd;
    ring->sample = sample_cb;
    ring->context = ctx;
    rb->rings[rb->count++] = ring;
    return 0;
}

int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms)
{
    int64_t count = consume_all(rb, INT32_MAX);
    if (count || !timeout_ms)
        return clamp(count);
    int result = api_waiter_wait(rb->waiter, timeout_ms);
    if (result)
        return result;
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
    return (int)api_waiter_handle(rb->waiter);
}

intptr_t api_ring_wait_handle(const struct ring_buffer *rb)
{
    return api_waiter_handle(rb->waiter);
}

struct ring *ring_buffer__ring(struct ring_buffer *rb, unsigned int idx)
{
    return idx < (unsigned)rb->count ? rb->rings[idx] : api_null(ERANGE);
}

unsigned long ring__consumer_pos(const struct ring *r)
{
    return (unsigned long)os_load_acquire(r->memory->consumer);
}

unsigned long ring__producer_pos(const struct ring *r)
{
    return (unsigned long)os_load_acquire(r->memory->producer);
}

size_t ring__avail_data_size(const struct ring *r)
{
    uint64_t consumer = os_load_acquire(r->memory->consumer);
    return (size_t)(os_load_acquire(r->memory->producer) - consumer);
}

size_t ring__size(const struct ring *r)
{
    return (size_t)(r->memory->mask + 1);
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
