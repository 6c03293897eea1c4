/* SPDX-License-Identifier: MIT
 *
 * Commands that treat all objects alike: pins, ids, information.
 *
 * An information struct grows from release to release, so both sides say how much of it they know: the client's struct
 * may be longer than ours when the rest is zero, and we write back as much as it has room for.  Arrays that a struct
 * points at come with their counts: how many there is room for on the way in, how many there are on the way out.
 */
#include <string.h>
#include "core/btf_object.h"
#include "core/command.h"
#include "core/link.h"
#include "core/map.h"
#include "core/pin.h"
#include "core/prog_impl.h"

enum { ID_MOST = 0x7fffffff };

static enum result read_path(const struct command *command, uint64_t from, char path[PIN_PATH_SIZE])
{
    struct client *client = command->client;
    for (size_t at = 0; at < PIN_PATH_SIZE; at += 64) {
        enum result result = client->ops->read(client, path + at, from + at, 64);
        for (size_t i = at; result && i < at + 64; i++) { /* near the end of its memory: byte by byte */
            enum result one = client->ops->read(client, path + i, from + i, 1);
            if (one || !path[i])
                return one;
        }
        if (memchr(path + at, 0, 64))
            return RESULT_OK;
    }
    return RESULT_NAME_TOO_LONG;
}

enum result command_obj_pin(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    char path[PIN_PATH_SIZE];
    struct object *object;
    uint32_t access;
    if (attr->file_flags || attr->path_fd)
        return RESULT_INVALID;
    enum result result = command->client->ops->handle_get(command->client, (int)attr->bpf_fd, &object, &access);
    if (result == RESULT_BAD_HANDLE)
        result = RESULT_INVALID; /* as Linux has it, here alone */
    if (result)
        return result;
    result = object->kind == OBJECT_BTF || object->kind == OBJECT_STATS ? RESULT_INVALID
                                                                        : read_path(command, attr->pathname, path);
    if (!result)
        result = pin_create(path, object);
    object_put(object, REF_LOOKUP);
    return result;
}

enum result command_obj_get(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    char path[PIN_PATH_SIZE];
    struct object *object;
    uint32_t access;
    if (attr->bpf_fd || attr->path_fd || attr->file_flags & ~(uint32_t)(BPF_F_RDONLY | BPF_F_WRONLY))
        return RESULT_INVALID;
    enum result result = command_access(attr->file_flags, &access);
    if (!result)
        result = read_path(command, attr->pathname, path);
    if (!result)
        result = pin_find(path, &object);
    if (result)
        return result;
    if (access && object->kind != OBJECT_MAP) {
        object_put(object, REF_LOOKUP);
        return RESULT_INVALID;
    }
    return command_give(command, object, REF_LOOKUP, access, value);
}

static enum result next_id(const struct command *command, const union bpf_attr *attr, enum object_kind kind)
{
    if (attr->start_id >= ID_MOST)
        return RESULT_INVALID;
    uint32_t id = object_next_id(kind, attr->start_id);
    if (!id)
        return RESULT_NOT_FOUND;
    return command_answer(command, offsetof(union bpf_attr, next_id), &id, sizeof id);
}

enum result command_prog_next(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return next_id(command, attr, OBJECT_PROG);
}

enum result command_map_next(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return next_id(command, attr, OBJECT_MAP);
}

enum result command_btf_next(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return next_id(command, attr, OBJECT_BTF);
}

enum result command_link_next(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return next_id(command, attr, OBJECT_LINK);
}

static enum result by_id(const struct command *command, enum object_kind kind, uint32_t id, uint32_t flags,
                         int64_t *value)
{
    uint32_t access;
    enum result result = command_access(flags, &access);
    if (result || flags != access)
        return RESULT_INVALID;
    struct object *object = object_find(kind, id);
    return object ? command_give(command, object, REF_LOOKUP, access, value) : RESULT_NOT_FOUND;
}

enum result command_prog_by_id(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return by_id(command, OBJECT_PROG, attr->prog_id, 0, value);
}

enum result command_map_by_id(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return by_id(command, OBJECT_MAP, attr->map_id, attr->open_flags, value);
}

enum result command_btf_by_id(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    if (attr->open_flags || attr->fd_by_id_token_fd)
        return RESULT_INVALID;
    return by_id(command, OBJECT_BTF, attr->btf_id, 0, value);
}

enum result command_link_by_id(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    return by_id(command, OBJECT_LINK, attr->link_id, 0, value);
}

/* The information command under way. */
struct inform {
    const struct command *command;
    uint64_t at;   /* the client's struct */
    uint32_t size; /* its size, at most ours */
};

