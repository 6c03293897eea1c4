/* SPDX-License-Identifier: MIT
 *
 * What a program may ask about where it runs: CPU slot, process, and a random number.
 *
 * Random numbers are xoshiro256++ (Blackman, Vigna 2021), a state per CPU slot that is seeded from the system at its
 * first use.  They are fast and well distributed, and no secret: as on Linux, not for keys.
 */
#include "helpers/answer.h"
#include "helpers/helpers.h"
#include "platform/os.h"

enum { GENERATORS = 256 }; /* slots beyond share; a lost step does no harm */

static struct generator {
    uint64_t state[4];
    uint64_t pad[4]; /* a cache line each */
} generators[GENERATORS];

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static NOINLINE void seed(struct generator *generator)
{
    uint64_t fresh[4];
    os_random(fresh, sizeof fresh);
    fresh[0] |= 1; /* all zero would stay zero */
    for (unsigned i = 4; i--;)
        os_store(&generator->state[i], fresh[i]);
}

static uint64_t get_prandom_u32(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct generator *generator = &generators[answer_cpu(context) % GENERATORS];
    uint64_t *state = generator->state;
    uint64_t a = os_load(&state[0]), b = os_load(&state[1]), c = os_load(&state[2]), d = os_load(&state[3]);
    if (unlikely(!(a | b | c | d))) {
        seed(generator);
        return get_prandom_u32(r1, r2, r3, r4, r5, context);
    }
    uint64_t value = rotate(a + d, 23) + a;
    c ^= a;
    d ^= b;
    os_store(&state[1], b ^ c);
    os_store(&state[0], a ^ d);
    os_store(&state[2], c ^ b << 17);
    os_store(&state[3], rotate(d, 45));
    return value >> 32;
}

static uint64_t get_smp_processor_id(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return answer_cpu(context);
}

static uint64_t get_numa_node_id(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return 0;
}

static uint64_t get_current_pid_tgid(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_current_pid_tgid();
}

static uint64_t get_current_uid_gid(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return os_current_uid_gid();
}

static uint64_t get_current_comm(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    char name[16];
    uint8_t *out = answer_pointer(r1);
    uint32_t size = (uint32_t)r2;
    if (!size)
        return answer(RESULT_INVALID);
    os_current_comm(name);
    memset(out, 0, size);
    for (uint32_t i = 0; i + 1 < size && i < sizeof name && name[i]; i++)
        out[i] = (uint8_t)name[i];
    return 0;
}

const struct helper system_helpers[] = {
    {{"get_prandom_u32", {7, 6}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, get_prandom_u32},
    {{"get_smp_processor_id", {8, 8}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, get_smp_processor_id},
    {{"get_numa_node_id", {42, -1}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, get_numa_node_id},
    {{"get_current_pid_tgid", {14, 19}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, get_current_pid_tgid},
    {{"get_current_uid_gid", {15, -1}, RET_INTEGER, {ARG_NONE}, 0, 0, 2}, get_current_uid_gid},
    {{"get_current_comm", {16, -1}, RET_INTEGER, {ARG_MEM_UNINIT, ARG_SIZE}, 0, 0, 2}, get_current_comm},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};
