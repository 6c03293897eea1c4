/* SPDX-License-Identifier: MIT
 *
 * What the files of the ELF reader share.  The order of work, one file each:
 *   file.c       sections, symbols, relocation tables: bytes to checked views
 *   types.c      .BTF and .BTF.ext: open, drop or refuse; section sizes and offsets filled in; externs
 *   maps.c       every map: BTF-defined, legacy, global data, .kconfig
 *   code.c       code sections: functions, relocations resolved, CO-RE applied
 *   programs.c   self-contained images
 *   open.c       the sequence
 */
#ifndef WINBPF_ELF_ELF_IMPL_H
#define WINBPF_ELF_ELF_IMPL_H

#include "base/bytes.h"
#include "base/text.h"
#include "elf/elf.h"

/* From the ELF and BPF psABIs. */
enum {
    SHT_PROGBITS = 1,
    SHT_SYMTAB = 2,
    SHT_STRTAB = 3,
    SHT_RELA = 4,
    SHT_NOBITS = 8,
    SHT_REL = 9,
    SHF_ALLOC = 2,
    SHF_EXECINSTR = 4,
    SHN_UNDEF = 0,
    SHN_LORESERVE = 0xff00,
    SHN_ABS = 0xfff1,
    SHN_COMMON = 0xfff2,
    SHN_XINDEX = 0xffff,
    STB_LOCAL = 0,
    STB_GLOBAL = 1,
    STB_WEAK = 2,
    STT_NOTYPE = 0,
    STT_OBJECT = 1,
    STT_FUNC = 2,
    STT_SECTION = 3,
    STV_HIDDEN = 2,
    STV_INTERNAL = 1,
    R_BPF_NONE = 0,
    R_BPF_64_64 = 1,
    R_BPF_64_ABS64 = 2,
    R_BPF_64_ABS32 = 3,
    R_BPF_64_NODYLD32 = 4,
    R_BPF_64_32 = 10,
};

enum { CODE_LDDW = 0x18, CODE_CALL = 0x85, ELF_NAME_MAX = 1024 };
enum { MAP_KIND_ARRAY = 2, MAP_KIND_PROG_ARRAY = 3, MAP_KIND_ARRAY_OF_MAPS = 12, MAP_KIND_HASH_OF_MAPS = 13 };
enum { MAP_FLAG_NUMA_NODE = 4, MAP_FLAG_RDONLY_PROG = 128, MAP_FLAG_MMAPABLE = 1024 };

enum section_role { ROLE_OTHER, ROLE_CODE, ROLE_MAPS, ROLE_LEGACY_MAPS, ROLE_DATA, ROLE_READ_ONLY, ROLE_ZERO };

struct section {
    const char *name;
    uint32_t type, link, info;
    uint64_t flags, offset, size, entry_size;
    struct bytes data; /* empty for NOBITS */
    enum section_role role;
    uint32_t map;         /* data roles: its map, IMAGE_NO_INDEX for none */
    uint32_t btf_type;    /* its DATASEC, 0 for none */
    uint32_t code;        /* ROLE_CODE: index into codes[] */
    uint32_t relocations; /* first relocation section that applies to it, 0 for none */
    uint32_t next;        /* a relocation section: the next that applies to the same section */
};

struct symbol {
    const char *name; /* "" for none */
    uint64_t value, size;
    uint32_t section; /* SHN_UNDEF, an index, or at least SHN_LORESERVE */
    uint8_t type, bind, visibility;
    bool reserved; /* SHN_ABS, SHN_COMMON … */
};

struct relocation {
    uint64_t offset;
    uint32_t type, symbol;
    int64_t addend; /* when explicit */
    bool has_addend;
};

struct function {
    const char *name;
    uint32_t code, start, end; /* slots of its section */
    uint32_t btf_type;
    bool global, program, called;
    const char *broken; /* first reason why it cannot be loaded */
    uint32_t stamp;     /* programs.c: the program it was last placed in, + 1 */
    uint32_t place;     /* programs.c: its first slot there */
};

/* A call or code address whose place in an image is not known yet. */
struct target {
    uint32_t insn, function;
};

struct code {
    uint32_t section;
    struct insn *insns;
    uint32_t count;
    uint32_t first, functions; /* its part of functions[], sorted by start */
    struct target *targets;    /* sorted by insn */
    uint32_t target_count;
    const struct btf_line_record *lines;
    uint32_t line_count;
};

