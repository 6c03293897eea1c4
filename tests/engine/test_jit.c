/* SPDX-License-Identifier: MIT
 *
 * The x86-64 JIT against the instruction table: every program here also runs through an evaluator built from isa.def's
 * value columns, and registers and memory must come out the same, with and without BMI2 and MOVBE, in both calling
 * conventions, with the caller's registers kept.  Then what only machine code has: pages, placement, jumps and frames.
 */
#include "check.h"
#include <sys/mman.h>
#include <unistd.h>
#include "engine/engine.h"
#include "engine/jit_x64.h"
#include "isa/isa.h"
#include "isa/table.h"
#include "platform/os.h"

#if defined(__x86_64__)

/* ---- memory that is counted and can fail ---- */

static size_t blocks_live, asked, fail_at;

static void *counted_alloc(void *self, size_t size)
{
    if (++asked == fail_at)
        return NULL;
    void *memory = aligned_alloc(16, (size + 15) & ~(size_t)15);
    if (memory) {
        memset(memory, 0xa5, size);
        blocks_live++;
    }
    return memory;
}

static void counted_free(void *self, void *memory, size_t size)
{
    memset(memory, 0x5a, size);
    free(memory);
    blocks_live--;
}

static const struct allocator counted = {counted_alloc, counted_free, NULL};

static void *pages_alloc(void *self, size_t size)
{
    if (++asked == fail_at)
        return NULL;
    void *memory = os_executable.alloc(os_executable.self, size);
    blocks_live += memory != NULL;
    return memory;
}

static enum result pages_seal(void *self, void *memory, size_t size, size_t data_size)
{
    if (++asked == fail_at)
        return RESULT_NO_MEMORY;
    return os_executable.seal(os_executable.self, memory, size, data_size);
}

static void pages_free(void *self, void *memory, size_t size)
{
    os_executable.free(os_executable.self, memory, size);
    blocks_live--;
}

static const struct executable counted_pages = {pages_alloc, pages_seal, pages_free, NULL};

static void show(void *self, enum diag_level level, const char *line)
{
    printf("  diag: %s\n", line);
}

static const struct diag loud = {show, NULL, NULL};

/* ---- the evaluator ---- */

struct machine {
    uint64_t r[11];
    uint64_t passes;
};

/* It takes these for one macro each. */
/* clang-format off */
static uint64_t value64(enum isa_op op, uint64_t d, uint64_t s, bool *known)
{
    *known = true;
    switch (op) {
#define W  64
#define UW uint64_t
#define SW int64_t
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##64_REG: return value;
#define ALU1(NAME, code, group, symbol, value) \
    case ISA_##NAME##64: return value;
#define END(NAME, code, bits, group, symbol, value) \
    case ISA_##NAME:                                                                                                   \
        return value;
#include "isa/isa.def"
#undef W
#undef UW
#undef SW
    case ISA_MOVSX8_64: return (uint64_t)(int64_t)(int8_t)s;
    case ISA_MOVSX16_64: return (uint64_t)(int64_t)(int16_t)s;
    case ISA_MOVSX32_64: return (uint64_t)(int64_t)(int32_t)s;
    case ISA_MOVSX8_32: return (uint32_t)(int8_t)s;
    case ISA_MOVSX16_32: return (uint32_t)(int16_t)s;
    default: *known = false; return 0;
    }
}

static uint32_t value32(enum isa_op op, uint32_t d, uint32_t s, bool *known)
{
    *known = true;
    switch (op) {
#define W  32
#define UW uint32_t
#define SW int32_t
#define ALU(NAME, code, off, group, symbol, value)                                                                     \
    case ISA_##NAME##32_IMM:                                                                                           \
    case ISA_##NAME##32_REG: return value;
#define ALU1(NAME, code, group, symbol, value) \
    case ISA_##NAME##32:                                                                                               \
        return value;
#include "isa/isa.def"
#undef W
#undef UW
#undef SW
    default: *known = false; return 0;
    }
}

/* clang-format on */

static bool condition(enum isa_op op, uint64_t wide_d, uint64_t wide_s, bool *known)
{
    *known = true;
    switch (op) {
#define JMP(NAME, code, group, symbol, test)                                                                           \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##64_REG: {                                                                                         \
        uint64_t d = wide_d, s = wide_s;                                                                               \
        return test;                                                                                                   \
    }
#define SW int64_t
#include "isa/isa.def"
#undef SW
#define JMP(NAME, code, group, symbol, test)                                                                           \
    case ISA_##NAME##32_IMM:                                                                                           \
    case ISA_##NAME##32_REG: {                                                                                         \
        uint32_t d = (uint32_t)wide_d, s = (uint32_t)wide_s;                                                           \
        return test;                                                                                                   \
    }
#define SW int32_t
#include "isa/isa.def"
#undef SW
    default: *known = false; return false;
    }
}

static uint64_t peek(uint64_t address, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)(uintptr_t)address, size);
    return value;
}

static void poke(uint64_t address, unsigned size, uint64_t value)
{
    memcpy((void *)(uintptr_t)address, &value, size);
}

/* Loads, stores, atomics; false for another operation. */
static bool evaluate_memory(struct machine *m, enum isa_op op, const struct insn *insn)
{
    uint64_t *dst = &m->r[insn_dst(insn)], *src = &m->r[insn_src(insn)];
    uint64_t to = *dst + (uint64_t)(int64_t)insn->off, from = *src + (uint64_t)(int64_t)insn->off;
    switch (op) {
#define LDX(NAME, code, bits, signed_, group)                                                                          \
    case ISA_##NAME:                                                                                                   \
        *dst = signed_ ? (uint64_t)((int64_t)(peek(from, bits / 8) << (64 - bits)) >> (64 - bits))                     \
                       : peek(from, bits / 8);                                                                         \
        return true;
#define ST(NAME, code, bits)                                                                                           \
    case ISA_##NAME:                                                                                                   \
        poke(to, bits / 8, (uint64_t)(int64_t)insn->imm);                                                              \
        return true;
#define STX(NAME, code, bits)                                                                                          \
    case ISA_##NAME:                                                                                                   \
        poke(to, bits / 8, *src);                                                                                      \
        return true;
#define LDACQ(NAME, code, bits)                                                                                        \
    case ISA_##NAME:                                                                                                   \
        *dst = peek(from, bits / 8);                                                                                   \
        return true;
#define STREL(NAME, code, bits)                                                                                        \
    case ISA_##NAME:                                                                                                   \
        poke(to, bits / 8, *src);                                                                                      \
        return true;
#define ATOMIC(NAME, imm, fetch, symbol, value)                                                                        \
    case ISA_##NAME##64: {                                                                                             \
        uint64_t o = peek(to, 8), s = *src;                                                                            \
        poke(to, 8, value);                                                                                            \
        if (fetch)                                                                                                     \
            *src = o;                                                                                                  \
        return true;                                                                                                   \
    }                                                                                                                  \
    case ISA_##NAME##32: {                                                                                             \
        uint32_t o = (uint32_t)peek(to, 4), s = (uint32_t)*src;                                                        \
        poke(to, 4, value);                                                                                            \
        if (fetch)                                                                                                     \
            *src = o;                                                                                                  \
        return true;                                                                                                   \
    }
#include "isa/isa.def"
    case ISA_XCHG64:
    case ISA_XCHG32: {
        unsigned size = op == ISA_XCHG64 ? 8 : 4;
        uint64_t old = peek(to, size);
        poke(to, size, *src);
        *src = old;
        return true;
    }
    case ISA_CMPXCHG64:
    case ISA_CMPXCHG32: {
        unsigned size = op == ISA_CMPXCHG64 ? 8 : 4;
        uint64_t old = peek(to, size), expected = size == 8 ? m->r[0] : (uint32_t)m->r[0];
        if (old == expected)
            poke(to, size, *src);
        m->r[0] = old;
        return true;
    }
    default: return false;
    }
}

