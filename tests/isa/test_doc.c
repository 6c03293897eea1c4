/* SPDX-License-Identifier: MIT
 *
 * docs/isa.md is printed from isa.def, by this program: `test_isa_doc --print > docs/isa.md`.  As a test it holds the
 * committed page against what it would print.
 */
#include <stdarg.h>
#include "check.h"
#include "every.h"

static char page[1 << 17];
static size_t page_length;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(page + page_length, sizeof(page) - page_length, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof(page) - page_length)
        abort();
    page_length += (size_t)length;
}

/* A table cell: a bar would end it. */
static void put_cell(const char *text)
{
    put("`");
    for (; *text; text++)
        put(*text == '|' ? "\\|" : "%c", *text);
    put("` ");
}

/* The conformance group of RFC 9669 and the width, "base64". */
static void put_group(const struct isa_row *row, const char *group)
{
    if (!strcmp(group, "BASE") || !strcmp(group, "DIVMUL"))
        put("| %s%u ", group[0] == 'B' ? "base" : "divmul", row->bits == 64 ? 64 : 32);
    else
        put("| %s ", group);
}

static void put_row(enum isa_op op, const char *group, const char *effect)
{
    const struct isa_row *row = isa_row(op);
    char line[128];
    struct insn insn[2];
    struct text text;
    size_t slots = every_make(op, 1, 2, row->free & JUMPS_OFF ? 3 : 4, row->free & JUMPS_IMM ? 3 : 7, 0, insn);

    put("| %s | 0x%02x ", row->name, row->code);
    if (row->imm)
        put("imm 0x%x ", (unsigned)row->imm);
    if (row->off)
        put("off %d ", row->off);
    if (row->src)
        put("src %u ", row->src);
    put_group(row, group);
    for (int syntax = ISA_SYNTAX_RFC; syntax >= ISA_SYNTAX_KERNEL; syntax -= 2) {
        text_init(&text, line, sizeof(line));
        isa_disassemble(insn, slots, 0, (enum isa_syntax)syntax, NULL, &text);
        put("| ");
        put_cell(line);
    }
    put("| ");
    put_cell(effect);
    put("|\n");
}

static void put_head(const char *title, const char *text)
{
    put("\n## %s\n\n%s\n\n| operation | opcode | group | assembler | kernel | effect |\n|---|---|---|---|---|---|\n",
        title, text);
}

