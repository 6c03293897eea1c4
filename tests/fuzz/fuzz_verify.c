/* SPDX-License-Identifier: MIT
 *
 * Flat images from anywhere into the verifier: whatever decodes gets a verdict, the same one twice, inside the arena's
 * limit and the budget of steps, with every place it names inside the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "btf/btf.h"
#include "image/image.h"
#include "verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 24 << 20, STEPS = 4000 };

static size_t out, most;

static void *take(void *self, size_t size)
{
    (void)self;
    out += size;
    if (out > most)
        most = out;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void give(void *self, void *memory, size_t size)
{
    (void)self;
    out -= size;
    free(memory);
}

static const struct allocator allocator = {take, give, NULL};

static void judge(const struct image *image, const struct btf *btf, uint32_t flags, struct verify_result *result)
{
    struct arena arena, names;
    struct verify_input input = {.image = image, .btf = btf, .flags = flags, .max_steps = STEPS};
    arena_init(&names, &allocator, LIMIT);
    const struct helper_proto **protos = arena_array(&names, image->helper_count + 1, sizeof *protos);
    if (!protos)
        abort();
    for (uint32_t i = 0; i < image->helper_count; i++)
        protos[i] = contract_helper_proto(image->personality, image->prog_type, image->helpers[i].id);
    input.helpers = protos;
    input.contract = contract_program(image->personality, image->prog_type);
    size_t before = out;
    most = out;
    arena_init(&arena, &allocator, LIMIT);
    enum result answer = verify(&input, &arena, result);
    if (answer != RESULT_OK && answer != RESULT_INVALID && answer != RESULT_NO_MEMORY)
        abort();
    if (most - before > LIMIT || result->steps > STEPS + 1)
        abort();
    if (answer == RESULT_OK) {
        if (result->insn >= image->insn_count || result->event_count > VERIFY_EVENTS ||
            !memchr(result->message, 0, sizeof result->message))
            abort();
        for (uint32_t i = 0; i < result->event_count; i++)
            if (result->events[i].insn >= image->insn_count)
                abort();
        if ((result->verdict == VERIFY_ACCEPT) != (result->reason == REASON_NONE))
            abort();
        if (!verify_reason_code(result->reason) || !verify_reason_title(result->reason))
            abort();
    }
    arena_release(&arena);
    arena_release(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = {data, size};
    struct arena arena;
    struct image image;
    arena_init(&arena, &allocator, 64 << 20);
    if (image_decode(bytes, &arena, NULL, &image) == RESULT_OK &&
        (image.func_count || image_find_funcs(&arena, &image) == RESULT_OK)) {
        static struct verify_result first, second;
        struct btf *btf = NULL;
        if (image.btf.size && btf_open(image.btf, &arena, NULL, &btf) != RESULT_OK)
            btf = NULL;
        for (uint32_t flags = 0; flags < 8; flags += 3) {
            judge(&image, btf, flags, &first);
            judge(&image, btf, flags, &second);
            if (first.verdict != second.verdict || first.reason != second.reason || first.insn != second.insn ||
                first.steps != second.steps || first.worst_case != second.worst_case ||
                strcmp(first.message, second.message))
                abort();
        }
    }
    arena_release(&arena);
    if (out)
        abort();
    return 0;
}
