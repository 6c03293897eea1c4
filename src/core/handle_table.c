/* SPDX-License-Identifier: MIT
 *
 * A client that is not this process: small handles in a table, the smallest free one first, as POSIX gives descriptors.
 * A lock guards the table; a peek inside an epoch section needs no more, since an object outlives the section.
 */
#include <string.h>
#include "core/client.h"
#include "core/epoch.h"
#include "platform/os.h"

enum { TAG = OS_TAG('c', 'l', 'n', 't'), FIRST_ROWS = 16, MOST_ROWS = 1 << 16 };

struct row {
    struct object *object; /* NULL: free */
    uint32_t flags;
};

struct client_table {
    struct client client; /* first */
    struct client_memory memory;
    struct os_lock lock;
    struct row *rows; /* handle - 1 */
    uint32_t capacity;
};

static struct client_table *table_of(struct client *client)
{
    return (struct client_table *)client;
}

static struct row *row_of(struct client_table *table, int handle)
{
    if (handle < 1 || (uint32_t)handle > table->capacity || !table->rows[handle - 1].object)
        return NULL;
    return &table->rows[handle - 1];
}

static enum result grow(struct client_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : FIRST_ROWS;
    if (capacity > MOST_ROWS)
        return RESULT_TOO_MANY_HANDLES;
    struct row *rows = os_alloc(capacity * sizeof *rows, TAG);
    if (!rows)
        return RESULT_NO_MEMORY;
    if (table->capacity)
        memcpy(rows, table->rows, table->capacity * sizeof *rows);
    os_free(table->rows, table->capacity * sizeof *rows, TAG);
    table->rows = rows;
    table->capacity = capacity;
    return RESULT_OK;
}

static enum result handle_open(struct client *client, struct object *object, uint32_t flags, int *handle)
{
    struct client_table *table = table_of(client);
    enum result result = RESULT_OK;
    uint32_t i = 0;
    os_lock_acquire(&table->lock);
    while (i < table->capacity && table->rows[i].object)
        i++;
    if (i == table->capacity)
        result = grow(table);
    if (!result) {
        object_get(object, REF_HANDLE);
        table->rows[i] = (struct row){object, flags};
        *handle = (int)i + 1;
    }
    os_lock_release(&table->lock);
    return result;
}

static enum result handle_peek(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    struct client_table *table = table_of(client);
    os_lock_acquire(&table->lock);
    struct row *row = row_of(table, handle);
    if (row) {
        *object = row->object;
        *flags = row->flags;
    }
    os_lock_release(&table->lock);
    return row ? RESULT_OK : RESULT_BAD_HANDLE;
}

static enum result handle_get(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    struct client_table *table = table_of(client);
    os_lock_acquire(&table->lock);
    struct row *row = row_of(table, handle);
    if (row) {
        *object = row->object;
        *flags = row->flags;
        object_get(row->object, REF_LOOKUP);
    }
    os_lock_release(&table->lock);
    return row ? RESULT_OK : RESULT_BAD_HANDLE;
}

static enum result memory_read(struct client *client, void *to, uint64_t from, size_t size)
{
    const struct client_memory *memory = &table_of(client)->memory;
    return memory->read(memory->self, to, from, size);
}

static enum result memory_write(struct client *client, uint64_t to, const void *from, size_t size)
{
    const struct client_memory *memory = &table_of(client)->memory;
    return memory->write(memory->self, to, from, size);
}

static const struct client_ops ops = {
    .handle_open = handle_open,
    .handle_peek = handle_peek,
    .handle_get = handle_get,
    .read = memory_read,
    .write = memory_write,
};

enum result client_table_create(const struct client_memory *memory, bool privileged, struct client **out)
{
    struct client_table *table = os_alloc(sizeof *table, TAG);
    if (!table)
        return RESULT_NO_MEMORY;
    table->client = (struct client){.ops = &ops, .numbers = CALLER_LINUX, .privileged = privileged};
    table->memory = *memory;
    os_lock_init(&table->lock);
    *out = &table->client;
    return RESULT_OK;
}

enum result client_table_close(struct client *client, int handle)
{
    struct client_table *table = table_of(client);
    struct object *object = NULL;
    os_lock_acquire(&table->lock);
    struct row *row = row_of(table, handle);
    if (row) {
        object = row->object;
        row->object = NULL;
    }
    os_lock_release(&table->lock);
    if (!object)
        return RESULT_BAD_HANDLE;
    object_put(object, REF_HANDLE);
    epoch_poll();
    return RESULT_OK;
}

enum result client_table_duplicate(struct client *client, int handle, int *duplicate)
{
    struct object *object;
    uint32_t flags;
    enum result result = handle_get(client, handle, &object, &flags);
    if (result)
        return result;
    result = handle_open(client, object, flags, duplicate);
    object_put(object, REF_LOOKUP);
    return result;
}

void client_table_destroy(struct client *client)
{
    struct client_table *table = table_of(client);
    for (uint32_t i = 0; i < table->capacity; i++)
        if (table->rows[i].object)
            client_table_close(client, (int)i + 1);
    os_lock_destroy(&table->lock);
    os_free(table->rows, table->capacity * sizeof *table->rows, TAG);
    os_free(table, sizeof *table, TAG);
}