/* Runs a program without calls; r0 to r9 are left in m. */
static bool evaluate(const struct insn *insns, size_t count, struct machine *m)
{
    uint64_t stack[64];
    memset(stack, 0, sizeof stack);
    m->r[10] = (uint64_t)(uintptr_t)(stack + 64);
    for (size_t at = 0; at < count; at++) {
        const struct insn *insn = &insns[at];
        enum isa_op op = isa_decode(insn);
        bool known, by_reg = insn->code & 8;
        uint64_t d = m->r[insn_dst(insn)], s = by_reg ? m->r[insn_src(insn)] : (uint64_t)(int64_t)insn->imm;
        if (op == ISA_EXIT)
            return true;
        if (op == ISA_LDDW_IMM) {
            m->r[insn_dst(insn)] = (uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm << 32;
            at++;
            continue;
        }
        if (op == ISA_JA || op == ISA_JA32) {
            at += (size_t)(int64_t)(op == ISA_JA ? insn->off : insn->imm);
            continue;
        }
        if (evaluate_memory(m, op, insn))
            continue;
        uint64_t value = value64(op, d, s, &known);
        if (known) {
            m->r[insn_dst(insn)] = value;
            continue;
        }
        value = value32(op, (uint32_t)d, (uint32_t)s, &known);
        if (known) {
            m->r[insn_dst(insn)] = value;
            continue;
        }
        bool taken = condition(op, d, s, &known);
        if (!known)
            return false;
        if (taken)
            at += (size_t)(int64_t)insn->off;
    }
    return false;
}

/* ---- compiling and entering ---- */

enum { VARIANTS = 5 };

static struct jit_target variant(unsigned n)
{
    struct jit_target host = jit_x64_host();
    switch (n) {
    case 0: return host;
    case 1: return (struct jit_target){.win64 = false};
    case 2: return (struct jit_target){.win64 = true, .bmi2 = host.bmi2, .movbe = host.movbe};
    case 3: return (struct jit_target){.win64 = true};
    default: return (struct jit_target){.win64 = false, .bmi2 = host.bmi2};
    }
}

static uint64_t clobbered; /* callee-saved registers that a program did not restore, a bit each */

/* Calls fn(a, b) with patterns in every register the convention preserves, and looks at them afterwards. */
static uint64_t enter(const void *fn, uint64_t a, uint64_t b, bool win64)
{
    static struct {
        const void *fn;
        uint64_t a, b, result, saved[7], rsp_before, rsp_after;
    } call;
    call.fn = fn;
    call.a = a;
    call.b = b;
#define PATTERNS                                                                                                       \
    "movq $0x1111, %%rbx\n movq $0x2222, %%r12\n movq $0x3333, %%r13\n movq $0x4444, %%r14\n movq $0x5555, %%r15\n"
#define COLLECT                                                                                                        \
    "movq %%rbx, 32(%%rbp)\n movq %%r12, 40(%%rbp)\n movq %%r13, 48(%%rbp)\n movq %%r14, 56(%%rbp)\n"                  \
    "movq %%r15, 64(%%rbp)\n movq %%rax, 24(%%rbp)\n movq %%rsp, 96(%%rbp)\n"
#define FRAME_IN                                                                                                       \
    "pushq %%rbp\n movq %%rdi, %%rbp\n pushq %%rbp\n movq %%rsp, %%rax\n andq $-16, %%rsp\n subq $64, %%rsp\n"         \
    "movq %%rax, 48(%%rsp)\n movq %%rbp, 56(%%rsp)\n movq %%rsp, 88(%%rbp)\n"
#define FRAME_OUT "movq 48(%%rsp), %%rsp\n popq %%rbp\n popq %%rbp\n"
    if (win64)
        __asm__ volatile(FRAME_IN PATTERNS "movq 8(%%rbp), %%rcx\n movq 16(%%rbp), %%rdx\n movq $0x6666, %%rsi\n"
                                           "movq $0x7777, %%rdi\n call *(%%rbp)\n" COLLECT
                                           "movq %%rsi, 72(%%rbp)\n movq %%rdi, 80(%%rbp)\n" FRAME_OUT
                         : "+D"(*(void **)&(void *){&call})
                         :
                         : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                           "memory", "cc");
    else
        __asm__ volatile(FRAME_IN PATTERNS "movq 8(%%rbp), %%rdi\n movq 16(%%rbp), %%rsi\n call *(%%rbp)\n" COLLECT
                                           "movq $0x6666, 72(%%rbp)\n movq $0x7777, 80(%%rbp)\n" FRAME_OUT
                         : "+D"(*(void **)&(void *){&call})
                         :
                         : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                           "memory", "cc");
    clobbered = call.rsp_before != call.rsp_after ? 0x80 : 0;
    for (unsigned i = 0; i < 7; i++)
        clobbered |= (uint64_t)(call.saved[i] != 0x1111u * (i + 1)) << i;
    return call.result;
}

struct compiled {
    struct image image;
    struct binding binding;
    struct code *code;
    bool win64;
};

static bool build(struct compiled *c, const struct insn *insns, size_t count, unsigned v)
{
    struct jit_target target = variant(v);
    c->image.insns = insns;
    c->image.insn_count = (uint32_t)count;
    c->binding.image = &c->image;
    c->win64 = target.win64;
    c->code = NULL;
    return jit_x64_compile(&target, &c->binding, &counted, &counted_pages, &loud, &c->code) == RESULT_OK;
}

static uint64_t execute(const struct compiled *c, void *context, uint64_t length)
{
    size_t size;
    return enter(code_machine(c->code, &size), (uint64_t)(uintptr_t)context, length, c->win64);
}

static void drop(struct compiled *c)
{
    if (c->code)
        engine_jit.destroy(c->code);
    c->code = NULL;
}

/* ---- writing programs ---- */

static struct insn text[70000];
static size_t text_size;

static void put(unsigned code, unsigned dst, unsigned src, int off, int32_t imm)
{
    text[text_size++] = insn_make(code, dst, src, off, imm);
}

static void put_op(enum isa_op op, unsigned dst, unsigned src, int off, int32_t imm)
{
    const struct isa_row *row = isa_row(op);
    put(row->code, row->free & FREE_DST ? dst : 0, row->free & FREE_SRC ? src : row->src,
        row->free & FREE_OFF ? off : row->off, row->free & FREE_IMM ? imm : row->imm);
}

static void put_lddw(unsigned dst, unsigned src, int32_t low, int32_t high)
{
    put(0x18, dst, src, 0, low);
    put(0, 0, 0, 0, high);
}

/* Entry memory: words 0-9 are r0 to r9 on entry to the body and, from DATA on, data; words 0-9 on exit too. */
enum { WORDS = 64, DATA = 16 };

static void put_prologue(bool settle)
{
    put(0x7b, 10, 1, -8, 0); /* the memory's address */
    for (int reg = 9; reg >= 0; reg--) {
        if (reg != 1)
            put(0x79, (unsigned)reg, 1, reg * 8, 0);
    }
    put(0x79, 1, 1, 8, 0);
    if (settle)
        put(0x15, 0, 0, 0, 0); /* a jump to what follows: a new block, everything at home */
}

static void put_epilogue(void)
{
    for (int reg = 0; reg < 10; reg++)
        put(0x7b, 10, (unsigned)reg, -96 + reg * 8, 0);
    put(0x79, 1, 10, -8, 0);
    for (int reg = 0; reg < 10; reg++) {
        put(0x79, 2, 10, -96 + reg * 8, 0);
        put(0x7b, 1, 2, reg * 8, 0);
    }
    put(0xb7, 0, 0, 0, 77);
    put(0x95, 0, 0, 0, 0);
}

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t roll(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1d;
}

static uint64_t interesting(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      2,
                                      7,
                                      63,
                                      64,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x7fff,
                                      0xffff,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0xffffffff80000000,
                                      0xffffffffffffffff,
                                      0xfffffffffffffffe,
                                      10,
                                      1000000007};
    uint64_t n = roll();
    return n % 3 ? values[n / 3 % (sizeof values / sizeof *values)] : roll() >> (n >> 8 & 63);
}

