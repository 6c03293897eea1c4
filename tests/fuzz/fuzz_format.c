/* SPDX-License-Identifier: MIT
 *
 * Formats of trace_printk: the first byte says how many arguments there are, 8 bytes each follow, then the format.
 */
#include <string.h>
#include "check.h"
#include "helpers/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t arguments[12] = {0};
    char out[64];
    struct text text;
    if (!size)
        return 0;
    uint32_t count = data[0] % 13;
    size_t taken = count * 8 < size - 1 ? count * 8 : size - 1;
    memcpy(arguments, data + 1, taken);
    char *format = malloc(size - taken); /* an exact size, so that a step too far is seen */
    memcpy(format, data + 1 + taken, size - 1 - taken);
    text_init(&text, out, sizeof out);
    if (format_write(&text, format, size - 1 - taken, arguments, count) == RESULT_OK && strlen(out) >= sizeof out)
        abort();
    free(format);
    return 0;
}