/* Where a map's definition stands, to find it from a symbol. */
struct map_place {
    uint32_t section;
    uint64_t offset;
    uint32_t map;
    uint64_t size;
    uint64_t values; /* offset of the static initialiser in the definition, UINT64_MAX for none */
};

/* A .kconfig variable. */
struct external {
    uint32_t offset;     /* in the .kconfig map */
    const char *missing; /* why it has no value; NULL when it has */
};

struct reader {
    struct bytes bytes;
    const struct elf_options *options;
    struct arena *arena;
    const struct diag *diag;
    struct elf_object *out;

    struct section *sections;
    uint32_t section_count;
    uint32_t symtab; /* section index, 0 for none */
    uint32_t symbol_count;
    struct bytes symbols, names, extended;
    uint32_t *name_buckets, *name_next; /* global, weak and object symbols by name; entries are index + 1 */
    uint32_t name_mask;

    struct btf *btf;
    struct btf_ext *ext;
    uint8_t *btf_data;     /* writable copy behind out->btf_bytes */
    uint32_t *external_of; /* by symbol: index into externals + 1, 0 for none; NULL when there are none */
    struct external *externals;
    struct bytes config;  /* contents of the .kconfig map, empty for none */
    uint32_t config_type; /* its DATASEC */
    uint32_t config_map;  /* index, IMAGE_NO_INDEX for none */

    bool gcc12; /* made by gcc up to 12, whose assembler adds a named symbol's value to what the relocation will add */
    uint32_t maps_section;
    struct map_spec *maps;
    uint32_t map_count, map_capacity;
    struct map_place *places; /* sorted by section, offset */
    uint32_t place_count;

    struct code *codes;
    uint32_t code_count;
    struct function *functions;
    uint32_t function_count;
    uint32_t builtins;    /* the code of builtins.c: the last of codes[] */
    uint32_t *program_of; /* by function: index into programs, IMAGE_NO_INDEX for none */
};

/* One line about the input; returns RESULT_INVALID. */
WINBPF_PRINTF(2, 3)
enum result elf_bad(struct reader *reader, const char *format, ...);

/* A formatted text in the arena; "out of memory" when that is full. */
WINBPF_PRINTF(2, 3)
const char *elf_text(struct reader *reader, const char *format, ...);

/* Heap sort of `count` rows of `size` (at most 64) bytes by a u64 key: no recursion, no memory, n log n always. */
void elf_sort(void *rows, size_t count, size_t size, uint64_t (*key)(const void *row));

/* file.c */
enum result elf_read_file(struct reader *reader);
enum result elf_read_symbols(struct reader *reader);
bool elf_symbol(const struct reader *reader, uint32_t index, struct symbol *out); /* false: malformed */
/* Index of the global, weak or object symbol of this name; 0 for none. */
uint32_t elf_find_symbol(const struct reader *reader, const char *name);
/* All relocations of a section, sorted by offset. */
enum result elf_relocations(struct reader *reader, uint32_t section, struct relocation **out, uint32_t *count);

/* types.c */
enum result elf_read_types(struct reader *reader);

/* maps.c */
enum result elf_read_maps(struct reader *reader);
/* The map whose definition begins there; IMAGE_NO_INDEX for none. */
uint32_t elf_map_at(const struct reader *reader, uint32_t section, uint64_t offset);
/* Static initialisers, once programs are numbered. */
enum result elf_read_inits(struct reader *reader);

/* code.c */
enum result elf_read_code(struct reader *reader);
/* The function that begins there; IMAGE_NO_INDEX for none. */
uint32_t elf_function_at(const struct reader *reader, uint32_t section, uint64_t insn);

/* builtins.c */
/* Appends the code that calls of undefined memset, memcpy, memmove and memcmp get; room for it is in codes[]. */
enum result elf_add_builtins(struct reader *reader);
enum { ELF_BUILTINS = 7 };
/* Its functions, ELF_BUILTINS of them, in order of their place. */
void elf_builtin_functions(const struct reader *reader, struct function *functions);
/* The function there that a call of `name` at an instruction gets; IMAGE_NO_INDEX for none. */
uint32_t elf_builtin(const struct reader *reader, const struct code *code, uint32_t at, const char *name);

/* programs.c */
enum result elf_build_programs(struct reader *reader);

#endif
