/* SPDX-License-Identifier: MIT
 *
 * The table against itself: every row decodes to itself, nothing else does, and what a row forbids is refused.
 */
#include "check.h"
#include "every.h"

TEST(every_row_decodes_to_itself)
{
    unsigned rows = 0;

    for (unsigned op = 0; op < ISA_OPS; op++) {
        struct insn insn[2];

        if (!every_exists((enum isa_op)op))
            continue;
        every_make((enum isa_op)op, 9, 10, -7, 0x12345678, 0, insn);
        if (isa_decode(insn) != (enum isa_op)op)
            printf("%s decodes to %s\n", isa_op_name((enum isa_op)op), isa_op_name(isa_decode(insn)));
        CHECK_EQ(isa_decode(insn), op);
        rows++;
    }
    CHECK(rows > 150);
    CHECK_STR(isa_op_name(ISA_ADD64_IMM), "ADD64_IMM");
    CHECK_STR(isa_op_name((enum isa_op)ISA_OPS), "INVALID");
}

TEST(reserved_fields_must_be_zero)
{
    for (unsigned op = 0; op < ISA_OPS; op++) {
        const struct isa_row *row = isa_row((enum isa_op)op);
        struct insn insn[2];

        if (!every_exists((enum isa_op)op))
            continue;
        for (unsigned field = 0; field < 4; field++) {
            every_make((enum isa_op)op, 1, 2, 3, 4, 0, insn);
            if (row->free & 1u << field) {
                if (field > 1)
                    continue;
                insn->regs = (uint8_t)(field ? (insn->regs & 15) | 11 << 4 : (insn->regs & 0xf0) | 11);
                CHECK_EQ(isa_decode(insn), ISA_INVALID); /* register 11 */
                continue;
            }
            /* A field that is fixed: any other value is another operation or none. */
            insn->regs ^= (uint8_t)(field == 0 ? 8 : field == 1 ? 0x80 : 0);
            insn->off ^= (int16_t)(field == 2 ? 0x4000 : 0);
            insn->imm ^= (int32_t)(field == 3 ? 0x40000000 : 0);
            CHECK_EQ(isa_decode(insn), ISA_INVALID);
        }
    }
}

/* Of all opcodes and selectors, exactly the rows decode: nothing decodes that is in no row. */
TEST(only_rows_decode)
{
    static const int32_t imms[] = {0,    1,    0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1,  0xe1,  0xf1,
                                   0xe0, 0xf0, 16,   32,   64,   8,    128,  0x100, 0x110, 0x101};
    bool seen[ISA_OPS] = {false};

    for (unsigned code = 0; code < 256; code++) {
        for (unsigned src = 0; src < 16; src++) {
            for (int off = 0; off <= 64; off++) {
                for (unsigned i = 0; i < sizeof(imms) / sizeof(imms[0]); i++) {
                    struct insn insn = insn_make(code, 0, src, off, imms[i]);
                    enum isa_op op = isa_decode(&insn);

                    if (op == ISA_INVALID)
                        continue;
                    if (isa_row(op)->code != code)
                        CHECK_EQ(isa_row(op)->code, code);
                    seen[op] = true;
                }
            }
        }
    }
    for (unsigned op = 0; op < ISA_OPS; op++) {
        if (seen[op] != every_exists((enum isa_op)op))
            printf("%s\n", isa_op_name((enum isa_op)op));
        CHECK_EQ(seen[op], every_exists((enum isa_op)op));
    }
}

