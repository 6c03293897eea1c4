/* SPDX-License-Identifier: MIT
 *
 * Names for what programs consist of; they come out of the object and are hostile.
 */
#include <stdio.h>
#include "contract/contract.h"
#include "names.h"

static const char *helper_name(void *self, int32_t id)
{
    struct cli_names *names = self;
    const char *name = contract_program_helper_name(names->image->personality, names->image->prog_type, id);
    snprintf(names->helper, sizeof names->helper, "bpf_%s", name ? name : "");
    return name ? names->helper : NULL;
}

static const char *map_name(void *self, int32_t imm)
{
    const struct cli_names *names = self;
    return (uint32_t)imm < names->elf->map_count ? names->elf->maps[imm].name : NULL;
}

static const char *function_name(void *self, uint32_t target)
{
    const struct cli_names *names = self;
    for (uint32_t i = 0; i < names->image->func_count; i++) {
        if (names->image->funcs[i].insn == target)
            return names->image->funcs[i].name;
    }
    return NULL;
}

void cli_names(struct cli_names *names, const struct elf_object *elf, const struct image *image)
{
    names->isa = (struct isa_names){helper_name, map_name, function_name, names};
    names->elf = elf;
    names->image = image;
    names->helper[0] = 0;
}

void cli_insn_text(const struct elf_object *elf, const struct image *image, uint32_t at, char *out, size_t size)
{
    struct cli_names names;
    struct insn slots[2] = {image->insns[at], {0}};
    struct text text;
    cli_names(&names, elf, image);
    names.isa.subprogram = NULL; /* by distance: two slots do not tell where they stand */
    if (insn_is_lddw(&slots[0]) && at + 1 < image->insn_count)
        slots[1] = image->insns[at + 1];
    else if (slots[0].code == 0x85 && insn_src(&slots[0]) == CALL_SRC_HELPER &&
             (uint32_t)slots[0].imm < image->helper_count)
        slots[0].imm = image->helpers[slots[0].imm].id; /* as other tools print it */
    text_init(&text, out, size);
    (void)isa_disassemble(slots, 2, 0, ISA_SYNTAX_KERNEL, &names.isa, &text);
}

const char *cli_verdict_name(enum verify_verdict verdict)
{
    static const char *const names[] = {"accept", "reject", "too-complex", "too-long"};
    return names[verdict];
}