static void print_text(void)
{
    char line[200];
    for (size_t at = 0; at < text_size;) {
        struct text out;
        text_init(&out, line, sizeof line);
        size_t slots = isa_disassemble(text, text_size, at, ISA_SYNTAX_KERNEL, NULL, &out);
        printf("  %zu: %s\n", at, line);
        at += slots;
    }
}

/* Runs text through the evaluator and every variant from the same memory; false, with a report, when they disagree. */
static bool agree(const uint64_t initial[WORDS])
{
    uint64_t expected[WORDS], memory[WORDS];
    struct machine m = {.passes = 0};
    bool same = true;
    memcpy(expected, initial, sizeof expected);
    m.r[1] = (uint64_t)(uintptr_t)expected;
    if (!evaluate(text, text_size, &m)) {
        printf("the evaluator does not know the program\n");
        print_text();
        return false;
    }
    for (unsigned v = 0; v < VARIANTS && same; v++) {
        struct compiled c = {.code = NULL};
        if (!build(&c, text, text_size, v)) {
            printf("variant %u does not compile\n", v);
            print_text();
            return false;
        }
        memcpy(memory, initial, sizeof memory);
        uint64_t r0 = execute(&c, memory, sizeof memory);
        if (r0 != 77 || clobbered || memcmp(memory, expected, sizeof memory)) {
            printf("variant %u: r0 %llu, clobbered 0x%llx\n", v, (unsigned long long)r0, (unsigned long long)clobbered);
            for (unsigned i = 0; i < WORDS; i++) {
                if (memory[i] != expected[i])
                    printf("  word %u: 0x%llx, not 0x%llx\n", i, (unsigned long long)memory[i],
                           (unsigned long long)expected[i]);
            }
            for (unsigned i = 0; i < WORDS; i++)
                printf("%s0x%llx", i % 8 ? " " : "\n  in ", (unsigned long long)initial[i]);
            printf("\n");
            print_text();
            if (getenv("JIT_DUMP")) {
                size_t size;
                FILE *file = fopen(getenv("JIT_DUMP"), "wb");
                fwrite(code_machine(c.code, &size), 1, size, file);
                fclose(file);
            }
            same = false;
        }
        drop(&c);
    }
    return same;
}

static void fill(uint64_t memory[WORDS])
{
    for (unsigned i = 0; i < WORDS; i++)
        memory[i] = interesting();
}

/* ---- every operation ---- */

static bool is_value_op(enum isa_op op)
{
    bool known;
    value64(op, 1, 1, &known);
    if (!known)
        value32(op, 1, 1, &known);
    return known;
}

TEST(every_value_operation_on_all_register_pairs)
{
    uint64_t memory[WORDS];
    unsigned programs = 0;
    for (int op = 1; op < ISA_OPS; op++) {
        if (!is_value_op(op))
            continue;
        for (unsigned pair = 0; pair < 100; pair++) {
            unsigned dst = pair / 10, src = pair % 10;
            if (!(isa_row(op)->free & FREE_SRC) && src > 2)
                continue;
            fill(memory);
            if (roll() & 1)
                memory[src] = memory[dst]; /* equal operands */
            text_size = 0;
            put_prologue(pair % 2);
            put_op(op, dst, src, 0, (int32_t)interesting());
            put_epilogue();
            programs++;
            REQUIRE(agree(memory));
        }
    }
    CHECK(programs > 1500);
}

TEST(every_conditional_jump)
{
    uint64_t memory[WORDS];
    for (int op = 1; op < ISA_OPS; op++) {
        bool known;
        condition(op, 0, 0, &known);
        if (!known)
            continue;
        for (unsigned i = 0; i < 60; i++) {
            unsigned dst = (unsigned)(roll() % 10), src = (unsigned)(roll() % 10);
            fill(memory);
            if (i % 4 == 0)
                memory[src] = memory[dst];
            int32_t imm = i % 4 == 1 ? (int32_t)memory[dst] : (int32_t)interesting();
            text_size = 0;
            put_prologue(i % 2);
            put_op(op, dst, src, 2, imm);
            put(0xb7, 3, 0, 0, 1234);
            put(0x07, 4, 0, 0, 1);
            put(0x07, 5, 0, 0, 1);
            put_epilogue();
            REQUIRE(agree(memory));
        }
    }
}

/* Pointers into the data: register `base` := memory + a small offset. */
static void put_pointer(unsigned base, unsigned other)
{
    put(0x79, base, 10, -8, 0);
    put(0x07, base, 0, 0, DATA * 8 + (int32_t)(roll() % 16) * 8);
    if (other != base && roll() & 1) { /* an index, perhaps scaled */
        put(0x57, other, 0, 0, 15);
        if (roll() & 1)
            put(0x67, other, 0, 0, (int32_t)(roll() % 4));
        put(0x0f, base, other, 0, 0);
        if (roll() & 1)
            put(0xb7, other, 0, 0, 5);
    }
}

static bool is_memory_op(enum isa_op op)
{
    const struct isa_row *row = isa_row(op);
    unsigned class = row->code & 7;
    return (class == 1 || class == 2 || class == 3) && op != ISA_INVALID;
}

TEST(every_memory_operation)
{
    uint64_t memory[WORDS];
    unsigned programs = 0;
    for (int op = 1; op < ISA_OPS; op++) {
        if (!is_memory_op(op))
            continue;
        bool load = (isa_row(op)->code & 7) == 1 || (op >= ISA_LDACQ8 && op <= ISA_LDACQ64);
        for (unsigned pair = 0; pair < 100; pair++) {
            unsigned base = pair / 10, other = pair % 10, third = (unsigned)(roll() % 10);
            fill(memory);
            if (op == ISA_CMPXCHG64 || op == ISA_CMPXCHG32) {
                for (unsigned i = DATA; i < WORDS; i++)
                    memory[i] = memory[0] ^ (pair & 1) << 31;
            }
            text_size = 0;
            put_prologue(pair % 2);
            put_pointer(base, third == other ? base : third);
            put_op(op, load ? other : base, load ? base : other, (int)(roll() % 8) * 8, (int32_t)interesting());
            /* A pointer's value differs from run to run: compare what it points at only. */
            put(0xb7, base, 0, 0, 0);
            if (other == base || base == 0)
                put(0xb7, 0, 0, 0, 0);
            for (unsigned i = 0; i < WORDS; i++)
                memory[i] |= i >= DATA ? 0 : 0;
            put_epilogue();
            if (!load && other == base) { /* a stored pointer differs too */
                continue;
            }
            programs++;
            REQUIRE(agree(memory));
        }
    }
    CHECK(programs > 2000);
}

/* ---- random programs ---- */

