/* SPDX-License-Identifier: MIT
 *
 * A message as a client: reads are served from IN segments, writes go to OUT segments, handles are those of the client
 * who sent it.  One such client lives as long as its message, so commands of one sender do not share it.
 */
#include "wire/server.h"
#include <linux/bpf.h>
#include <string.h>
#include "base/checked.h"
#include "core/core.h"
#include "core/map.h"
#include "core/pin.h"
#include "platform/os.h"

struct call {
    struct client client; /* first */
    struct client *sender;
    const struct wire_patience *patience;
    uint8_t *message;
    struct wire_segment *segments;
    uint32_t segment_count;
};

static enum result handle_open(struct client *client, struct object *object, uint32_t flags, int *handle)
{
    struct client *sender = ((struct call *)client)->sender;
    return sender->ops->handle_open(sender, object, flags, handle);
}

static enum result handle_peek(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    struct client *sender = ((struct call *)client)->sender;
    return sender->ops->handle_peek(sender, handle, object, flags);
}

static enum result handle_get(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    struct client *sender = ((struct call *)client)->sender;
    return sender->ops->handle_get(sender, handle, object, flags);
}

/* The segment that holds [address, address + size) and may be used so. */
static struct wire_segment *find(struct call *call, uint64_t address, size_t size, uint32_t direction)
{
    for (uint32_t i = 0; i < call->segment_count; i++) {
        struct wire_segment *segment = &call->segments[i];
        if (segment->direction & direction && address >= segment->address &&
            range_within(address - segment->address, size, segment->length))
            return segment;
    }
    return NULL;
}

static enum result memory_read(struct client *client, void *to, uint64_t from, size_t size)
{
    struct call *call = (struct call *)client;
    if (!size)
        return RESULT_OK;
    const struct wire_segment *segment = find(call, from, size, WIRE_IN);
    if (!segment)
        return RESULT_FAULT;
    memcpy(to, call->message + segment->offset + (from - segment->address), size);
    return RESULT_OK;
}

static enum result memory_write(struct client *client, uint64_t to, const void *from, size_t size)
{
    struct call *call = (struct call *)client;
    if (!size)
        return RESULT_OK;
    struct wire_segment *segment = find(call, to, size, WIRE_OUT);
    if (!segment)
        return RESULT_FAULT;
    uint64_t at = to - segment->address;
    memcpy(call->message + segment->offset + at, from, size);
    if (at + size > segment->written)
        segment->written = at + size;
    return RESULT_OK;
}

static bool cancelled(struct client *client)
{
    const struct wire_patience *patience = ((struct call *)client)->patience;
    return patience->cancelled && patience->cancelled(patience->self);
}

static const struct client_ops call_ops = {
    .handle_open = handle_open,
    .handle_peek = handle_peek,
    .handle_get = handle_get,
    .read = memory_read,
    .write = memory_write,
    .cancelled = cancelled,
};

/* A path of the client's, as a command reads one. */
static enum result read_path(struct client *client, uint64_t from, char path[PIN_PATH_SIZE])
{
    for (size_t i = 0; i < PIN_PATH_SIZE; i++) {
        enum result result = client->ops->read(client, path + i, from + i, 1);
        if (result || !path[i])
            return result;
    }
    return RESULT_NAME_TOO_LONG;
}

static enum result unpin(struct client *client, const union bpf_attr *attr)
{
    char path[PIN_PATH_SIZE];
    enum result result = read_path(client, attr->pathname, path);
    return result ? result : pin_remove(path);
}

static enum result next_pin(struct client *client, const union bpf_attr *attr, int64_t *value)
{
    char path[PIN_PATH_SIZE], next[PIN_PATH_SIZE];
    enum object_kind kind;
    uint32_t id;
    enum result result = read_path(client, attr->key, path);
    if (!result)
        result = pin_next(path, next, &kind, &id);
    if (result)
        return result;
    *value = kind;
    return client->ops->write(client, attr->value, next, strlen(next) + 1);
}

/* A command of ours; its attr must be as long as the part of bpf()'s that it uses. */
static enum result serve_own(struct client *client, uint32_t command, const struct wire_segment *segment,
                             int64_t *value)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    size_t size = segment->length < sizeof attr ? (size_t)segment->length : sizeof attr;
    enum result result = client->ops->read(client, &attr, segment->address, size);
    if (result)
        return result;
    return command == WIRE_UNPIN ? unpin(client, &attr) : next_pin(client, &attr, value);
}

static enum result serve_command(struct client *sender, const struct wire_patience *patience, uint8_t *message,
                                 struct wire_head *head)
{
    struct call call = {
        .client = {.ops = &call_ops,
                   .numbers = (enum personality_of_caller)head->argument[0],
                   .privileged = sender->privileged},
        .sender = sender,
        .patience = patience,
        .message = message,
        .segments = (struct wire_segment *)(head + 1),
        .segment_count = head->segment_count,
    };
    const struct wire_segment *attr = &call.segments[0];
    int64_t value = 0;
    for (uint32_t i = 0; i < call.segment_count; i++)
        call.segments[i].written = 0;
    bool own = head->command == WIRE_UNPIN || head->command == WIRE_NEXT_PIN;
    head->argument[1] = own || core_command_name(head->command) ? 0 : WIRE_UNKNOWN_COMMAND;
    if (attr->direction != (WIRE_IN | WIRE_OUT) || attr->length > UINT32_MAX || head->argument[0] > CALLER_EFW)
        return RESULT_INVALID;
    enum result result = own ? serve_own(&call.client, head->command, attr, &value)
                             : core_command(&call.client, head->command, attr->address, (uint32_t)attr->length, &value);
    head->value = value;
    return result;
}

static enum result serve_describe(struct client *client, int handle, struct wire_head *head)
{
    struct object *object;
    uint32_t flags;
    enum result result = client->ops->handle_get(client, handle, &object, &flags);
    if (result)
        return result;
    head->value = object->kind;
    head->argument[0] = head->argument[1] = head->argument[2] = 0;
    if (object->kind == OBJECT_MAP) {
        const struct map *map = (const struct map *)object;
        head->argument[0] = map->key_size;
        head->argument[1] = map_user_value_size(map);
        head->argument[2] = (uint64_t)map->max_entries << 32 | map->kind;
    }
    object_put(object, REF_LOOKUP);
    return RESULT_OK;
}

enum result wire_serve(struct client *client, const struct wire_patience *patience, void *message, size_t size,
                       size_t *answer)
{
    struct wire_head *head = message;
    enum result result = wire_check(message, size);
    int duplicate;
    if (result)
        return result;
    *answer = wire_answer_size(message);
    head->value = 0;
    switch ((enum wire_kind)head->kind) {
    case WIRE_COMMAND: result = serve_command(client, patience, message, head); break;
    case WIRE_HELLO:
        head->value = WIRE_VERSION;
        head->argument[0] = os_cpu_count();
        head->argument[1] = os_page_size();
        break;
    case WIRE_CLOSE: result = client_table_close(client, (int)head->command); break;
    case WIRE_DUPLICATE:
        result = client_table_duplicate(client, (int)head->command, &duplicate);
        if (!result)
            head->value = duplicate;
        break;
    case WIRE_DESCRIBE: result = serve_describe(client, (int)head->command, head); break;
    default: result = RESULT_NOT_SUPPORTED; break;
    }
    head->result = (int32_t)result;
    return RESULT_OK;
}
