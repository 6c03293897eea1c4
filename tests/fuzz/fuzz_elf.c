/* SPDX-License-Identifier: MIT
 *
 * Objects from anywhere, with every choice of options.  A program that is not marked broken must pass image_check, and
 * survive the flat form and back.
 */
#include <stdlib.h>
#include <string.h>
#include "elf/elf.h"

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

static bool kconfig(void *self, const char *name, uint64_t *value)
{
    (void)self;
    *value = strlen(name);
    return strlen(name) % 2 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct allocator allocator = {take, give, NULL};
    struct bytes bytes = {data, size};
    for (int pass = 0; pass < 2; pass++) {
        struct arena arena;
        struct elf_object object;
        struct elf_section_view *sections;
        uint32_t count;
        struct elf_options options = {.personality = pass ? ELF_PERSONALITY_EFW : ELF_PERSONALITY_AUTO,
                                      .text_entries = pass,
                                      .kconfig = pass ? kconfig : NULL};
        arena_init(&arena, &allocator, 64 << 20);
        elf_sections(bytes, &arena, NULL, &sections, &count);
        if (elf_open(bytes, &options, &arena, NULL, &object) == RESULT_OK) {
            if (pass == 0 && object.btf) {
                /* Against its own types as the target. */
                struct elf_object again;
                options.target = object.btf;
                elf_open(bytes, &options, &arena, NULL, &again);
            }
            for (uint32_t i = 0; i < object.program_count && i < 16; i++) {
                struct bytes flat;
                struct image image;
                if (object.broken[i])
                    continue;
                if (image_check(&object.programs[i], NULL))
                    abort();
                if (image_encode(&object.programs[i], &arena, &flat) == RESULT_OK &&
                    image_decode(flat, &arena, NULL, &image) == RESULT_INVALID)
                    abort();
            }
        }
        arena_release(&arena);
    }
    return 0;
}
