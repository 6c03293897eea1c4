/* SPDX-License-Identifier: MIT
 *
 * The result table, printed from base/result.def.
 */
#include "base/result.h"

struct result_row {
    int error, msvc;
    const char *text;
};

static const struct result_row rows[RESULT_COUNT] = {
#define RESULT(name, errno_, msvc_, text_) [RESULT_##name] = {errno_, msvc_, text_},
#include "base/result.def"
#undef RESULT
};

int result_errno(enum result result)
{
    return (unsigned)result < RESULT_COUNT ? rows[result].error : rows[RESULT_INVALID].error;
}

int result_msvc_errno(enum result result)
{
    return (unsigned)result < RESULT_COUNT ? rows[result].msvc : rows[RESULT_INVALID].msvc;
}

const char *result_text(enum result result)
{
    return (unsigned)result < RESULT_COUNT ? rows[result].text : "unknown result";
}

enum result result_from_errno(int error)
{
    for (unsigned i = 0; i < RESULT_COUNT; i++)
        if (rows[i].error == error)
            return (enum result)i;
    return RESULT_INVALID;
}
