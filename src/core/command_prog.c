/* SPDX-License-Identifier: MIT
 *
 * Commands on programs, their BTF and links.
 *
 * PROG_LOAD turns what a Linux loader sends into an image: map handles in lddw become indices into a list of the maps
 * the program uses, func_info and line_info become the image's records.  Everything is built in an arena of the
 * command's and copied once more by prog_create(), which checks it all as hostile.
 */
#include <string.h>
#include "core/btf_object.h"
#include "core/command.h"
#include "core/hook.h"
#include "core/link.h"
#include "core/map.h"
#include "core/prog_impl.h"

enum {
    LOAD_ARENA = 128 << 20,
    LICENSE_SIZE = 128,
    MAPS_MOST = 64, /* Linux's MAX_USED_MAPS */
    TEST_DATA_MOST = 4 << 20,
    TEST_GROWTH = 64 << 10, /* a test run's output can exceed its input by this much */
    PROG_FLAGS = BPF_F_STRICT_ALIGNMENT | BPF_F_ANY_ALIGNMENT | BPF_F_TEST_RND_HI32 | BPF_F_TEST_STATE_FREQ |
                 BPF_F_SLEEPABLE | BPF_F_XDP_HAS_FRAGS | BPF_F_TEST_REG_INVARIANTS,
};

struct load {
    const struct command *command;
    const union bpf_attr *attr;
    struct arena *arena;
    const struct diag *diag;
    struct image image;
    struct map *maps[MAPS_MOST]; /* each with REF_LOOKUP */
    struct map_spec specs[MAPS_MOST];
    uint32_t map_count;
    enum result map_result; /* why a handle was refused */
    struct btf_object *btf;
};

/* Index of the map behind a handle among those the program uses. */
static uint32_t map_index(void *self, int32_t handle)
{
    struct load *load = self;
    struct object *object;
    load->map_result = command_object(load->command, handle, OBJECT_MAP, &object, NULL);
    if (load->map_result)
        return IMAGE_NO_INDEX;
    struct map *map = (struct map *)object;
    for (uint32_t i = 0; i < load->map_count; i++) {
        if (load->maps[i] == map) {
            object_put(object, REF_LOOKUP);
            return i;
        }
    }
    if (load->map_count == MAPS_MOST) {
        object_put(object, REF_LOOKUP);
        load->map_result = RESULT_TOO_BIG;
        return IMAGE_NO_INDEX;
    }
    load->maps[load->map_count] = map;
    map_specify(map, &load->specs[load->map_count]);
    return load->map_count++;
}

/* lddw 5 and 6 name a map by its place in the caller's fd_array: they become 1 and 2. */
static enum result from_fd_array(struct load *load, struct insn *insns)
{
    for (uint32_t i = 0; i + 1 < load->attr->insn_cnt; i++) {
        unsigned src = insn_src(&insns[i]);
        int32_t handle;
        if (!insn_is_lddw(&insns[i]))
            continue;
        if (src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE) {
            if (!load->attr->fd_array) {
                diag_error(load->diag, "insn %u: a map by index, and no fd_array", i);
                return RESULT_PROTOCOL;
            }
            uint64_t from = load->attr->fd_array + (uint64_t)(uint32_t)insns[i].imm * sizeof handle;
            struct client *client = load->command->client;
            if (client->ops->read(client, &handle, from, sizeof handle))
                return RESULT_FAULT;
            insns[i].imm = handle;
            insns[i].regs = (uint8_t)(insn_dst(&insns[i]) |
                                      (src == LDDW_SRC_MAP_INDEX ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE) << 4);
        }
        i++;
    }
    return RESULT_OK;
}