/* Reads what the client put into its struct; ours is `size` bytes. */
static enum result info_in(struct inform *inform, const union bpf_attr *attr, void *info, uint32_t size)
{
    struct client *client = inform->command->client;
    uint32_t given = attr->info.info_len;
    if (given > 4096)
        return RESULT_TOO_BIG;
    for (uint32_t at = size; at < given; at++) {
        uint8_t byte;
        if (client->ops->read(client, &byte, attr->info.info + at, 1))
            return RESULT_FAULT;
        if (byte)
            return RESULT_TOO_BIG;
    }
    inform->at = attr->info.info;
    inform->size = given < size ? given : size;
    memset(info, 0, size);
    return client->ops->read(client, info, inform->at, inform->size);
}

static enum result info_out(struct inform *inform, const void *info)
{
    struct client *client = inform->command->client;
    enum result result = client->ops->write(client, inform->at, info, inform->size);
    if (result)
        return result;
    return command_answer(inform->command, offsetof(union bpf_attr, info.info_len), &inform->size, 4);
}

/* Gives `count` records, as many as *room says there is room for; *room becomes `count`. */
static enum result give_array(struct inform *inform, uint64_t to, uint32_t *room, const void *records, uint32_t count,
                              size_t size)
{
    struct client *client = inform->command->client;
    uint32_t part = *room < count ? *room : count;
    *room = count;
    return part ? client->ops->write(client, to, records, part * size) : RESULT_OK;
}

static enum result prog_arrays(struct inform *inform, const struct prog *prog, struct bpf_prog_info *info,
                               struct arena *arena)
{
    const struct image *image = &prog->image;
    uint32_t maps = image->map_count, funcs = prog->btf ? image->func_count : 0, lines = image->line_count;
    if (funcs && !image->funcs[0].btf_type)
        funcs = 0; /* found by us, not given */
    uint32_t *ids = arena_array(arena, maps, sizeof *ids);
    struct bpf_func_info *func_info = arena_array(arena, funcs, sizeof *func_info);
    struct bpf_line_info *line_info = arena_array(arena, lines, sizeof *line_info);
    struct insn *insns = NULL;
    if (!ids || !func_info || !line_info)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < maps; i++)
        ids[i] = prog->maps[i]->object.id;
    for (uint32_t i = 0; i < funcs; i++)
        func_info[i] = (struct bpf_func_info){image->funcs[i].insn, image->funcs[i].btf_type};
    for (uint32_t i = 0; i < lines; i++) {
        const struct image_line *line = &image->lines[i];
        line_info[i] = (struct bpf_line_info){line->insn, line->file, line->text, line->line << 10 | line->column};
    }
    uint32_t bytes = image->insn_count * (uint32_t)sizeof(struct insn);
    enum result result = give_array(inform, info->map_ids, &info->nr_map_ids, ids, maps, sizeof *ids);
    if (!result)
        result = give_array(inform, info->func_info, &info->nr_func_info, func_info, funcs, sizeof *func_info);
    if (!result)
        result = give_array(inform, info->line_info, &info->nr_line_info, line_info, lines, sizeof *line_info);
    if (!result && info->nr_prog_tags)
        result = give_array(inform, info->prog_tags, &info->nr_prog_tags, prog->tag, 1, sizeof prog->tag);
    else
        info->nr_prog_tags = 1;
    if (result)
        return result;
    if (info->xlated_prog_len) {
        insns = prog_caller_insns(prog, &os_allocator);
        if (!insns)
            return RESULT_NO_MEMORY;
    }
    result = give_array(inform, info->xlated_prog_insns, &info->xlated_prog_len, insns, bytes, 1);
    if (insns)
        os_allocator.free(os_allocator.self, insns, bytes);
    return result;
}

/* The caller's number for a kind of map; 0 where it has none. */
static uint32_t map_number(const struct inform *inform, uint32_t kind)
{
    if (inform->command->client->numbers == CALLER_LINUX)
        return kind;
    for (uint32_t number = 1; number < 256; number++)
        if (contract_map_kind(PERSONALITY_EFW, number) == kind)
            return number;
    return 0;
}

/* The caller's number for a program's type, which is kept in the program's own. */
static uint32_t prog_number(const struct inform *inform, const struct image *image)
{
    enum personality mine = inform->command->client->numbers == CALLER_EFW ? PERSONALITY_EFW : PERSONALITY_LINUX;
    const struct program_contract *contract = contract_program(image->personality, image->prog_type);
    return mine == image->personality || !contract ? image->prog_type : contract->type[mine];
}