static void put_random_step(int left)
{
    static enum isa_op values[ISA_OPS], memory_ops[ISA_OPS], jumps[ISA_OPS];
    static unsigned value_count, memory_count, jump_count;
    if (!value_count) {
        for (int op = 1; op < ISA_OPS; op++) {
            bool known;
            if (is_value_op(op))
                values[value_count++] = op;
            else if (is_memory_op(op))
                memory_ops[memory_count++] = op;
            else if (condition(op, 0, 0, &known) || known)
                jumps[jump_count++] = op;
        }
    }
    /* r9 is a pointer to the data throughout; r8 an index below 16; the others numbers */
    unsigned dst = (unsigned)(roll() % 8), src = (unsigned)(roll() % 8);
    switch (roll() % 16) {
    case 0:
    case 1:
    case 2: {
        enum isa_op op = memory_ops[roll() % memory_count];
        bool load = (isa_row(op)->code & 7) == 1 || (op >= ISA_LDACQ8 && op <= ISA_LDACQ64);
        put_op(op, load ? dst : 9, load ? 9 : src, (int)(roll() % 20) * 8, (int32_t)interesting());
        break;
    }
    case 3:
        put_op(jumps[roll() % jump_count], dst, src, (int)(roll() % (unsigned)(left + 1)), (int32_t)interesting());
        break;
    case 4: /* a rotate */
    {
        unsigned k = (unsigned)(roll() % 31) + 1, from = (unsigned)(roll() % 8);
        unsigned wide = (unsigned)(roll() & 1) * 3; /* class 4 or 7 */
        put(0xbc | wide, dst, from, 0, 0);
        put(0x64 | wide, dst, 0, 0, (int32_t)k);
        put(0xbc | wide, src, from, 0, 0);
        put(0x74 | wide, src, 0, 0, (int32_t)((wide ? 64 : 32) - k));
        put(roll() & 1 ? 0x4c | wide : 0xac | wide, dst, src, 0, 0);
        break;
    }
    case 5: /* an address */
        put(0xbf, dst, 9, 0, 0);
        put(0x0f, dst, 8, 0, 0);
        put(roll() & 1 ? 0x71 : 0x79, src, dst, (int)(roll() % 8), 0);
        put(0xbf, dst, src, 0, 0);
        break;
    case 6:
    case 7: put(roll() & 1 ? 0xbf : 0xbc, dst, src, 0, 0); break;
    case 8: put(roll() & 1 ? 0xb7 : 0xb4, dst, 0, 0, (int32_t)interesting()); break;
    case 9: put(roll() & 1 ? 0x07 : 0x04, dst, 0, 0, (int32_t)interesting()); break;
    case 10: put(roll() & 1 ? 0x0f : 0x0c, dst, src, 0, 0); break;
    case 11: /* stack */
        if (roll() & 1)
            put(0x7b, 10, src, -104 - (int)(roll() % 8) * 8, 0);
        else
            put(0x79, dst, 10, -104 - (int)(roll() % 8) * 8, 0);
        break;
    case 12: put(roll() & 1 ? 0x27 : 0x24, dst, 0, 0, 1 + (int32_t)(roll() % 10)); break;
    default: put_op(values[roll() % value_count], dst, src, 0, (int32_t)interesting()); break;
    }
}

TEST(random_programs)
{
    uint64_t memory[WORDS];
    unsigned rounds = getenv("JIT_ROUNDS") ? (unsigned)atoi(getenv("JIT_ROUNDS")) : 6000;
    for (unsigned round = 0; round < rounds; round++) {
        int length = 1 + (int)(roll() % 40);
        fill(memory);
        text_size = 0;
        put_prologue(roll() & 1);
        for (int i = 0; i < 8; i++) /* the stack slots that may be read */
            put(0x7b, 10, (unsigned)i, -104 - i * 8, 0);
        put(0x79, 9, 10, -8, 0);
        put(0x07, 9, 0, 0, DATA * 8);
        put(0x57, 8, 0, 0, 15);
        size_t starts[41], start = text_size;
        for (int i = 0; i < length; i++) {
            starts[i] = text_size;
            put_random_step(length - i - 1);
        }
        starts[length] = text_size;
        /* Jumps were made with distances in steps. */
        for (size_t at = start, i = 0; at < text_size; at++) {
            bool known;
            while (starts[i + 1] <= at)
                i++;
            condition(isa_decode(&text[at]), 0, 0, &known);
            if (known)
                text[at].off = (int16_t)(starts[i + 1 + (size_t)text[at].off] - at - 1);
        }
        put(0xb7, 9, 0, 0, 0);
        put_epilogue();
        bool same = agree(memory);
        if (!same)
            printf("round %u\n", round);
        REQUIRE(same);
    }
}

/* ---- divisions by constants ---- */

TEST(division_by_constants)
{
    uint64_t memory[WORDS];
    for (unsigned round = 0; round < 1500; round++) {
        fill(memory);
        int32_t divisor = round < 300 ? (int32_t)round - 100 : (int32_t)interesting();
        text_size = 0;
        put_prologue(round % 2);
        for (unsigned reg = 0; reg < 8; reg++) {
            static const unsigned codes[4] = {0x37, 0x97, 0x34, 0x94};
            put(codes[(reg + round) % 4], reg, 0, 0, divisor);
        }
        put(0xbf, 8, 9, 0, 0);
        put(0x37, 8, 0, 0, divisor); /* of a copy */
        put(0x97, 9, 0, 0, divisor);
        put_epilogue();
        REQUIRE(agree(memory));
    }
    /* Constants of 64 bits, by register. */
    for (unsigned round = 0; round < 1500; round++) {
        uint64_t divisor = interesting() | (round & 1);
        fill(memory);
        text_size = 0;
        put_prologue(round % 2);
        put_lddw(9, 0, (int32_t)divisor, (int32_t)(divisor >> 32));
        for (unsigned reg = 0; reg < 8; reg++) {
            static const unsigned codes[4] = {0x3f, 0x9f, 0x3c, 0x9c};
            put(codes[(reg + round) % 4], reg, 9, round % 3 == 0, 0);
        }
        put_epilogue();
        REQUIRE(agree(memory));
    }
}

/* ---- jumps and sizes ---- */

TEST(jumps_of_every_distance)
{
    uint64_t memory[WORDS];
    for (unsigned gap = 0; gap < 70; gap++) {
        fill(memory);
        text_size = 0;
        put_prologue(true);
        put(0xb7, 8, 0, 0, 0);
        size_t top = text_size;
        put(0x07, 8, 0, 0, 1);
        put(0x35, 8, 0, (int)gap, 2); /* forward over the gap */
        for (unsigned i = 0; i < gap; i++)
            put(0x07, i % 8, 0, 0, 1);
        put(0xa5, 8, 0, (int)top - (int)text_size - 1, 3); /* backward over it */
        put(0x05, 0, 0, (int)gap, 0);
        for (unsigned i = 0; i < gap; i++)
            put(0x17, i % 8, 0, 0, 1);
        put_epilogue();
        REQUIRE(agree(memory));
    }
}

TEST(a_program_of_sixty_thousand_instructions)
{
    uint64_t memory[WORDS];
    fill(memory);
    text_size = 0;
    put_prologue(true);
    for (unsigned i = 0; i < 60000; i++) {
        if (i % 1000 == 0)
            put(0x15, i / 1000 % 10, 0, 700, 0); /* 16-bit reach, both ways taken */
        else
            put_op(i % 3 ? ISA_ADD64_IMM : ISA_XOR64_REG, i % 10, i / 10 % 10, 0, (int32_t)i);
    }
    put(0x06, 0, 0, 0, 5);
    for (unsigned i = 0; i < 5; i++)
        put(0xb7, 0, 0, 0, 1);
    put_epilogue();
    CHECK(agree(memory));
}

/* ---- calls ---- */

enum { MAP_ARRAY, MAP_PERCPU, MAP_HASH, MAP_WIDE, MAP_TAILS, MAP_OTHER_TAILS, MAPS };

static uint8_t array_values[5 * 24], percpu_values[4 * 64], wide_values[3 * 16];
static char identity[MAPS];
static struct engine_tail *tail_slots[4], *other_slots[4];
static uint64_t hash_value = 99;

static void *hash_lookup(void *handle, const void *key)
{
    return handle == &identity[MAP_HASH] && peek((uint64_t)(uintptr_t)key, 4) == 5 ? &hash_value : NULL;
}

__attribute__((ms_abi)) static void *hash_lookup_ms(void *handle, const void *key)
{
    return hash_lookup(handle, key);
}