/* clang-format off */
static void print_page(void)
{
    page_length = 0;
    put("<!-- Printed from src/isa/isa.def by tests/isa/test_doc.c; do not edit. -->\n\n"
        "# The instruction set\n\n"
        "RFC 9669 and what Linux has added up to 6.18. An instruction is 8 bytes: opcode, registers (dst in the low half,\n"
        "src in the high), a 16-bit offset, a 32-bit constant. The constant is sign-extended to the width of the operation.\n"
        "A field that a row neither fixes nor uses must be zero.\n\n"
        "In effects, *d* is the destination and *s* the source or the constant, unsigned numbers of *W* bits (UW; SW reads\n"
        "them as signed); *o* is the old value in memory. A 32-bit operation clears the upper half of its destination. The\n"
        "assembler's syntax is the conformance suite's, the other column is how the kernel's tools print.\n");

    put_head("Arithmetic", "Division by zero gives 0 and leaves a remainder of *d*. A shift uses the low bits of its count.");
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    put_row(ISA_##NAME##64_IMM, #group, "d = " #value);                                                                \
    put_row(ISA_##NAME##64_REG, #group, "d = " #value);                                                                \
    put_row(ISA_##NAME##32_IMM, #group, "d = " #value);                                                                \
    put_row(ISA_##NAME##32_REG, #group, "d = " #value);
#define ALU1(NAME, code, group, symbol, value)                                                                         \
    put_row(ISA_##NAME##64, #group, "d = " #value);                                                                    \
    put_row(ISA_##NAME##32, #group, "d = " #value);
#define MOVSX(NAME, bits, group)                                                                                       \
    put_row(ISA_##NAME##_64, #group, "d = s, its low " #bits " bits sign-extended");                                   \
    if ((bits) < 32)                                                                                                   \
        put_row(ISA_##NAME##_32, #group, "d = s, its low " #bits " bits sign-extended");
#include "isa/isa.def"

    put_head("Byte order", "Machines here are little-endian, so `le` only cuts off the upper bits.");
#define END(NAME, code, bits, group, symbol, value) put_row(ISA_##NAME, #group, "d = " #value);
#include "isa/isa.def"

    put_head("Jumps", "A distance counts slots from the next instruction.");
#define JMP(NAME, code, group, symbol, condition)                                                                      \
    put_row(ISA_##NAME##64_IMM, #group, "jump if " #condition);                                                        \
    put_row(ISA_##NAME##64_REG, #group, "jump if " #condition);                                                        \
    put_row(ISA_##NAME##32_IMM, #group, "jump if " #condition);                                                        \
    put_row(ISA_##NAME##32_REG, #group, "jump if " #condition);
#include "isa/isa.def"
#define GROUP_JA          "base64"
#define GROUP_JA32        "base32"
#define GROUP_MAY_GOTO    "Linux"
#define GROUP_CALL_HELPER "base64"
#define GROUP_CALL_LOCAL  "base64"
#define GROUP_CALL_KFUNC  "base64"
#define GROUP_CALLX       "Linux"
#define GROUP_EXIT        "base64"
#define OTHER(NAME, code, src, text) put_row(ISA_##NAME, GROUP_##NAME, text);
#include "isa/isa.def"

    put_head("Loads and stores", "Loads of fewer than 64 bits zero-extend, or sign-extend where the table says so.");
#define LDX(NAME, code, bits, signed_, group)                                                                          \
    put_row(ISA_##NAME, "base64", (signed_) ? "d = " #bits " bits at s + off, sign-extended" : "d = " #bits " bits at s + off");
#define ST(NAME, code, bits)  put_row(ISA_##NAME, "base64", #bits " bits at d + off = imm");
#define STX(NAME, code, bits) put_row(ISA_##NAME, "base64", #bits " bits at d + off = s");
#include "isa/isa.def"

    put_head("64-bit constants", "Two slots; the second's constant is the upper half, or what the source register's kind makes of it.");
#define LDDW(NAME, src, text) put_row(ISA_##NAME, "base64", "d = " text);
#include "isa/isa.def"

    put_head("Atomics", "On the naturally aligned word at d + off. *Fetch* puts the old value into s, zero-extended.");
#define ATOMIC(NAME, imm, fetch, symbol, value)                                                                        \
    put_row(ISA_##NAME##64, "atomic64", (fetch) ? "o = " #value ", s = old o" : "o = " #value);                        \
    put_row(ISA_##NAME##32, "atomic32", (fetch) ? "o = " #value ", s = old o" : "o = " #value);
#define EFFECT_XCHG    "o = s, s = old o"
#define EFFECT_CMPXCHG "if (o == r0) o = s, r0 = old o"
#define ATOMIC2(NAME, imm)                                                                                             \
    put_row(ISA_##NAME##64, "atomic64", EFFECT_##NAME);                                                                \
    put_row(ISA_##NAME##32, "atomic32", EFFECT_##NAME);
#define LDACQ(NAME, code, bits) put_row(ISA_##NAME, "Linux", "d = " #bits " bits at s + off, acquire");
#define STREL(NAME, code, bits) put_row(ISA_##NAME, "Linux", #bits " bits at d + off = s, release");
#include "isa/isa.def"

    put_head("Packet loads", "Of classic BPF: big-endian, from the packet of the context in r6, into r0; r1 to r5 are lost. "
             "Outside the packet the program ends with 0.");
#define LEGACY(NAME, code, bits, indirect)                                                                             \
    put_row(ISA_##NAME, "packet", (indirect) ? "r0 = " #bits " bits at packet + s + imm" : "r0 = " #bits " bits at packet + imm");
#include "isa/isa.def"
}
/* clang-format on */

TEST(page_is_current)
{
    FILE *file = fopen("docs/isa.md", "rb");
    static char committed[sizeof(page)];
    size_t length;

    REQUIRE(file);
    length = fread(committed, 1, sizeof(committed), file);
    fclose(file);
    print_page();
    if (length != page_length || memcmp(committed, page, length))
        printf("docs/isa.md is out of date: test_isa_doc --print > docs/isa.md\n");
    CHECK(length == page_length && !memcmp(committed, page, length));
}

/* Every operation has its line. */
TEST(page_is_complete)
{
    print_page();
    for (unsigned op = 0; op < ISA_OPS; op++) {
        char start[64];

        snprintf(start, sizeof(start), "\n| %s | 0x", isa_op_name((enum isa_op)op));
        CHECK((strstr(page, start) != NULL) == every_exists((enum isa_op)op));
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--print")) {
        print_page();
        return fwrite(page, 1, page_length, stdout) == page_length ? 0 : 1;
    }
    return check_main(argc, argv);
}