/* An array of `count` records of `size` bytes, each cut or zero-filled to `known` bytes; what is cut must be zero. */
static enum result read_records(struct load *load, uint64_t from, uint32_t count, uint32_t size, uint32_t known,
                                uint32_t least, const char *what, void **out)
{
    uint8_t *raw, *records;
    void *memory;
    if (size < least || size > 4096 || size % 4 || count > load->attr->insn_cnt) {
        diag_error(load->diag, "%s: %u records of %u bytes for %u instructions", what, count, size,
                   load->attr->insn_cnt);
        return RESULT_INVALID;
    }
    enum result result = command_read(load->command, load->arena, from, (size_t)count * size, &memory);
    if (result)
        return result;
    raw = memory;
    records = arena_array(load->arena, count, known);
    if (!records)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++, raw += size) {
        memcpy(records + (size_t)i * known, raw, size < known ? size : known);
        for (uint32_t at = known; at < size; at++) {
            if (raw[at]) {
                diag_error(load->diag, "%s: record %u: bytes past the known %u are not zero", what, i, known);
                return RESULT_TOO_BIG;
            }
        }
    }
    *out = records;
    return RESULT_OK;
}

static enum result read_funcs(struct load *load)
{
    const union bpf_attr *attr = load->attr;
    void *memory;
    if (!attr->func_info_cnt)
        return image_find_funcs(load->arena, &load->image);
    enum result result = read_records(load, attr->func_info, attr->func_info_cnt, attr->func_info_rec_size,
                                      sizeof(struct bpf_func_info), 8, "func_info", &memory);
    if (result)
        return result;
    const struct bpf_func_info *records = memory;
    const struct btf *btf = load->btf->btf;
    struct image_func *funcs = arena_array(load->arena, attr->func_info_cnt, sizeof *funcs);
    if (!funcs)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < attr->func_info_cnt; i++) {
        if (i ? records[i].insn_off <= records[i - 1].insn_off : records[i].insn_off) {
            diag_error(load->diag, "func_info: record %u at instruction %u is out of order", i, records[i].insn_off);
            return RESULT_INVALID;
        }
        if (records[i].type_id >= btf_type_count(btf) || btf_type(btf, records[i].type_id).kind != BTF_KIND_FUNC) {
            diag_error(load->diag, "func_info: record %u: type %u is not a function", i, records[i].type_id);
            return RESULT_INVALID;
        }
        struct btf_type_view type = btf_type(btf, records[i].type_id);
        size_t length = strlen(type.name);
        funcs[i].name = arena_text(load->arena, type.name, length < IMAGE_NAME ? length : IMAGE_NAME - 1);
        if (!funcs[i].name)
            return RESULT_NO_MEMORY;
        funcs[i].insn = records[i].insn_off;
        funcs[i].btf_type = records[i].type_id;
        funcs[i].linkage = type.vlen == 0 || i ? (type.vlen ? IMAGE_GLOBAL : IMAGE_STATIC) : IMAGE_GLOBAL;
    }
    load->image.funcs = funcs;
    load->image.func_count = attr->func_info_cnt;
    return RESULT_OK;
}

static enum result read_lines(struct load *load)
{
    const union bpf_attr *attr = load->attr;
    void *memory;
    if (!attr->line_info_cnt)
        return RESULT_OK;
    enum result result = read_records(load, attr->line_info, attr->line_info_cnt, attr->line_info_rec_size,
                                      sizeof(struct bpf_line_info), 16, "line_info", &memory);
    if (result)
        return result;
    const struct bpf_line_info *records = memory;
    struct image_line *lines = arena_array(load->arena, attr->line_info_cnt, sizeof *lines);
    if (!lines)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < attr->line_info_cnt; i++) {
        const struct bpf_line_info *record = &records[i];
        if ((i && record->insn_off <= records[i - 1].insn_off) || record->insn_off >= attr->insn_cnt) {
            diag_error(load->diag, "line_info: record %u at instruction %u is out of order", i, record->insn_off);
            return RESULT_INVALID;
        }
        if (!btf_string(load->btf->btf, record->line_off) || !btf_string(load->btf->btf, record->file_name_off)) {
            diag_error(load->diag, "line_info: record %u names no string", i);
            return RESULT_INVALID;
        }
        lines[i] = (struct image_line){record->insn_off, record->file_name_off, record->line_off,
                                       record->line_col >> 10, record->line_col & 1023};
    }
    load->image.lines = lines;
    load->image.line_count = attr->line_info_cnt;
    return RESULT_OK;
}