static struct engine_map maps[MAPS] = {
    [MAP_ARRAY] = {.handle = &identity[MAP_ARRAY],
                   .values = array_values,
                   .values_size = sizeof array_values,
                   .kind = 2,
                   .key_size = 4,
                   .value_size = 20,
                   .max_entries = 5,
                   .stride = 24,
                   .how = ENGINE_INLINE_ARRAY},
    [MAP_PERCPU] = {.handle = &identity[MAP_PERCPU],
                    .values = percpu_values,
                    .kind = 6,
                    .key_size = 4,
                    .value_size = 8,
                    .max_entries = 8,
                    .stride = 8,
                    .cpu_stride = 64,
                    .how = ENGINE_INLINE_PERCPU_ARRAY},
    [MAP_HASH] = {.handle = &identity[MAP_HASH],
                  .kind = 1,
                  .key_size = 4,
                  .value_size = 8,
                  .max_entries = 8,
                  .how = ENGINE_INLINE_HASH,
                  .lookup = hash_lookup},
    [MAP_WIDE] = {.handle = &identity[MAP_WIDE],
                  .values = wide_values,
                  .values_size = sizeof wide_values,
                  .kind = 2,
                  .key_size = 4,
                  .value_size = 16,
                  .max_entries = 3,
                  .stride = 16},
    [MAP_TAILS] = {.handle = &identity[MAP_TAILS],
                   .kind = 3,
                   .key_size = 4,
                   .value_size = 4,
                   .max_entries = 4,
                   .tails = tail_slots},
    [MAP_OTHER_TAILS] = {.handle = &identity[MAP_OTHER_TAILS],
                         .kind = 3,
                         .key_size = 4,
                         .value_size = 4,
                         .max_entries = 4,
                         .tails = other_slots},
};

static void *seen_context;
static unsigned lookups_called;

static uint64_t sum(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    seen_context = context;
    return a + 2 * b + 3 * c + 4 * d + 5 * e;
}

static uint64_t lookup(uint64_t handle, uint64_t key, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    lookups_called++;
    return handle == (uint64_t)(uintptr_t)&identity[MAP_WIDE] && peek(key, 4) == 1
               ? (uint64_t)(uintptr_t)(wide_values + 16)
               : 0;
}

static uint64_t first(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    return a;
}

typedef uint64_t (*callback)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, void *);
typedef uint64_t(__attribute__((ms_abi)) * callback_ms)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, void *);

/* Calls back r2(r1 - 1 … 0, r3) and adds the results up. */
static uint64_t repeat(uint64_t times, uint64_t fn, uint64_t c, uint64_t d, uint64_t e, void *context)
{
    uint64_t total = 0;
    callback call;
    memcpy(&call, &fn, sizeof call);
    while (times--)
        total += call(times, c, 3, 4, 5, context);
    return total;
}

#define MS(name)                                                                                                       \
    __attribute__((ms_abi)) static uint64_t name##_ms(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,      \
                                                      void *context)                                                   \
    {                                                                                                                  \
        __asm__ volatile("" ::: "r10", "r11");                                                                         \
        return name(a, b, c, d, e, context);                                                                           \
    }
MS(sum)
MS(lookup)
MS(first)

__attribute__((ms_abi)) static uint64_t repeat_ms(uint64_t times, uint64_t fn, uint64_t c, uint64_t d, uint64_t e,
                                                  void *context)
{
    uint64_t total = 0;
    callback_ms call;
    memcpy(&call, &fn, sizeof call);
    while (times--)
        total += call(times, c, 3, 4, 5, context);
    return total;
}

enum { HELPER_SUM, HELPER_LOOKUP, HELPER_FIRST, HELPER_REPEAT, HELPER_TAIL, HELPERS };

static const struct helper_proto protos[HELPERS] = {
    [HELPER_SUM] = {.name = "sum", .args = {ARG_SCALAR, ARG_SCALAR, ARG_SCALAR, ARG_SCALAR, ARG_SCALAR}},
    [HELPER_LOOKUP] = {.name = "map_lookup_elem", .args = {ARG_CONST_MAP, ARG_MAP_KEY}},
    [HELPER_FIRST] = {.name = "first", .args = {ARG_SCALAR}, .flags = HELPER_UNWIND},
    [HELPER_REPEAT] = {.name = "repeat", .args = {ARG_SCALAR, ARG_CALLBACK, ARG_ANYTHING}},
    [HELPER_TAIL] = {.name = "tail_call", .args = {ARG_CONTEXT, ARG_CONST_MAP, ARG_SCALAR}, .flags = HELPER_TAIL_CALL},
};

static struct engine_helper helpers[2][HELPERS] = {
    {{sum, &protos[0]}, {lookup, &protos[1]}, {first, &protos[2]}, {repeat, &protos[3]}, {NULL, &protos[4]}},
    {{NULL, &protos[0]}, {NULL, &protos[1]}, {NULL, &protos[2]}, {NULL, &protos[3]}, {NULL, &protos[4]}},
};

/* A provider's context of our own, with the header that precedes every context. */
static struct {
    struct context_header header;
    uint8_t *data, *data_end;
    uint64_t more[8];
} invocation;
static uint8_t packet[64];

static const struct context_field fields[2] = {
    {"data", FIELD_PACKET, 0, 4, 0, 8, FIELD_READ, 1},
    {"data_end", FIELD_PACKET_END, 4, 4, 8, 8, FIELD_READ, 0},
};
static const struct program_contract contract = {
    .name = "test",
    .context = {{8, 2, fields}, {8, 2, fields}},
    .real_size = 80,
};

static bool build_full(struct compiled *c, const struct insn *insns, size_t count, unsigned v, bool raw)
{
    bool win64 = variant(v).win64;
    /* The helpers of the other convention are other functions behind the same type. */
    uint64_t (*const other[4])(void) = {(uint64_t(*)(void))(void *)sum_ms, (uint64_t(*)(void))(void *)lookup_ms,
                                        (uint64_t(*)(void))(void *)first_ms, (uint64_t(*)(void))(void *)repeat_ms};
    for (unsigned i = 0; i < 4; i++)
        memcpy(&helpers[1][i].fn, &other[i], sizeof other[i]);
    void *hash[2] = {(void *)hash_lookup, (void *)hash_lookup_ms};
    memcpy(&maps[MAP_HASH].lookup, &hash[win64], sizeof hash[win64]);
    static const struct map_spec specs[MAPS];
    static const struct image_helper ids[HELPERS];
    memset(c, 0, sizeof *c);
    c->image.maps = specs;
    c->image.map_count = MAPS;
    c->image.helpers = ids;
    c->image.helper_count = HELPERS;
    c->binding.maps = maps;
    c->binding.helpers = helpers[win64];
    c->binding.contract = raw ? NULL : &contract;
    return build(c, insns, count, v);
}

/* Builds text for each variant, runs it on the invocation, and gives r0 if all agree. */
static uint64_t result_of(bool raw)
{
    uint64_t results[VARIANTS] = {0};
    for (unsigned v = 0; v < VARIANTS; v++) {
        struct compiled c;
        memset(&invocation, 0, sizeof invocation);
        invocation.header.cpu = 2;
        invocation.data = packet;
        invocation.data_end = packet + sizeof packet;
        seen_context = NULL;
        if (!build_full(&c, text, text_size, v, raw)) {
            CHECK(!"compiles");
            return 0;
        }
        results[v] = raw ? execute(&c, packet, sizeof packet) : execute(&c, &invocation.data, 0);
        CHECK_EQ(clobbered, 0);
        CHECK_EQ(results[v], results[0]);
        drop(&c);
    }
    return results[0];
}

