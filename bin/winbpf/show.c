/* SPDX-License-Identifier: MIT
 *
 * winbpf sections, winbpf disasm: looking at objects without running them.
 */
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "contract/contract.h"
#include "isa/isa.h"
#include "names.h"
#include "platform/os.h"

enum { ARENA_MAX = 1 << 30, TYPE_NOBITS = 8 };

struct object {
    const char *path;
    uint8_t *bytes;
    size_t size;
    struct arena arena;
    struct elf_object elf;
};

/* EXIT_OK, or the status with the reason said. */
static int open_object(struct object *object, const char *path, enum elf_personality_choice personality)
{
    struct elf_options options = {.personality = personality};
    struct diag diag = cli_diag(path);
    memset(object, 0, sizeof *object);
    object->path = path;
    object->bytes = cli_read_file(path, &object->size);
    if (!object->bytes)
        return EXIT_UNREADABLE;
    arena_init(&object->arena, &os_allocator, ARENA_MAX);
    enum result result =
        elf_open((struct bytes){object->bytes, object->size}, &options, &object->arena, &diag, &object->elf);
    if (result == RESULT_NO_MEMORY)
        cli_error("%s: out of memory", path);
    return result ? EXIT_UNREADABLE : EXIT_OK;
}

static void close_object(struct object *object)
{
    arena_release(&object->arena);
    free(object->bytes);
}

struct choice {
    const char *path, *program, *syntax;
    enum elf_personality_choice personality;
};

static bool parse(int argc, char **argv, bool disasm, struct choice *choice)
{
    bool missing = false;
    memset(choice, 0, sizeof *choice);
    for (int i = 0; i < argc; i++) {
        const char *value;
        if ((value = cli_option(argc, argv, &i, "--personality", &missing))) {
            if (!cli_personality(value, &choice->personality)) {
                cli_error("--personality is '%s': linux or efw", value);
                return false;
            }
        } else if (!missing && disasm && (value = cli_option(argc, argv, &i, "--program", &missing))) {
            choice->program = value;
        } else if (!missing && disasm && (value = cli_option(argc, argv, &i, "--syntax", &missing))) {
            choice->syntax = value;
        } else if (missing) {
            return false;
        } else if (argv[i][0] == '-' && argv[i][1]) {
            cli_error("unknown option '%s'", argv[i]);
            return false;
        } else if (choice->path) {
            cli_error("one object at a time: '%s'", argv[i]);
            return false;
        } else {
            choice->path = argv[i];
        }
    }
    if (!choice->path)
        cli_error("which object?");
    return choice->path != NULL;
}

int cli_sections(int argc, char **argv)
{
    struct choice choice;
    struct object object;
    struct elf_section_view *sections;
    uint32_t count;
    if (!parse(argc, argv, false, &choice))
        return EXIT_USAGE;
    int status = open_object(&object, choice.path, choice.personality);
    struct diag diag = cli_diag(choice.path);
    if (!status && elf_sections((struct bytes){object.bytes, object.size}, &object.arena, &diag, &sections, &count))
        status = EXIT_UNREADABLE;
    if (status) {
        close_object(&object);
        return status;
    }
    printf("%-28s %10s %10s\n", "section", "offset", "bytes");
    for (uint32_t i = 0; i < count; i++) {
        if (*sections[i].name)
            printf("%-28s %10llu %10llu\n", cli_clean(sections[i].name), (unsigned long long)sections[i].offset,
                   (unsigned long long)sections[i].size);
    }
    const struct elf_object *elf = &object.elf;
    printf("\n%-28s %-20s %-16s %s\n", "program", "section", "type", "instructions");
    for (uint32_t i = 0; i < elf->program_count; i++) {
        const struct image *image = &elf->programs[i];
        const char *type = contract_program_type_name(elf->personality, image->prog_type);
        printf("%-28s %-20s %-16s %u", cli_clean(image->name), cli_clean(image->section), type ? type : "unknown",
               image->insn_count);
        if (elf->broken && elf->broken[i])
            printf("  (cannot be loaded: %s)", cli_clean(elf->broken[i]));
        putchar('\n');
    }
    printf("\n%-28s %-20s %6s %6s %12s\n", "map", "type", "key", "value", "entries");
    for (uint32_t i = 0; i < elf->map_count; i++) {
        const struct map_spec *map = &elf->maps[i];
        const char *kind = contract_map_kind_name(map->kind);
        printf("%-28s %-20s %6u %6u %12u\n", cli_clean(map->name), kind ? kind : "unknown", map->key_size,
               map->value_size, map->max_entries);
    }
    printf("\npersonality %s, license %s%s\n", elf->personality == PERSONALITY_EFW ? "efw" : "linux",
           *elf->license ? cli_clean(elf->license) : "none", elf->btf ? ", BTF" : "");
    close_object(&object);
    return EXIT_OK;
}

