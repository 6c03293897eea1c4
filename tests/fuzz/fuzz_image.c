/* SPDX-License-Identifier: MIT
 *
 * Flat images from anywhere: what decodes must encode to the same bytes.
 */
#include <stdlib.h>
#include <string.h>
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *take(void *self, size_t size)
{
    (void)self;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void give(void *self, void *memory, size_t size)
{
    (void)self;
    (void)size;
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct allocator allocator = {take, give, NULL};
    struct bytes bytes = {data, size}, again;
    struct arena arena;
    struct image image;
    arena_init(&arena, &allocator, 64 << 20);
    if (image_decode(bytes, &arena, NULL, &image) == RESULT_OK) {
        if (image_encode(&image, &arena, &again) != RESULT_OK || again.size != size || memcmp(again.data, data, size))
            abort();
        if (image_find_funcs(&arena, &image) != RESULT_OK || image_check(&image, NULL) != RESULT_OK)
            abort();
    }
    arena_release(&arena);
    return 0;
}
