/* SPDX-License-Identifier: MIT
 *
 * What the generated thunks ask before they go on: the IRQL rule, then where Wine's routine is.
 */
#include "overlay.h"

struct rule {
    const char *name;
    ULONG64 highest;
};

extern const struct rule rule_table[]; /* generated from rules.def */
void *rule_check(ULONG index, const void *caller);

void *rule_check(ULONG index, const void *caller)
{
    static void *routines[512];
    const struct rule *rule = &rule_table[index];
    require_irql(rule->name, (KIRQL)rule->highest, caller);
    if (!routines[index])
        routines[index] = wine_routine(rule->name);
    return routines[index];
}
