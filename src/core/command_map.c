/* SPDX-License-Identifier: MIT
 *
 * Commands on maps and their elements.  Errors come in Linux's order: flags, handle, access, key, value, then the kind.
 *
 * An element command runs inside one epoch section: the map is found without taking a reference, and what lookup
 * returns stays readable while it is copied.  A client whose memory is ours (client->direct) hands keys and values over
 * in place, after a look at the addresses; a wild pointer there is the process's own fault, as it is with memcpy.
 */
#include <string.h>
#include "core/btf_object.h"
#include "core/command.h"
#include "core/map.h"
#include "platform/handle.h"

enum { SMALL = 256, TAG = OS_TAG('e', 'l', 'e', 'm') };

/* Bytes of a client, or a copy of them: on the stack when small. */
struct span {
    uint8_t *bytes;
    size_t size;
    bool allocated;
    _Alignas(8) uint8_t small[SMALL];
};

static enum result span_room(struct span *span, size_t size)
{
    span->size = size;
    span->allocated = size > SMALL;
    span->bytes = span->allocated ? os_alloc(size, TAG) : span->small;
    return span->bytes ? RESULT_OK : RESULT_NO_MEMORY;
}

static void span_done(struct span *span)
{
    if (span->bytes && span->allocated)
        os_free(span->bytes, span->size, TAG);
}

/* The client's bytes to read from. */
static ALWAYS_INLINE enum result span_in(struct span *span, struct client *client, uint64_t from, size_t size)
{
    span->allocated = false;
    if (likely(client->direct)) {
        span->bytes = (uint8_t *)(uintptr_t)from;
        return likely(os_memory_plausible(from, size)) || !size ? RESULT_OK : RESULT_FAULT;
    }
    enum result result = span_room(span, size);
    return result ? result : client->ops->read(client, span->bytes, from, size);
}

/* Room for bytes to write; span_deliver() brings them to the client. */
static ALWAYS_INLINE enum result span_out(struct span *span, struct client *client, uint64_t to, size_t size)
{
    span->allocated = false;
    if (likely(client->direct)) {
        span->bytes = (uint8_t *)(uintptr_t)to;
        return likely(os_memory_plausible(to, size)) || !size ? RESULT_OK : RESULT_FAULT;
    }
    return span_room(span, size);
}

static ALWAYS_INLINE enum result span_deliver(struct span *span, struct client *client, uint64_t to, size_t size)
{
    return client->direct ? RESULT_OK : client->ops->write(client, to, span->bytes, size);
}

static enum result lookup(struct client *client, struct map *map, const void *key, const struct element_attr *attr)
{
    size_t size = map_user_value_size(map);
    struct span value;
    enum result result = span_out(&value, client, attr->value, size);
    if (!result) {
        if (map->ops->read) {
            result = map->ops->read(map, key, value.bytes, attr->flags);
        } else if (map->ops->peek) {
            result = map->ops->peek(map, value.bytes);
        } else if (map->ops->lookup) {
            const void *found = map->ops->lookup(map, key);
            result = found ? RESULT_OK : RESULT_NOT_FOUND;
            if (found)
                memcpy(value.bytes, found, size);
        } else {
            result = RESULT_NOT_SUPP;
        }
        if (!result)
            result = span_deliver(&value, client, attr->value, size);
    }
    span_done(&value);
    return result;
}

static enum result store(struct client *client, struct map *map, const void *key, const void *value, uint64_t flags)
{
    int32_t handle;
    struct object *object;
    uint32_t access;
    memcpy(&handle, value, sizeof handle);
    enum result result = client->ops->handle_get(client, handle, &object, &access);
    if (result)
        return result;
    enum object_reason reason = map->ops->holds == OBJECT_PROG ? REF_MAP_PROG : REF_MAP_MAP;
    result = RESULT_INVALID;
    if (object->kind == map->ops->holds) {
        object_get(object, reason);
        result = map->ops->store(map, key, object, flags);
        if (result)
            object_put(object, reason);
    }
    object_put(object, REF_LOOKUP);
    return result;
}

static enum result update(struct client *client, struct map *map, const void *key, const struct element_attr *attr)
{
    struct span value;
    enum result result = span_in(&value, client, attr->value, map_user_value_size(map));
    if (!result) {
        if (map->ops->store)
            result = store(client, map, key, value.bytes, attr->flags);
        else if (map->ops->write)
            result = map->ops->write(map, key, value.bytes, attr->flags);
        else if (map->ops->push)
            result = map->ops->push(map, value.bytes, attr->flags);
        else
            result = map->ops->update ? map->ops->update(map, key, value.bytes, attr->flags) : RESULT_NOT_SUPP;
    }
    span_done(&value);
    return result;
}

static enum result next_key(struct client *client, struct map *map, const void *key, const struct element_attr *attr)
{
    struct span next;
    if (!map->ops->next_key)
        return RESULT_NOT_SUPP;
    enum result result = span_out(&next, client, attr->value, map->key_size);
    if (!result)
        result = map->ops->next_key(map, key, next.bytes);
    if (!result)
        result = span_deliver(&next, client, attr->value, map->key_size);
    span_done(&next);
    return result;
}

static enum result take(struct client *client, struct map *map, const void *key, const struct element_attr *attr)
{
    size_t size = map_user_value_size(map);
    struct span value;
    if (!map->ops->take && !map->ops->pop)
        return RESULT_NOT_SUPP;
    if (attr->flags && map->ops->pop)
        return RESULT_INVALID;
    enum result result = span_out(&value, client, attr->value, size);
    if (!result)
        result = map->ops->pop ? map->ops->pop(map, value.bytes) : map->ops->take(map, key, value.bytes, attr->flags);
    if (!result)
        result = span_deliver(&value, client, attr->value, size);
    span_done(&value);
    return result;
}

