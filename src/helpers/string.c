/* SPDX-License-Identifier: MIT
 *
 * Memory and text.  efW's half follows the C library functions of the same names (C11 Annex K as Microsoft's library
 * has it): a positive EINVAL (22) or ERANGE (34) says why nothing was copied, and a destination that was too small is
 * made empty.  Linux's half parses numbers and compares.
 */
#include <string.h>
#include "helpers/answer.h"
#include "helpers/helpers.h"

enum { ANNEX_K_INVALID = 22, ANNEX_K_RANGE = 34 };

static uint64_t memcpy_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    void *to = answer_pointer(r1);
    const void *from = answer_pointer(r3);
    if (!r4)
        return 0;
    if (!to)
        return ANNEX_K_INVALID;
    if (!from || r2 < r4) {
        memset(to, 0, (size_t)r2);
        return from ? ANNEX_K_RANGE : ANNEX_K_INVALID;
    }
    memmove(to, from, (size_t)r4); /* a program may well pass overlapping memory */
    return 0;
}

static uint64_t memmove_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    void *to = answer_pointer(r1);
    const void *from = answer_pointer(r3);
    if (!r4)
        return 0;
    if (!to || !from)
        return ANNEX_K_INVALID;
    if (r2 < r4)
        return ANNEX_K_RANGE;
    memmove(to, from, (size_t)r4);
    return 0;
}

static uint64_t memcmp_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    uint64_t size = r2 < r4 ? r2 : r4;
    int order = size ? memcmp(answer_pointer(r1), answer_pointer(r3), (size_t)size) : 0;
    return (uint64_t)(int64_t)((order > 0) - (order < 0));
}

static uint64_t memset_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    if (r2)
        memset(answer_pointer(r1), (int)(r3 & 0xff), (size_t)r2);
    return 0;
}

static uint64_t length_within(const char *text, uint64_t most)
{
    uint64_t length = 0;
    while (length < most && text[length])
        length++;
    return length;
}

/* `at`: where in `to` the text goes. */
static uint64_t append(char *to, uint64_t capacity, uint64_t at, const char *from, uint64_t most)
{
    if (!from) {
        to[0] = 0;
        return ANNEX_K_INVALID;
    }
    uint64_t length = length_within(from, most);
    if (length >= capacity - at) {
        to[0] = 0;
        return ANNEX_K_RANGE;
    }
    memmove(to + at, from, (size_t)length);
    to[at + length] = 0;
    return 0;
}

static uint64_t strncpy_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    char *to = answer_pointer(r1);
    return to && r2 ? append(to, r2, 0, answer_pointer(r3), r4) : ANNEX_K_INVALID;
}

static uint64_t strncat_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    char *to = answer_pointer(r1);
    if (!to || !r2)
        return ANNEX_K_INVALID;
    uint64_t at = length_within(to, r2);
    if (at == r2) { /* no text at all */
        to[0] = 0;
        return ANNEX_K_INVALID;
    }
    return append(to, r2, at, answer_pointer(r3), r4);
}

static uint64_t strnlen_s_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return r1 ? length_within(answer_pointer(r1), r2) : 0;
}

static bool space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xa0; /* Linux's table is Latin-1 */
}

static uint32_t digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10u : 16;
}

enum { NUMBER_MOST = 63 }; /* characters after blanks and sign that are looked at, as on Linux */

/* Characters consumed, or a negative errno; the magnitude in *value. */
static int64_t parse(const uint8_t *text, uint64_t size, uint64_t flags, bool *negative, uint64_t *value)
{
    uint32_t base = (uint32_t)(flags & 31);
    if (!text || !size || flags & ~31ull || (base != 0 && base != 8 && base != 10 && base != 16))
        return -(int64_t)result_errno(RESULT_INVALID);
    uint64_t at = 0, left;
    while (at < size && space(text[at]))
        at++;
    *negative = at < size && text[at] == '-';
    at += *negative;
    left = size - at > NUMBER_MOST ? NUMBER_MOST : size - at;
    const uint8_t *digits = text + at;
    uint64_t i = 0, sum = 0, first;
    bool hex = left >= 2 && digits[0] == '0' && (digits[1] | 0x20) == 'x';
    if (!base)
        base = hex && left >= 3 && digit(digits[2]) < 16 ? 16 : left && digits[0] == '0' ? 8 : 10;
    if (base == 16 && hex)
        i = 2;
    bool overflow = false;
    for (first = i; i < left && digit(digits[i]) < base; i++) {
        uint64_t d = digit(digits[i]);
        overflow |= sum > (UINT64_MAX - d) / base;
        sum = sum * base + d;
    }
    if (overflow)
        return -(int64_t)result_errno(RESULT_RANGE);
    if (i == first)
        return -(int64_t)result_errno(RESULT_INVALID);
    *value = sum;
    return (int64_t)(at + i);
}

static uint64_t strtol_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    bool negative;
    uint64_t value;
    int64_t *out = answer_pointer(r4);
    *out = 0;
    int64_t consumed = parse(answer_pointer(r1), r2, r3, &negative, &value);
    if (consumed < 0)
        return (uint64_t)consumed;
    if (value > (uint64_t)INT64_MAX + negative)
        return answer(RESULT_RANGE);
    *out = (int64_t)(negative ? 0 - value : value);
    return (uint64_t)consumed;
}

static uint64_t strtoul_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    bool negative;
    uint64_t value, *out = answer_pointer(r4);
    *out = 0;
    int64_t consumed = parse(answer_pointer(r1), r2, r3, &negative, &value);
    if (consumed < 0)
        return (uint64_t)consumed;
    if (negative)
        return answer(RESULT_INVALID);
    *out = value;
    return (uint64_t)consumed;
}

static uint64_t strncmp_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    const uint8_t *a = answer_pointer(r1), *b = answer_pointer(r3);
    for (uint32_t i = 0; i < (uint32_t)r2; i++) {
        if (a[i] != b[i])
            return a[i] < b[i] ? UINT64_MAX : 1;
        if (!a[i])
            break;
    }
    return 0;
}

const struct helper string_helpers[] = {
    {{"memcpy_s", {-1, 22}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE, ARG_MEM, ARG_SIZE}, 0, 0, 2}, memcpy_s_},
    {{"memcmp_s", {-1, 23}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_MEM, ARG_SIZE}, 0, 0, 2}, memcmp_s_},
    {{"memset", {-1, 24}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE, ARG_ANYTHING}, 0, 0, 2}, memset_},
    {{"memmove_s", {-1, 25}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE, ARG_MEM, ARG_SIZE}, 0, 0, 2}, memmove_s_},
    {{"strncpy_s", {-1, 27}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE, ARG_MEM, ARG_SIZE}, 0, 0, 2}, strncpy_s_},
    {{"strncat_s", {-1, 28}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE, ARG_MEM, ARG_SIZE}, 0, 0, 2}, strncat_s_},
    {{"strnlen_s", {-1, 29}, RET_INTEGER, {ARG_MEM, ARG_SIZE}, 0, 0, 2}, strnlen_s_},
    {{"strtol", {105, -1}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_ANYTHING, ARG_LONG}, 0, 0, 2}, strtol_},
    {{"strtoul", {106, -1}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_ANYTHING, ARG_LONG}, 0, 0, 2}, strtoul_},
    {{"strncmp", {182, -1}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_CONST_STR}, 0, 0, 2}, strncmp_},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};
