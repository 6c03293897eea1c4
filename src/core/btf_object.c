/* SPDX-License-Identifier: MIT
 *
 * btf_open() is the check; this keeps its arena alive.
 */
#include <string.h>
#include "core/btf_object.h"
#include "platform/os.h"

enum { TAG = OS_TAG('b', 't', 'f', 'o') };

static void release(struct btf_object *self)
{
    arena_release(&self->arena);
    os_free(self, sizeof *self, TAG);
}

static void reclaim(struct epoch_entry *entry)
{
    release(container_of(entry, struct btf_object, retired));
}

static void destroy(struct object *object)
{
    epoch_retire(&container_of(object, struct btf_object, object)->retired, reclaim);
}

enum result btf_object_create(struct bytes bytes, const struct diag *diag, struct btf_object **out)
{
    if (bytes.size > BTF_MAX_SIZE)
        return RESULT_TOO_BIG;
    struct btf_object *self = os_alloc(sizeof *self, TAG);
    if (!self)
        return RESULT_NO_MEMORY;
    /* btf_open's own tables take a few words a type, and a type has at least 12 bytes. */
    arena_init(&self->arena, &os_allocator, bytes.size * 8 + (1 << 20));
    enum result result = RESULT_NO_MEMORY;
    uint8_t *copy = arena_alloc(&self->arena, bytes.size);
    if (!copy)
        goto fail;
    memcpy(copy, bytes.data, bytes.size);
    self->bytes = (struct bytes){copy, bytes.size};
    result = btf_open(self->bytes, &self->arena, diag, &self->btf);
    if (result)
        goto fail;
    object_init(&self->object, OBJECT_BTF, destroy);
    result = object_publish(&self->object);
    if (result)
        goto fail;
    *out = self;
    return RESULT_OK;
fail:
    release(self);
    return result;
}
