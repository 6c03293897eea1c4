/* SPDX-License-Identifier: MIT
 *
 * An object's programs.  An image names maps and helpers by index; what bpf() takes names helpers by id and maps by
 * descriptor.  Positions of instructions stay the same, so line and function records do too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "contract/contract.h"

enum { LOG_SIZE = 1 << 18 };

int api_program_init(struct bpf_object *object, uint32_t index)
{
    struct bpf_program *program = &object->programs[index];
    const struct image *image = &object->elf.programs[index];
    program->object = object;
    program->image = image;
    program->section = image->section;
    program->fd = -1;
    program->type = (enum bpf_prog_type)image->prog_type;
    program->attach_type = (enum bpf_attach_type)image->attach_type;
    program->flags = image->prog_flags;
    program->autoattach = true;
    program->log_level = object->log_level;
    program->skip = image->section[0] == '?';
    program->insn_count = image->insn_count;
    program->insns = calloc(image->insn_count ? image->insn_count : 1, sizeof *program->insns);
    if (!program->insns)
        return ENOMEM;
    _Static_assert(sizeof(struct bpf_insn) == sizeof(struct insn), "two names for the same 8 bytes");
    if (image->insn_count)
        memcpy(program->insns, image->insns, image->insn_count * sizeof *program->insns);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        struct bpf_insn *insn = &program->insns[i];
        if (insn->code == (BPF_LD | BPF_IMM | BPF_DW))
            i++; /* the second half is no instruction */
        else if (insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == CALL_SRC_HELPER &&
                 (uint32_t)insn->imm < image->helper_count)
            insn->imm = image->helpers[insn->imm].id;
    }
    return 0;
}

void api_program_close(struct bpf_program *program)
{
    bpf_program__unload(program);
    free(program->insns);
}

/* Map indices become descriptors. */
static int resolve_maps(struct bpf_program *program)
{
    struct bpf_object *object = program->object;
    for (size_t i = 0; !program->own_insns && i < program->insn_count; i++) {
        struct bpf_insn *insn = &program->insns[i];
        if (insn->code != (BPF_LD | BPF_IMM | BPF_DW))
            continue;
        if (insn->src_reg == LDDW_SRC_MAP_INDEX || insn->src_reg == LDDW_SRC_MAP_INDEX_VALUE) {
            const struct bpf_map *map = (uint32_t)insn->imm < object->elf.map_count ? &object->maps[insn->imm] : NULL;
            if (!map)
                return EINVAL;
            if (map->fd < 0) {
                api_warn("%s: program '%s': instruction %zu uses map '%s', which is not there\n", object->path,
                         program->image->name, i, map->name);
                return EINVAL;
            }
            insn->src_reg = insn->src_reg == LDDW_SRC_MAP_INDEX ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE;
            insn->imm = map->fd;
        }
        i++;
    }
    return 0;
}

/* Records for PROG_LOAD; *count 0 where the image has none that are whole.  NULL: no memory. */
static struct bpf_func_info *func_info(const struct image *image, uint32_t *count)
{
    struct bpf_func_info *out = calloc(image->func_count ? image->func_count : 1, sizeof *out);
    *count = 0;
    for (uint32_t i = 0; out && i < image->func_count; i++) {
        if (!image->funcs[i].btf_type) {
            *count = 0;
            return out;
        }
        out[i] = (struct bpf_func_info){image->funcs[i].insn, image->funcs[i].btf_type};
        *count = i + 1;
    }
    return out;
}

static struct bpf_line_info *line_info(const struct image *image, uint32_t *count)
{
    struct bpf_line_info *out = calloc(image->line_count ? image->line_count : 1, sizeof *out);
    *count = out ? image->line_count : 0;
    for (uint32_t i = 0; i < *count; i++) {
        const struct image_line *line = &image->lines[i];
        out[i] = (struct bpf_line_info){line->insn, line->file, line->text, line->line << 10 | (line->column & 0x3ff)};
    }
    return out;
}

static int submit(struct bpf_program *program, union bpf_attr *attr, uint32_t level, char *log, size_t log_size)
{
    attr->log_level = level;
    attr->log_buf = level ? api_address(log) : 0;
    attr->log_size = level ? (uint32_t)log_size : 0;
    return api_bpf_as(program->object->numbers, BPF_PROG_LOAD, attr,
                      offsetof(union bpf_attr, fd_array) + sizeof attr->fd_array);
}

