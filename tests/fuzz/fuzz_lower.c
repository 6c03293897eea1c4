/* SPDX-License-Identifier: MIT
 *
 * Instructions from anywhere, for a context of some contract.  Whatever is claimed of them, lowering ends, and what it
 * gives is an image with sound maps to and fro.  What the verifier accepts, moreover, does the same checked as it came
 * and lowered, interpreted and compiled: result, context and packet.
 *
 *   input := contract-and-personality  seed  instruction*
 */
#include <stdlib.h>
#include <string.h>
#include "image/image.h"
#include "lower/lower.h"
#include "lower/odd.h"
#include "platform/os.h"
#include "verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INSNS_MOST = 4096, WORST_MOST = 20000 };

static const struct program_contract *const contracts[] = {&odd, &contract_xdp, &contract_bind};
static const struct engine *const engines[] = {&engine_interp, &engine_jit};

static uint32_t no_map(void *self, int32_t handle)
{
    return IMAGE_NO_INDEX;
}

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool lowers(const struct image *image, const struct program_contract *contract, const uint8_t *flags,
                   struct arena *arena, struct lowered *lowered)
{
    if (lower(image, contract, flags, arena, NULL, lowered))
        return false;
    require(!image_check(&lowered->image, NULL));
    require(odd_control_follows(image, flags, lowered));
    require(lowered->to_new[image->insn_count] == lowered->image.insn_count);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        require(lowered->to_new[i] < lowered->to_new[i + 1]);
        require(lowered->to_old[lowered->to_new[i]] == i || (i && insn_is_lddw(&image->insns[i - 1])));
    }
    return true;
}

/* The context and the packet, the same for the same seed. */
static void set_up(struct stage *stage, const struct program_contract *contract, uint8_t seed)
{
    stage_make(stage, contract);
    packet[8 + seed % 32] ^= seed;
}

static bool run(const struct engine *engine, const struct image *image, const struct program_contract *contract,
                struct stage *stage, uint64_t *r0)
{
    struct binding binding = {.image = image, .contract = contract};
    struct engine_helper none[1] = {{NULL, NULL}};
    struct code_fault fault;
    struct run once = {.context = stage->real, .fault = &fault};
    struct code *code;
    binding.helpers = none;
    if (engine->compile(&binding, &os_allocator, &os_executable, NULL, &code))
        return false;
    require(!engine->run(code, &once));
    engine->destroy(code);
    *r0 = once.r0;
    return true;
}

static void agree(const struct image *image, const struct image *lowered, const struct program_contract *contract,
                  uint8_t seed)
{
    struct stage expected, got;
    uint8_t expected_packet[sizeof packet];
    uint64_t r0, other;
    set_up(&expected, contract, seed);
    if (!run(&engine_checked, image, contract, &expected, &r0))
        return; /* it compiles dead code, too */
    memcpy(expected_packet, packet, sizeof packet);
    for (int e = 0; e < 2; e++) {
        set_up(&got, contract, seed);
        if (!run(engines[e], lowered, contract, &got, &other))
            continue;
        require(other == r0);
        require(!memcmp(got.real, expected.real, sizeof got.real));
        require(!memcmp(packet, expected_packet, sizeof packet));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct image image = {0};
    struct lowered lowered;
    struct verify_result result;
    if (size < 10 || (size - 2) / 8 > INSNS_MOST)
        return 0;
    const struct program_contract *contract = contracts[data[0] / 2 % 3];
    uint32_t count = (uint32_t)(size - 2) / 8;
    arena_init(&arena, &os_allocator, 64 << 20);
    struct insn *insns = arena_array(&arena, count, sizeof *insns);
    uint8_t *flags = arena_alloc(&arena, count);
    require(insns && flags);
    memcpy(insns, data + 2, (size_t)count * sizeof *insns);
    image.name = image.section = image.license = "";
    image.personality = (enum personality)(data[0] % 2);
    if (image_from_insns(insns, count, &arena, NULL, no_map, NULL, &image) || image_find_funcs(&arena, &image) ||
        image_check(&image, NULL))
        goto done;
    for (uint32_t i = 0; i < count; i++) /* claims that nobody proved */
        flags[i] = (uint8_t)(LOWER_SEEN | ((data[1] + i) % 3 ? LOWER_CONTEXT : 0));
    (void)lowers(&image, contract, flags, &arena, &lowered);
    const struct helper_proto **helpers = arena_array(&arena, image.helper_count + 1, sizeof *helpers);
    require(helpers);
    struct verify_input input = {.image = &image, .contract = contract, .helpers = helpers, .max_steps = 100000};
    if (verify(&input, &arena, &result) || result.verdict != VERIFY_ACCEPT || result.worst_case > WORST_MOST)
        goto done;
    if (lowers(&image, contract, result.insns, &arena, &lowered))
        agree(&image, &lowered.image, contract, data[1]);
done:
    arena_release(&arena);
    return 0;
}