static enum result prog_info(struct inform *inform, const union bpf_attr *attr, const struct prog *prog)
{
    struct bpf_prog_info info;
    struct arena arena;
    enum result result = info_in(inform, attr, &info, sizeof info);
    if (result)
        return result;
    /* Records have one size; a client that wants some says it knows which. */
    if (((info.nr_func_info || info.func_info_rec_size) && info.func_info_rec_size != sizeof(struct bpf_func_info)) ||
        ((info.nr_line_info || info.line_info_rec_size) && info.line_info_rec_size != sizeof(struct bpf_line_info)) ||
        ((info.nr_jited_line_info || info.jited_line_info_rec_size) && info.jited_line_info_rec_size != 8))
        return RESULT_INVALID;
    arena_init(&arena, &os_allocator, 64 << 20);
    result = prog_arrays(inform, prog, &info, &arena);
    arena_release(&arena);
    if (result)
        return result;
    uint64_t runs, ns;
    prog_counts(prog, &runs, &ns);
    size_t machine_size;
    const void *machine = prog_machine(prog, &machine_size);
    result = give_array(inform, info.jited_prog_insns, &info.jited_prog_len, machine, (uint32_t)machine_size, 1);
    if (result)
        return result;
    info.type = prog_number(inform, &prog->image);
    info.id = prog->object.id;
    memcpy(info.tag, prog->tag, sizeof info.tag);
    memcpy(info.name, prog->name, sizeof info.name);
    info.load_time = prog->load_time;
    info.created_by_uid = prog->created_by_uid;
    info.gpl_compatible = prog_gpl_compatible(prog);
    info.ifindex = 0;
    info.netns_dev = info.netns_ino = 0;
    info.nr_jited_ksyms = info.nr_jited_func_lens = 0;
    info.nr_jited_line_info = 0;
    info.func_info_rec_size = sizeof(struct bpf_func_info);
    info.line_info_rec_size = sizeof(struct bpf_line_info);
    info.jited_line_info_rec_size = 8;
    info.btf_id = prog->btf ? prog->btf->object.id : 0;
    info.run_cnt = runs;
    info.run_time_ns = ns;
    info.recursion_misses = 0;
    info.verified_insns = prog->verified_insns; /* 0: nobody vouched for it */
    info.attach_btf_obj_id = info.attach_btf_id = 0;
    return info_out(inform, &info);
}

static enum result map_info(struct inform *inform, const union bpf_attr *attr, const struct map *map)
{
    struct bpf_map_info info;
    enum result result = info_in(inform, attr, &info, sizeof info);
    if (result)
        return result;
    memset(&info, 0, sizeof info);
    info.type = map_number(inform, map->kind);
    info.id = map->object.id;
    info.key_size = map->key_size;
    info.value_size = map->value_size;
    info.max_entries = map->max_entries;
    info.map_flags = map->flags;
    info.map_extra = map->extra;
    memcpy(info.name, map->name, sizeof info.name);
    if (map->btf) {
        info.btf_id = map->btf->object.id;
        info.btf_key_type_id = map->btf_key;
        info.btf_value_type_id = map->btf_value;
    }
    return info_out(inform, &info);
}

static enum result btf_info(struct inform *inform, const union bpf_attr *attr, const struct btf_object *btf)
{
    struct bpf_btf_info info;
    enum result result = info_in(inform, attr, &info, sizeof info);
    if (result)
        return result;
    uint32_t room = info.btf_size;
    result = give_array(inform, info.btf, &room, btf->bytes.data, (uint32_t)btf->bytes.size, 1);
    if (result)
        return result;
    info.btf_size = room;
    info.id = btf->object.id;
    info.kernel_btf = 0;
    info.name_len = 0; /* only the kernel's own has a name */
    return info_out(inform, &info);
}

static enum result link_info(struct inform *inform, const union bpf_attr *attr, struct link *link)
{
    struct bpf_link_info info;
    enum result result = info_in(inform, attr, &info, sizeof info);
    if (result)
        return result;
    memset(&info, 0, sizeof info);
    info.id = link->object.id;
    info.prog_id = link_prog_id(link);
    if (link->attach_type == BPF_XDP) {
        info.type = BPF_LINK_TYPE_XDP;
        info.xdp.ifindex = link->attached ? link->target : 0;
    }
    return info_out(inform, &info);
}

enum result command_info(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *object;
    uint32_t access;
    struct inform inform = {command, 0, 0};
    enum result result = command->client->ops->handle_get(command->client, (int)attr->info.bpf_fd, &object, &access);
    if (result == RESULT_BAD_HANDLE)
        result = RESULT_BAD_STATE; /* as Linux has it, here alone */
    if (result)
        return result;
    switch (object->kind) {
    case OBJECT_PROG: result = prog_info(&inform, attr, (struct prog *)object); break;
    case OBJECT_MAP: result = map_info(&inform, attr, (struct map *)object); break;
    case OBJECT_BTF: result = btf_info(&inform, attr, (struct btf_object *)object); break;
    case OBJECT_LINK: result = link_info(&inform, attr, (struct link *)object); break;
    default: result = RESULT_INVALID; break;
    }
    object_put(object, REF_LOOKUP);
    return result;
}