int api_program_load(struct bpf_program *program)
{
    struct bpf_object *object = program->object;
    const struct image *image = program->image;
    union bpf_attr attr;
    const char *broken = object->elf.broken ? object->elf.broken[image - object->elf.programs] : NULL;
    if (broken && !program->own_insns) {
        api_warn("%s: program '%s': %s\n", object->path, image->name, broken);
        return api_fail(EINVAL);
    }
    if (!program->type) {
        api_warn("%s: program '%s': section '%s' does not tell its type\n", object->path, image->name, image->section);
        return api_fail(EINVAL);
    }
    int error = resolve_maps(program);
    if (error)
        return api_fail(error);
    ZEROED(attr);
    attr.prog_type = program->type;
    api_name_copy(attr.prog_name, image->name);
    attr.license = api_address(image->license);
    attr.insns = api_address(program->insns);
    attr.insn_cnt = (uint32_t)program->insn_count;
    attr.expected_attach_type = program->attach_type;
    attr.prog_flags = program->flags;
    attr.prog_ifindex = program->ifindex;
    attr.kern_version = object->elf.version;

    uint32_t funcs = 0, lines = 0;
    struct bpf_func_info *func_records = NULL;
    struct bpf_line_info *line_records = NULL;
    if (object->btf_fd >= 0 && !program->own_insns) {
        func_records = func_info(image, &funcs);
        line_records = line_info(image, &lines);
        if (!func_records || !line_records) {
            free(func_records);
            free(line_records);
            return api_fail(ENOMEM);
        }
        attr.prog_btf_fd = (uint32_t)object->btf_fd;
        attr.func_info_rec_size = funcs ? sizeof *func_records : 0;
        attr.func_info = funcs ? api_address(func_records) : 0;
        attr.func_info_cnt = funcs;
        attr.line_info_rec_size = funcs && lines ? sizeof *line_records : 0;
        attr.line_info = funcs && lines ? api_address(line_records) : 0;
        attr.line_info_cnt = funcs ? lines : 0;
    }

    char *log = program->log ? program->log : object->log, *own = NULL;
    size_t log_size = program->log ? program->log_size : object->log_size;
    int fd = submit(program, &attr, log ? program->log_level : 0, log, log_size);
    error = errno;
    if (fd < 0 && error != ENOMEM && !(log && program->log_level)) { /* once more, to hear why */
        if (!log) {
            log = own = calloc(1, LOG_SIZE);
            log_size = LOG_SIZE;
        }
        if (log) {
            fd = submit(program, &attr, 1, log, log_size);
            error = fd < 0 && errno != ENOSPC ? errno : error;
        }
    }
    if (fd < 0) {
        api_warn("%s: program '%s': rejected: %s\n", object->path, image->name, api_strerror(error));
        if (log && *log)
            api_print(LIBBPF_WARN, "%s%s", log, log[strlen(log) - 1] == '\n' ? "" : "\n");
    }
    free(own);
    free(func_records);
    free(line_records);
    program->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? api_fail(error) : 0;
}

/* What the application asks and changes. */

/* A program type's number, from one personality's numbers to another's; 0 where that one lacks it. */
static enum bpf_prog_type translate(enum personality_of_caller from, enum personality_of_caller to,
                                    enum bpf_prog_type type)
{
    static const enum personality of[] = {[CALLER_LINUX] = PERSONALITY_LINUX, [CALLER_EFW] = PERSONALITY_EFW};
    const struct program_contract *contract = from == to ? NULL : contract_program(of[from], (uint32_t)type);
    return from == to ? type : contract ? (enum bpf_prog_type)contract->type[of[to]] : BPF_PROG_TYPE_UNSPEC;
}

#define READ(type, function, value)                                                                                    \
    type function(const struct bpf_program *prog)                                                                      \
    {                                                                                                                  \
        return value;                                                                                                  \
    }
READ(const char *, bpf_program__name, prog->image->name)
READ(const char *, bpf_program__section_name, prog->section)
READ(bool, bpf_program__autoload, !prog->skip)
READ(bool, bpf_program__autoattach, prog->autoattach)
READ(const struct bpf_insn *, bpf_program__insns, prog->insns)
READ(size_t, bpf_program__insn_cnt, prog->insn_count)
READ(enum bpf_prog_type, bpf_program__type, translate(prog->object->numbers, api_numbers, prog->type))
READ(enum bpf_prog_type, bpf_program__get_type, bpf_program__type(prog))
READ(enum bpf_attach_type, bpf_program__expected_attach_type, prog->attach_type)
READ(enum bpf_attach_type, bpf_program__get_expected_attach_type, prog->attach_type)
READ(__u32, bpf_program__flags, prog->flags)
READ(__u32, bpf_program__log_level, prog->log_level)