static enum result build(struct load *load, const struct insn *insns, const char *license)
{
    const union bpf_attr *attr = load->attr;
    struct image *image = &load->image;
    image->name = attr->prog_name;
    image->section = "";
    image->license = license;
    image->personality = load->command->client->numbers == CALLER_EFW ? PERSONALITY_EFW : PERSONALITY_LINUX;
    image->prog_type = attr->prog_type;
    image->attach_type = attr->expected_attach_type;
    image->prog_flags = attr->prog_flags;
    enum result result = image_from_insns(insns, attr->insn_cnt, load->arena, load->diag, map_index, load, image);
    if (result)
        return load->map_result ? load->map_result : result;
    image->maps = load->specs;
    image->map_count = load->map_count;
    if ((attr->func_info_cnt || attr->line_info_cnt) && !load->btf) {
        diag_error(load->diag, "func_info and line_info need prog_btf_fd");
        return RESULT_INVALID;
    }
    if (load->btf)
        image->btf = load->btf->bytes;
    result = read_funcs(load);
    return result ? result : read_lines(load);
}

/* A NUL-terminated text of the client's, cut to LICENSE_SIZE. */
static enum result read_license(const struct command *command, uint64_t from, char license[LICENSE_SIZE])
{
    memset(license, 0, LICENSE_SIZE);
    if (!command->client->ops->read(command->client, license, from, LICENSE_SIZE - 1))
        return RESULT_OK;
    for (size_t i = 0; i < LICENSE_SIZE - 1; i++) { /* near the end of its memory */
        enum result result = command->client->ops->read(command->client, license + i, from + i, 1);
        if (result || !license[i])
            return result;
    }
    return RESULT_OK;
}

static enum result load_logged(struct load *load, const struct insn *insns, const char *license, struct prog **prog)
{
    enum result result = RESULT_OK;
    struct prog_source source = {.image = &load->image,
                                 .maps = load->maps,
                                 .diag = load->diag,
                                 .log_level = load->attr->log_level,
                                 .privileged = load->command->client->privileged};
    if (load->attr->prog_btf_fd) {
        struct object *btf;
        result = command_object(load->command, (int)load->attr->prog_btf_fd, OBJECT_BTF, &btf, NULL);
        if (result)
            return result;
        source.btf = load->btf = (struct btf_object *)btf;
    }
    result = from_fd_array(load, (struct insn *)insns);
    if (!result)
        result = build(load, insns, license);
    if (!result)
        result = prog_create(&source, prog);
    for (uint32_t i = 0; i < load->map_count; i++)
        object_put(&load->maps[i]->object, REF_LOOKUP);
    if (load->btf)
        object_put(&load->btf->object, REF_LOOKUP);
    return result;
}

