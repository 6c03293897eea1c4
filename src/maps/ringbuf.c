/* SPDX-License-Identifier: MIT
 *
 * Ring buffer: many producers, one consumer, records in the order of their reservation.  The pages are Linux's, so its
 * consumers run unchanged:
 *
 *   page 0     consumer position (u64), written by user space, hence believed by nobody
 *   page 1     producer position (u64), written here; read-only for user space, as is all that follows
 *   page 2 …   max_entries bytes of data, mapped twice in a row: a record that runs over the end reads on
 *
 * Positions count bytes and only grow; a place is position & mask.  A record is a header {u32 length with two flag
 * bits, u32 ours} and its bytes, rounded up to 8.  Reserving takes the lock, writes a header marked busy and then moves
 * the producer position; committing is one exchange of the length.  The consumer stops at the first busy record.
 *
 * Space is reserved only if the producer stays less than a ring ahead of the consumer *and* of the oldest record that
 * is still busy; the second condition (pending) holds whatever user space writes into its page.
 *
 * A commit sets the event if the consumer has read up to just this record: then it went to sleep, or is about to, after
 * seeing it busy.  The exchange that clears "busy" orders that question after the commit; the consumer publishes its
 * position before it looks at the length.
 *
 * A record must lead back to its ring without an address in shared pages, so its header holds the ring's number in a
 * table of all rings.
 */
#include "maps/maps.h"
#include "maps/ringbuf.h"
#include "maps/value.h"

enum {
    TAG = OS_TAG('m', 'r', 'n', 'g'),
    HEADER = BPF_RINGBUF_HDR_SZ,
    CHUNK = 256,
    CHUNKS = 1024, /* rings in all: CHUNK * CHUNKS */
};

#define RECORD_MOST (UINT32_MAX / 4)
#define BUSY        ((uint32_t)BPF_RINGBUF_BUSY_BIT)
#define DISCARD     ((uint32_t)BPF_RINGBUF_DISCARD_BIT)

struct header {
    uint32_t length; /* of the record's bytes; BUSY, DISCARD */
    uint32_t ring;
};

struct ringbuf {
    struct map map;
    struct os_shared *shared;
    uint8_t *base; /* of the mapping */
    size_t mapped; /* its length */
    uint64_t *consumer, *producer;
    uint8_t *data;
    uint64_t mask;
    struct os_event *event;
    uint32_t number;
    struct os_spin_lock lock; /* reservations */
    uint64_t pending;         /* under the lock: position of the oldest record that may be busy */
};

/* All rings by number.  Chunks are never freed; a slot is written under the lock and read by those who hold a record of
 * that ring. */
static struct ringbuf **chunks[CHUNKS];
static struct os_spin_lock chunks_lock;

static enum result number_take(struct ringbuf *ring)
{
    enum result result = RESULT_NO_MEMORY;
    os_irql state = os_spin_acquire(&chunks_lock);
    for (uint32_t i = 0; i < CHUNKS && result; i++) {
        if (!chunks[i]) {
            struct ringbuf **chunk = os_alloc(CHUNK * sizeof *chunk, TAG);
            if (!chunk)
                break;
            os_store_release(&chunks[i], chunk);
        }
        for (uint32_t j = 0; j < CHUNK && result; j++)
            if (!chunks[i][j]) {
                ring->number = i * CHUNK + j;
                os_store_release(&chunks[i][j], ring);
                result = RESULT_OK;
            }
    }
    os_spin_release(&chunks_lock, state);
    return result;
}

/* The last ring takes the chunks with it, so that nothing is left of a core that stopped. */
static void number_give(uint32_t number)
{
    os_irql state = os_spin_acquire(&chunks_lock);
    os_store(&chunks[number / CHUNK][number % CHUNK], NULL);
    bool any = false;
    for (uint32_t i = 0; i < CHUNKS && chunks[i] && !any; i++)
        for (uint32_t j = 0; j < CHUNK && !any; j++)
            any = chunks[i][j];
    for (uint32_t i = 0; i < CHUNKS && chunks[i] && !any; i++) {
        os_free(chunks[i], CHUNK * sizeof *chunks[i], TAG);
        chunks[i] = NULL;
    }
    os_spin_release(&chunks_lock, state);
}

static inline struct ringbuf *ring_of(const struct header *header)
{
    return os_load(&os_load_acquire(&chunks[header->ring / CHUNK])[header->ring % CHUNK]);
}

static enum result create(const struct map_spec *spec, struct map **out)
{
    size_t page = os_page_size(), data = spec->max_entries;
    if (spec->flags & ~(uint32_t)BPF_F_NUMA_NODE)
        return RESULT_INVALID;
    if (spec->key_size || spec->value_size || !data || data & (data - 1) || data % page)
        return RESULT_INVALID;
    struct ringbuf *ring = os_alloc(sizeof *ring, TAG);
    if (!ring)
        return RESULT_NO_MEMORY;
    void *base = NULL;
    enum result result = os_shared_create(2 * page + data, &ring->shared);
    if (result)
        goto fail_ring;
    result = os_shared_map(ring->shared, 2 * page, &base);
    if (result)
        goto fail_shared;
    result = os_event_create(&ring->event);
    if (result)
        goto fail_map;
    ring->base = base;
    ring->mapped = 2 * page + 2 * data;
    ring->consumer = (uint64_t *)(void *)ring->base;
    ring->producer = (uint64_t *)(void *)(ring->base + page);
    ring->data = ring->base + 2 * page;
    ring->mask = data - 1;
    result = number_take(ring);
    if (result)
        goto fail_event;
    *out = &ring->map;
    return RESULT_OK;
fail_event:
    os_event_destroy(ring->event);
fail_map:
    os_shared_unmap(base, 2 * page + 2 * data);
fail_shared:
    os_shared_destroy(ring->shared);
fail_ring:
    os_free(ring, sizeof *ring, TAG);
    return result;
}

