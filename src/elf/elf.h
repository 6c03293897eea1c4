/* SPDX-License-Identifier: MIT
 *
 * ELF objects in, images out.  Takes what clang 14 to 22, gcc-bpf and rustc produce; refuses the rest in one line.
 * The reader owns nothing but its arena, and the result points into `bytes` and that arena.
 */
#ifndef WINBPF_ELF_ELF_H
#define WINBPF_ELF_ELF_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/result.h"
#include "btf/btf.h"
#include "image/image.h"

enum elf_personality_choice { ELF_PERSONALITY_AUTO, ELF_PERSONALITY_LINUX, ELF_PERSONALITY_EFW };

struct elf_options {
    enum elf_personality_choice personality;
    const struct btf *target; /* types of the contexts that CO-RE resolves against; NULL: no CO-RE target, records
                                 resolve to their local values */
    bool text_entries;        /* report every function of .text as a program too; without it the global ones are
                                 programs, and only in an object that has no other */
    /* Value of a .kconfig symbol by name (CONFIG_…, LINUX_KERNEL_VERSION): true with *value.  NULL: none is known. */
    bool (*kconfig)(void *self, const char *name, uint64_t *value);
    void *self;
};

/* Where a map's static initialiser points (`.values = { [1] = &inner }`, a prog array's programs). */
struct elf_map_init {
    uint32_t map, key; /* map index and slot */
    bool is_program;
    uint32_t target; /* index of a map or a program */
};

struct elf_object {
    enum personality personality;
    const char *license;
    uint32_t version; /* "version" section, 0 for none */
    uint32_t map_count, program_count, init_count;
    struct map_spec *maps;  /* every map of the object, inner templates included; images index this table */
    struct image *programs; /* in section and offset order */
    const char **broken;    /* for each program: NULL when image_check() passes, else why it cannot be loaded; its
                               instructions are then what could be made of them, good for a listing alone */
    struct elf_map_init *inits;
    const struct btf *btf;  /* NULL where absent or dropped as broken */
    struct bytes btf_bytes; /* .BTF with DATASEC sizes and offsets filled in: what BTF_LOAD takes */
};

/* The call that takes the place of an instruction whose CO-RE field, type or enumerator the target lacks, and of a call
 * of an absent weak function: a helper id that no engine knows, so that reaching it is refused or faults. */
enum { ELF_POISON_HELPER = 0xbad2310 };

/* Reads an object.  Calls of an undefined memset, memcpy, memmove or memcmp get a subprogram of that name, without BTF
 * type or lines ("memset.void" where nothing reads its result); calls of an undefined function that is named like a
 * helper of the program's personality and type become calls of the helper.  RESULT_INVALID: malformed or unsupported,
 * the reason in `diag`. */
enum result elf_open(struct bytes bytes, const struct elf_options *options, struct arena *arena,
                     const struct diag *diag, struct elf_object *out);

/* The raw section list, for `winbpf sections`. */
struct elf_section_view {
    const char *name;
    uint32_t type;
    uint64_t flags, size, offset;
};
enum result elf_sections(struct bytes bytes, struct arena *arena, const struct diag *diag,
                         struct elf_section_view **sections, uint32_t *count);

#endif