static ALWAYS_INLINE enum result on_element(struct client *client, uint32_t command, const struct element_attr *attr)
{
    struct object *object;
    uint32_t access;
    enum result result = client->ops->handle_peek(client, (int)attr->map_fd, &object, &access);
    if (unlikely(result))
        return result;
    if (unlikely(object->kind != OBJECT_MAP))
        return RESULT_INVALID;
    struct map *map = (struct map *)object;

    bool reads = command != BPF_MAP_UPDATE_ELEM && command != BPF_MAP_DELETE_ELEM;
    bool writes = !reads || command == BPF_MAP_LOOKUP_AND_DELETE_ELEM;
    if (unlikely((reads && access & BPF_F_WRONLY) || (writes && (access & BPF_F_RDONLY || os_load(&map->frozen)))))
        return RESULT_NOT_PERMITTED;
    if (unlikely(attr->flags & BPF_F_LOCK)) /* no kind here has a lock in its values */
        return RESULT_INVALID;

    struct span key = {.bytes = NULL, .allocated = false};
    if (map->key_size) {
        if (attr->key || command != BPF_MAP_GET_NEXT_KEY) {
            result = span_in(&key, client, attr->key, map->key_size);
            if (unlikely(result))
                goto done;
        }
    } else if (attr->key) {
        return RESULT_INVALID;
    }
    switch (command) {
    case BPF_MAP_LOOKUP_ELEM: result = lookup(client, map, key.bytes, attr); break;
    case BPF_MAP_UPDATE_ELEM: result = update(client, map, key.bytes, attr); break;
    case BPF_MAP_DELETE_ELEM: result = map->ops->remove ? map->ops->remove(map, key.bytes) : RESULT_NOT_SUPP; break;
    case BPF_MAP_GET_NEXT_KEY: result = next_key(client, map, key.bytes, attr); break;
    default: result = take(client, map, key.bytes, attr); break;
    }
done:
    span_done(&key);
    return result;
}

enum result command_element(struct client *client, uint32_t command, const struct element_attr *attr)
{
    struct epoch_state state;
    bool only_lock = command == BPF_MAP_LOOKUP_ELEM || command == BPF_MAP_LOOKUP_AND_DELETE_ELEM;
    if (unlikely(only_lock && attr->flags & ~(uint64_t)BPF_F_LOCK))
        return RESULT_INVALID;
    epoch_enter(&state);
    enum result result = on_element(client, command, attr);
    epoch_leave(&state);
    return result;
}

enum result command_map_create(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *inner = NULL, *btf = NULL;
    struct map *map;
    uint32_t access;
    enum result result = command_access(attr->map_flags, &access);
    if (result)
        return result;
    /* Tokens, offload, struct_ops types and signed programs' maps do not exist here. */
    if (attr->map_ifindex || attr->btf_vmlinux_value_type_id || attr->value_type_btf_obj_fd || attr->map_token_fd ||
        attr->excl_prog_hash || attr->excl_prog_hash_size)
        return RESULT_INVALID;
    if (!core_name_valid(attr->map_name))
        return RESULT_INVALID;
    if (attr->btf_key_type_id && !attr->btf_value_type_id)
        return RESULT_INVALID;
    struct map_spec spec = {
        .name = attr->map_name,
        .kind = attr->map_type,
        .key_size = attr->key_size,
        .value_size = attr->value_size,
        .max_entries = attr->max_entries,
        .flags = attr->map_flags,
        .extra = attr->map_extra,
        .inner = IMAGE_NO_INDEX,
        .btf_key = attr->btf_key_type_id,
        .btf_value = attr->btf_value_type_id,
        .numa_node = attr->map_flags & BPF_F_NUMA_NODE ? attr->numa_node : 0,
        .personality = command->client->numbers == CALLER_EFW ? PERSONALITY_EFW : PERSONALITY_LINUX,
    };
    if (command->client->numbers == CALLER_EFW)
        spec.kind = contract_map_kind(PERSONALITY_EFW, attr->map_type);
    if (!map_kind(spec.kind))
        return RESULT_INVALID;
    bool nested = spec.kind == BPF_MAP_TYPE_ARRAY_OF_MAPS || spec.kind == BPF_MAP_TYPE_HASH_OF_MAPS;
    if (nested) {
        result = command_object(command, (int)attr->inner_map_fd, OBJECT_MAP, &inner, NULL);
        if (result)
            return result;
    }
    if (spec.btf_value) {
        result = command_object(command, (int)attr->btf_fd, OBJECT_BTF, &btf, NULL);
        if (result)
            goto done;
    }
    result = map_create_typed(&spec, (struct map *)inner, (struct btf_object *)btf, &map);
    if (!result)
        result = command_give(command, &map->object, REF_CREATOR, access, value);
done:
    if (btf)
        object_put(btf, REF_LOOKUP);
    if (inner)
        object_put(inner, REF_LOOKUP);
    return result;
}

enum result command_map_freeze(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *object;
    uint32_t access;
    enum result result = command_object(command, (int)attr->map_fd, OBJECT_MAP, &object, &access);
    if (result)
        return result;
    /* Frozen: nobody may write, and freezing is for writers. */
    result = access & BPF_F_RDONLY ? RESULT_NOT_PERMITTED : map_freeze((struct map *)object);
    object_put(object, REF_LOOKUP);
    return result;
}
