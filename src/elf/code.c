/* SPDX-License-Identifier: MIT
 *
 * Code sections.  Each is copied once and patched in place: CO-RE first, then relocations.  Maps and global data
 * become index forms of lddw (RFC 9669, section 5.4) there and then; calls and code addresses get their place only in
 * an image, so they are kept as targets.  A fault belongs to the function it stands in: the others still load.
 *
 * Functions begin where a symbol says so, or at the start of a section that has none.  A function of .text is a
 * subprogram, unless the object has no other code or the caller asked for entries there; in any other section global
 * functions are programs, and those local ones that nothing calls (Cilium's tail calls are static).
 *
 * A call of a function that no section defines is one of memset and its kin (builtins.c), or of a helper by its name,
 * or of a weak one, or a fault.
 */
#include <stdarg.h>
#include "elf/elf_impl.h"

enum {
    CLASS_MASK = 7,
    CLASS_LD = 0,
    CLASS_LDX = 1,
    CLASS_ST = 2,
    CLASS_STX = 3,
    CLASS_ALU = 4,
    CLASS_ALU64 = 7,
    SOURCE_REG = 8,
    SIZE_MASK = 0x18
};

static uint64_t function_key(const void *row)
{
    const struct function *function = row;
    return (uint64_t)function->code << 32 | function->start;
}

static bool is_function(const struct reader *reader, const struct symbol *symbol)
{
    if (symbol->reserved || !symbol->section || reader->sections[symbol->section].role != ROLE_CODE)
        return false;
    /* LLVM before 8 gave functions no type. */
    return *symbol->name && (symbol->type == STT_FUNC || (symbol->type == STT_NOTYPE && symbol->bind != STB_LOCAL));
}

static bool is_text(const struct reader *reader, const struct code *code)
{
    return !strcmp(reader->sections[code->section].name, ".text");
}

static enum result collect(struct reader *reader)
{
    uint32_t count = reader->code_count + ELF_BUILTINS, kept = 0;
    for (uint32_t i = 1; i < reader->symbol_count; i++) {
        struct symbol symbol;
        count += elf_symbol(reader, i, &symbol) && is_function(reader, &symbol);
    }
    struct function *functions = arena_array(reader->arena, count, sizeof *functions);
    if (!functions)
        return RESULT_NO_MEMORY;
    count = 0;
    for (uint32_t i = 1; i < reader->symbol_count; i++) {
        struct symbol symbol;
        if (!elf_symbol(reader, i, &symbol) || !is_function(reader, &symbol))
            continue;
        struct code *code = &reader->codes[reader->sections[symbol.section].code];
        if (symbol.value % 8 || symbol.value / 8 >= code->count)
            return elf_bad(reader, "symbol %u ('%s'): begins outside section '%s' or inside an instruction", i,
                           symbol.name, reader->sections[symbol.section].name);
        struct function *function = &functions[count++];
        function->name = symbol.name;
        function->code = reader->sections[symbol.section].code;
        function->start = (uint32_t)(symbol.value / 8);
        function->end = symbol.size && symbol.size / 8 < code->count - function->start
                            ? function->start + (uint32_t)(symbol.size / 8)
                            : 0;
        function->global =
            symbol.bind != STB_LOCAL && symbol.visibility != STV_HIDDEN && symbol.visibility != STV_INTERNAL;
        code->functions++;
    }
    for (uint32_t i = 0; i < reader->builtins; i++)
        if (!reader->codes[i].functions)
            functions[count++] =
                (struct function){.name = reader->sections[reader->codes[i].section].name, .code = i, .global = true};
    elf_builtin_functions(reader, functions + count);
    count += ELF_BUILTINS;
    elf_sort(functions, count, sizeof *functions, function_key);
    for (uint32_t i = 0; i < reader->code_count; i++)
        reader->codes[i].functions = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (kept && function_key(&functions[kept - 1]) == function_key(&functions[i])) {
            if (functions[i].global && !functions[kept - 1].global)
                functions[kept - 1] = functions[i];
            continue;
        }
        struct code *code = &reader->codes[functions[i].code];
        if (!code->functions++)
            code->first = kept;
        functions[kept++] = functions[i];
    }
    for (uint32_t i = 0; i < kept; i++) {
        struct function *function = &functions[i];
        uint32_t limit = i + 1 < kept && functions[i + 1].code == function->code ? functions[i + 1].start
                                                                                 : reader->codes[function->code].count;
        if (!function->end)
            function->end = limit;
    }
    reader->functions = functions;
    reader->function_count = kept;
    return RESULT_OK;
}

