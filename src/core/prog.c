/* SPDX-License-Identifier: MIT
 *
 * A program comes in as an image with its maps and leaves as code.  Everything that its code may look at (the copy of
 * the image, the binding) lies in the program's arena and is constant.  Running takes no lock and no reference: the
 * caller is in an epoch section, and a program's memory goes only when every section that could have found it has
 * ended.
 */
#include <string.h>
#include <linux/bpf.h>
#include "base/checked.h"
#include "base/list.h"
#include "core/btf_object.h"
#include "core/helper.h"
#include "core/hook.h"
#include "core/prog.h"
#include "core/prog_impl.h"
#include "core/sha256.h"

enum { TAG = OS_TAG('p', 'r', 'o', 'g'), ARENA_LIMIT = 256 << 20 };

static const struct engine *engine;
static const struct core_admission *admission;
static const struct executable *executable;
static uint32_t timed; /* how many want run times */

/* Per CPU slot, a line that says whether it is in use and then what the engine wants.  A program that runs inside
 * another's invocation finds it taken. */
static uint8_t *scratch;
static size_t scratch_stride, scratch_size;
enum { SCRATCH_HEAD = 64 };

enum result prog_start(const struct core_options *options)
{
    engine = options->engine;
    admission = options->admission;
    executable = options->executable;
    timed = 0;
    scratch = NULL;
    scratch_size = engine->scratch_size;
    for (const struct engine *const *next = admission ? admission->engines : NULL; next && *next; next++)
        scratch_size = (*next)->scratch_size > scratch_size ? (*next)->scratch_size : scratch_size;
    if (!scratch_size)
        return RESULT_OK;
    scratch_stride = SCRATCH_HEAD + ((scratch_size + 63) & ~(size_t)63);
    scratch = os_alloc_aligned(os_cpu_count() * scratch_stride, TAG);
    return scratch ? RESULT_OK : RESULT_NO_MEMORY;
}

void prog_stop(void)
{
    os_free_aligned(scratch, os_cpu_count() * scratch_stride, TAG);
    scratch = NULL;
}

void prog_time_runs(int change)
{
    os_fetch_add(&timed, (uint32_t)change);
}

static void release(struct prog *prog)
{
    if (prog->code)
        prog->code->engine->destroy(prog->code);
    for (uint32_t i = 0; prog->maps && i < prog->image.map_count && prog->maps[i]; i++)
        object_put(&prog->maps[i]->object, REF_PROG_MAP);
    if (prog->btf)
        object_put(&prog->btf->object, REF_BTF);
    os_free_aligned(prog->run_counts, os_cpu_count() * sizeof *prog->run_counts, TAG);
    arena_release(&prog->arena);
    os_free(prog, sizeof *prog, TAG);
}

static void reclaim(struct epoch_entry *entry)
{
    release(container_of(entry, struct prog, retired));
}

static void destroy(struct object *object)
{
    epoch_retire(&container_of(object, struct prog, object)->retired, reclaim);
}

static const void *copy(struct arena *arena, const void *from, size_t count, size_t size, bool *failed)
{
    void *to = arena_array(arena, count, size);
    if (!to)
        *failed = true;
    else if (count)
        memcpy(to, from, count * size);
    return to;
}

static const char *copy_text(struct arena *arena, const char *text, bool *failed)
{
    const char *to = arena_text(arena, text ? text : "", text ? strlen(text) : 0);
    *failed |= !to;
    return to;
}

static enum result copy_image(struct prog *prog, const struct image *from)
{
    struct arena *arena = &prog->arena;
    struct image *to = &prog->image;
    bool failed = false;
    *to = *from;
    to->name = copy_text(arena, from->name, &failed);
    to->section = copy_text(arena, from->section, &failed);
    to->license = copy_text(arena, from->license, &failed);
    to->insns = copy(arena, from->insns, from->insn_count, sizeof *from->insns, &failed);
    to->maps = copy(arena, from->maps, from->map_count, sizeof *from->maps, &failed);
    to->helpers = copy(arena, from->helpers, from->helper_count, sizeof *from->helpers, &failed);
    to->funcs = copy(arena, from->funcs, from->func_count, sizeof *from->funcs, &failed);
    to->lines = copy(arena, from->lines, from->line_count, sizeof *from->lines, &failed);
    for (uint32_t i = 0; !failed && i < to->map_count; i++) {
        struct map_spec *spec = (struct map_spec *)&to->maps[i];
        spec->name = copy_text(arena, spec->name, &failed);
        spec->contents = (struct bytes){NULL, 0};
    }
    for (uint32_t i = 0; !failed && i < to->func_count; i++) {
        struct image_func *func = (struct image_func *)&to->funcs[i];
        func->name = copy_text(arena, func->name, &failed);
    }
    to->btf = prog->btf ? prog->btf->bytes : (struct bytes){NULL, 0};
    if (!prog->btf)
        to->line_count = 0; /* lines are offsets into BTF strings */
    return failed ? RESULT_NO_MEMORY : RESULT_OK;
}

