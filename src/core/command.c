/* SPDX-License-Identifier: MIT
 *
 * bpf(): one row a command.  A row names the end of the last field the command has; what follows must be zero, so that
 * a client which means something by it learns that we do not.  Beyond our whole union the same holds, with another
 * error, as in Linux.
 *
 * The five element commands go first and straight to their file: their attr is 32 bytes and their time counts.
 */
#include <string.h>
#include "core/command.h"
#include "core/epoch.h"
#include "core/map.h"
#include "platform/handle.h"
#include "platform/os.h"

enum { ATTR_MOST = 4096, LOG_FIRST = 1024, LOG_MOST = 16 << 20, LOG_FIXED = 8, LOG_LEVELS = 15 };

#define END_OF(field) (offsetof(union bpf_attr, field) + sizeof(((union bpf_attr *)0)->field))

static const struct row {
    const char *name;
    command_handler handler; /* NULL: known by name only, or an element command */
    uint32_t end;
    bool sweep; /* first let closes take effect: it lists, finds or makes */
} rows[] = {
    [BPF_MAP_CREATE] = {"MAP_CREATE", command_map_create, END_OF(excl_prog_hash_size), true},
    [BPF_MAP_LOOKUP_ELEM] = {"MAP_LOOKUP_ELEM", NULL, END_OF(flags), false},
    [BPF_MAP_UPDATE_ELEM] = {"MAP_UPDATE_ELEM", NULL, END_OF(flags), false},
    [BPF_MAP_DELETE_ELEM] = {"MAP_DELETE_ELEM", NULL, END_OF(key), false},
    [BPF_MAP_GET_NEXT_KEY] = {"MAP_GET_NEXT_KEY", NULL, END_OF(next_key), false},
    [BPF_PROG_LOAD] = {"PROG_LOAD", command_prog_load, END_OF(keyring_id), true},
    [BPF_OBJ_PIN] = {"OBJ_PIN", command_obj_pin, END_OF(path_fd), true},
    [BPF_OBJ_GET] = {"OBJ_GET", command_obj_get, END_OF(path_fd), true},
    [BPF_PROG_TEST_RUN] = {"PROG_TEST_RUN", command_prog_test_run, END_OF(test.batch_size), false},
    [BPF_PROG_GET_NEXT_ID] = {"PROG_GET_NEXT_ID", command_prog_next, END_OF(next_id), true},
    [BPF_MAP_GET_NEXT_ID] = {"MAP_GET_NEXT_ID", command_map_next, END_OF(next_id), true},
    [BPF_PROG_GET_FD_BY_ID] = {"PROG_GET_FD_BY_ID", command_prog_by_id, END_OF(prog_id), true},
    [BPF_MAP_GET_FD_BY_ID] = {"MAP_GET_FD_BY_ID", command_map_by_id, END_OF(open_flags), true},
    [BPF_OBJ_GET_INFO_BY_FD] = {"OBJ_GET_INFO_BY_FD", command_info, END_OF(info.info), false},
    [BPF_BTF_LOAD] = {"BTF_LOAD", command_btf_load, END_OF(btf_token_fd), true},
    [BPF_BTF_GET_FD_BY_ID] = {"BTF_GET_FD_BY_ID", command_btf_by_id, END_OF(fd_by_id_token_fd), true},
    [BPF_MAP_LOOKUP_AND_DELETE_ELEM] = {"MAP_LOOKUP_AND_DELETE_ELEM", NULL, END_OF(flags), false},
    [BPF_MAP_FREEZE] = {"MAP_FREEZE", command_map_freeze, END_OF(map_fd), false},
    [BPF_BTF_GET_NEXT_ID] = {"BTF_GET_NEXT_ID", command_btf_next, END_OF(next_id), true},
    [BPF_LINK_CREATE] = {"LINK_CREATE", command_link_create, sizeof(((union bpf_attr *)0)->link_create), true},
    [BPF_LINK_UPDATE] = {"LINK_UPDATE", command_link_update, END_OF(link_update.old_prog_fd), true},
    [BPF_LINK_GET_FD_BY_ID] = {"LINK_GET_FD_BY_ID", command_link_by_id, END_OF(link_id), true},
    [BPF_LINK_GET_NEXT_ID] = {"LINK_GET_NEXT_ID", command_link_next, END_OF(next_id), true},
    [BPF_ENABLE_STATS] = {"ENABLE_STATS", command_enable_stats, END_OF(enable_stats.type), false},
    [BPF_LINK_DETACH] = {"LINK_DETACH", command_link_detach, END_OF(link_detach.link_fd), true},
};

const char *core_command_name(uint32_t command)
{
    return command < sizeof rows / sizeof *rows ? rows[command].name : NULL;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    while (size--)
        if (*bytes++)
            return false;
    return true;
}

static bool is_element(uint32_t command)
{
    return (command >= BPF_MAP_LOOKUP_ELEM && command <= BPF_MAP_GET_NEXT_KEY) ||
           command == BPF_MAP_LOOKUP_AND_DELETE_ELEM;
}

/* Copies the client's attr: RESULT_TOO_BIG when something beyond our union is not zero. */
static enum result read_attr(struct client *client, uint64_t from, uint32_t size, union bpf_attr *attr)
{
    uint8_t tail[256];
    memset(attr, 0, sizeof *attr);
    for (uint32_t at = sizeof *attr, part; at < size; at += part) {
        part = size - at < sizeof tail ? size - at : sizeof tail;
        enum result result = client->ops->read(client, tail, from + at, part);
        if (result)
            return result;
        if (!all_zero(tail, part))
            return RESULT_TOO_BIG;
    }
    return client->ops->read(client, attr, from, size < sizeof *attr ? size : sizeof *attr);
}