enum result command_prog_load(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct arena arena;
    struct command_log log;
    char license[LICENSE_SIZE];
    void *insns;
    struct prog *prog;
    if (attr->prog_flags & ~(uint32_t)PROG_FLAGS)
        return RESULT_INVALID;
    if (!attr->insn_cnt || attr->insn_cnt > ISA_MAX_INSNS)
        return RESULT_TOO_BIG;
    /* Tokens, signatures, offload, tracing targets and CO-RE done by the receiver do not exist here. */
    if (attr->prog_token_fd || attr->signature || attr->signature_size || attr->prog_ifindex || attr->attach_btf_id ||
        attr->attach_prog_fd || attr->core_relo_cnt)
        return RESULT_INVALID;
    arena_init(&arena, &os_allocator, LOAD_ARENA);
    enum result result =
        command_read(command, &arena, attr->insns, (size_t)attr->insn_cnt * sizeof(struct insn), &insns);
    if (!result)
        result = read_license(command, attr->license, license);
    if (!result && !core_name_valid(attr->prog_name))
        result = RESULT_INVALID;
    if (!result)
        result = command_log_begin(&log, command, attr->log_level, attr->log_buf, attr->log_size);
    if (result)
        goto done;
    struct load *load = arena_alloc(&arena, sizeof *load);
    result = RESULT_NO_MEMORY;
    if (load) {
        load->command = command;
        load->attr = attr;
        load->arena = &arena;
        load->diag = &log.diag;
        result = load_logged(load, insns, license, &prog);
    }
    bool made = !result;
    result = command_log_end(&log, result, offsetof(union bpf_attr, log_true_size));
    if (made && result)
        object_put(&prog->object, REF_CREATOR);
    else if (made)
        result = command_give(command, &prog->object, REF_CREATOR, 0, value);
done:
    arena_release(&arena);
    return result;
}

static enum result test_run(const struct command *command, union bpf_attr *attr, struct prog *prog, struct arena *arena)
{
    struct client *client = command->client;
    struct test_run run = {
        .data_in_size = attr->test.data_size_in,
        .context_in_size = attr->test.ctx_size_in,
        .repeat = attr->test.repeat,
        .flags = attr->test.flags,
        .cpu = attr->test.cpu,
        .client = client,
    };
    void *memory;
    enum result result;
    if (run.data_in_size > TEST_DATA_MOST || run.context_in_size > 4096)
        return RESULT_INVALID;
    if (attr->test.data_in) {
        if ((result = command_read(command, arena, attr->test.data_in, run.data_in_size, &memory)))
            return result;
        run.data_in = memory;
    } else if (run.data_in_size) {
        return RESULT_FAULT;
    }
    if (attr->test.ctx_in) {
        if ((result = command_read(command, arena, attr->test.ctx_in, run.context_in_size, &memory)))
            return result;
        run.context_in = memory;
    }
    /* A size of 0 with a buffer means, of old, that the caller knows it to be big enough. */
    uint32_t most = run.data_in_size + TEST_GROWTH;
    if (attr->test.data_out) {
        run.data_out_size =
            attr->test.data_size_out && attr->test.data_size_out < most ? attr->test.data_size_out : most;
        if (!(run.data_out = arena_alloc(arena, run.data_out_size)))
            return RESULT_NO_MEMORY;
    }
    uint32_t data_room = run.data_out_size, context_room = 0;
    if (attr->test.ctx_out) {
        run.context_out_size = attr->test.ctx_size_out < 4096 ? attr->test.ctx_size_out : 4096;
        context_room = run.context_out_size;
        if (!(run.context_out = arena_alloc(arena, run.context_out_size)))
            return RESULT_NO_MEMORY;
    }
    object_get(&prog->object, REF_RUN);
    result = prog->hook->test_run(prog, &run);
    object_put(&prog->object, REF_RUN);
    if (result && result != RESULT_NO_SPACE)
        return result;

    uint32_t data_size = run.data_out_size < data_room ? run.data_out_size : data_room;
    uint32_t context_size = run.context_out_size < context_room ? run.context_out_size : context_room;
    if (!attr->test.data_out && attr->test.data_size_out && run.data_out_size > attr->test.data_size_out)
        result = RESULT_NO_SPACE; /* Linux complains of the room even when there is no buffer */
    if ((data_size && client->ops->write(client, attr->test.data_out, run.data_out, data_size)) ||
        (context_size && client->ops->write(client, attr->test.ctx_out, run.context_out, context_size)) ||
        command_answer(command, offsetof(union bpf_attr, test.data_size_out), &run.data_out_size, 4) ||
        command_answer(command, offsetof(union bpf_attr, test.retval), &run.retval, 4) ||
        command_answer(command, offsetof(union bpf_attr, test.duration), &run.duration, 4) ||
        (attr->test.ctx_out &&
         command_answer(command, offsetof(union bpf_attr, test.ctx_size_out), &run.context_out_size, 4)))
        return RESULT_FAULT;
    return result;
}