static enum result bind_maps(struct prog *prog, struct map *const *maps)
{
    uint32_t count = prog->image.map_count;
    struct engine_map *out = arena_array(&prog->arena, count, sizeof *out);
    prog->maps = arena_array(&prog->arena, count, sizeof *prog->maps);
    if (!out || !prog->maps)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct map *map = maps[i];
        object_get(&map->object, REF_PROG_MAP);
        prog->maps[i] = map;
        out[i].handle = map;
        out[i].kind = map->kind;
        out[i].key_size = map->key_size;
        out[i].value_size = map->value_size;
        out[i].max_entries = map->max_entries;
        out[i].stride = map->stride;
        out[i].flags = map->flags;
        out[i].inner = IMAGE_NO_INDEX;
        if (map->ops->describe)
            map->ops->describe(map, &out[i]);
    }
    prog->binding.maps = out;
    return RESULT_OK;
}

/* lddw 6 names a place in a map's only value: the map must have one, and the place lie in it. */
static enum result check_values(const struct prog *prog, const struct diag *diag)
{
    for (uint32_t i = 0; i < prog->image.insn_count; i++) {
        const struct insn *insn = &prog->image.insns[i];
        if (!insn_is_lddw(insn))
            continue;
        if (insn_src(insn) == LDDW_SRC_MAP_INDEX_VALUE) {
            const struct engine_map *map = &prog->binding.maps[insn->imm];
            uint32_t offset = (uint32_t)insn[1].imm;
            if (!map->values || map->max_entries != 1) {
                diag_error(diag, "insn %u: map '%s' has no single value to point at", i, prog->maps[insn->imm]->name);
                return map->values ? RESULT_NOT_SUPP : RESULT_INVALID;
            }
            if (offset >= map->value_size) {
                diag_error(diag, "insn %u: offset %u is outside the value of map '%s' (%u bytes)", i, offset,
                           prog->maps[insn->imm]->name, map->value_size);
                return RESULT_INVALID;
            }
        }
        i++;
    }
    return RESULT_OK;
}

static bool gpl_compatible(const char *license)
{
    static const char *const names[] = {"GPL",          "GPL v2",       "GPL and additional rights",
                                        "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(license, names[i]))
            return true;
    return false;
}

bool prog_gpl_compatible(const struct prog *prog)
{
    return gpl_compatible(prog->image.license);
}

/* The first call of a helper in what is to run; IMAGE_NO_INDEX where it is not called. */
static uint32_t caller_of(const struct image *image, uint32_t helper)
{
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        if (insn->code == (BPF_JMP | BPF_CALL) && insn_src(insn) == CALL_SRC_HELPER && (uint32_t)insn->imm == helper)
            return i;
        i += (uint32_t)insn_is_lddw(insn);
    }
    return IMAGE_NO_INDEX;
}

static enum result bind_helpers(struct prog *prog)
{
    struct image *image = &prog->image;
    struct engine_helper *out = arena_array(&prog->arena, image->helper_count, sizeof *out);
    if (!out)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < image->helper_count; i++) {
        const struct helper *helper =
            helper_find(image->personality, prog->contract->type[PERSONALITY_LINUX], image->helpers[i].id);
        if (helper)
            out[i] = (struct engine_helper){helper->fn, &helper->proto};
    }
    prog->binding.helpers = out;
    return RESULT_OK;
}

/* Is each helper that is called one that such a program may call? */
static enum result check_helpers(const struct prog *prog, const struct image *running, const struct diag *diag)
{
    const struct image *image = &prog->image;
    for (uint32_t i = 0; i < image->helper_count; i++) {
        int32_t id = image->helpers[i].id;
        const struct helper_proto *proto = prog->binding.helpers[i].proto;
        bool closed = proto && proto->flags & HELPER_GPL_ONLY && !gpl_compatible(image->license);
        uint32_t at = proto && !closed ? IMAGE_NO_INDEX : caller_of(running, i);
        if (at == IMAGE_NO_INDEX)
            continue;
        if (prog->to_old)
            at = prog->to_old[at];
        const char *name = contract_helper_name(image->personality, id);
        if (closed)
            diag_error(diag, "insn %u: helper bpf_%s is for programs under the GPL; this one's license is '%s'", at,
                       proto->name, image->license);
        else if (name)
            diag_error(diag, "insn %u: unknown func bpf_%s#%d: programs of type %s have no such helper here", at, name,
                       id, prog->contract->name);
        else
            diag_error(diag, "insn %u: unknown func #%d", at, id);
        return RESULT_INVALID;
    }
    return RESULT_OK;
}

