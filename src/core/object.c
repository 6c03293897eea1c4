/* SPDX-License-Identifier: MIT
 *
 * One table a kind: published objects in a row, sorted by id.  Ids grow, so publishing appends (until the counter
 * wraps, then it inserts), and both "by id" and "next id" are a binary search.  The table holds no reference: the last
 * put takes the object out under the same lock under which lookups take theirs, and a lookup never raises a count from
 * zero.
 */
#include <string.h>
#include "base/checked.h"
#include "core/object.h"
#include "platform/os.h"

enum { TAG = OS_TAG('o', 'b', 'j', 't'), FIRST_CAPACITY = 16, LAST_ID = 0x7fffffff };

static struct table {
    struct os_spin_lock lock;
    struct object **rows;
    uint32_t count, capacity;
    uint32_t last_id;
} tables[OBJECT_KINDS];

/* First row whose id is above `id`.  Under the lock. */
static uint32_t place_above(const struct table *table, uint32_t id)
{
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->rows[middle]->id > id)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static bool reaches(enum object_reason reason)
{
    return reason == REF_HANDLE || reason == REF_PIN;
}

static void count_reason(struct object *object, enum object_reason reason, int change)
{
    if (change > 0 && reaches(reason))
        os_fetch_add(&object->reachable, 1);
#ifdef WINBPF_DEBUG
    uint32_t before = os_fetch_add(&object->reasons[reason], (uint32_t)change);
    bug_if(change < 0 && before == 0);
#endif
}

void object_init(struct object *object, enum object_kind kind, void (*destroy)(struct object *))
{
    object->kind = kind;
    object->id = 0;
    object->references = 1;
    object->reachable = 0;
    object->unreachable = NULL;
    object->destroy = destroy;
#ifdef WINBPF_DEBUG
    memset(object->reasons, 0, sizeof object->reasons);
#endif
    count_reason(object, REF_CREATOR, 1);
}

/* Room for one more row, allocated outside the lock. */
static enum result make_room(struct table *table)
{
    for (;;) {
        os_irql irql = os_spin_acquire(&table->lock);
        uint32_t capacity = table->capacity;
        bool room = table->count < capacity;
        os_spin_release(&table->lock, irql);
        if (room)
            return RESULT_OK;
        uint32_t wanted = capacity ? capacity * 2 : FIRST_CAPACITY;
        struct object **rows = os_alloc(wanted * sizeof *rows, TAG), **old = NULL;
        if (!rows)
            return RESULT_NO_MEMORY;
        irql = os_spin_acquire(&table->lock);
        if (table->capacity == capacity) {
            if (table->count)
                memcpy(rows, table->rows, table->count * sizeof *rows);
            old = table->rows;
            table->rows = rows;
            table->capacity = wanted;
            rows = NULL;
        }
        os_spin_release(&table->lock, irql);
        os_free(old, capacity * sizeof *old, TAG);
        os_free(rows, wanted * sizeof *rows, TAG);
    }
}

enum result object_publish(struct object *object)
{
    struct table *table = &tables[object->kind];
    for (;;) {
        enum result result = make_room(table);
        if (result)
            return result;
        os_irql irql = os_spin_acquire(&table->lock);
        bool room = table->count < table->capacity;
        if (room) {
            uint32_t id = table->last_id, place;
            do {
                id = id == LAST_ID ? 1 : id + 1;
                place = place_above(table, id);
            } while (place && table->rows[place - 1]->id == id);
            memmove(table->rows + place + 1, table->rows + place, (table->count - place) * sizeof *table->rows);
            table->rows[place] = object;
            table->count++;
            table->last_id = id;
            os_store(&object->id, id);
        }
        os_spin_release(&table->lock, irql);
        if (room)
            return RESULT_OK;
    }
}

void object_get(struct object *object, enum object_reason reason)
{
    bug_if(__atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED) == 0);
    count_reason(object, reason, 1);
}

bool object_get_unless_dying(struct object *object, enum object_reason reason)
{
    uint32_t references = os_load(&object->references);
    do {
        if (!references)
            return false;
    } while (!os_compare_exchange(&object->references, &references, references + 1));
    count_reason(object, reason, 1);
    return true;
}

void object_put(struct object *object, enum object_reason reason)
{
    if (reaches(reason) && os_fetch_sub(&object->reachable, 1) == 1 && object->unreachable)
        object->unreachable(object);
    count_reason(object, reason, -1);
    uint32_t before = os_fetch_sub(&object->references, 1);
    bug_if(before == 0);
    if (before > 1)
        return;
    if (object->id) {
        struct table *table = &tables[object->kind];
        os_irql irql = os_spin_acquire(&table->lock);
        uint32_t place = place_above(table, object->id) - 1;
        bug_if(place >= table->count || table->rows[place] != object);
        table->count--;
        memmove(table->rows + place, table->rows + place + 1, (table->count - place) * sizeof *table->rows);
        os_spin_release(&table->lock, irql);
    }
    object->destroy(object);
}

struct object *object_find(enum object_kind kind, uint32_t id)
{
    struct table *table = &tables[kind];
    struct object *found = NULL;
    os_irql irql = os_spin_acquire(&table->lock);
    uint32_t place = place_above(table, id);
    if (id && place && table->rows[place - 1]->id == id && object_get_unless_dying(table->rows[place - 1], REF_LOOKUP))
        found = table->rows[place - 1];
    os_spin_release(&table->lock, irql);
    return found;
}

uint32_t object_next_id(enum object_kind kind, uint32_t id)
{
    struct table *table = &tables[kind];
    os_irql irql = os_spin_acquire(&table->lock);
    uint32_t place = place_above(table, id), next = place < table->count ? table->rows[place]->id : 0;
    os_spin_release(&table->lock, irql);
    return next;
}

uint32_t object_count(enum object_kind kind)
{
    struct table *table = &tables[kind];
    os_irql irql = os_spin_acquire(&table->lock);
    uint32_t count = table->count;
    os_spin_release(&table->lock, irql);
    return count;
}

uint32_t object_reason_count(const struct object *object, enum object_reason reason)
{
#ifdef WINBPF_DEBUG
    return os_load(&object->reasons[reason]);
#else
    return 0;
#endif
}

const char *object_reason_name(enum object_reason reason)
{
    static const char *const names[REF_REASONS] = {
        [REF_CREATOR] = "creator",    [REF_HANDLE] = "handle",           [REF_PIN] = "pin",
        [REF_LOOKUP] = "lookup",      [REF_PROG_MAP] = "program's map",  [REF_LINK_PROG] = "link's program",
        [REF_MAP_MAP] = "map in map", [REF_MAP_PROG] = "program in map", [REF_BTF] = "btf",
        [REF_RUN] = "test run",
    };
    return (unsigned)reason < REF_REASONS ? names[reason] : "?";
}

void object_stop(void)
{
    for (unsigned kind = 0; kind < OBJECT_KINDS; kind++) {
        struct table *table = &tables[kind];
#ifdef WINBPF_DEBUG
        bug_if(table->count);
#endif
        os_free(table->rows, table->capacity * sizeof *table->rows, TAG);
        memset(table, 0, sizeof *table);
    }
}
