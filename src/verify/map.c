/* SPDX-License-Identifier: MIT
 *
 * What a map's BTF says of its values: locks and timers live in them, and plain code may not touch these.
 */
#include <string.h>
#include "verify/state.h"

static const struct {
    const char *name;
    uint32_t size;
} special[] = {{"bpf_spin_lock", 4}, {"bpf_timer", 16}};

static int32_t find_member(const struct btf *btf, uint32_t type, const char *name)
{
    struct btf_type_view view;
    if (!type || type >= btf_type_count(btf))
        return -1;
    type = btf_skip_modifiers(btf, type);
    view = btf_type(btf, type);
    if (view.kind != BTF_KIND_STRUCT)
        return -1;
    for (uint32_t i = 0; i < view.vlen; i++) {
        struct btf_member_view member = btf_member(btf, type, i);
        struct btf_type_view inner = btf_type(btf, btf_skip_modifiers(btf, member.type));
        if (inner.kind == BTF_KIND_STRUCT && !strcmp(inner.name, name))
            return (int32_t)(member.bit_offset / 8);
    }
    return -1;
}

static const struct btf *btf_of(const struct verifier *v, uint32_t map)
{
    return v->input->map_btf ? v->input->map_btf[map] : v->input->btf;
}

const struct map_info *map_info(struct verifier *v, uint32_t map)
{
    struct map_info *info = &v->maps[map];
    if (!info->known) {
        const struct map_spec *spec = &v->image->maps[map];
        int32_t at[2] = {-1, -1};
        const struct btf *btf = btf_of(v, map);
        for (unsigned i = 0; btf && i < 2; i++) {
            at[i] = find_member(btf, spec->btf_value, special[i].name);
            if (at[i] >= 0 && (uint32_t)at[i] + special[i].size > spec->value_size)
                at[i] = -1;
        }
        info->lock = at[0];
        info->timer = at[1];
        info->known = true;
    }
    return info;
}

bool map_special(struct verifier *v, const struct value *base, int32_t off, uint64_t size, const char *does)
{
    const struct map_info *info;
    if (!btf_of(v, base->index) || !v->image->maps[base->index].btf_value)
        return true;
    info = map_info(v, base->index);
    int64_t low = value_low(base, off), high = value_high(base, off) + (int64_t)size;
    if (info->lock >= 0 && low < info->lock + 4 && high > info->lock)
        return refuse(v, REASON_SPECIAL_FIELD, "%s the bpf_spin_lock at offset %d of a map value", does, info->lock);
    if (info->timer >= 0 && low < info->timer + 16 && high > info->timer)
        return refuse(v, REASON_SPECIAL_FIELD, "%s the bpf_timer at offset %d of a map value", does, info->timer);
    return true;
}
