/* SPDX-License-Identifier: MIT
 *
 * A program and its maps, as whoever judges it wants to see them.
 *
 * Contents of a map are given only if nothing can change them any more: it is frozen, programs may not write to it, and
 * every client's write that began before has ended (they run in epoch sections; no mapping is writable, see
 * map_freeze).
 */
#include <string.h>
#include <linux/bpf.h>
#include "core/btf_object.h"
#include "core/prog_impl.h"

static bool is_constant(const struct map *map)
{
    return os_load(&map->frozen) && map->flags & BPF_F_RDONLY_PROG;
}

/* With the ids of its own BTF. */
static void describe(const struct map *map, struct map_spec *spec)
{
    map_specify(map, spec);
    if (map->btf) {
        spec->btf_key = map->btf_key;
        spec->btf_value = map->btf_value;
    }
}

static void passed(struct epoch_entry *entry) {}

/* Writes that saw some map not yet frozen have ended when this returns. */
static void wait_for_writers(void)
{
    struct epoch_entry entry;
    epoch_retire(&entry, passed);
    epoch_synchronize();
}

static enum result with_contents(const struct prog *prog, struct map_spec *specs, struct arena *arena)
{
    bool waited = false;
    for (uint32_t i = 0; i < prog->image.map_count; i++) {
        const struct engine_map *values = &prog->binding.maps[i];
        if (!is_constant(prog->maps[i]))
            continue;
        if (!waited)
            wait_for_writers();
        waited = true;
        specs[i].frozen = 1;
        if (values->how != ENGINE_INLINE_ARRAY || values->max_entries != 1)
            continue;
        void *copy = arena_alloc(arena, values->value_size);
        if (!copy)
            return RESULT_NO_MEMORY;
        memcpy(copy, values->values, values->value_size);
        specs[i].contents = (struct bytes){copy, values->value_size};
    }
    return RESULT_OK;
}

static enum result ask(struct prog *prog, const struct core_admission *admission, const struct prog_source *source,
                       const struct helper_proto *const *helpers, struct arena *arena, struct admitted *out)
{
    uint32_t count = prog->image.map_count, all = count;
    struct image image = prog->image;
    struct map_spec *specs = arena_array(arena, 2 * (size_t)count, sizeof *specs);
    const struct btf **types = arena_array(arena, 2 * (size_t)count, sizeof *types);
    if (!specs || !types)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct map *map = prog->maps[i], *inner = map->inner;
        describe(map, &specs[i]);
        types[i] = map->btf ? map->btf->btf : NULL;
        if (!inner)
            continue;
        describe(inner, &specs[all]);
        types[all] = inner->btf ? inner->btf->btf : NULL;
        specs[i].inner = all++;
    }
    enum result result = with_contents(prog, specs, arena);
    if (result)
        return result;
    image.maps = specs;
    image.map_count = all;
    struct admission asked = {
        .image = &image,
        .contract = prog->contract,
        .btf = prog->btf ? prog->btf->btf : NULL,
        .map_btf = types,
        .helpers = helpers,
        .privileged = source->privileged,
        .log_level = source->log_level,
        .diag = source->diag,
        .arena = &prog->arena,
    };
    return admission->admit(&asked, out);
}

enum result prog_admit(struct prog *prog, const struct core_admission *admission, const struct prog_source *source,
                       const struct helper_proto *const *helpers)
{
    struct arena arena;
    struct admitted admitted;
    arena_init(&arena, &os_allocator, 64 << 20);
    memset(&admitted, 0, sizeof admitted);
    enum result result = ask(prog, admission, source, helpers, &arena, &admitted);
    arena_release(&arena);
    if (result)
        return result;
    prog->lowered = admitted.image;
    prog->lowered.maps = prog->image.maps;
    prog->lowered.map_count = prog->image.map_count;
    prog->binding.image = &prog->lowered;
    prog->to_old = admitted.to_old;
    prog->verified_insns = admitted.steps < UINT32_MAX ? (uint32_t)admitted.steps : UINT32_MAX;
    prog->worst_case = admitted.worst_case;
    prog->verified = true;
    return RESULT_OK;
}