static NOINLINE enum result command_any(struct client *client, uint32_t number, uint64_t from, uint32_t size,
                                        int64_t *value)
{
    union bpf_attr attr;
    struct command command = {client, from, size};
    if (size > ATTR_MOST)
        return RESULT_TOO_BIG;
    enum result result = read_attr(client, from, size, &attr);
    if (result)
        return result;
    if (!core_command_name(number))
        return RESULT_INVALID;
    const struct row *row = &rows[number];
    if (!all_zero((const uint8_t *)&attr + row->end, sizeof attr - row->end))
        return RESULT_INVALID;
    *value = 0;
    if (is_element(number)) {
        struct element_attr element;
        memcpy(&element, &attr, sizeof element);
        return command_element(client, number, &element);
    }
    if (row->sweep) {
        os_handles_sweep();
        epoch_flush(); /* what those closes let go of is gone from listings, too */
    }
    result = row->handler(&command, &attr, value);
    epoch_poll();
    return result;
}

enum result core_command(struct client *client, uint32_t command, uint64_t attr, uint32_t size, int64_t *value)
{
    struct element_attr element;
    if (likely(size == sizeof element && is_element(command) && client->direct && os_memory_plausible(attr, size))) {
        memcpy(&element, (const void *)(uintptr_t)attr, sizeof element);
        if (likely(element.hole == 0)) {
            *value = 0;
            if ((command == BPF_MAP_DELETE_ELEM && (element.value || element.flags)) ||
                (command == BPF_MAP_GET_NEXT_KEY && element.flags))
                return RESULT_INVALID;
            return command_element(client, command, &element);
        }
    }
    return command_any(client, command, attr, size, value);
}

enum result command_object(const struct command *command, int handle, enum object_kind kind, struct object **object,
                           uint32_t *flags)
{
    uint32_t access;
    enum result result = command->client->ops->handle_get(command->client, handle, object, &access);
    if (!result && (*object)->kind != kind) {
        object_put(*object, REF_LOOKUP);
        result = RESULT_INVALID;
    }
    if (result) {
        *object = NULL;
        return result;
    }
    if (flags)
        *flags = access;
    return RESULT_OK;
}

enum result command_give(const struct command *command, struct object *object, enum object_reason reason,
                         uint32_t flags, int64_t *value)
{
    int handle;
    enum result result = command->client->ops->handle_open(command->client, object, flags, &handle);
    if (!result)
        *value = handle;
    object_put(object, reason);
    return result;
}

enum result command_read(const struct command *command, struct arena *arena, uint64_t from, size_t size, void **out)
{
    *out = arena_alloc(arena, size);
    if (!*out)
        return RESULT_NO_MEMORY;
    return command->client->ops->read(command->client, *out, from, size);
}

enum result command_answer(const struct command *command, size_t offset, const void *value, size_t size)
{
    if (offset + size > command->size)
        return RESULT_OK;
    return command->client->ops->write(command->client, command->attr + offset, value, size);
}

enum result command_access(uint32_t flags, uint32_t *access)
{
    *access = flags & (BPF_F_RDONLY | BPF_F_WRONLY);
    return *access == (BPF_F_RDONLY | BPF_F_WRONLY) ? RESULT_INVALID : RESULT_OK;
}

static void log_line(void *self, enum diag_level level, const char *line)
{
    struct command_log *log = self;
    size_t length = strlen(line), need = log->length + length + 2;
    if (!log->level || log->broken)
        return;
    if (need > log->capacity) {
        size_t capacity = log->capacity ? log->capacity * 2 : LOG_FIRST;
        while (capacity < need)
            capacity *= 2;
        char *text = capacity <= LOG_MOST ? os_alloc(capacity, OS_TAG('l', 'o', 'g', ' ')) : NULL;
        if (!text) {
            log->broken = true;
            return;
        }
        if (log->length)
            memcpy(text, log->text, log->length);
        os_free(log->text, log->capacity, OS_TAG('l', 'o', 'g', ' '));
        log->text = text;
        log->capacity = capacity;
    }
    memcpy(log->text + log->length, line, length);
    log->length += length;
    log->text[log->length++] = '\n';
    log->text[log->length] = 0;
}

enum result command_log_begin(struct command_log *log, const struct command *command, uint32_t level, uint64_t buffer,
                              uint32_t size)
{
    memset(log, 0, sizeof *log);
    log->diag = (struct diag){log_line, log, NULL};
    log->command = command;
    log->level = level;
    log->buffer = buffer;
    log->size = size;
    if (!buffer != !size || (buffer && !level) || level & ~(uint32_t)LOG_LEVELS || size > UINT32_MAX >> 2)
        return RESULT_INVALID;
    return RESULT_OK;
}

enum result command_log_end(struct command_log *log, enum result result, size_t true_size_at)
{
    struct client *client = log->command->client;
    uint32_t true_size = log->level && log->length ? (uint32_t)log->length + 1 : 0;
    if (log->broken)
        result = RESULT_NO_MEMORY;
    if (log->level && log->size) {
        static const char nul = 0;
        size_t fits = log->length < log->size ? log->length : log->size - 1;
        const char *from = log->length && !(log->level & LOG_FIXED) ? log->text + (log->length - fits) : log->text;
        if ((fits && client->ops->write(client, log->buffer, from, fits)) ||
            client->ops->write(client, log->buffer + fits, &nul, 1))
            result = RESULT_FAULT;
        else if (fits < log->length)
            result = RESULT_NO_SPACE;
    }
    if (command_answer(log->command, true_size_at, &true_size, sizeof true_size))
        result = RESULT_FAULT;
    os_free(log->text, log->capacity, OS_TAG('l', 'o', 'g', ' '));
    return result;
}