/* The last function of `code` that begins at or before `insn`; NULL for none. */
static struct function *function_before(const struct reader *reader, const struct code *code, uint32_t insn)
{
    uint32_t low = 0, high = code->functions;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (reader->functions[code->first + middle].start <= insn)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &reader->functions[code->first + low - 1] : NULL;
}

uint32_t elf_function_at(const struct reader *reader, uint32_t section, uint64_t insn)
{
    if (section >= reader->section_count || reader->sections[section].role != ROLE_CODE)
        return IMAGE_NO_INDEX;
    const struct code *code = &reader->codes[reader->sections[section].code];
    struct function *function = insn < code->count ? function_before(reader, code, (uint32_t)insn) : NULL;
    return function && function->start == insn ? (uint32_t)(function - reader->functions) : IMAGE_NO_INDEX;
}

/* Notes why the function around `insn` cannot be loaded, unless a reason stands there already. */
WINBPF_PRINTF(4, 5)
static void spoil(struct reader *reader, const struct code *code, uint32_t insn, const char *format, ...)
{
    struct function *function = function_before(reader, code, insn);
    char line[400];
    struct text text;
    va_list arguments;
    if (!function || function->broken)
        return;
    text_init(&text, line, sizeof line);
    va_start(arguments, format);
    text_vformat(&text, format, arguments);
    va_end(arguments);
    function->broken = elf_text(reader, "section '%.64s', instruction %u: %s", reader->sections[code->section].name,
                                insn - function->start, line);
}

static struct insn poison(void)
{
    return insn_make(CODE_CALL, 0, CALL_SRC_HELPER, 0, ELF_POISON_HELPER);
}