TEST(helper_arguments_and_context)
{
    text_size = 0;
    for (unsigned reg = 6; reg < 10; reg++)
        put(0xb7, reg, 0, 0, (int32_t)reg * 1000);
    for (unsigned reg = 1; reg < 6; reg++)
        put(0xb7, reg, 0, 0, (int32_t)reg);
    put(0x85, 0, 0, 0, HELPER_SUM);
    for (unsigned reg = 6; reg < 10; reg++)
        put(0x0f, 0, reg, 0, 0);
    put(0x95, 0, 0, 0, 0);
    CHECK_EQ(result_of(false), 1 + 4 + 9 + 16 + 25 + 30000);
    CHECK(seen_context == &invocation.data);
}

TEST(map_lookups_are_done_in_place)
{
    static const struct {
        int map, key;
        int64_t at; /* offset in values, -1: absent */
    } cases[] = {{MAP_ARRAY, 0, 0},   {MAP_ARRAY, 4, 96}, {MAP_ARRAY, 5, -1}, {MAP_ARRAY, -1, -1}, {MAP_PERCPU, 3, 152},
                 {MAP_PERCPU, 8, -1}, {MAP_WIDE, 1, 16},  {MAP_WIDE, 2, -1},  {MAP_HASH, 5, 0},    {MAP_HASH, 6, -1}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned settle = 0; settle < 2; settle++) {
            uint8_t *values = cases[i].map == MAP_HASH ? (uint8_t *)&hash_value : maps[cases[i].map].values;
            text_size = 0;
            put(0xb7, 7, 0, 0, 3);
            put(0x62, 10, 0, -4, cases[i].key);
            put(0xbf, 2, 10, 0, 0);
            put(0x07, 2, 0, 0, -4);
            put_lddw(1, LDDW_SRC_MAP_INDEX, cases[i].map, 0);
            if (settle)
                put(0x15, 7, 0, 0, 0);
            put(0x85, 0, 0, 0, HELPER_LOOKUP);
            put(0x0f, 0, 7, 0, 0);
            put(0x95, 0, 0, 0, 0);
            lookups_called = 0;
            uint64_t r0 = result_of(false);
            if (cases[i].map == MAP_HASH && settle) /* not known across the block: the generic helper knows no hash */
                CHECK_EQ(r0, 3);
            else if (settle && cases[i].map != MAP_WIDE)
                CHECK_EQ(lookups_called, VARIANTS);
            else
                CHECK_EQ(r0, cases[i].at < 0 ? 3 : (uint64_t)(uintptr_t)values + (uint64_t)cases[i].at + 3);
            CHECK_EQ(lookups_called, settle || cases[i].map == MAP_WIDE ? VARIANTS : 0);
        }
    }
}

TEST(map_values_and_handles)
{
    text_size = 0;
    wide_values[9] = 0x42;
    put_lddw(1, LDDW_SRC_MAP_INDEX_VALUE, MAP_WIDE, 5);
    put(0x71, 6, 1, 4, 0);
    put_lddw(2, LDDW_SRC_MAP_INDEX, MAP_WIDE, 0);
    put_lddw(3, LDDW_SRC_MAP_INDEX_VALUE, MAP_WIDE, 0);
    put(0xbf, 0, 2, 0, 0);
    put(0x1f, 0, 3, 0, 0);
    put(0x0f, 0, 6, 0, 0);
    put(0x95, 0, 0, 0, 0);
    CHECK_EQ(result_of(false), (uint64_t)(uintptr_t)&identity[MAP_WIDE] - (uint64_t)(uintptr_t)wide_values + 0x42);
}

/* main: r6 = 5; r0 = f(7); f calls itself deeper through a chain of subprograms, each with a stack slot of its own. */
TEST(subprograms_have_their_own_stack_and_registers)
{
    text_size = 0;
    put(0xb7, 6, 0, 0, 5);
    put(0x7a, 10, 0, -8, 1000);
    put(0xb7, 1, 0, 0, 7);
    put(0x85, 0, 1, 0, 4); /* to slot 8 */
    put(0x0f, 0, 6, 0, 0);
    put(0x79, 1, 10, -8, 0);
    put(0x0f, 0, 1, 0, 0);
    put(0x95, 0, 0, 0, 0);
    for (unsigned depth = 0; depth < 7; depth++) { /* each: 9 slots */
        put(0xbf, 6, 1, 0, 0);
        put(0x7b, 10, 6, -8, 0);
        put(0x07, 1, 0, 0, 1);
        if (depth < 6)
            put(0x85, 0, 1, 0, 5);
        else
            put(0x85, 0, 0, 0, HELPER_FIRST); /* r0 = r1 */
        put(0x79, 1, 10, -8, 0);
        put(0x0f, 0, 1, 0, 0);
        put(0x1f, 1, 6, 0, 0);
        put(0x0f, 0, 1, 0, 0);
        put(0x95, 0, 0, 0, 0);
    }
    /* 7+8+…+13 and the innermost r1 = 14 */
    CHECK_EQ(result_of(false), 70 + 14 + 1005);
}

TEST(code_addresses_are_called_from_programs_and_from_c)
{
    for (unsigned from_c = 0; from_c < 2; from_c++) {
        text_size = 0;
        put(0xb7, 6, 0, 0, 100);
        put_lddw(2, LDDW_SRC_CODE, from_c ? 8 : 7, 0);
        put(0xb7, 1, 0, 0, 4);
        if (from_c) {
            put(0xb7, 3, 0, 0, 10);
            put(0x85, 0, 0, 0, HELPER_REPEAT);
        } else {
            put(0xbf, 7, 2, 0, 0);
            put(0xbf, 2, 1, 0, 0);
            put(0x8d, 7, 0, 0, 0);
        }
        put(0xbf, 7, 0, 0, 0);
        put(0x0f, 0, 6, 0, 0);
        put(0x95, 0, 0, 0, 0);
        while (text_size < (from_c ? 10u : 9u))
            put(0x95, 0, 0, 0, 0);
        text[1].imm = (int32_t)text_size - 2;
        /* callback(a, b): r6 = a; return first(a + 1) + b */
        put(0xbf, 6, 1, 0, 0);
        put(0xbf, 7, 2, 0, 0);
        put(0x07, 1, 0, 0, 1);
        put(0x85, 0, 0, 0, HELPER_SUM);
        put(0xb7, 1, 0, 0, 1);
        put(0x0f, 1, 6, 0, 0);
        put(0x85, 0, 0, 0, HELPER_FIRST);
        put(0x0f, 0, 7, 0, 0);
        put(0x95, 0, 0, 0, 0);
        CHECK_EQ(result_of(false), from_c ? 4 + 3 + 2 + 1 + 40 + 100 : 5 + 4 + 100);
        CHECK(seen_context == &invocation.data);
    }
}

TEST(a_helper_can_end_the_program_from_any_depth)
{
    for (int value = 0; value < 2; value++) {
        text_size = 0;
        put(0xb7, 8, 0, 0, 1);
        put(0xb7, 1, 0, 0, value);
        put(0x85, 0, 1, 0, 2);
        put(0xb7, 0, 0, 0, 9);
        put(0x95, 0, 0, 0, 0);
        put(0xb7, 6, 0, 0, 3); /* 5: writes r6 and its stack, which main does not */
        put(0x7b, 10, 6, -16, 0);
        put(0xb7, 9, 0, 0, 3);
        put(0x85, 0, 0, 0, HELPER_FIRST);
        put(0x95, 0, 0, 0, 0);
        CHECK_EQ(result_of(true), value ? 9 : 0);
        CHECK_EQ(result_of(false), value ? 9 : 0);
    }
}

