/* SPDX-License-Identifier: MIT
 *
 * The one place that names what the system is made of.
 */
#include "compose.h"
#include "core/helper.h"
#include "core/hook.h"
#include "core/map.h"
#include "helpers/helpers.h"
#include "hooks/hooks.h"
#include "maps/maps.h"

enum result compose_start(const struct core_options *options)
{
    enum result result = core_start(options);
    if (result)
        return result;
    for (const struct map_ops *const *kind = map_kinds; *kind; kind++)
        map_register(*kind);
    for (const struct helper_family *family = helper_families; family->helpers; family++)
        helper_register(family->helpers, family->prog_types);
    for (const struct hook_helpers *family = hook_helper_families; family->helpers; family++)
        helper_register(family->helpers, family->prog_types);
    for (const struct hook_ops *const *hook = hook_table; *hook; hook++)
        hook_register(*hook);
    return RESULT_OK;
}

void compose_stop(void)
{
    core_stop();
}