static void print_program(const struct elf_object *elf, const struct image *image, enum isa_syntax syntax)
{
    struct cli_names names;
    const char *type = contract_program_type_name(elf->personality, image->prog_type);
    char line[512];
    uint32_t next_line = 0;
    const char *shown = NULL;
    cli_names(&names, elf, image);
    printf("%s: section %s, type %s, %u instructions\n", cli_clean(image->name), cli_clean(image->section),
           type ? type : "unknown", image->insn_count);
    /* Helpers by id again, as other tools print them. */
    struct insn *insns = calloc(image->insn_count ? image->insn_count : 1, sizeof *insns);
    if (!insns)
        return;
    if (image->insn_count)
        memcpy(insns, image->insns, image->insn_count * sizeof *insns);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        if (insn_is_lddw(&insns[i]))
            i++;
        else if (insns[i].code == 0x85 && insn_src(&insns[i]) == CALL_SRC_HELPER &&
                 (uint32_t)insns[i].imm < image->helper_count)
            insns[i].imm = image->helpers[insns[i].imm].id;
    }
    for (size_t at = 0; at < image->insn_count;) {
        struct text text;
        const char *name = at ? names.isa.subprogram(&names, (uint32_t)at) : NULL;
        if (name)
            printf("%s:\n", cli_clean(name));
        for (; next_line < image->line_count && image->lines[next_line].insn <= at; next_line++) {
            const char *source = elf->btf ? btf_string(elf->btf, image->lines[next_line].text) : NULL;
            while (source && (*source == ' ' || *source == '\t'))
                source++;
            if (source && *source && (!shown || strcmp(source, shown)))
                printf("; %s\n", cli_clean(source));
            shown = source;
        }
        text_init(&text, line, sizeof line);
        size_t slots = isa_disassemble(insns, image->insn_count, at, syntax, &names.isa, &text);
        printf("%6zu: %s\n", at, cli_clean(line));
        at += slots;
    }
    free(insns);
}

int cli_disasm(int argc, char **argv)
{
    struct choice choice;
    struct object object;
    enum isa_syntax syntax = ISA_SYNTAX_KERNEL;
    uint32_t printed = 0;
    if (!parse(argc, argv, true, &choice))
        return EXIT_USAGE;
    if (choice.syntax && !strcmp(choice.syntax, "llvm")) {
        syntax = ISA_SYNTAX_LLVM;
    } else if (choice.syntax && !strcmp(choice.syntax, "rfc")) {
        syntax = ISA_SYNTAX_RFC;
    } else if (choice.syntax && strcmp(choice.syntax, "kernel")) {
        cli_error("--syntax is '%s': kernel, llvm or rfc", choice.syntax);
        return EXIT_USAGE;
    }
    int status = open_object(&object, choice.path, choice.personality);
    for (uint32_t i = 0; !status && i < object.elf.program_count; i++) {
        const struct image *image = &object.elf.programs[i];
        if (choice.program && strcmp(choice.program, image->name))
            continue;
        if (printed++)
            putchar('\n');
        print_program(&object.elf, image, syntax);
    }
    if (!status && !printed) {
        if (choice.program)
            cli_error("%s: no program '%s'", choice.path, choice.program);
        else
            cli_error("%s: no programs", choice.path);
        status = EXIT_REJECTED;
    }
    close_object(&object);
    return status;
}