TEST(packet_loads)
{
    static const unsigned sizes[3] = {4, 2, 1}, codes[3] = {0x20, 0x28, 0x30};
    for (unsigned i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)(i * 7 + 0x81);
    for (unsigned s = 0; s < 3; s++) {
        for (int at = -3; at < 70; at++) {
            uint64_t expected = 0;
            bool inside = at >= 0 && (unsigned)at + sizes[s] <= sizeof packet;
            for (unsigned i = 0; inside && i < sizes[s]; i++)
                expected = expected << 8 | packet[(unsigned)at + i];
            for (unsigned indirect = 0; indirect < 4; indirect++) {
                text_size = 0;
                put(0xbf, 6, 1, 0, 0);
                put(0xb7, 7, 0, 0, 5);
                put(0xb7, 8, 0, 0, 2);
                if (indirect >> 1)
                    put(0x85, 0, 1, 0, 2);
                else
                    put(0x05, 0, 0, 2, 0);
                put(0x0f, 0, 8, 0, 0);
                put(0x95, 0, 0, 0, 0);
                size_t start = text_size;
                put(0xb7, 7, 0, 0, 5); /* in a subprogram when indirect >> 1 */
                put(codes[s] + (indirect & 1 ? 0x20 : 0), 0, indirect & 1 ? 7 : 0, 0, indirect & 1 ? at - 5 : at);
                put(0x0f, 0, 7, 0, 0);
                put(0x95, 0, 0, 0, 0);
                (void)start;
                uint64_t want = inside ? expected + 5 + (indirect >> 1 ? 2 : 0) : 0;
                CHECK_EQ(result_of(false), want);
                CHECK_EQ(result_of(true), want);
            }
        }
    }
    /* A packet that ends before it begins holds nothing. */
    text_size = 0;
    put(0xbf, 6, 1, 0, 0);
    put(0x30, 0, 0, 0, 0);
    put(0x07, 0, 0, 0, 1);
    put(0x95, 0, 0, 0, 0);
    struct compiled c;
    REQUIRE(build_full(&c, text, text_size, 0, false));
    invocation.data = packet + 8;
    invocation.data_end = packet;
    CHECK_EQ(execute(&c, &invocation.data, 0), 0);
    drop(&c);
}

TEST(may_goto_ends_an_endless_loop)
{
    text_size = 0;
    put(0xb7, 0, 0, 0, 0);
    put(0x07, 0, 0, 0, 1);
    put(0xe5, 0, 0, 1, 0);
    put(0x05, 0, 0, -3, 0);
    put(0xe5, 0, 0, 1, 0); /* stays exhausted */
    put(0x07, 0, 0, 0, 1000);
    put(0x95, 0, 0, 0, 0);
    CHECK_EQ(result_of(true), 8388608 + 1);
}

/* ---- tail calls ---- */

/* A program of another engine: gives its context's data word, or asks for a further target. */
static struct engine_tail *foreign_next;

static enum result foreign_run(const struct code *code, struct run *run)
{
    run->r0 = 500;
    context_header(run->context)->tail_target = foreign_next;
    foreign_next = NULL;
    return RESULT_OK;
}

static const struct engine foreign_engine = {"foreign", NULL, foreign_run, NULL, 0};
static const struct code foreign_code = {&foreign_engine, NULL};

static void put_tail_call(int map, int index, bool known)
{
    put(0xbf, 6, 1, 0, 0);
    put_lddw(2, LDDW_SRC_MAP_INDEX, map, 0);
    if (!known)
        put(0x15, 6, 0, 0, 0);
    put(0xb7, 3, 0, 0, index);
    put(0x85, 0, 0, 0, HELPER_TAIL);
    put(0x07, 0, 0, 0, 11); /* falls through: -1 + 11 */
    put(0x95, 0, 0, 0, 0);
}

TEST(tail_calls)
{
    struct engine_tail foreign = {.jit_entry = NULL, .code = &foreign_code};
    for (unsigned v = 0; v < VARIANTS; v++) {
        for (unsigned known = 0; known < 2; known++) {
            static struct insn callee[16];
            struct compiled target, caller;
            size_t size;
            text_size = 0; /* callee: r7 = 42; r0 = r7 + tail_calls made */
            put(0xb7, 7, 0, 0, 42);
            put(0x7b, 10, 7, -8, 0);
            put(0x79, 0, 10, -8, 0);
            put(0x79, 1, 1, -48, 0);
            put(0x0f, 0, 1, 0, 0);
            put(0x95, 0, 0, 0, 0);
            memcpy(callee, text, sizeof callee);
            REQUIRE(build_full(&target, callee, text_size, v, false));
            struct engine_tail own = {.jit_entry = code_machine(target.code, &size), .code = target.code};
            tail_slots[0] = NULL;
            tail_slots[1] = &own;
            tail_slots[2] = &foreign;
            for (int index = 0; index < 6; index++) {
                text_size = 0;
                put_tail_call(MAP_TAILS, index == 5 ? -1 : index, known);
                REQUIRE(build_full(&caller, text, text_size, v, false));
                memset(&invocation, 0, sizeof invocation);
                uint64_t r0 = execute(&caller, &invocation.data, 0);
                CHECK_EQ(clobbered, 0);
                CHECK_EQ(r0, index == 1 ? 43 : index == 2 ? 0 : 10);
                CHECK(invocation.header.tail_target == (index == 2 ? &foreign : NULL));
                CHECK_EQ(invocation.header.tail_calls, index == 1 || index == 2);
                invocation.header.tail_target = NULL;
                invocation.header.tail_calls = 33;
                CHECK_EQ(execute(&caller, &invocation.data, 0), 10);
                CHECK_EQ(invocation.header.tail_calls, 33);
                drop(&caller);
                /* From a subprogram: the target's result is the subprogram's. */
                text_size = 0;
                put(0xb7, 8, 0, 0, 1000);
                put(0x85, 0, 1, 0, 2);
                put(0x0f, 0, 8, 0, 0);
                put(0x95, 0, 0, 0, 0);
                put(0xb7, 8, 0, 0, 1);
                put(0x7b, 10, 8, -8, 0);
                put_tail_call(MAP_TAILS, index == 5 ? -1 : index, known);
                REQUIRE(build_full(&caller, text, text_size, v, false));
                memset(&invocation, 0, sizeof invocation);
                r0 = execute(&caller, &invocation.data, 0);
                CHECK_EQ(clobbered, 0);
                CHECK_EQ(r0, index == 1 ? 1043 : index == 2 ? 1500 : 1010);
                CHECK(invocation.header.tail_target == NULL);
                drop(&caller);
            }
            drop(&target);
        }
    }
    /* A program that tail-calls itself stops after 33. */
    static struct insn self[16];
    struct compiled c;
    size_t size;
    text_size = 0;
    put_tail_call(MAP_TAILS, 3, true);
    memcpy(self, text, sizeof self);
    REQUIRE(build_full(&c, self, text_size, 0, false));
    struct engine_tail own = {.jit_entry = code_machine(c.code, &size), .code = c.code};
    tail_slots[3] = &own;
    memset(&invocation, 0, sizeof invocation);
    CHECK_EQ(execute(&c, &invocation.data, 0), 10);
    CHECK_EQ(invocation.header.tail_calls, 33);
    memset(tail_slots, 0, sizeof tail_slots);
    drop(&c);
}

/* ---- pages ---- */

TEST(no_page_is_writable_and_executable)
{
    struct compiled c;
    text_size = 0;
    put(0x85, 0, 0, 0, HELPER_FIRST);
    put(0x95, 0, 0, 0, 0);
    REQUIRE(build_full(&c, text, text_size, 0, false));
    struct jit_layout layout = jit_x64_layout(c.code);
    FILE *file = fopen("/proc/self/maps", "r");
    REQUIRE(file);
    char line[512];
    bool code_seen = false, data_seen = false;
    while (fgets(line, sizeof line, file)) {
        unsigned long from, to;
        char mode[5];
        REQUIRE(sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3);
        CHECK(!(mode[1] == 'w' && mode[2] == 'x'));
        unsigned long data = (unsigned long)layout.memory, code = data + layout.data_size;
        if (from <= code && code < to) {
            code_seen = true;
            CHECK(mode[0] == 'r' && mode[1] == '-' && mode[2] == 'x');
        }
        if (from <= data && data < to) {
            data_seen = true;
            CHECK(mode[0] == 'r' && mode[1] == '-' && mode[2] == '-');
        }
    }
    fclose(file);
    CHECK(code_seen && data_seen && layout.data_size > 0);
    drop(&c);
}