static const struct {
    const char *source;
    unsigned flags;
    int insn; /* -1: well-formed */
    const char *reason;
} programs[] = {
    {"mov %r0, 0\nexit", 0, -1, NULL},
    {"", 0, 0, "empty program"},
    {"mov %r0, 0", 0, 0, "control can run off the end of the program"},
    {"mov %r0, 0\nexit\nlddw %r1, 5", 0, 3, "control can run off the end of the program"},
    {"call 5", 0, 0, "control can run off the end of the program"},
    {"l: may_goto l", 0, 0, "control can run off the end of the program"},
    {"l: ja l", 0, -1, NULL},
    {"l: ja32 l", 0, -1, NULL},
    {"ja +0", 0, 0, "jump out of the program"},
    {"ja -2", 0, 0, "jump out of the program"},
    {"ja32 -2147483648", 0, 0, "jump out of the program"},
    {"ja32 2147483647", 0, 0, "unknown label"},
    {"ja32 +2147483647", 0, 0, "jump out of the program"},
    {"jeq %r1, 0, +1\nlddw %r0, 1\nexit", 0, 0, "jump into the middle of a 64-bit immediate"},
    {"jeq %r1, 0, +2\nlddw %r0, 1\nexit", 0, -1, NULL},
    {"lddw %r0, 1\njeq32 %r1, %r2, -2\nexit", 0, 2, "jump into the middle of a 64-bit immediate"},
    {"mov %r10, 1\nexit", 0, 0, "writes r10, the frame pointer"},
    {"lddw %r10, 1\nexit", 0, 0, "writes r10, the frame pointer"},
    {"ldxb %r10, [%r1]\nexit", 0, 0, "writes r10, the frame pointer"},
    {"neg32 %r10\nexit", 0, 0, "writes r10, the frame pointer"},
    {"swap16 %r10\nexit", 0, 0, "writes r10, the frame pointer"},
    {"lock fetch add [%r1], %r10\nexit", 0, 0, "writes r10, the frame pointer"},
    {"lock xchg [%r1], %r10\nexit", 0, 0, "writes r10, the frame pointer"},
    {"lock add [%r10-8], %r1\nstxdw [%r10-8], %r10\nexit", 0, -1, NULL},
    {"mov %r11, 1\nexit", 0, 0, "not an instruction"},
    {".8byte 0\nexit", 0, 0, "not an instruction"},
    {".8byte 0x18\nexit", 0, 0, "second half of a 64-bit immediate has more than a constant"},
    {"exit\n.8byte 0x18", 0, 1, "64-bit immediate is cut off"},
    {".8byte 0x18\n.8byte 0x10000\nexit", 0, 0, "second half of a 64-bit immediate has more than a constant"},
    {"lddw %r1, map_fd 3\nexit", 0, 0, "64-bit immediate names a handle where none is allowed"},
    {"lddw %r1, map_fd 3\nexit", ISA_ALLOW_FD_LDDW, -1, NULL},
    {"lddw %r1, map_fd 3\nexit", ISA_ALLOW_INDEX_LDDW, 0, "64-bit immediate names a handle where none is allowed"},
    {"lddw %r1, map_fd 3, 1\nexit", ISA_ALLOW_FD_LDDW, 0, "second half of a 64-bit immediate must be zero here"},
    {"lddw %r1, map_value 3, 8\nexit", ISA_ALLOW_FD_LDDW, -1, NULL},
    {"lddw %r1, map_value 3, 8\nexit", 0, 0, "64-bit immediate names a handle where none is allowed"},
    {"lddw %r1, variable 3\nexit", 0, 0, "64-bit immediate names a handle where none is allowed"},
    {"lddw %r1, map_index 3\nexit", 0, 0, "64-bit immediate names a map index where none is allowed"},
    {"lddw %r1, map_index 3\nexit", ISA_ALLOW_FD_LDDW, 0, "64-bit immediate names a map index where none is allowed"},
    {"lddw %r1, map_index 3\nexit", ISA_ALLOW_INDEX_LDDW, -1, NULL},
    {"lddw %r1, map_index_value 3, 4\nexit", ISA_ALLOW_FD_LDDW | ISA_ALLOW_INDEX_LDDW, -1, NULL},
    {"lddw %r1, code f\ncall %r1\nexit\nf: mov %r0, 1\nexit", 0, -1, NULL},
    {"lddw %r1, code +9\nexit", 0, 0, "jump out of the program"},
    {"lddw %r1, code +0\nexit", 0, 0, "jump into the middle of a 64-bit immediate"},
    {"call local f\nexit\nf: mov %r0, 1\nexit", 0, -1, NULL},
    {"call local f\nf: mov %r0, 1\nexit", 0, 0,
     "subprogram can be entered without a call: the instruction before it falls through"},
    {"mov %r1, 1\ncall local f\nexit\nlddw %r0, 1\nf: mov %r0, 1\nexit", 0, 1,
     "subprogram can be entered without a call: the instruction before it falls through"},
    {"call local -1\nexit", 0, -1, NULL},
    {"call runtime 7, 1\nldabsw 4\nldindb %r3, -4\nexit", 0, -1, NULL},
    {"lsh %r1, 99\ndiv %r1, 0\nexit", 0, -1, NULL},
};

TEST(validation)
{
    for (unsigned i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        struct insn insns[16];
        size_t count = 0;
        char message[200];
        struct text error;
        struct isa_fault fault = {0, ""};
        bool good;

        text_init(&error, message, sizeof(message));
        if (!isa_assemble(programs[i].source, strlen(programs[i].source), insns, 16, &count, &error)) {
            /* A case that the assembler refuses says so. */
            CHECK(programs[i].reason && strstr(message, programs[i].reason));
            continue;
        }
        good = isa_validate(insns, count, programs[i].flags, &fault);
        if (good != (programs[i].insn < 0) ||
            (!good && (fault.insn != (uint32_t)programs[i].insn || strcmp(fault.reason, programs[i].reason))))
            printf("%s\n-> %u: %s\n", programs[i].source, fault.insn, good ? "accepted" : fault.reason);
        CHECK_EQ(good, programs[i].insn < 0);
        if (!good && programs[i].insn >= 0) {
            CHECK_EQ(fault.insn, programs[i].insn);
            CHECK_STR(fault.reason, programs[i].reason);
        }
        CHECK_EQ(isa_validate(insns, count, programs[i].flags, NULL), good);
    }
}

TEST(too_many_instructions)
{
    size_t count = ISA_MAX_INSNS + 1;
    struct insn *insns = calloc(count, sizeof(*insns));
    struct isa_fault fault = {0, ""};

    REQUIRE(insns);
    for (size_t i = 0; i < count; i++)
        insns[i] = insn_make(0x95, 0, 0, 0, 0);
    CHECK(isa_validate(insns, count - 1, 0, &fault));
    CHECK(!isa_validate(insns, count, 0, &fault));
    CHECK_STR(fault.reason, "more than 1000000 instructions");
    free(insns);
}

TEST_MAIN
