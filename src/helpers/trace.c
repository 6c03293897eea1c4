/* SPDX-License-Identifier: MIT
 *
 * trace_printk and its relatives: a line of text for whoever looks, in the order of the calls.
 */
#include "helpers/trace.h"
#include <string.h>
#include "helpers/answer.h"
#include "helpers/format.h"
#include "helpers/helpers.h"
#include "platform/os.h"

enum { KEPT = 64 << 10, LINE_MOST = 1024, VARIADIC_MOST = 12 };

static struct {
    struct os_spin_lock lock;
    uint64_t written; /* bytes ever */
    char text[KEPT];
    void (*sink)(void *, const char *);
    void *self;
} trace;

void trace_set_sink(void (*sink)(void *self, const char *line), void *self)
{
    os_irql state = os_spin_acquire(&trace.lock);
    trace.sink = sink;
    trace.self = self;
    os_spin_release(&trace.lock, state);
}

static void keep(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        trace.text[trace.written++ % KEPT] = text[i];
}

static void emit(const char *line)
{
    size_t length = strlen(line);
    os_irql state = os_spin_acquire(&trace.lock);
    keep(line, length);
    if (!length || line[length - 1] != '\n')
        keep("\n", 1);
    void (*sink)(void *, const char *) = trace.sink;
    void *self = trace.self;
    os_spin_release(&trace.lock, state);
    if (sink)
        sink(self, line);
}

size_t trace_read(uint64_t *position, char *out, size_t capacity)
{
    os_irql state = os_spin_acquire(&trace.lock);
    uint64_t from = *position, oldest = trace.written > KEPT ? trace.written - KEPT : 0;
    if (from < oldest || from > trace.written)
        from = oldest;
    size_t length = 0;
    while (from < trace.written && length < capacity)
        out[length++] = trace.text[from++ % KEPT];
    *position = from;
    os_spin_release(&trace.lock, state);
    return length;
}

static uint64_t print(const char *format, uint64_t size, const uint64_t *arguments, uint32_t count)
{
    char line[LINE_MOST];
    struct text text;
    text_init(&text, line, sizeof line);
    enum result result = format_write(&text, format, size, arguments, count);
    if (result)
        return answer(result);
    emit(line);
    return text.length;
}

/* efW numbers it by how many registers it takes, Linux has one id for all. */
static uint64_t trace_printk(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    const uint64_t arguments[] = {r3, r4, r5};
    return print(answer_pointer(r1), (uint32_t)r2, arguments, 3);
}

static uint64_t trace_printk2(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return print(answer_pointer(r1), (uint32_t)r2, NULL, 0);
}

static uint64_t trace_printk3(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return print(answer_pointer(r1), (uint32_t)r2, &r3, 1);
}

static uint64_t trace_printk4(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    const uint64_t arguments[] = {r3, r4};
    return print(answer_pointer(r1), (uint32_t)r2, arguments, 2);
}

/* `data` of a program as arguments; false when its size cannot be one. */
static bool variadic(uint64_t data, uint32_t size, uint64_t arguments[VARIADIC_MOST])
{
    if (size % 8 || size > VARIADIC_MOST * 8 || (size && !data))
        return false;
    if (size)
        memcpy(arguments, answer_pointer(data), size);
    return true;
}

static uint64_t trace_vprintk(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    uint64_t arguments[VARIADIC_MOST];
    if (!variadic(r3, (uint32_t)r4, arguments))
        return answer(RESULT_INVALID);
    return print(answer_pointer(r1), (uint32_t)r2, arguments, (uint32_t)r4 / 8);
}

/* The length that the text has or would have, its NUL included. */
static uint64_t snprintf_(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    uint64_t arguments[VARIADIC_MOST];
    struct text text;
    const char *format = answer_pointer(r3);
    if (!variadic(r4, (uint32_t)r5, arguments))
        return answer(RESULT_INVALID);
    text_init(&text, answer_pointer(r1), (uint32_t)r2);
    enum result result = format_write(&text, format, strlen(format) + 1, arguments, (uint32_t)r5 / 8);
    return result ? answer(result) : text.length + 1;
}

const struct helper trace_helpers[] = {
    {{"trace_printk",
      {6, -1},
      RET_INTEGER,
      {ARG_MEM, ARG_SIZE, ARG_VARIADIC, ARG_VARIADIC, ARG_VARIADIC},
      HELPER_GPL_ONLY,
      0,
      2},
     trace_printk},
    {{"trace_printk2", {-1, 12}, RET_INTEGER, {ARG_MEM, ARG_SIZE}, 0, 0, 2}, trace_printk2},
    {{"trace_printk3", {-1, 13}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_ANYTHING}, 0, 0, 2}, trace_printk3},
    {{"trace_printk4", {-1, 14}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_ANYTHING, ARG_ANYTHING}, 0, 0, 2}, trace_printk4},
    /* efW's with every argument; the GPL is Linux's demand. */
    {{"trace_printk5", {-1, 15}, RET_INTEGER, {ARG_MEM, ARG_SIZE, ARG_ANYTHING, ARG_ANYTHING, ARG_ANYTHING}, 0, 0, 2},
     trace_printk},
    {{"trace_vprintk",
      {177, -1},
      RET_INTEGER,
      {ARG_MEM, ARG_SIZE, ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO},
      HELPER_GPL_ONLY,
      0,
      2},
     trace_vprintk},
    {{"snprintf",
      {165, -1},
      RET_INTEGER,
      {ARG_MEM_UNINIT_OR_NULL, ARG_SIZE_OR_ZERO, ARG_CONST_STR, ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO},
      HELPER_GPL_ONLY,
      0,
      2},
     snprintf_},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};
