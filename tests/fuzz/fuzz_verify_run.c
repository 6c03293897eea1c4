/* SPDX-License-Identifier: MIT
 *
 * Accepted, then run: programs that the input describes, in the world of tests/verify, before the judge of soundness.
 * The first byte says how: the bytes are the generator's choices, or instructions, four bytes each (operation,
 * registers, offset, constant).  A refused program loses what was refused, as there.
 */
#include <stdlib.h>
#include <string.h>
#include "verify/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every instruction that there is, so that one byte names one. */
static unsigned find_codes(uint8_t codes[256])
{
    unsigned count = 0;
    for (unsigned code = 0; code < 256; code++) {
        static const int32_t constants[] = {0, 16, 0x100};
        static const int16_t offsets[] = {0, 1, 8};
        bool legal = false;
        for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
            for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++)
                for (unsigned src = 0; src < 2; src++) {
                    struct insn insn = insn_make(code, 0, src, offsets[k], constants[i]);
                    legal |= isa_decode(&insn) != ISA_INVALID;
                }
        if (legal)
            codes[count++] = (uint8_t)code;
    }
    return count;
}

static void put_insns(struct recipe *r, const uint8_t *data, size_t size)
{
    static uint8_t codes[256];
    static unsigned count;
    static const int16_t places[] = {-8, -16, -24, -32, -40, -4, -2, -1};
    if (!count)
        count = find_codes(codes);
    while (size >= 4 && r->count + 4 < RECIPE_INSNS) {
        unsigned code = codes[data[0] % count], dst = data[1] % 10, src = (data[1] >> 4) % 11, class = code & 7;
        int off = (int8_t)data[2];
        int32_t imm = (int8_t)data[3];
        if (class == 1 || class == 2 || class == 3) {
            if (data[2] & 1)
                off = places[data[2] >> 1 & 7];
            if (class == 1 ? src == 10 : data[1] >> 7)
                off = off > 0 ? -off : off;
            if (class != 1 && data[1] >> 7)
                dst = 10;
            if (class == 2)
                src = 0;
        }
        if (class == 4 || class == 7) {
            off = (code & 0xf0) == 0xb0 || (code & 0x70) == 0x30 ? data[2] & 1 : 0;
            if (code & 8)
                imm = 0;
            else
                src = 0;
            if ((code & 0xf0) == 0xd0)
                imm = 16 << data[3] % 3, off = 0, src = 0;
        }
        if (class == 5 || class == 6) {
            off = off < 0 ? off / 4 : off / 8;
            if (code == 0x85) {
                imm = data[3] % WORLD_HELPERS;
                dst = src = 0;
                off = 0;
            }
            if (!(code & 8))
                src = 0;
        }
        if (code == 0x18) {
            uint32_t map = data[3] % WORLD_MAPS;
            bool direct = data[2] & 1;
            r->insns[r->count++] = insn_make(0x18, dst, direct ? LDDW_SRC_MAP_INDEX_VALUE : LDDW_SRC_MAP_INDEX, 0,
                                             (int32_t)(direct ? WORLD_GLOBAL + (map & 1) : map));
            r->insns[r->count++] = insn_make(0, 0, 0, 0, direct ? data[2] >> 1 : 0);
        } else {
            r->insns[r->count++] = insn_make(code, dst, src, off, imm);
        }
        data += 4;
        size -= 4;
    }
    r->insns[r->count++] = insn_make(0xb7, 0, 0, 0, 0);
    r->insns[r->count++] = insn_make(0x95, 0, 0, 0, 0);
    r->func_count = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct recipe recipe;
    static struct sound_count count;
    static struct sound_failure failure;
    static bool begun;
    uint64_t seed = 0;
    if (!begun) {
        sound_begin();
        begun = true;
    }
    if (size < 2)
        return 0;
    for (size_t i = 0; i < size; i++)
        seed = seed * 31 + data[i];
    if (data[0] & 1) {
        recipe_generate_from(&recipe, seed, data + 1, size - 1);
    } else {
        memset(&recipe, 0, sizeof recipe);
        recipe.seed = seed;
        recipe.type = (enum world_type)(data[1] % WORLD_TYPES);
        put_insns(&recipe, data + 2, size - 2);
    }
    if (!sound_judge(&recipe, 4, &count, &failure)) {
        sound_report(&failure);
        abort();
    }
    return 0;
}
