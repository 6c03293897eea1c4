/* SPDX-License-Identifier: MIT
 *
 * Names for what programs consist of.
 */
#ifndef WINBPF_BIN_NAMES_H
#define WINBPF_BIN_NAMES_H

#include "elf/elf.h"
#include "isa/isa.h"
#include "verify/verify.h"

/* What the disassembler asks for; `isa` points into the struct, which must stay where it is. */
struct cli_names {
    struct isa_names isa;
    const struct elf_object *elf;
    const struct image *image;
    char helper[96];
};
void cli_names(struct cli_names *names, const struct elf_object *elf, const struct image *image);

/* Instruction `at` as text, helpers and maps by name; not cleaned of what a terminal would act on. */
void cli_insn_text(const struct elf_object *elf, const struct image *image, uint32_t at, char *out, size_t size);

/* "accept", "reject", "too-complex", "too-long". */
const char *cli_verdict_name(enum verify_verdict verdict);

#endif
