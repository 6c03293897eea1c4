/* SPDX-License-Identifier: MIT
 *
 * Registered tables, searched in the order of registration.
 */
#include <string.h>
#include "core/helper.h"
#include "core/hook.h"
#include "core/map.h"
#include "core/registry.h"

enum { KINDS = 64, FAMILIES = 64, HOOKS = 64 };

static const struct map_ops *kinds[KINDS];
static struct family {
    const struct helper *helpers;
    uint64_t prog_types;
} families[FAMILIES];
static const struct hook_ops *hooks[HOOKS];

void map_register(const struct map_ops *ops)
{
    bug_if(ops->kind >= KINDS || kinds[ops->kind]);
    kinds[ops->kind] = ops;
}

const struct map_ops *map_kind(uint32_t kind)
{
    return kind < KINDS ? kinds[kind] : NULL;
}

void helper_register(const struct helper *family, uint64_t prog_types)
{
    unsigned i = 0;
    while (i < FAMILIES && families[i].helpers)
        i++;
    bug_if(i == FAMILIES);
    families[i] = (struct family){family, prog_types};
}

const struct helper *helper_find(enum personality personality, uint32_t linux_prog_type, int32_t id)
{
    if (id < 0)
        return NULL;
    for (unsigned i = 0; i < FAMILIES && families[i].helpers; i++) {
        if (families[i].prog_types && (linux_prog_type > 63 || !(families[i].prog_types >> linux_prog_type & 1)))
            continue;
        for (const struct helper *helper = families[i].helpers; helper->proto.name; helper++)
            if (helper->proto.id[personality] == id)
                return helper;
    }
    return NULL;
}

void hook_register(const struct hook_ops *ops)
{
    unsigned i = 0;
    while (i < HOOKS && hooks[i])
        i++;
    bug_if(i == HOOKS);
    hooks[i] = ops;
}

const struct hook_ops *hook_find(enum personality personality, uint32_t prog_type)
{
    if (!prog_type)
        return NULL;
    for (unsigned i = 0; i < HOOKS && hooks[i]; i++)
        if (hooks[i]->contract->type[personality] == prog_type)
            return hooks[i];
    return NULL;
}

void registry_clear(void)
{
    memset(kinds, 0, sizeof kinds);
    memset(families, 0, sizeof families);
    memset(hooks, 0, sizeof hooks);
}