static void destroy(struct map *map)
{
    struct ringbuf *ring = (struct ringbuf *)map;
    number_give(ring->number);
    os_event_destroy(ring->event);
    os_shared_unmap(ring->base, ring->mapped);
    os_shared_destroy(ring->shared);
    os_free(ring, sizeof *ring, TAG);
}

static inline uint64_t rounded(uint64_t size)
{
    return (size + HEADER + 7) & ~7ull;
}

void *ringbuf_reserve(struct map *map, uint64_t size)
{
    struct ringbuf *ring = (struct ringbuf *)map;
    if (unlikely(size > RECORD_MOST))
        return NULL;
    uint64_t length = rounded(size);
    if (unlikely(length > ring->mask + 1))
        return NULL;
    uint64_t consumer = os_load_acquire(ring->consumer);
    os_irql state = os_spin_acquire(&ring->lock);
    uint64_t producer = os_load(ring->producer), after = producer + length, pending = ring->pending;
    while (pending != producer) {
        uint32_t head = os_load_acquire(&((struct header *)(void *)(ring->data + (pending & ring->mask)))->length);
        if (head & BUSY)
            break;
        pending += rounded(head & ~DISCARD);
    }
    ring->pending = pending;
    if (unlikely(after - consumer > ring->mask || after - pending > ring->mask)) {
        os_spin_release(&ring->lock, state);
        return NULL;
    }
    struct header *header = (struct header *)(void *)(ring->data + (producer & ring->mask));
    header->ring = ring->number;
    os_store(&header->length, (uint32_t)size | BUSY);
    os_store_release(ring->producer, after);
    os_spin_release(&ring->lock, state);
    return header + 1;
}

static ALWAYS_INLINE void commit(struct ringbuf *ring, struct header *header, uint64_t flags, bool discard)
{
    uint32_t length = (os_load(&header->length) ^ BUSY) | (discard ? DISCARD : 0);
    if (flags & (BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)) {
        os_store_release(&header->length, length);
        if (flags & BPF_RB_FORCE_WAKEUP)
            os_event_set(ring->event);
        return;
    }
    uint64_t place = (uint64_t)((uint8_t *)header - ring->data);
    os_exchange(&header->length, length);
    if ((os_load_acquire(ring->consumer) & ring->mask) == place)
        os_event_set(ring->event);
}

void ringbuf_commit(void *record, uint64_t flags, bool discard)
{
    struct header *header = (struct header *)record - 1;
    commit(ring_of(header), header, flags, discard);
}

enum result ringbuf_output(struct map *map, const void *data, uint64_t size, uint64_t flags)
{
    if (unlikely(flags & ~(uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP)))
        return RESULT_INVALID;
    void *record = ringbuf_reserve(map, size);
    if (unlikely(!record))
        return RESULT_AGAIN;
    memcpy(record, data, size);
    commit((struct ringbuf *)map, (struct header *)record - 1, flags, false);
    return RESULT_OK;
}

uint64_t ringbuf_query(struct map *map, uint64_t what)
{
    struct ringbuf *ring = (struct ringbuf *)map;
    switch (what) {
    case BPF_RB_AVAIL_DATA: {
        uint64_t consumer = os_load_acquire(ring->consumer);
        return os_load_acquire(ring->producer) - consumer;
    }
    case BPF_RB_RING_SIZE: return ring->mask + 1;
    case BPF_RB_CONS_POS: return os_load_acquire(ring->consumer);
    case BPF_RB_PROD_POS: return os_load_acquire(ring->producer);
    default: return 0;
    }
}

/* A ring has no elements to look up, write or list. */
static void *no_lookup(struct map *map, const void *key)
{
    return NULL;
}

static enum result no_update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    return RESULT_NOT_SUPP;
}

static enum result no_remove(struct map *map, const void *key)
{
    return RESULT_NOT_SUPP;
}

static enum result no_read(struct map *map, const void *key, void *value, uint64_t flags)
{
    return RESULT_NOT_SUPP;
}

static enum result no_next(struct map *map, const void *key, void *next)
{
    return RESULT_NOT_SUPP;
}

static struct os_shared *shared(struct map *map)
{
    return ((struct ringbuf *)map)->shared;
}

static struct os_event *event(struct map *map)
{
    return ((struct ringbuf *)map)->event;
}

const struct map_ops map_ringbuf = {
    .kind = BPF_MAP_TYPE_RINGBUF,
    .name = "ringbuf",
    .create = create,
    .destroy = destroy,
    .lookup = no_lookup,
    .update = no_update,
    .remove = no_remove,
    .read = no_read,
    .next_key = no_next,
    .shared = shared,
    .event = event,
};