int bpf_program__fd(const struct bpf_program *prog)
{
    if (!prog)
        return api_fail(EINVAL);
    return prog->fd < 0 ? api_fail(ENOENT) : prog->fd;
}

#define CHANGE(function, type, statement)                                                                              \
    int function(struct bpf_program *prog, type value)                                                                 \
    {                                                                                                                  \
        if (prog->object->loaded)                                                                                      \
            return api_fail(EBUSY);                                                                                    \
        statement;                                                                                                     \
        return 0;                                                                                                      \
    }
CHANGE(bpf_program__set_type, enum bpf_prog_type, prog->type = translate(api_numbers, prog->object->numbers, value))
CHANGE(bpf_program__set_expected_attach_type, enum bpf_attach_type, prog->attach_type = value)
CHANGE(bpf_program__set_flags, __u32, prog->flags = value)
CHANGE(bpf_program__set_log_level, __u32, prog->log_level = value)

int bpf_program__set_autoload(struct bpf_program *prog, bool autoload)
{
    if (prog->object->loaded)
        return api_fail(EINVAL);
    prog->skip = !autoload;
    return 0;
}

void bpf_program__set_autoattach(struct bpf_program *prog, bool autoattach)
{
    prog->autoattach = autoattach;
}

void bpf_program__set_ifindex(struct bpf_program *prog, __u32 ifindex)
{
    prog->ifindex = ifindex;
}

const char *bpf_program__log_buf(const struct bpf_program *prog, size_t *log_size)
{
    *log_size = prog->log_size;
    return prog->log;
}

int bpf_program__set_log_buf(struct bpf_program *prog, char *log_buf, size_t log_size)
{
    if (!!log_buf != !!log_size || log_size > UINT32_MAX)
        return api_fail(EINVAL);
    if (prog->object->loaded)
        return api_fail(EBUSY);
    prog->log = log_buf;
    prog->log_size = log_size;
    return 0;
}

int bpf_program__set_insns(struct bpf_program *prog, struct bpf_insn *new_insns, size_t new_insn_cnt)
{
    if (prog->object->loaded)
        return api_fail(EBUSY);
    struct bpf_insn *copy = calloc(new_insn_cnt ? new_insn_cnt : 1, sizeof *copy);
    if (!copy)
        return api_fail(ENOMEM);
    if (new_insn_cnt)
        memcpy(copy, new_insns, new_insn_cnt * sizeof *copy);
    free(prog->insns);
    prog->insns = copy;
    prog->insn_count = new_insn_cnt;
    prog->own_insns = true;
    return 0;
}

int bpf_program__pin(struct bpf_program *prog, const char *path)
{
    if (prog->fd < 0) {
        api_warn("program '%s': not loaded, cannot be pinned\n", prog->image->name);
        return api_fail(EINVAL);
    }
    return bpf_obj_pin(prog->fd, path);
}

int bpf_program__unpin(struct bpf_program *prog, const char *path)
{
    return prog->fd < 0 ? api_fail(EINVAL) : api_unpin(path);
}

void bpf_program__unload(struct bpf_program *prog)
{
    if (!prog)
        return;
    if (prog->fd >= 0)
        api_close(prog->fd);
    prog->fd = -1;
}

int libbpf_prog_type_by_name(const char *name, enum bpf_prog_type *prog_type,
                             enum bpf_attach_type *expected_attach_type)
{
    const struct section_contract *section = name ? contract_section(PERSONALITY_LINUX, name) : NULL;
    if (!name)
        return api_fail(EINVAL);
    if (!section)
        return api_fail(ESRCH);
    *prog_type = (enum bpf_prog_type)section->prog_type;
    *expected_attach_type = (enum bpf_attach_type)section->attach_type;
    return 0;
}

int libbpf_attach_type_by_name(const char *name, enum bpf_attach_type *attach_type)
{
    const struct section_contract *section = name ? contract_section(PERSONALITY_LINUX, name) : NULL;
    if (!section)
        return api_fail(EINVAL);
    *attach_type = (enum bpf_attach_type)section->attach_type;
    return 0;
}

const char *libbpf_bpf_prog_type_str(enum bpf_prog_type t)
{
    return contract_program_type_name(PERSONALITY_LINUX, (uint32_t)t);
}

const char *libbpf_bpf_map_type_str(enum bpf_map_type t)
{
    return contract_map_kind_name((uint32_t)t);
}