/* Lets the program's judge say what it is to run as. */
static enum result admit(struct prog *prog, const struct prog_source *source)
{
    const struct helper_proto **protos =
        os_alloc((prog->image.helper_count + 1) * sizeof *protos, TAG); /* a program without helpers, too */
    if (!protos)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < prog->image.helper_count; i++)
        protos[i] = prog->binding.helpers[i].proto;
    enum result result = prog_admit(prog, admission, source, protos);
    os_free(protos, (prog->image.helper_count + 1) * sizeof *protos, TAG);
    return result;
}

static enum result compile(struct prog *prog, const struct diag *diag)
{
    enum result result;
    if (!prog->verified)
        return engine->compile(&prog->binding, &os_allocator, executable, diag, &prog->code);
    const struct engine *const *next = admission->engines;
    do {
        result = (*next)->compile(&prog->binding, &os_allocator, executable, next[1] ? NULL : diag, &prog->code);
    } while ((result == RESULT_NOT_SUPPORTED || result == RESULT_ACCESS) && *++next);
    return result;
}

void prog_tag(const struct insn *insns, uint32_t count, uint8_t tag[8])
{
    struct sha256 hash;
    uint8_t digest[32];
    sha256_begin(&hash);
    for (uint32_t i = 0; i < count; i++) {
        struct insn insn = insns[i];
        if (insn_is_lddw(&insn) && i + 1 < count) {
            unsigned src = insn_src(&insn);
            bool map = src == LDDW_SRC_MAP_FD || src == LDDW_SRC_MAP_INDEX;
            bool value = src == LDDW_SRC_MAP_VALUE || src == LDDW_SRC_MAP_INDEX_VALUE;
            struct insn second = insns[++i];
            if (map || value) {
                insn.imm = 0;
                second.imm = 0;
                insn.regs = (uint8_t)(insn_dst(&insn) | (map ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE) << 4);
            }
            sha256_add(&hash, &insn, sizeof insn);
            insn = second;
        }
        sha256_add(&hash, &insn, sizeof insn);
    }
    sha256_end(&hash, digest);
    memcpy(tag, digest, 8);
}

/* The tag of an image: its helper indices go back to ids first. */
static enum result set_tag(struct prog *prog)
{
    struct insn *insns = prog_caller_insns(prog, &os_allocator);
    if (!insns)
        return RESULT_NO_MEMORY;
    prog_tag(insns, prog->image.insn_count, prog->tag);
    os_allocator.free(os_allocator.self, insns, prog->image.insn_count * sizeof *insns);
    return RESULT_OK;
}

struct insn *prog_caller_insns(const struct prog *prog, const struct allocator *memory)
{
    const struct image *image = &prog->image;
    struct insn *insns = memory->alloc(memory->self, image->insn_count * sizeof *insns);
    if (!insns)
        return NULL;
    memcpy(insns, image->insns, image->insn_count * sizeof *insns);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        struct insn *insn = &insns[i];
        unsigned src = insn_src(insn);
        if (insn->code == (BPF_JMP | BPF_CALL) && src == CALL_SRC_HELPER)
            insn->imm = image->helpers[insn->imm].id;
        if (!insn_is_lddw(insn))
            continue;
        if (src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE) {
            insn->imm = (int32_t)prog->maps[insn->imm]->object.id;
            insn->regs =
                (uint8_t)(insn_dst(insn) | (src == LDDW_SRC_MAP_INDEX ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE) << 4);
        }
        i++;
    }
    return insns;
}