TEST(code_runs_wherever_it_is_copied_to)
{
    struct compiled c;
    text_size = 0;
    put(0xb7, 1, 0, 0, 40);
    put(0x85, 0, 1, 0, 2);
    put(0x07, 0, 0, 0, 1);
    put(0x95, 0, 0, 0, 0);
    put(0x07, 1, 0, 0, 1);
    put(0x85, 0, 0, 0, HELPER_FIRST);
    put(0x95, 0, 0, 0, 0);
    REQUIRE(build_full(&c, text, text_size, 0, true));
    struct jit_layout layout = jit_x64_layout(c.code);
    void *moved = os_executable.alloc(os_executable.self, layout.size);
    REQUIRE(moved);
    memcpy(moved, layout.memory, layout.size);
    drop(&c);
    CHECK_EQ(os_executable.seal(os_executable.self, moved, layout.size, layout.data_size), RESULT_OK);
    CHECK_EQ(enter((uint8_t *)moved + layout.data_size, 0, 0, false), 42);
    os_executable.free(os_executable.self, moved, layout.size);
}

TEST(executable_pool)
{
    const struct executable *x = &os_executable;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *blocks[200];
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 200; i++) {
            blocks[i] = x->alloc(x->self, (i % 20 + 1) * page - 7);
            REQUIRE(blocks[i]);
            memset(blocks[i], 0xc3, (i % 20 + 1) * page);
            if (i % 2)
                CHECK_EQ(x->seal(x->self, blocks[i], (i % 20 + 1) * page, i % 20 ? page : 0), RESULT_OK);
        }
        for (unsigned i = 0; i < 200; i++)
            x->free(x->self, blocks[i], (i % 20 + 1) * page);
    }
    CHECK(x->alloc(x->self, 0) == NULL);
    CHECK(x->alloc(x->self, SIZE_MAX) == NULL);
    blocks[0] = x->alloc(x->self, page);
    CHECK(x->seal(x->self, blocks[0], page, 5) == RESULT_INVALID);
    CHECK(x->seal(x->self, blocks[0], page, 2 * page) == RESULT_INVALID);
    x->free(x->self, blocks[0], page);
}

/* ---- failures ---- */

TEST(every_allocation_may_fail)
{
    struct compiled c = {.code = NULL};
    text_size = 0;
    for (unsigned i = 0; i < 3000; i++)
        put(0x15, 1, 0, 0, (int32_t)i);
    for (unsigned i = 0; i < 400; i++) {
        put(0x7b, 10, 1, -8, 0);
        put(0x85, 0, 0, 0, HELPER_FIRST);
        put(0xb7, 1, 0, 0, 1);
    }
    put(0x95, 0, 0, 0, 0);
    size_t before = blocks_live, failures = 0;
    struct image image = {.insns = text, .insn_count = (uint32_t)text_size, .helper_count = HELPERS};
    c.binding = (struct binding){.image = &image, .helpers = helpers[0]};
    for (fail_at = 1;; fail_at++) {
        asked = 0;
        enum result result = engine_jit.compile(&c.binding, &counted, &counted_pages, NULL, &c.code);
        if (result == RESULT_OK)
            break;
        CHECK_EQ(result, RESULT_NO_MEMORY);
        CHECK_EQ(blocks_live, before);
        failures++;
    }
    CHECK_EQ(failures, asked);
    CHECK(failures >= 5);
    fail_at = 0;
    engine_jit.destroy(c.code);
    CHECK_EQ(blocks_live, before);
}

TEST(refusals)
{
    static const struct {
        struct insn insns[3];
        unsigned count;
    } cases[] = {
        {{{0x95, 0, 0, 0}}, 0},                                      /* nothing */
        {{{0xb7, 0, 0, 0}}, 1},                                      /* runs off the end */
        {{{0x05, 0, 5, 0}, {0x95, 0, 0, 0}}, 2},                     /* jumps out */
        {{{0x05, 0, -2, 0}, {0x95, 0, 0, 0}}, 2},                    /* before the beginning */
        {{{0x85, 0x10, 0, 7}, {0x95, 0, 0, 0}}, 2},                  /* calls out */
        {{{0x85, 0x10, 0, -1}, {0x95, 0, 0, 0}}, 2},                 /* calls main */
        {{{0x85, 0, 0, HELPERS}, {0x95, 0, 0, 0}}, 2},               /* no such helper */
        {{{0x85, 0, 0, -1}, {0x95, 0, 0, 0}}, 2},                    /* nor that */
        {{{0x85, 0x20, 0, 1}, {0x95, 0, 0, 0}}, 2},                  /* a kernel function */
        {{{0x18, 0x50, 0, MAPS}, {0, 0, 0, 0}, {0x95, 0, 0, 0}}, 3}, /* no such map */
        {{{0x18, 0x10, 0, 0}, {0, 0, 0, 0}, {0x95, 0, 0, 0}}, 3},    /* a handle */
        {{{0x95, 0, 0, 0}, {0x18, 0, 0, 0}}, 2},                     /* a cut lddw */
        {{{0x18, 0, 0, 0}, {0, 0, 0, 0}, {0x05, 0, -2, 0}}, 3},      /* into a lddw */
        {{{0xb7, 10, 0, 0}, {0x95, 0, 0, 0}}, 2},                    /* writes r10 */
        {{{0xb7, 12, 0, 0}, {0x95, 0, 0, 0}}, 2},                    /* no such register */
        {{{0xe7, 0, 0, 0}, {0x95, 0, 0, 0}}, 2},                     /* no such operation */
        {{{0xc3, 0, 0, 0x77}, {0x95, 0, 0, 0}}, 2},                  /* no such atomic */
        {{{0x85, 0x10, 0, 1}, {0xb7, 0, 0, 0}, {0x95, 0, 0, 0}}, 3}, /* falls into a subprogram */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct image image = {
            .insns = cases[i].insns, .insn_count = cases[i].count, .helper_count = HELPERS, .map_count = MAPS};
        struct binding binding = {.image = &image, .helpers = helpers[0], .maps = maps};
        struct code *code = NULL;
        size_t before = blocks_live;
        enum result result = engine_jit.compile(&binding, &counted, &counted_pages, NULL, &code);
        if (result != RESULT_NOT_SUPPORTED)
            printf("case %u\n", i);
        CHECK_EQ(result, RESULT_NOT_SUPPORTED);
        CHECK_EQ(blocks_live, before);
    }
    struct image image = {.insns = cases[0].insns, .insn_count = 1};
    struct binding binding = {.image = &image};
    struct code *code = NULL;
    CHECK_EQ(engine_jit.compile(&binding, &counted, NULL, NULL, &code), RESULT_NOT_SUPPORTED);
}

TEST(engine_runs_and_shows_its_code)
{
    struct compiled c;
    text_size = 0;
    put(0x71, 0, 1, 3, 0);
    put(0x0f, 0, 2, 0, 0);
    put(0x95, 0, 0, 0, 0);
    packet[3] = 9;
    REQUIRE(build_full(&c, text, text_size, 0, true));
    struct run run = {.context = packet, .raw_length = sizeof packet};
    size_t size = 0;
    CHECK_EQ(engine_jit.run(c.code, &run), RESULT_OK);
    CHECK_EQ(run.r0, 9 + sizeof packet);
    CHECK_EQ(code_entry_point(c.code)(packet, 1), 10);
    CHECK(code_machine(c.code, &size) && size > 3 && size < 32);
    CHECK(c.code->engine == &engine_jit && c.code->binding == &c.binding);
    drop(&c);
}

TEST(nothing_leaks)
{
    CHECK_EQ(blocks_live, 0);
}

#endif

TEST_MAIN