enum result command_prog_test_run(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *prog;
    struct arena arena;
    if (!attr->test.ctx_size_in != !attr->test.ctx_in || !attr->test.ctx_size_out != !attr->test.ctx_out)
        return RESULT_INVALID;
    enum result result = command_object(command, (int)attr->test.prog_fd, OBJECT_PROG, &prog, NULL);
    if (result)
        return result;
    arena_init(&arena, &os_allocator, 4 * TEST_DATA_MOST);
    result =
        ((struct prog *)prog)->hook->test_run ? test_run(command, attr, (struct prog *)prog, &arena) : RESULT_NOT_SUPP;
    arena_release(&arena);
    object_put(prog, REF_LOOKUP);
    return result;
}

enum result command_btf_load(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct arena arena;
    struct command_log log;
    struct btf_object *btf;
    void *bytes;
    if (attr->btf_flags || attr->btf_token_fd)
        return RESULT_INVALID;
    if (!attr->btf_size || attr->btf_size > 16 << 20) /* Linux's BTF_MAX_SIZE */
        return attr->btf_size ? RESULT_TOO_BIG : RESULT_INVALID;
    enum result result = command_log_begin(&log, command, attr->btf_log_level, attr->btf_log_buf, attr->btf_log_size);
    if (result)
        return result;
    arena_init(&arena, &os_allocator, attr->btf_size + 4096u);
    result = command_read(command, &arena, attr->btf, attr->btf_size, &bytes);
    if (!result)
        result = btf_object_create((struct bytes){bytes, attr->btf_size}, &log.diag, &btf);
    arena_release(&arena);
    bool made = !result;
    result = command_log_end(&log, result, offsetof(union bpf_attr, btf_log_true_size));
    if (made && result)
        object_put(&btf->object, REF_CREATOR);
    else if (made)
        result = command_give(command, &btf->object, REF_CREATOR, 0, value);
    return result;
}

enum result command_link_create(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *prog;
    struct link *link;
    enum result result = command_object(command, (int)attr->link_create.prog_fd, OBJECT_PROG, &prog, NULL);
    if (result)
        return result;
    result = link_create((struct prog *)prog, attr->link_create.attach_type, attr->link_create.target_ifindex,
                         attr->link_create.flags, &link);
    object_put(prog, REF_LOOKUP);
    return result ? result : command_give(command, &link->object, REF_CREATOR, 0, value);
}

enum result command_link_update(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *link, *prog = NULL, *expected = NULL;
    bool replace = attr->link_update.flags & BPF_F_REPLACE;
    if (attr->link_update.flags & ~(uint32_t)BPF_F_REPLACE)
        return RESULT_INVALID;
    enum result result = command_object(command, (int)attr->link_update.link_fd, OBJECT_LINK, &link, NULL);
    if (result)
        return result;
    result = command_object(command, (int)attr->link_update.new_prog_fd, OBJECT_PROG, &prog, NULL);
    if (result)
        goto put_link;
    result = RESULT_INVALID;
    if (replace)
        result = command_object(command, (int)attr->link_update.old_prog_fd, OBJECT_PROG, &expected, NULL);
    else if (!attr->link_update.old_prog_fd)
        result = RESULT_OK;
    if (!result)
        result = link_update((struct link *)link, (struct prog *)prog, (struct prog *)expected);
    if (expected)
        object_put(expected, REF_LOOKUP);
    object_put(prog, REF_LOOKUP);
put_link:
    object_put(link, REF_LOOKUP);
    return result;
}

enum result command_link_detach(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    struct object *link;
    enum result result = command_object(command, (int)attr->link_detach.link_fd, OBJECT_LINK, &link, NULL);
    if (result)
        return result;
    result = link_detach((struct link *)link);
    object_put(link, REF_LOOKUP);
    return result;
}
