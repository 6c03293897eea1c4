/* SPDX-License-Identifier: MIT
 *
 * csum_diff: the Internet checksum (RFC 1071) of what was added less what was taken away, 16 bits, not inverted.
 *
 * Sums are of 32-bit words with the carry added back in (end around), so they do not depend on the order and are zero
 * only if every word was; taking away is adding the complement, and may therefore give 0xffff where one expects 0, as
 * on Linux.
 */
#include <string.h>
#include "base/bytes.h"
#include "helpers/answer.h"
#include "helpers/helpers.h"

static uint64_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (sum & 0xffffffff) + (sum >> 32);
}

static uint64_t sum_of(const uint8_t *data, uint32_t size, uint32_t start)
{
    uint64_t a = start, b = 0, word[2];
    for (; size >= 16; size -= 16, data += 16) {
        memcpy(word, data, 16);
        a += (word[0] & 0xffffffff) + (word[0] >> 32);
        b += (word[1] & 0xffffffff) + (word[1] >> 32);
    }
    for (; size >= 4; size -= 4, data += 4)
        a += load_le32(data);
    for (uint32_t i = 0; i < size; i++) /* the rest of a word is zero */
        a += (uint64_t)data[i] << 8 * i;
    return fold(fold(a) + fold(b));
}

static uint64_t csum_diff(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    uint32_t from_size = (uint32_t)r2, to_size = (uint32_t)r4, seed = (uint32_t)r5;
    uint64_t sum;
    if (!to_size) /* the complement around: differs from the general way in which of its two zeros it gives */
        sum = (uint32_t)~sum_of(answer_pointer(r1), from_size, ~seed);
    else
        sum = sum_of(answer_pointer(r3), to_size, seed);
    if (to_size && from_size)
        sum = fold(sum + (uint32_t)~sum_of(answer_pointer(r1), from_size, 0));
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

const struct helper checksum_helpers[] = {
    {{"csum_diff",
      {28, 10},
      RET_INTEGER,
      {ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO, ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO, ARG_ANYTHING},
      0,
      0,
      2},
     csum_diff},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};