/* CO-RE: the instruction at `at` gets its constant for the target. */
static void patch(struct reader *reader, struct code *code, uint32_t at, const struct btf_core_result *result)
{
    static const uint8_t sizes[] = {0, 0x10, 0x08, 0, 0x00, 0, 0, 0, 0x18}; /* of 1, 2, 4, 8 bytes in an opcode */
    struct insn *insn = &code->insns[at];
    bool wide = insn_is_lddw(insn) && at + 1 < code->count;
    if (!result->exists) {
        *insn = poison();
        if (wide)
            insn[1] = poison();
        return;
    }
    switch (insn->code & CLASS_MASK) {
    case CLASS_ALU:
    case CLASS_ALU64:
        if (insn->code & SOURCE_REG)
            break;
        if (result->check_local && (uint32_t)insn->imm != (uint32_t)result->local) {
            spoil(reader, code, at, "CO-RE: holds %d where its types say %lld", insn->imm, (long long)result->local);
            return;
        }
        insn->imm = (int32_t)result->value;
        return;
    case CLASS_LDX:
    case CLASS_ST:
    case CLASS_STX:
        if (result->check_local && (uint64_t)insn->off != result->local) {
            spoil(reader, code, at, "CO-RE: holds offset %d where its types say %lld", insn->off,
                  (long long)result->local);
            return;
        }
        if (result->value > INT16_MAX) {
            spoil(reader, code, at, "CO-RE: offset %llu does not fit", (unsigned long long)result->value);
            return;
        }
        insn->off = (int16_t)result->value;
        if (result->field_size) {
            if (!result->resizable || result->field_size > 8 || (result->field_size & (result->field_size - 1))) {
                spoil(reader, code, at, "CO-RE: the target's field has %u bytes, which this access cannot follow",
                      result->field_size);
                return;
            }
            insn->code = (uint8_t)((insn->code & ~SIZE_MASK) | sizes[result->field_size]);
        }
        return;
    case CLASS_LD:
        if (!wide || insn_src(insn))
            break;
        if (result->check_local && ((uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32) != result->local) {
            spoil(reader, code, at, "CO-RE: holds a constant that is not what its types say");
            return;
        }
        insn[0].imm = (int32_t)result->value;
        insn[1].imm = (int32_t)(result->value >> 32);
        return;
    default: break;
    }
    spoil(reader, code, at, "CO-RE: instruction 0x%02x takes no relocation", insn->code);
}

/* Keeps the last line of a resolution that failed. */
static void keep_line(void *self, enum diag_level level, const char *line)
{
    (void)level;
    text_string(self, line);
}

static enum result apply_core(struct reader *reader, struct code *code)
{
    const struct btf_core_record *records;
    uint32_t count;
    btf_ext_cores(reader->ext, reader->sections[code->section].name, &records, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct btf_core_result result;
        char line[400] = "";
        struct text text;
        text_init(&text, line, sizeof line);
        struct diag diag = {keep_line, &text, NULL};
        uint32_t at = records[i].insn_offset / 8;
        if (at >= code->count)
            return elf_bad(reader, "section %u (%s): CO-RE record at 0x%x lies outside the section", code->section,
                           reader->sections[code->section].name, records[i].insn_offset);
        enum result status =
            btf_core_resolve(reader->btf, &records[i], reader->options->target, reader->arena, &diag, &result);
        if (status == RESULT_NO_MEMORY)
            return status;
        if (status)
            spoil(reader, code, at, "CO-RE: %s", line);
        else
            patch(reader, code, at, &result);
    }
    return RESULT_OK;
}

static void add_target(struct reader *reader, struct code *code, uint32_t at, uint32_t function)
{
    code->targets[code->target_count++] = (struct target){at, function};
    reader->functions[function].called = true;
}

/* A call of what no section defines. */
static void resolve_undefined(struct reader *reader, struct code *code, uint32_t at, const struct symbol *symbol,
                              int64_t beyond)
{
    struct insn *insn = &code->insns[at];
    const char *section = reader->sections[code->section].name;
    const struct section_contract *contract = contract_section(reader->out->personality, section + (section[0] == '?'));
    uint32_t builtin = elf_builtin(reader, code, at, symbol->name);
    int32_t helper = contract_helper_id(reader->out->personality, contract ? contract->prog_type : 0, symbol->name);
    if (beyond && (builtin != IMAGE_NO_INDEX || helper >= 0)) {
        spoil(reader, code, at, "calls '%.128s' + %lld, and no section defines it", symbol->name, (long long)beyond);
    } else if (builtin != IMAGE_NO_INDEX) {
        insn->regs = (uint8_t)(insn_dst(insn) | CALL_SRC_LOCAL << 4);
        add_target(reader, code, at, builtin);
    } else if (helper >= 0) {
        insn->regs = (uint8_t)(insn_dst(insn) | CALL_SRC_HELPER << 4);
        insn->imm = helper;
    } else if (symbol->bind == STB_WEAK) {
        *insn = poison();
    } else {
        spoil(reader, code, at, "calls '%.128s', which no section defines", symbol->name);
    }
}

/* A call to a subprogram, with its relocation or none. */
static void resolve_call(struct reader *reader, struct code *code, uint32_t at, const struct relocation *relocation)
{
    struct insn *insn = &code->insns[at];
    uint32_t section = code->section;
    int64_t target = (int64_t)at + 1 + insn->imm;
    struct symbol symbol;
    if (relocation) {
        if (!elf_symbol(reader, relocation->symbol, &symbol)) {
            spoil(reader, code, at, "calls symbol %u, which is malformed", relocation->symbol);
            return;
        }
        if (!symbol.section && !symbol.reserved) {
            /* Compilers write -1, counted from the next instruction as every call is, or 0 for nothing. */
            int64_t beyond = relocation->has_addend ? relocation->addend : insn->imm == -1 ? 0 : insn->imm;
            resolve_undefined(reader, code, at, &symbol, beyond);
            return;
        }
        section = symbol.section;
        target = (int64_t)(symbol.value / 8) + 1 + insn->imm;
        /* gcc 12's assembler has put the symbol's value in, in bytes. */
        if (symbol.type != STT_SECTION && insn->imm == (int64_t)symbol.value - 1)
            target = (int64_t)(symbol.value / 8);
        if (relocation->has_addend)
            target = (int64_t)(symbol.value / 8) + relocation->addend / 8;
        if (symbol.reserved || reader->sections[section].role != ROLE_CODE) {
            spoil(reader, code, at, "calls '%.128s', which is no code", symbol.name);
            return;
        }
    }
    uint32_t function = elf_function_at(reader, section, (uint64_t)target);
    if (function == IMAGE_NO_INDEX) {
        spoil(reader, code, at, "calls instruction %lld of section '%.64s', where no function begins",
              (long long)target, reader->sections[section].name);
        return;
    }
    insn->regs = (uint8_t)(insn_dst(insn) | CALL_SRC_LOCAL << 4);
    add_target(reader, code, at, function);
}

static void set_lddw(struct insn *insn, unsigned src, uint32_t low, uint32_t high)
{
    insn[0].regs = (uint8_t)(insn_dst(insn) | src << 4);
    insn[0].imm = (int32_t)low;
    insn[1].imm = (int32_t)high;
}

/* The address of something. */
static void resolve_lddw(struct reader *reader, struct code *code, uint32_t at, const struct relocation *relocation)
{
    struct insn *insn = &code->insns[at];
    struct symbol symbol;
    if (!elf_symbol(reader, relocation->symbol, &symbol)) {
        spoil(reader, code, at, "refers to symbol %u, which is malformed", relocation->symbol);
        return;
    }
    if (!symbol.section && !symbol.reserved) {
        uint32_t external = reader->external_of ? reader->external_of[relocation->symbol] : 0;
        if (external) {
            const struct external *config = &reader->externals[external - 1];
            if (config->missing)
                spoil(reader, code, at, "%s", config->missing);
            else
                set_lddw(insn, LDDW_SRC_MAP_INDEX_VALUE, reader->config_map, config->offset);
        } else if (symbol.bind == STB_WEAK)
            set_lddw(insn, LDDW_SRC_IMM, 0, 0);
        else
            spoil(reader, code, at, "needs '%.128s', which no section defines", symbol.name);
        return;
    }
    uint64_t stored = (uint32_t)insn[0].imm | (uint64_t)(uint32_t)insn[1].imm << 32;
    uint64_t offset = symbol.value + (relocation->has_addend ? (uint64_t)relocation->addend : stored);
    if (reader->gcc12 && symbol.type != STT_SECTION && !relocation->has_addend)
        offset = stored;
    const struct section *section = symbol.reserved ? &reader->sections[0] : &reader->sections[symbol.section];
    const char *name = *symbol.name ? symbol.name : section->name;
    uint32_t index;
    switch (section->role) {
    case ROLE_CODE:
        index = elf_function_at(reader, symbol.section, offset % 8 ? UINT64_MAX : offset / 8);
        if (index == IMAGE_NO_INDEX)
            break;
        set_lddw(insn, LDDW_SRC_CODE, 0, 0);
        add_target(reader, code, at, index);
        return;
    case ROLE_MAPS:
    case ROLE_LEGACY_MAPS:
        index = elf_map_at(reader, symbol.section, offset);
        if (index == IMAGE_NO_INDEX)
            break;
        set_lddw(insn, LDDW_SRC_MAP_INDEX, index, 0);
        return;
    case ROLE_DATA:
    case ROLE_READ_ONLY:
    case ROLE_ZERO:
        if (section->map == IMAGE_NO_INDEX || offset > section->size)
            break;
        set_lddw(insn, LDDW_SRC_MAP_INDEX_VALUE, section->map, (uint32_t)offset);
        return;
    default:
        spoil(reader, code, at, "refers to '%.128s' in section '%.64s', which is neither map, data nor code", name,
              section->name);
        return;
    }
    spoil(reader, code, at, "refers to offset 0x%llx from '%.128s', where nothing begins",
          (unsigned long long)(offset - symbol.value), name);
}

static enum result relocate(struct reader *reader, struct code *code)
{
    struct relocation *rows;
    uint32_t count, next = 0, calls = 0;
    enum result result = elf_relocations(reader, code->section, &rows, &count);
    if (result)
        return result;
    for (uint32_t at = 0; at < code->count; at++) {
        const struct insn *insn = &code->insns[at];
        calls += insn->code == CODE_CALL;
        at += (uint32_t)insn_is_lddw(insn);
    }
    code->targets = arena_array(reader->arena, (size_t)calls + count, sizeof *code->targets);
    if (!code->targets)
        return RESULT_NO_MEMORY;
    for (uint32_t at = 0; at < code->count; at++) {
        struct insn *insn = &code->insns[at];
        const struct relocation *relocation = NULL;
        bool wide = insn_is_lddw(insn);
        for (; next < count && rows[next].offset / 8 <= at; next++) {
            if (rows[next].offset == (uint64_t)at * 8 && !relocation)
                relocation = &rows[next];
            else if (rows[next].type != R_BPF_NONE)
                spoil(reader, code, at, "relocation at 0x%llx is inside an instruction or a second one for it",
                      (unsigned long long)rows[next].offset);
        }
        /* Type 0 stands for the type that fits, and nothing where none does. */
        bool any = relocation && relocation->type == R_BPF_NONE;
        if (any && !wide && (insn->code != CODE_CALL || insn_src(insn) != CALL_SRC_LOCAL))
            relocation = NULL;
        if (relocation && wide && (any || relocation->type == R_BPF_64_64) && at + 1 < code->count)
            resolve_lddw(reader, code, at, relocation);
        else if (insn->code == CODE_CALL &&
                 (relocation ? any || relocation->type == R_BPF_64_32 : insn_src(insn) == CALL_SRC_LOCAL))
            resolve_call(reader, code, at, relocation);
        else if (relocation)
            spoil(reader, code, at, "instruction 0x%02x takes no relocation of type %u", insn->code, relocation->type);
        at += wide;
    }
    if (next < count && code->count)
        spoil(reader, code, code->count - 1, "relocation at 0x%llx is inside an instruction",
              (unsigned long long)rows[next].offset);
    return RESULT_OK;
}

/* BTF types of functions: from .BTF.ext where it has them, else by name (gcc 12 writes no function records). */
static void type_functions(struct reader *reader)
{
    bool any = false;
    for (uint32_t i = 0; reader->ext && i < reader->builtins; i++) {
        struct code *code = &reader->codes[i];
        const struct btf_func_record *records;
        uint32_t count;
        btf_ext_funcs(reader->ext, reader->sections[code->section].name, &records, &count);
        btf_ext_lines(reader->ext, reader->sections[code->section].name, &code->lines, &code->line_count);
        any |= count > 0;
        for (uint32_t j = 0; j < count; j++) {
            uint32_t function = elf_function_at(reader, code->section, records[j].insn_offset / 8);
            if (function != IMAGE_NO_INDEX)
                reader->functions[function].btf_type = records[j].type;
        }
    }
    for (uint32_t id = 1; !any && reader->btf && id < btf_type_count(reader->btf); id++) {
        struct btf_type_view type = btf_type(reader->btf, id);
        struct symbol symbol;
        if (type.kind != BTF_KIND_FUNC || !elf_symbol(reader, elf_find_symbol(reader, type.name), &symbol) ||
            symbol.reserved)
            continue;
        uint32_t function = elf_function_at(reader, symbol.section, symbol.value / 8);
        if (function != IMAGE_NO_INDEX)
            reader->functions[function].btf_type = id;
    }
}

static void choose_programs(struct reader *reader)
{
    bool only_text = true;
    for (uint32_t i = 0; i < reader->builtins; i++)
        only_text &= is_text(reader, &reader->codes[i]);
    for (uint32_t i = 0; i < reader->function_count; i++) {
        struct function *function = &reader->functions[i];
        if (function->code == reader->builtins)
            return; /* the last ones */
        bool text = is_text(reader, &reader->codes[function->code]);
        if (!text || only_text || reader->options->text_entries)
            function->program = function->global || (text && reader->options->text_entries) ||
                                (!function->called && (!text || only_text));
    }
}

enum result elf_read_code(struct reader *reader)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i < reader->section_count; i++)
        count += reader->sections[i].role == ROLE_CODE;
    reader->codes = arena_array(reader->arena, (size_t)count + 1, sizeof *reader->codes);
    if (!reader->codes)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 1; i < reader->section_count; i++) {
        struct section *section = &reader->sections[i];
        if (section->role != ROLE_CODE)
            continue;
        if (section->size % 8)
            return elf_bad(reader, "section %u (%s): its %llu bytes are not a whole number of instructions", i,
                           section->name, (unsigned long long)section->size);
        if (section->size / 8 > UINT32_MAX / 2)
            return elf_bad(reader, "section %u (%s): too large", i, section->name);
        struct code *code = &reader->codes[reader->code_count];
        section->code = reader->code_count++;
        code->section = i;
        code->count = (uint32_t)(section->size / 8);
        code->insns = arena_array(reader->arena, code->count, sizeof *code->insns);
        if (!code->insns)
            return RESULT_NO_MEMORY;
        for (uint32_t j = 0; j < code->count; j++) {
            const uint8_t *data = section->data.data + 8 * (size_t)j;
            code->insns[j] =
                (struct insn){data[0], data[1], (int16_t)load_le16(data + 2), (int32_t)load_le32(data + 4)};
        }
    }
    enum result result = elf_add_builtins(reader);
    if (!result)
        result = collect(reader);
    if (result)
        return result;
    type_functions(reader);
    for (uint32_t i = 0; !result && i < reader->builtins; i++) {
        if (reader->ext)
            result = apply_core(reader, &reader->codes[i]);
        if (!result)
            result = relocate(reader, &reader->codes[i]);
    }
    choose_programs(reader);
    return result;
}