enum result prog_create(const struct prog_source *source, struct prog **out)
{
    const struct image *image = source->image;
    const struct diag *diag = source->diag;
    struct btf_object *btf = source->btf;
    enum result result;
    const struct hook_ops *hook = hook_find(image->personality, image->prog_type);
    if (!hook) {
        const char *name = contract_program_type_name(image->personality, image->prog_type);
        diag_error(diag, "no hook here runs programs of type %u (%s)", image->prog_type, name ? name : "unknown");
        return RESULT_INVALID;
    }
    struct prog *prog = os_alloc(sizeof *prog, TAG);
    if (!prog)
        return RESULT_NO_MEMORY;
    arena_init(&prog->arena, &os_allocator, ARENA_LIMIT);
    prog->hook = hook;
    prog->contract = hook->contract;
    if (btf) {
        object_get(&btf->object, REF_BTF);
        prog->btf = btf;
    }
    result = copy_image(prog, image);
    if (!result)
        result = image_check(&prog->image, diag);
    if (result) {
        prog->image.map_count = 0;
        goto fail;
    }
    prog->binding.image = &prog->image;
    prog->binding.contract = prog->contract;
    if ((result = bind_maps(prog, source->maps)) || (result = check_values(prog, diag)) ||
        (result = bind_helpers(prog)))
        goto fail;
    if (admission && (result = admit(prog, source)))
        goto fail;
    if ((result = check_helpers(prog, prog->binding.image, diag)))
        goto fail;
    result = RESULT_NO_MEMORY;
    prog->run_counts = os_alloc_aligned(os_cpu_count() * sizeof *prog->run_counts, TAG);
    if (!prog->run_counts)
        goto fail;
    result = compile(prog, diag);
    if (result)
        goto fail;
    size_t machine_size;
    prog->tail.code = prog->code;
    prog->tail.jit_entry = prog_machine(prog, &machine_size);
    result = set_tag(prog);
    if (result)
        goto fail;
    size_t length = strlen(prog->image.name);
    memcpy(prog->name, prog->image.name, length < 15 ? length : 15);
    prog->load_time = os_time_boot();
    prog->created_by_uid = (uint32_t)os_current_uid_gid();
    object_init(&prog->object, OBJECT_PROG, destroy);
    result = object_publish(&prog->object);
    if (result)
        goto fail;
    *out = prog;
    return RESULT_OK;
fail:
    release(prog);
    return result;
}

const void *prog_machine(const struct prog *prog, size_t *size)
{
    const struct engine *own = prog->code->engine;
    *size = 0;
    return own->machine ? own->machine(prog->code, size) : NULL;
}

void prog_counts(const struct prog *prog, uint64_t *runs, uint64_t *ns)
{
    *runs = *ns = 0;
    for (uint32_t i = 0; i < os_cpu_count(); i++) {
        *runs += os_load(&prog->run_counts[i].runs);
        *ns += os_load(&prog->run_counts[i].ns);
    }
}

static ALWAYS_INLINE enum result run_once(struct prog *prog, uint32_t cpu, void *context, uint64_t *r0, bool map,
                                          struct code_fault *fault)
{
    struct context_header *header = context_header(context);
    struct invocation invocation = {prog, cpu};
    struct run run = {.context = context, .fault = fault};
    const struct code *code = prog->code;
    const struct return_map *returns = &prog->contract->returns[prog->image.personality];
    struct prog_counts *counts = &prog->run_counts[cpu];
    uint64_t begin = unlikely(os_load(&timed)) ? os_time_monotonic() : 0;
    enum result result;

    uint32_t *taken = NULL;
    if (scratch) {
        taken = (uint32_t *)(void *)(scratch + cpu * scratch_stride);
        run.scratch = *taken ? NULL : (uint8_t *)taken + SCRATCH_HEAD;
        run.scratch_size = run.scratch ? scratch_size : 0;
        taken = run.scratch ? taken : NULL;
        if (taken)
            *taken = 1;
    }
    header->cpu = cpu;
    header->invocation = &invocation;
    header->tail_calls = 0;
    for (;;) {
        header->tail_target = NULL;
        result = code->engine->run(code, &run);
        if (likely(result || !header->tail_target))
            break;
        code = ((const struct engine_tail *)header->tail_target)->code;
    }
    if (taken)
        *taken = 0;
    header->invocation = NULL;
    os_store(&counts->runs, os_load(&counts->runs) + 1); /* the slot is ours alone */
    if (unlikely(begin))
        os_store(&counts->ns, os_load(&counts->ns) + (os_time_monotonic() - begin));

    int32_t value = (int32_t)run.r0;
    if (unlikely(result != RESULT_OK))
        *r0 = map ? returns->otherwise : 0;
    else if (!map)
        *r0 = run.r0;
    else if (value < returns->range.lowest || value > returns->range.highest)
        *r0 = returns->otherwise;
    else
        *r0 = returns->real ? returns->real[value - returns->range.lowest] : (uint32_t)value;
    return result;
}

enum result prog_run(struct prog *prog, uint32_t cpu, void *context, uint64_t *r0, struct code_fault *fault)
{
    return run_once(prog, cpu, context, r0, true, fault);
}

enum result prog_run_raw(struct prog *prog, uint32_t cpu, void *context, uint64_t *r0, struct code_fault *fault)
{
    return run_once(prog, cpu, context, r0, false, fault);
}
