/* SPDX-License-Identifier: MIT
 *
 * The process as a client: its handles are the system's, its memory is ours.  A handle owns one reference, dropped when
 * the system says that the last copy is closed.
 */
#include "core/client.h"
#include "core/epoch.h"
#include "platform/handle.h"
#include "platform/os.h"

static void closed(void *owner)
{
    object_put(owner, REF_HANDLE);
    epoch_poll();
}

static enum result handle_open(struct client *client, struct object *object, uint32_t flags, int *handle)
{
    object_get(object, REF_HANDLE);
    enum result result = os_handle_create(object, flags, closed, handle);
    if (result)
        object_put(object, REF_HANDLE);
    return result;
}

static enum result handle_peek(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    void *owner;
    enum result result = os_handle_find(handle, &owner, flags);
    *object = owner;
    return result;
}

static enum result handle_get(struct client *client, int handle, struct object **object, uint32_t *flags)
{
    struct epoch_state state;
    epoch_enter(&state);
    enum result result = handle_peek(client, handle, object, flags);
    if (!result && !object_get_unless_dying(*object, REF_LOOKUP))
        result = RESULT_BAD_HANDLE;
    epoch_leave(&state);
    return result;
}

static enum result memory_read(struct client *client, void *to, uint64_t from, size_t size)
{
    return os_forked() ? RESULT_NOT_PERMITTED : os_memory_read(to, from, size);
}

static enum result memory_write(struct client *client, uint64_t to, const void *from, size_t size)
{
    return os_memory_write(to, from, size);
}

static const struct client_ops ops = {
    .handle_open = handle_open,
    .handle_peek = handle_peek,
    .handle_get = handle_get,
    .read = memory_read,
    .write = memory_write,
};

struct client *client_process(void)
{
    static struct client client = {.ops = &ops, .numbers = CALLER_LINUX, .privileged = true, .direct = true};
    return &client;
}
