/* SPDX-License-Identifier: MIT
 *
 * The x86-64 JIT.  One forward pass over the instructions, one backend-neutral analysis before it (jit_flow.h: blocks,
 * subprograms, liveness), one pass after it that shortens jumps, aligns loops and copies the code to its pages.
 *
 * Registers.  Each BPF register has one home, a machine register, for the whole program; r1 to r5 live in the
 * platform's argument registers, so a helper call moves nothing; the context stays in r12; three registers are
 * scratch within one instruction.
 *
 * Lazy values.  Within a block a register's value may be pending instead of in its home: a constant, a sum
 * base + (index << scale) + disp, a shifted or masked register, a load, a slot.  Moves, address arithmetic, the halves
 * of a rotate and loads are thus not emitted where they stand but folded into what uses them (operand, address, lea,
 * rorx, memory operand), and what nobody uses is never emitted.  The rules that keep this right:
 *
 *   1. A pending value refers to *homes*, never to other pending values.
 *   2. Before a home is written, and before a register gets a new pending value, every other register whose pending
 *      value refers to that home is materialised, if it is still needed.
 *   3. At the end of a block everything that is live where control goes is in its home.
 *   4. Pending loads are done before anything that may write memory.
 *
 * Rule 2 makes "refers to the home of" acyclic apart from a register that refers to itself: a register gains
 * references only at a moment when nobody refers to it.  So materialising terminates and no swap needs a scratch.
 *
 * Position independence.  Code refers to itself and to the slot pages before it by rip-relative displacements only.
 * A slot holds an address: helper, map, values, tails.  Nothing in the code is patched after it was copied.
 *
 * Frames.  A subprogram saves the machine registers it writes, and rbp when it uses its stack: r10 is rbp.  Programs
 * that can end from within subprograms (unwinding helpers, packet loads) or count a loop budget keep a *record* in
 * the main frame, to which r12 then points: context, raw length, budget, where to unwind to.  A subprogram whose
 * address is taken has a thunk of THUNK_SIZE bytes right before it, callable from C as a helper_fn: callbacks.
 */
#include <string.h>
#include "engine/emit_x64.h"
#include "engine/jit_flow.h"
#include "engine/jit_x64.h"
#include "isa/isa.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

enum { REGS = 11, FRAME = 10, SCRATCHES = 3, THUNK_SIZE = 160, PAGE = 4096, LONGEST_STEP = 2048 };
enum { RECORD_CONTEXT = 0, RECORD_LENGTH = 8, RECORD_BUDGET = 16, RECORD_UNWIND = 24, RECORD_SIZE = 32 };
enum { BUDGET = 8388608, TAIL_FAILED = -1 };
enum { ROL, ROR, SHL = 4, SHR = 5, SAR = 7 };
enum { LOOP_ALIGN = 32 }; /* at 16 some small loops ran at half speed on the EPYC we measured */
enum { ALWAYS = 16 };     /* beside the condition codes */

struct convention {
    uint8_t home[REGS];
    uint8_t scratch[SCRATCHES];
    uint8_t fifth, sixth; /* machine registers of helper arguments 5 and 6, NO_REG: on the stack */
    uint32_t shadow;      /* bytes a caller leaves below its frame for its callees */
    uint16_t preserved;   /* machine registers that a callee preserves */
};

static const struct convention sysv = {
    {RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP},
    {R11, R10, R9},
    R8,
    R9,
    0,
    1u << RBX | 1u << RBP | 1u << R12 | 1u << R13 | 1u << R14 | 1u << R15,
};

static const struct convention microsoft = {
    {RAX, RCX, RDX, R8, R9, R10, RBX, RSI, RDI, R13, RBP},
    {R11, R14, R15},
    NO_REG,
    NO_REG,
    48,
    1u << RBX | 1u << RBP | 1u << RSI | 1u << RDI | 1u << R12 | 1u << R13 | 1u << R14 | 1u << R15,
};

enum lazy_kind {
    HOME,
    CONST, /* value */
    SUM,   /* base + (index << scale) + value, at 64 or 32 bits; either register may be absent */
    SHIFT, /* base `op` value */
    MASK,  /* base & value; value is a sign-extended imm */
    LOAD,  /* size bytes at base + (index << scale) + value */
    SLOT,  /* content of a slot */
};

struct lazy {
    uint8_t kind;
    bool wide; /* 64 bits; otherwise computed at 32 and zero-extended */
    uint8_t base, index, scale;
    uint8_t op;   /* SHL, SHR, SAR */
    uint8_t size; /* LOAD */
    bool sign;    /* LOAD: sign-extending */
    int64_t value;
};

/* Something in the code whose bytes depend on where code ends up. */
enum item_kind {
    ITEM_JUMP,  /* jcc or jmp to a label, emitted long, shortened later */
    ITEM_LABEL, /* disp32 of a call or lea to a label */
    ITEM_SLOT,  /* disp32 to a slot */
    ITEM_ALIGN, /* padding to LOOP_ALIGN bytes */
};

struct item {
    uint32_t position; /* of the jump's first byte, the disp32, the padding; in the scratch code */
    uint32_t target;   /* label or slot */
    int32_t addend;    /* labels: bytes; slots: bytes of the instruction after the disp32 */
    int32_t delta;     /* final position minus scratch position of what follows the item */
    uint8_t kind, condition;
    bool short_;
};

struct label {
    uint32_t position, items; /* items emitted before it */
};

struct frame {
    uint8_t saved[12];
    unsigned saved_count;
    bool stack;
    uint32_t local; /* bytes below the saved registers (below rbp when stack) */
};

struct jit {
    struct emitter e;
    const struct binding *binding;
    const struct jit_target *target;
    const struct convention *convention;
    struct arena *arena;
    const struct diag *diag;
    struct flow flow;
    uint32_t func; /* that is being emitted */
    struct frame frame;
    bool record;
    uint16_t written; /* by any subprogram; r10: uses its stack */

    struct lazy lazy[REGS];
    uint16_t pending;   /* registers whose lazy is not HOME */
    uint16_t narrow;    /* homes known to be zero-extended 32-bit values */
    uint16_t needed;    /* read by this instruction or live after it */
    uint16_t out;       /* live after it */
    uint32_t map[REGS]; /* map a register is known to name, plus 1; 0: unknown */

    struct label *labels; /* one per instruction, then one per subprogram's epilogue, then unwind of main */
    struct item *items;
    uint32_t item_count, item_capacity;
    uint64_t *slots;
    uint32_t slot_count, slot_capacity;
    uint32_t *helper_slots, *handle_slots, *value_slots; /* plus 1; 0: none yet */
    bool out_of_memory;
};

struct jit_code {
    struct code code;
    const struct allocator *memory;
    const struct executable *exec;
    struct jit_layout layout;
    void *pages;
};

/* ---- growing storage ---- */

static void *grow(struct jit *j, void *old, uint32_t *capacity, size_t unit)
{
    void *bigger = arena_array(j->arena, (size_t)*capacity * 2, unit);
    if (!bigger) {
        j->out_of_memory = true;
        return old;
    }
    memcpy(bigger, old, *capacity * unit);
    *capacity *= 2;
    return bigger;
}

/* Room for one BPF instruction.  Steps check out_of_memory before they emit. */
static bool reserve(struct jit *j)
{
    if (j->e.capacity - j->e.size < LONGEST_STEP)
        j->e.buffer = grow(j, j->e.buffer, &j->e.capacity, 1);
    if (j->item_capacity - j->item_count < 64)
        j->items = grow(j, j->items, &j->item_capacity, sizeof *j->items);
    if (j->slot_capacity - j->slot_count < 16)
        j->slots = grow(j, j->slots, &j->slot_capacity, sizeof *j->slots);
    return !j->out_of_memory;
}

static struct item *item_add(struct jit *j, enum item_kind kind, uint32_t target, int32_t addend)
{
    struct item *item = &j->items[j->item_count++];
    *item = (struct item){.position = j->e.size, .target = target, .addend = addend, .kind = (uint8_t)kind};
    return item;
}

static void label_here(struct jit *j, uint32_t label)
{
    j->labels[label] = (struct label){j->e.size, j->item_count};
}

static uint32_t label_epilogue(const struct jit *j)
{
    return j->flow.count + j->func;
}

static uint32_t label_unwind(const struct jit *j)
{
    return j->flow.count + j->flow.func_count;
}

/* The entry of the subprogram that begins at slot `first`: before its prologue, while the slot's own label is after. */
static uint32_t label_entry(const struct jit *j, uint32_t first)
{
    uint32_t low = 0, high = j->flow.func_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (j->flow.funcs[middle].first <= first)
            low = middle;
        else
            high = middle;
    }
    return j->flow.count + j->flow.func_count + 1 + low;
}

/* A jump, emitted long: jcc is 0f 8x rel32, jmp e9 rel32. */
static void jump(struct jit *j, unsigned condition, uint32_t label)
{
    item_add(j, ITEM_JUMP, label, 0)->condition = (uint8_t)condition;
    if (condition == ALWAYS) {
        emit8(&j->e, 0xe9);
    } else {
        emit8(&j->e, 0x0f);
        emit8(&j->e, 0x80 | condition);
    }
    emit32(&j->e, 0);
}

static uint32_t slot_new(struct jit *j, uint64_t value)
{
    j->slots[j->slot_count] = value;
    return j->slot_count++;
}

static uint32_t slot_of(struct jit *j, uint32_t *known, uint64_t value)
{
    if (!*known)
        *known = slot_new(j, value) + 1;
    return *known - 1;
}

static uint32_t slot_helper(struct jit *j, uint32_t helper)
{
    return slot_of(j, &j->helper_slots[helper], (uint64_t)(uintptr_t)j->binding->helpers[helper].fn);
}

static uint32_t slot_handle(struct jit *j, uint32_t map)
{
    return slot_of(j, &j->handle_slots[map], (uint64_t)(uintptr_t)j->binding->maps[map].handle);
}

static uint32_t slot_values(struct jit *j, uint32_t map)
{
    return slot_of(j, &j->value_slots[map], (uint64_t)(uintptr_t)j->binding->maps[map].values);
}

/* An instruction whose operand is a slot. */
static void slot_op(struct jit *j, unsigned op, bool wide, unsigned reg, uint32_t slot)
{
    emit_op(&j->e, op, wide, reg, x64_rip());
    j->e.size -= 4;
    item_add(j, ITEM_SLOT, slot, 0);
    j->e.size += 4;
}

static void slot_call(struct jit *j, uint32_t slot)
{
    slot_op(j, 0xff, false, 2, slot);
}

/* call or lea to a label. */
static void label_ref(struct jit *j, uint32_t label, int32_t addend)
{
    item_add(j, ITEM_LABEL, label, addend);
    emit32(&j->e, 0);
}

/* ---- homes and pending values ---- */

static unsigned home(const struct jit *j, unsigned reg)
{
    return j->convention->home[reg];
}

static unsigned scratch(const struct jit *j, unsigned n)
{
    return j->convention->scratch[n];
}

static uint16_t bit(unsigned reg)
{
    return (uint16_t)(1u << reg);
}

/* The BPF register that lives in a machine register, REGS for none. */
static unsigned tenant(const struct jit *j, unsigned machine)
{
    unsigned reg = 0;
    while (reg < REGS && j->convention->home[reg] != machine)
        reg++;
    return reg;
}

static bool is_pending(const struct jit *j, unsigned reg)
{
    return j->pending >> reg & 1;
}

static bool refers(const struct lazy *lazy, unsigned reg)
{
    return lazy->base == reg || lazy->index == reg;
}

static struct lazy lazy_sum(bool wide, unsigned base, unsigned index, unsigned scale, int64_t disp)
{
    return (struct lazy){.kind = SUM,
                         .wide = wide,
                         .base = (uint8_t)base,
                         .index = (uint8_t)index,
                         .scale = (uint8_t)scale,
                         .value = disp};
}

static struct lazy lazy_const(uint64_t value)
{
    return (struct lazy){.kind = CONST, .wide = true, .base = NO_REG, .index = NO_REG, .value = (int64_t)value};
}

/* Is it nothing but the value of its base, as far as `wide` bits go? */
static bool is_copy(const struct jit *j, const struct lazy *lazy, bool wide)
{
    return lazy->kind == SUM && lazy->index == NO_REG && lazy->base != NO_REG && lazy->value == 0 &&
           (!wide || lazy->wide || (j->narrow >> lazy->base & 1));
}

/* The home has just been given the value. */
static void homed(struct jit *j, unsigned reg, bool narrow)
{
    j->lazy[reg].kind = HOME;
    j->pending &= (uint16_t)~bit(reg);
    j->narrow = (uint16_t)((j->narrow & ~bit(reg)) | (narrow ? bit(reg) : 0));
    j->map[reg] = 0;
}

static void pend(struct jit *j, unsigned reg, struct lazy lazy)
{
    j->lazy[reg] = lazy;
    j->pending |= bit(reg);
    j->map[reg] = 0;
}

static struct x64_operand lazy_memory(const struct jit *j, const struct lazy *lazy)
{
    return x64_index(lazy->base == NO_REG ? NO_REG : home(j, lazy->base),
                     lazy->index == NO_REG ? NO_REG : home(j, lazy->index), lazy->scale, (int32_t)lazy->value);
}

static void materialise(struct jit *j, unsigned reg);

/* Rule 2: the home of `reg` is about to change; the registers of `set` that refer to it go to their homes. */
static void release(struct jit *j, unsigned reg, uint16_t set)
{
    set &= (uint16_t)(j->pending & ~bit(reg));
    for (unsigned other = 0; set >> other; other++) {
        if ((set >> other & 1) && is_pending(j, other) && refers(&j->lazy[other], reg))
            materialise(j, other);
    }
}

static void emit_sum(struct jit *j, unsigned reg, const struct lazy *l)
{
    unsigned to = home(j, reg);
    struct emitter *e = &j->e;
    if (l->index == NO_REG && l->base != NO_REG) {
        if (l->value == 0) {
            if (l->base != reg || (!l->wide && !(j->narrow >> reg & 1)))
                emit_mov(e, l->wide, to, home(j, l->base));
        } else if (l->base == reg) {
            if (l->value == 128)
                emit_ri(e, X_SUB, l->wide, x64_reg(to), -128);
            else
                emit_ri(e, X_ADD, l->wide, x64_reg(to), (int32_t)l->value);
        } else {
            emit_op(e, X_LEA, l->wide, to, lazy_memory(j, l));
        }
    } else if (l->index != NO_REG && l->base != NO_REG && l->scale == 0 && l->value == 0 &&
               (l->base == reg || l->index == reg)) {
        emit_rr(e, X_ADD, l->wide, to, home(j, l->base == reg ? l->index : l->base));
    } else {
        emit_op(e, X_LEA, l->wide, to, lazy_memory(j, l));
    }
}

static void emit_load(struct jit *j, unsigned to, struct x64_operand from, unsigned size, bool sign)
{
    switch (size) {
    case 1: emit_op(&j->e, sign ? X_MOVSX8 : X_MOVZX8, sign, to, from); break;
    case 2: emit_op(&j->e, sign ? X_MOVSX16 : X_MOVZX16, sign, to, from); break;
    case 4: emit_op(&j->e, sign ? X_MOVSXD : X_LOAD, sign, to, from); break;
    default: emit_op(&j->e, X_LOAD, true, to, from); break;
    }
}

/* Puts a pending value into its home. */
static void materialise(struct jit *j, unsigned reg)
{
    if (!is_pending(j, reg))
        return;
    release(j, reg, j->needed);
    const struct lazy l = j->lazy[reg];
    unsigned to = home(j, reg);
    struct emitter *e = &j->e;
    uint32_t map = j->map[reg];
    bool narrow = !l.wide;
    switch ((enum lazy_kind)l.kind) {
    case HOME: break;
    case CONST:
        emit_const(e, to, (uint64_t)l.value);
        narrow = (uint64_t)l.value <= UINT32_MAX;
        break;
    case SUM:
        emit_sum(j, reg, &l);
        narrow |= is_copy(j, &l, true) && (j->narrow >> l.base & 1);
        break;
    case SHIFT:
        if (l.base != reg) {
            if (l.op == SHL && l.value == 1) {
                emit_op(e, X_LEA, l.wide, to, x64_index(home(j, l.base), home(j, l.base), 0, 0));
                break;
            }
            emit_mov(e, l.wide, to, home(j, l.base));
        }
        emit_shift(e, l.op, l.wide, to, (unsigned)l.value);
        narrow |= l.op == SHR && l.value >= 32;
        break;
    case MASK:
        if (l.value == 0xff || l.value == 0xffff) {
            emit_op(e, l.value == 0xff ? X_MOVZX8 : X_MOVZX16, false, to, x64_reg(home(j, l.base)));
            narrow = true;
        } else {
            bool wide = l.wide && l.value < 0;
            if (l.base != reg)
                emit_mov(e, wide, to, home(j, l.base));
            emit_ri(e, X_AND, wide, x64_reg(to), (int32_t)l.value);
            narrow = !wide;
        }
        break;
    case LOAD:
        emit_load(j, to, lazy_memory(j, &l), l.size, l.sign);
        narrow = !l.sign && l.size < 8;
        break;
    case SLOT:
        slot_op(j, X_LOAD, true, to, (uint32_t)l.value);
        narrow = false;
        break;
    }
    homed(j, reg, narrow);
    j->map[reg] = map;
}

static void materialise_set(struct jit *j, uint16_t set)
{
    set &= j->pending;
    for (unsigned reg = 0; set >> reg; reg++) {
        if (set >> reg & 1)
            materialise(j, reg);
    }
}

/* Rule 4. */
static void materialise_loads(struct jit *j)
{
    uint16_t set = j->pending & j->needed;
    for (unsigned reg = 0; set >> reg; reg++) {
        if ((set >> reg & 1) && j->lazy[reg].kind == LOAD)
            materialise(j, reg);
    }
}

/* Nothing is pending: control may come from anywhere. */
static void forget(struct jit *j)
{
    for (unsigned reg = 0; reg < REGS; reg++)
        j->lazy[reg].kind = HOME;
    j->pending = 0;
    j->narrow = 0;
    memset(j->map, 0, sizeof j->map);
}

/* `reg` is about to get a new value by this instruction. */
static void begin(struct jit *j, unsigned reg)
{
    release(j, reg, j->out & (uint16_t)~bit(reg));
}

static bool simple(const struct jit *j, unsigned reg, bool wide)
{
    return !is_pending(j, reg) || is_copy(j, &j->lazy[reg], wide);
}

/* Makes the register readable at `wide` bits without further writes; then value_of says from where. */
static void settle(struct jit *j, unsigned reg, bool wide)
{
    if (!simple(j, reg, wide))
        materialise(j, reg);
}

static unsigned value_of(const struct jit *j, unsigned reg)
{
    return home(j, is_pending(j, reg) ? j->lazy[reg].base : reg);
}

static unsigned read_reg(struct jit *j, unsigned reg, bool wide)
{
    settle(j, reg, wide);
    return value_of(j, reg);
}

static unsigned to_home(struct jit *j, unsigned reg)
{
    materialise(j, reg);
    return home(j, reg);
}

/* A register's value as a SUM, if it is one at `wide` bits. */
static bool as_sum(const struct jit *j, unsigned reg, bool wide, struct lazy *out)
{
    const struct lazy *l = &j->lazy[reg];
    if (!is_pending(j, reg)) {
        *out = lazy_sum(wide, reg, NO_REG, 0, 0);
        return true;
    }
    switch (l->kind) {
    case CONST:
        if (wide && !fits32(l->value))
            return false;
        *out = lazy_sum(wide, NO_REG, NO_REG, 0, (int32_t)l->value);
        return true;
    case SUM:
        if (wide && !l->wide && !is_copy(j, l, true))
            return false;
        *out = *l;
        out->wide = wide;
        return true;
    case SHIFT:
        if (l->op != SHL || l->value > 3 || (wide && !l->wide))
            return false;
        *out = lazy_sum(wide, NO_REG, l->base, (unsigned)l->value, 0);
        return true;
    default: return false;
    }
}

/* a + b in the one form of an x86 address; false where it does not fit. */
static bool add_sums(const struct lazy *a, const struct lazy *b, struct lazy *out)
{
    uint8_t terms[4], scales[4];
    unsigned count = 0;
    const struct lazy *sides[2] = {a, b};
    for (unsigned i = 0; i < 2; i++) {
        if (sides[i]->base != NO_REG) {
            terms[count] = sides[i]->base;
            scales[count++] = 0;
        }
        if (sides[i]->index != NO_REG) {
            terms[count] = sides[i]->index;
            scales[count++] = sides[i]->scale;
        }
    }
    int64_t disp = a->value + b->value;
    if (!a->wide)
        disp = (int32_t)(uint32_t)(uint64_t)disp;
    if (count > 2 || !fits32(disp))
        return false;
    *out = lazy_sum(a->wide, NO_REG, NO_REG, 0, disp);
    for (unsigned i = 0; i < count; i++) {
        if (scales[i] == 0 && out->base == NO_REG) {
            out->base = terms[i];
        } else if (out->index == NO_REG) {
            out->index = terms[i];
            out->scale = scales[i];
        } else {
            return false;
        }
    }
    return true;
}

/* The memory operand reg + offset.  What it refers to must be used before the next write of a home. */
static void settle_address(struct jit *j, unsigned reg, int32_t offset)
{
    struct lazy sum;
    if (!as_sum(j, reg, true, &sum) || !fits32(sum.value + offset) || (sum.base == NO_REG && sum.index == NO_REG))
        materialise(j, reg);
}

static struct lazy address_of(const struct jit *j, unsigned reg, int32_t offset)
{
    struct lazy sum;
    as_sum(j, reg, true, &sum);
    sum.value += offset;
    return sum;
}

/* Is `reg` a pending load that this instruction may use as a memory operand of `size` bytes, being its last use? */
static bool fusable(const struct jit *j, unsigned reg, unsigned size)
{
    const struct lazy *l = &j->lazy[reg];
    return is_pending(j, reg) && l->kind == LOAD && l->size == size && !l->sign && !(j->out >> reg & 1);
}

/* ---- context, frames ---- */

static void load_context(struct jit *j, unsigned to)
{
    if (j->record)
        emit_op(&j->e, X_LOAD, true, to, x64_mem(R12, RECORD_CONTEXT));
    else
        emit_mov(&j->e, true, to, R12);
}

static bool in_main(const struct jit *j)
{
    return j->func == 0;
}

static void save_reg(struct frame *frame, unsigned machine)
{
    frame->saved[frame->saved_count++] = (uint8_t)machine;
}

/* What the subprogram's frame looks like. */
static void frame_plan(struct jit *j, const struct flow_func *func, struct frame *frame)
{
    bool main = func == j->flow.funcs;
    uint16_t written = func->written;
    memset(frame, 0, sizeof *frame);
    frame->stack = func->stack;
    if (main && j->record) { /* it may be unwound to, and answers for everybody's registers */
        written |= j->written;
        frame->stack |= j->written >> FRAME & 1;
    }
    for (unsigned reg = 0; reg < FRAME; reg++) {
        if ((written >> reg & 1) && (j->convention->preserved >> home(j, reg) & 1))
            save_reg(frame, home(j, reg));
    }
    if (main && (j->flow.context || j->record))
        save_reg(frame, R12);
    for (unsigned i = 0; main && i < SCRATCHES; i++) {
        if (j->convention->preserved >> scratch(j, i) & 1)
            save_reg(frame, scratch(j, i));
    }
    if (frame->stack)
        save_reg(frame, RBP);
    bool calls = func->calls || (main && j->record);
    frame->local = frame->stack ? ISA_STACK_SIZE : 0;
    if (main && j->record)
        frame->local += RECORD_SIZE;
    if (calls) {
        frame->local += j->convention->shadow;
        if ((8 + 8 * frame->saved_count + frame->local) % 16)
            frame->local += 8;
    }
}

static void frame_enter(struct jit *j)
{
    struct emitter *e = &j->e;
    const struct frame *frame = &j->frame;
    for (unsigned i = 0; i < frame->saved_count; i++)
        emit_push(e, frame->saved[i]);
    if (frame->stack)
        emit_mov(e, true, RBP, RSP);
    if (frame->local)
        emit_ri(e, X_SUB, true, x64_reg(RSP), (int32_t)frame->local);
    if (!in_main(j))
        return;
    if (j->record) {
        emit_op(e, X_LEA, true, R12, x64_mem(RSP, (int32_t)j->convention->shadow));
        emit_op(e, X_STORE, true, home(j, 1), x64_mem(R12, RECORD_CONTEXT));
        emit_op(e, X_STORE, true, home(j, 2), x64_mem(R12, RECORD_LENGTH));
        emit_op(e, 0xc7, true, 0, x64_mem(R12, RECORD_BUDGET));
        emit32(e, BUDGET);
        emit_op(e, X_LEA, true, scratch(j, 0), x64_rip());
        e->size -= 4;
        label_ref(j, label_unwind(j), 0);
        emit_op(e, X_STORE, true, scratch(j, 0), x64_mem(R12, RECORD_UNWIND));
    } else if (j->flow.context) {
        emit_mov(e, true, R12, home(j, 1));
    }
}

/* Everything but the return. */
static void frame_leave(struct jit *j)
{
    struct emitter *e = &j->e;
    unsigned count = j->frame.saved_count;
    if (j->frame.stack) {
        emit8(e, 0xc9); /* leave */
        count--;
    } else if (j->frame.local) {
        emit_ri(e, X_ADD, true, x64_reg(RSP), (int32_t)j->frame.local);
    }
    while (count)
        emit_pop(e, j->frame.saved[--count]);
}

/* Ends the program with rax, from any depth. */
static void unwind(struct jit *j)
{
    emit_op(&j->e, 0xff, false, 4, x64_mem(R12, RECORD_UNWIND));
}

/* Where unwinding arrives: r12 is the record of the main frame. */
static void unwind_landing(struct jit *j)
{
    int32_t shadow = (int32_t)j->convention->shadow;
    label_here(j, label_unwind(j));
    emit_op(&j->e, X_LEA, true, RSP, x64_mem(R12, -shadow));
    if (j->frame.stack)
        emit_op(&j->e, X_LEA, true, RBP, x64_mem(R12, (int32_t)j->frame.local - shadow));
    frame_leave(j);
    emit8(&j->e, 0xc3);
}

/* C may call the subprogram that follows as a helper_fn. */
static void thunk(struct jit *j)
{
    struct emitter *e = &j->e;
    uint32_t start = e->size;
    struct frame frame = {.saved_count = 0};
    save_reg(&frame, R12);
    for (unsigned i = 0; i < SCRATCHES; i++) {
        if (j->convention->preserved >> scratch(j, i) & 1)
            save_reg(&frame, scratch(j, i));
    }
    for (unsigned reg = 0; j->record && reg < REGS; reg++) { /* an unwinding passes over what others saved */
        if ((j->written >> reg & 1) && (j->convention->preserved >> home(j, reg) & 1))
            save_reg(&frame, home(j, reg));
    }
    frame.local = j->record ? RECORD_SIZE : 0;
    if ((8 + 8 * frame.saved_count + frame.local) % 16)
        frame.local += 8;
    unsigned context = j->convention->sixth;
    for (unsigned i = 0; i < frame.saved_count; i++)
        emit_push(e, frame.saved[i]);
    if (j->convention->fifth == NO_REG) {
        int32_t arguments = (int32_t)(8 * frame.saved_count + 8 + 32);
        emit_op(e, X_LOAD, true, home(j, 5), x64_mem(RSP, arguments));
        emit_op(e, X_LOAD, true, RAX, x64_mem(RSP, arguments + 8));
        context = RAX;
    }
    if (frame.local)
        emit_ri(e, X_SUB, true, x64_reg(RSP), (int32_t)frame.local);
    uint32_t landing = 0;
    if (j->record) {
        emit_mov(e, true, R12, RSP);
        emit_op(e, X_STORE, true, context, x64_mem(R12, RECORD_CONTEXT));
        emit_op(e, 0xc7, true, 0, x64_mem(R12, RECORD_LENGTH));
        emit32(e, 0);
        emit_op(e, 0xc7, true, 0, x64_mem(R12, RECORD_BUDGET));
        emit32(e, BUDGET);
        emit_op(e, X_LEA, true, RAX, x64_rip());
        landing = e->size;
        emit_op(e, X_STORE, true, RAX, x64_mem(R12, RECORD_UNWIND));
    } else {
        emit_mov(e, true, R12, context);
    }
    emit8(e, 0xe8);
    uint32_t call = e->size;
    emit32(e, 0);
    if (j->record) {
        store_le32(e->buffer + landing - 4, e->size - landing);
        emit_mov(e, true, RSP, R12);
    }
    if (frame.local)
        emit_ri(e, X_ADD, true, x64_reg(RSP), (int32_t)frame.local);
    while (frame.saved_count)
        emit_pop(e, frame.saved[--frame.saved_count]);
    emit8(e, 0xc3);
    memset(e->buffer + e->size, 0xcc, THUNK_SIZE - (e->size - start));
    e->size = start + THUNK_SIZE;
    store_le32(e->buffer + call, e->size - (call + 4));
}

/* ---- arithmetic ---- */

/* dst = lazily a + b. */
static void alu_add(struct jit *j, unsigned dst, unsigned src, bool wide)
{
    struct lazy a, b, sum;
    if (fusable(j, src, wide ? 8 : 4) && src != dst) {
        unsigned to = to_home(j, dst);
        if (fusable(j, src, wide ? 8 : 4)) {
            emit_op(&j->e, X_ADD + 2, wide, to, lazy_memory(j, &j->lazy[src]));
            homed(j, dst, !wide);
            return;
        }
    }
    if (!as_sum(j, src, wide, &b))
        materialise(j, src);
    if (!as_sum(j, dst, wide, &a))
        materialise(j, dst);
    as_sum(j, src, wide, &b);
    as_sum(j, dst, wide, &a);
    if (!add_sums(&a, &b, &sum)) {
        materialise(j, dst);
        as_sum(j, src, wide, &b);
        as_sum(j, dst, wide, &a);
        if (!add_sums(&a, &b, &sum)) {
            materialise(j, src);
            as_sum(j, src, wide, &b);
            as_sum(j, dst, wide, &a);
            add_sums(&a, &b, &sum);
        }
    }
    pend(j, dst, sum);
}

static void alu_add_imm(struct jit *j, unsigned dst, int64_t imm, bool wide)
{
    struct lazy a, sum;
    if (is_pending(j, dst) && j->lazy[dst].kind == CONST) {
        uint64_t value = (uint64_t)j->lazy[dst].value + (uint64_t)imm;
        pend(j, dst, lazy_const(wide ? value : (uint32_t)value));
        return;
    }
    struct lazy b = lazy_sum(wide, NO_REG, NO_REG, 0, wide ? imm : (int32_t)(uint32_t)(uint64_t)imm);
    if (!as_sum(j, dst, wide, &a) || !add_sums(&a, &b, &sum)) {
        materialise(j, dst);
        as_sum(j, dst, wide, &a);
        if (!add_sums(&a, &b, &sum)) { /* 2^31, from a subtraction */
            emit_ri(&j->e, X_SUB, true, x64_reg(home(j, dst)), INT32_MIN);
            homed(j, dst, false);
            return;
        }
    }
    pend(j, dst, sum);
}

/* dst op= src for sub, or, and, xor (and cmp-shaped opcodes) in place. */
static void alu_in_place(struct jit *j, unsigned op, unsigned dst, unsigned src, bool wide)
{
    unsigned to = to_home(j, dst);
    if (is_pending(j, src) && j->lazy[src].kind == CONST && fits32(wide ? j->lazy[src].value : 0)) {
        emit_ri(&j->e, op, wide, x64_reg(to), (int32_t)j->lazy[src].value);
    } else if (fusable(j, src, wide ? 8 : 4) && src != dst) {
        emit_op(&j->e, op + 2, wide, to, lazy_memory(j, &j->lazy[src]));
    } else {
        unsigned from = read_reg(j, src, wide);
        emit_rr(&j->e, op, wide, to, from);
    }
    homed(j, dst, !wide);
}

static void alu_in_place_imm(struct jit *j, unsigned op, unsigned dst, int32_t imm, bool wide)
{
    unsigned to = to_home(j, dst);
    emit_ri(&j->e, op, wide, x64_reg(to), imm);
    homed(j, dst, !wide);
}

/* (x << k) | (x >> (W - k)) is a rotate, whether joined by or, xor or add. */
static bool alu_rotate(struct jit *j, unsigned dst, unsigned src, bool wide)
{
    const struct lazy *a = &j->lazy[dst], *b = &j->lazy[src];
    if (!is_pending(j, dst) || !is_pending(j, src) || a->kind != SHIFT || b->kind != SHIFT || a->base != b->base ||
        a->wide != wide || b->wide != wide || a->op == b->op || a->op == SAR || b->op == SAR ||
        a->value + b->value != (wide ? 64 : 32))
        return false;
    unsigned right = (unsigned)(a->op == SHR ? a->value : b->value), from = a->base;
    if (from == dst) {
        emit_shift(&j->e, ROR, wide, home(j, dst), right);
    } else if (j->target->bmi2) {
        emit_rorx(&j->e, wide, home(j, dst), x64_reg(home(j, from)), right);
    } else {
        emit_mov(&j->e, wide, home(j, dst), home(j, from));
        emit_shift(&j->e, ROR, wide, home(j, dst), right);
    }
    homed(j, dst, !wide);
    return true;
}

/* dst's value as a plain copy of some home, for three-operand forms: that register, or dst itself once settled. */
static unsigned source_of(struct jit *j, unsigned dst, bool wide)
{
    settle(j, dst, wide);
    return is_pending(j, dst) ? j->lazy[dst].base : dst;
}

static void alu_copy32(struct jit *j, unsigned dst)
{
    struct lazy sum;
    if (!as_sum(j, dst, false, &sum))
        materialise(j, dst);
    as_sum(j, dst, false, &sum);
    if (sum.base == NO_REG && sum.index == NO_REG)
        pend(j, dst, lazy_const((uint32_t)sum.value));
    else if (sum.base == dst && is_copy(j, &sum, true))
        homed(j, dst, true);
    else
        pend(j, dst, sum);
}

static void alu_shift_imm(struct jit *j, unsigned op, unsigned dst, unsigned count, bool wide)
{
    count &= wide ? 63 : 31;
    if (count == 0) {
        if (!wide)
            alu_copy32(j, dst);
        return;
    }
    const struct lazy *l = &j->lazy[dst];
    if (wide && is_pending(j, dst) && l->kind == SHIFT && l->wide && l->op == SHL && l->value == count && op != SHL) {
        /* shift up, shift down: an extension */
        unsigned base = l->base;
        if (op == SHR && count == 32) {
            struct lazy copy = lazy_sum(false, base, NO_REG, 0, 0);
            pend(j, dst, copy);
            return;
        }
        if (op == SHR && (count == 48 || count == 56)) {
            pend(j, dst,
                 (struct lazy){
                     .kind = MASK, .base = (uint8_t)base, .index = NO_REG, .value = count == 48 ? 0xffff : 0xff});
            return;
        }
        if (op == SAR && (count == 32 || count == 48 || count == 56)) {
            emit_op(&j->e,
                    count == 32   ? X_MOVSXD
                    : count == 48 ? X_MOVSX16
                                  : X_MOVSX8,
                    true, home(j, dst), x64_reg(home(j, base)));
            homed(j, dst, false);
            return;
        }
    }
    unsigned base = source_of(j, dst, wide);
    pend(j, dst,
         (struct lazy){
             .kind = SHIFT, .wide = wide, .base = (uint8_t)base, .index = NO_REG, .op = (uint8_t)op, .value = count});
}

static void alu_shift_reg(struct jit *j, unsigned op, unsigned dst, unsigned src, bool wide)
{
    const struct lazy *count = &j->lazy[src];
    if (is_pending(j, src) && count->kind == CONST) {
        alu_shift_imm(j, op, dst, (unsigned)count->value, wide);
        return;
    }
    struct emitter *e = &j->e;
    settle(j, dst, wide);
    /* A mask that keeps the bits the machine looks at is no work. */
    bool masked = is_pending(j, src) && count->kind == MASK && (count->value & (wide ? 63 : 31)) == (wide ? 63 : 31);
    if (!masked)
        settle(j, src, false);
    settle(j, dst, wide);
    unsigned by = home(j, is_pending(j, src) ? j->lazy[src].base : src), from = value_of(j, dst), to = home(j, dst);
    if (j->target->bmi2) {
        emit_shiftx(e, op, wide, to, x64_reg(from), by);
    } else if (by == RCX && to != RCX) {
        if (to != from)
            emit_mov(e, wide, to, from);
        emit_shift_cl(e, op, wide, to);
    } else {
        unsigned value = scratch(j, 0), keep = scratch(j, 1);
        emit_mov(e, true, value, from);
        if (by != RCX) {
            emit_mov(e, true, keep, RCX);
            emit_mov(e, false, RCX, by);
        }
        emit_shift_cl(e, op, wide, value);
        if (by != RCX)
            emit_mov(e, true, RCX, keep);
        emit_mov(e, wide, to, value);
    }
    homed(j, dst, !wide);
}

static void alu_mul_imm(struct jit *j, unsigned dst, int32_t imm, bool wide)
{
    if (imm == 0) {
        pend(j, dst, lazy_const(0));
        return;
    }
    if (imm > 0 && !(imm & (imm - 1))) {
        unsigned count = 0;
        while (imm >> count != 1)
            count++;
        alu_shift_imm(j, SHL, dst, count, wide);
        return;
    }
    if (imm == 3 || imm == 5 || imm == 9) {
        unsigned base = source_of(j, dst, wide);
        pend(j, dst, lazy_sum(wide, base, base, imm == 3 ? 1 : imm == 5 ? 2 : 3, 0));
        return;
    }
    struct x64_operand from;
    const struct lazy *l = &j->lazy[dst];
    if (is_pending(j, dst) && l->kind == LOAD && l->size == (wide ? 8 : 4) && !l->sign)
        from = lazy_memory(j, l);
    else
        from = x64_reg(home(j, source_of(j, dst, wide)));
    emit_op(&j->e, fits8(imm) ? 0x6b : 0x69, wide, home(j, dst), from);
    if (fits8(imm))
        emit8(&j->e, (uint8_t)imm);
    else
        emit32(&j->e, (uint32_t)imm);
    homed(j, dst, !wide);
}

static void alu_mul(struct jit *j, unsigned dst, unsigned src, bool wide)
{
    const struct lazy *l = &j->lazy[src];
    if (is_pending(j, src) && l->kind == CONST && fits32(wide ? l->value : 0)) {
        alu_mul_imm(j, dst, (int32_t)l->value, wide);
        return;
    }
    unsigned to = to_home(j, dst);
    if (fusable(j, src, wide ? 8 : 4) && src != dst) {
        emit_op(&j->e, X_IMUL, wide, to, lazy_memory(j, &j->lazy[src]));
    } else {
        unsigned from = read_reg(j, src, wide);
        emit_op(&j->e, X_IMUL, wide, to, x64_reg(from));
    }
    homed(j, dst, !wide);
}

/* Must the machine register keep its value over this instruction, which gives `dst` a new one? */
static bool occupied(const struct jit *j, unsigned machine, unsigned dst)
{
    unsigned reg = tenant(j, machine);
    uint16_t kept = j->out;
    if (reg >= REGS || reg == dst)
        return false;
    for (unsigned other = 0; other < REGS; other++) { /* pending values count as uses of the homes they refer to */
        if ((kept >> other & 1) && other != dst && is_pending(j, other) && refers(&j->lazy[other], reg))
            return true;
    }
    return kept >> reg & 1;
}

/* scratch 0 = high half of factor * the register `from`.  Uses scratch 1 and 2. */
static void multiply_high(struct jit *j, unsigned dst, unsigned from, uint64_t factor)
{
    struct emitter *e = &j->e;
    unsigned high = scratch(j, 0), keep = scratch(j, 1), keep2 = scratch(j, 2);
    if (j->target->bmi2) {
        /* dst's home still holds an operand when the remainder is wanted, so it is kept too */
        emit_mov(e, true, keep, RDX);
        emit_const(e, RDX, factor);
        emit_mulx(e, true, high, high, x64_reg(from == RDX ? keep : from));
        emit_mov(e, true, RDX, keep);
        return;
    }
    emit_mov(e, true, keep, RAX);
    emit_mov(e, true, keep2, RDX);
    emit_const(e, RAX, factor);
    emit_op(e, 0xf7, true, 4, x64_reg(from == RAX ? keep : from == RDX ? keep2 : from));
    emit_mov(e, true, high, RDX);
    emit_mov(e, true, RAX, keep);
    emit_mov(e, true, RDX, keep2);
}

/* floor((2^64 << shift) / d) and the remainder, for 2^shift < d. */
static uint64_t divide_power(uint64_t d, unsigned shift, uint64_t *remainder)
{
    uint64_t rest = (uint64_t)1 << shift, quotient = 0;
    for (unsigned i = 0; i < 64; i++) {
        bool carry = rest >> 63;
        rest <<= 1;
        quotient <<= 1;
        if (carry || rest >= d) {
            rest -= d;
            quotient |= 1;
        }
    }
    *remainder = rest;
    return quotient;
}

/* Unsigned division by a constant that is not a power of two, as a multiplication (Granlund & Montgomery 1994).
 * With m = floor(2^(N+s) / d) + 1 and e = d - 2^(N+s) mod d, floor(n * m / 2^(N+s)) = floor(n / d) whenever
 * n * e < 2^(N+s).  A 32-bit n is always right with N = 64, s = 0.  A 64-bit one is with the largest s that keeps m in
 * 64 bits if e <= 2^s; else after halving an even d and n first; else with the 65-bit m of s + 1, whose top bit is an
 * addition. */
static void divide_magic(struct jit *j, unsigned dst, uint64_t d, bool wide, bool modulo)
{
    struct emitter *e = &j->e;
    unsigned base, high = scratch(j, 0), other = scratch(j, 1), to = home(j, dst);
    if (modulo) {
        materialise(j, dst);
        base = dst;
    } else {
        base = source_of(j, dst, wide);
    }
    unsigned from = home(j, base);
    if (!wide && !(j->narrow >> base & 1)) {
        emit_mov(e, false, to, from);
        from = to;
    }
    uint64_t rest, factor;
    unsigned shift = 0, before = 0;
    bool add = false;
    if (!wide) {
        factor = divide_power(d, 0, &rest) + 1;
    } else {
        while (shift < 63 && (uint64_t)2 << shift < d && (uint64_t)2 << shift)
            shift++;
        if (d >> 63)
            shift = 63;
        factor = divide_power(d, shift, &rest) + 1;
        if (d - rest > (uint64_t)1 << shift) {
            if (!(d & 1)) {
                uint64_t half = d;
                while (!(half & 1)) {
                    half >>= 1;
                    before++;
                }
                shift -= before;
                factor = divide_power(half, shift, &rest) + 1;
            } else { /* one bit more of the quotient: 2 * (factor - 1) + (2 * rest >= d) + 1, without its 65th bit */
                factor = 2 * (factor - 1) + (rest >= d - rest) + 1;
                add = true;
            }
        }
    }
    if (before) {
        emit_mov(e, true, high, from);
        emit_shift(e, SHR, true, high, before);
        multiply_high(j, dst, high, factor);
    } else {
        multiply_high(j, dst, from, factor);
    }
    if (add) { /* ((n - high) / 2 + high) / 2^shift */
        emit_mov(e, true, other, from);
        emit_rr(e, X_SUB, true, other, high);
        emit_shift(e, SHR, true, other, 1);
        emit_rr(e, X_ADD, true, high, other);
    }
    if (shift)
        emit_shift(e, SHR, true, high, shift);
    if (modulo) {
        if (wide && !fits32((int64_t)d)) {
            emit_const(e, other, d);
            emit_op(e, X_IMUL, true, high, x64_reg(other));
        } else {
            emit_op(e, 0x69, wide, high, x64_reg(high));
            emit32(e, (uint32_t)d);
        }
        emit_rr(e, X_SUB, wide, to, high);
    } else {
        emit_mov(e, wide, to, high);
    }
    homed(j, dst, !wide);
}

/* dst = dst / from or dst % from by the machine's division.  `checked`: from may be zero (or -1 when signed). */
static void divide(struct jit *j, unsigned dst, unsigned from, bool wide, bool is_signed, bool modulo, bool checked)
{
    struct emitter *e = &j->e;
    unsigned to = home(j, dst), divisor = scratch(j, 0), keep_a = scratch(j, 1), keep_d = scratch(j, 2);
    if (from == RAX || from == RDX || from == to) {
        emit_mov(e, wide, divisor, from);
        from = divisor;
    }
    bool saved_a = occupied(j, RAX, dst), saved_d = occupied(j, RDX, dst);
    if (saved_a)
        emit_mov(e, true, keep_a, RAX);
    if (saved_d)
        emit_mov(e, true, keep_d, RDX);
    if (to != RAX)
        emit_mov(e, wide, RAX, to);
    uint32_t zero = 0, minus = 0, end = 0;
    if (checked) {
        emit_rr(e, X_TEST, wide, from, from);
        zero = emit_skip(e, CC_E);
    }
    if (is_signed) {
        if (checked) {
            emit_ri(e, X_CMP, wide, x64_reg(from), -1);
            minus = emit_skip(e, CC_E);
        }
        if (wide)
            emit8(e, 0x48);
        emit8(e, 0x99); /* cqo, cdq */
        emit_op(e, 0xf7, wide, 7, x64_reg(from));
    } else {
        emit_rr(e, X_XOR, false, RDX, RDX);
        emit_op(e, 0xf7, wide, 6, x64_reg(from));
    }
    if (checked) {
        end = emit_skip_always(e);
        if (is_signed) {
            emit_land(e, minus);
            if (modulo)
                emit_rr(e, X_XOR, false, RDX, RDX);
            else
                emit_op(e, 0xf7, wide, 3, x64_reg(RAX));
            uint32_t after = emit_skip_always(e);
            emit_land(e, zero);
            if (modulo)
                emit_mov(e, wide, RDX, RAX);
            else
                emit_rr(e, X_XOR, false, RAX, RAX);
            emit_land(e, after);
        } else {
            emit_land(e, zero);
            if (modulo)
                emit_mov(e, wide, RDX, RAX);
            else
                emit_rr(e, X_XOR, false, RAX, RAX);
        }
        emit_land(e, end);
    }
    unsigned result = modulo ? RDX : RAX;
    if (to != result)
        emit_mov(e, wide, to, result);
    if (saved_a)
        emit_mov(e, true, RAX, keep_a);
    if (saved_d)
        emit_mov(e, true, RDX, keep_d);
    homed(j, dst, !wide);
}

static void alu_mask_imm(struct jit *j, unsigned dst, int32_t imm, bool wide);

static void alu_divide_imm(struct jit *j, unsigned dst, int64_t imm, bool wide, bool is_signed, bool modulo)
{
    uint64_t d = wide ? (uint64_t)imm : (uint32_t)imm;
    bool identity = modulo ? d == 0 : d == 1;
    if (identity) {
        if (!wide)
            alu_copy32(j, dst);
        return;
    }
    if (d == 0 || (modulo && d == 1) || (modulo && is_signed && imm == -1)) {
        pend(j, dst, lazy_const(0));
        return;
    }
    if (is_signed && imm == -1) {
        unsigned to = to_home(j, dst);
        emit_op(&j->e, 0xf7, wide, 3, x64_reg(to));
        homed(j, dst, !wide);
        return;
    }
    if (is_signed) {
        materialise(j, dst);
        emit_const(&j->e, scratch(j, 0), d);
        divide(j, dst, scratch(j, 0), wide, true, modulo, false);
        return;
    }
    if (!(d & (d - 1))) {
        unsigned count = 0;
        while (d >> count != 1)
            count++;
        if (!modulo) {
            alu_shift_imm(j, SHR, dst, count, wide);
        } else if (count <= 31) {
            alu_mask_imm(j, dst, (int32_t)(d - 1), wide);
        } else {
            unsigned to = to_home(j, dst);
            emit_const(&j->e, scratch(j, 0), d - 1);
            emit_rr(&j->e, X_AND, wide, to, scratch(j, 0));
            homed(j, dst, !wide);
        }
        return;
    }
    divide_magic(j, dst, d, wide, modulo);
}

static void alu_divide(struct jit *j, unsigned dst, unsigned src, bool wide, bool is_signed, bool modulo)
{
    const struct lazy *l = &j->lazy[src];
    if (is_pending(j, src) && l->kind == CONST) {
        alu_divide_imm(j, dst, wide ? l->value : (int32_t)l->value, wide, is_signed, modulo);
        return;
    }
    materialise(j, dst);
    divide(j, dst, read_reg(j, src, wide), wide, is_signed, modulo, true);
}

/* dst &= imm */
static void alu_mask_imm(struct jit *j, unsigned dst, int32_t imm, bool wide)
{
    bool full = wide && imm < 0; /* otherwise the upper half of the result is zero and of the operand irrelevant */
    if (!wide && imm == -1) {
        alu_copy32(j, dst);
        return;
    }
    unsigned base = source_of(j, dst, full);
    pend(j, dst, (struct lazy){.kind = MASK, .wide = wide, .base = (uint8_t)base, .index = NO_REG, .value = imm});
}

/* dst = src, sign-extended from `bits` */
static void alu_movsx(struct jit *j, unsigned dst, unsigned src, unsigned bits, bool wide)
{
    unsigned from = read_reg(j, src, bits > 32);
    emit_op(&j->e, bits == 8 ? X_MOVSX8 : bits == 16 ? X_MOVSX16 : X_MOVSXD, wide, home(j, dst), x64_reg(from));
    homed(j, dst, !wide);
}

static void alu_mov(struct jit *j, unsigned dst, unsigned src, bool wide)
{
    uint32_t map = j->map[src];
    if (src == dst) {
        if (!wide)
            alu_copy32(j, dst);
        return;
    }
    const struct lazy *l = &j->lazy[src];
    bool last = !(j->out >> src & 1);
    if (!is_pending(j, src)) {
        pend(j, dst, lazy_sum(wide || (j->narrow >> src & 1), src, NO_REG, 0, 0));
    } else if (l->kind == CONST) {
        pend(j, dst, lazy_const(wide ? (uint64_t)l->value : (uint32_t)l->value));
    } else if (l->kind == SLOT && wide) {
        pend(j, dst, *l);
    } else if (is_copy(j, l, false)) {
        struct lazy copy = *l;
        copy.wide = copy.wide && (wide || (j->narrow >> copy.base & 1));
        pend(j, dst, copy);
    } else if (last && l->kind == SUM) {
        struct lazy copy = *l;
        copy.wide = copy.wide && wide;
        if (!copy.wide)
            copy.value = (int32_t)(uint32_t)(uint64_t)copy.value;
        pend(j, dst, copy);
    } else if (last && (wide || !l->wide) && l->kind != SLOT && l->kind != LOAD) {
        pend(j, dst, *l);
    } else if (last && l->kind == LOAD && (wide || (!l->sign && l->size < 8))) {
        pend(j, dst, *l);
    } else {
        materialise(j, src);
        pend(j, dst, lazy_sum(wide || (j->narrow >> src & 1), src, NO_REG, 0, 0));
    }
    if (wide)
        j->map[dst] = map;
}

/* Byte order. */
static void alu_swap(struct jit *j, unsigned dst, unsigned bits)
{
    const struct lazy *l = &j->lazy[dst];
    struct emitter *e = &j->e;
    unsigned to = home(j, dst);
    if (j->target->movbe && bits >= 32 && is_pending(j, dst) && l->kind == LOAD && l->size * 8u == bits) {
        emit_op(e, X_MOVBE, bits == 64, to, lazy_memory(j, l));
        homed(j, dst, bits == 32);
        return;
    }
    if (bits == 16) {
        bool short_load = is_pending(j, dst) && l->kind == LOAD && l->size <= 2 && !l->sign;
        if (short_load) {
            materialise(j, dst);
        } else {
            unsigned from = home(j, source_of(j, dst, false));
            emit_op(e, X_MOVZX16, false, to, x64_reg(from));
        }
        emit_op(e, 0xc1 | OP_66, false, ROL, x64_reg(to));
        emit8(e, 8);
    } else {
        materialise(j, dst);
        emit_bswap(e, bits == 64, to);
    }
    homed(j, dst, bits < 64);
}

/* One ALU or ALU64 instruction; false where there is no such one. */
static bool step_alu(struct jit *j, const struct insn *insn)
{
    bool wide = (insn->code & 7) == 7, by_reg = insn->code & 8;
    unsigned dst = insn_dst(insn), src = insn_src(insn), op = insn->code & 0xf0;
    int32_t imm = insn->imm;
    bool is_signed = insn->off != 0;
    begin(j, dst);
    switch (op) {
    case 0x00: /* add */
        if (!by_reg)
            alu_add_imm(j, dst, imm, wide);
        else if (!alu_rotate(j, dst, src, wide))
            alu_add(j, dst, src, wide);
        return true;
    case 0x10: /* sub */
        if (!by_reg)
            alu_add_imm(j, dst, -(int64_t)imm, wide);
        else
            alu_in_place(j, X_SUB, dst, src, wide);
        return true;
    case 0x20: /* mul */
        if (by_reg)
            alu_mul(j, dst, src, wide);
        else
            alu_mul_imm(j, dst, imm, wide);
        return true;
    case 0x30: /* div */
    case 0x90: /* mod */
        if (by_reg)
            alu_divide(j, dst, src, wide, is_signed, op == 0x90);
        else
            alu_divide_imm(j, dst, imm, wide, is_signed, op == 0x90);
        return true;
    case 0x40: /* or */
        if (!by_reg)
            alu_in_place_imm(j, X_OR, dst, imm, wide);
        else if (!alu_rotate(j, dst, src, wide))
            alu_in_place(j, X_OR, dst, src, wide);
        return true;
    case 0x50: /* and */
        if (!by_reg)
            alu_mask_imm(j, dst, imm, wide);
        else if (wide && is_pending(j, src) && j->lazy[src].kind == CONST && j->lazy[src].value == UINT32_MAX)
            alu_copy32(j, dst);
        else
            alu_in_place(j, X_AND, dst, src, wide);
        return true;
    case 0x60: /* lsh */
    case 0x70: /* rsh */
    case 0xc0: /* arsh */ {
        unsigned kind = op == 0x60 ? SHL : op == 0x70 ? SHR : SAR;
        if (by_reg)
            alu_shift_reg(j, kind, dst, src, wide);
        else
            alu_shift_imm(j, kind, dst, (unsigned)imm, wide);
        return true;
    }
    case 0x80: /* neg */ {
        unsigned to = to_home(j, dst);
        emit_op(&j->e, 0xf7, wide, 3, x64_reg(to));
        homed(j, dst, !wide);
        return true;
    }
    case 0xa0: /* xor */
        if (!by_reg && imm == -1) {
            unsigned to = to_home(j, dst);
            emit_op(&j->e, 0xf7, wide, 2, x64_reg(to));
            homed(j, dst, !wide);
        } else if (!by_reg) {
            alu_in_place_imm(j, X_XOR, dst, imm, wide);
        } else if (!alu_rotate(j, dst, src, wide)) {
            alu_in_place(j, X_XOR, dst, src, wide);
        }
        return true;
    case 0xb0: /* mov */
        if (!by_reg)
            pend(j, dst, lazy_const(wide ? (uint64_t)(int64_t)imm : (uint32_t)imm));
        else if (insn->off)
            alu_movsx(j, dst, src, (unsigned)insn->off, wide);
        else
            alu_mov(j, dst, src, wide);
        return true;
    case 0xd0: /* byte order: to little-endian is a truncation here */
        if (wide || by_reg)
            alu_swap(j, dst, (unsigned)imm);
        else if (imm == 16)
            alu_mask_imm(j, dst, 0xffff, false);
        else if (imm == 32)
            alu_copy32(j, dst);
        return true;
    default: return false;
    }
}

/* ---- memory ---- */

static unsigned size_of(unsigned code)
{
    static const uint8_t sizes[4] = {4, 2, 1, 8};
    return sizes[code >> 3 & 3];
}

/* dst = pending load from src + off */
static void step_load(struct jit *j, const struct insn *insn)
{
    unsigned dst = insn_dst(insn), src = insn_src(insn);
    begin(j, dst);
    settle_address(j, src, insn->off);
    struct lazy load = address_of(j, src, insn->off);
    load.kind = LOAD;
    load.size = (uint8_t)size_of(insn->code);
    load.sign = (insn->code & 0xe0) == 0x80;
    load.wide = load.sign || load.size == 8;
    pend(j, dst, load);
}

static void emit_store_imm(struct jit *j, struct x64_operand to, unsigned size, int32_t imm)
{
    struct emitter *e = &j->e;
    switch (size) {
    case 1:
        emit_op(e, 0xc6, false, 0, to);
        emit8(e, (uint8_t)imm);
        break;
    case 2:
        emit_op(e, 0xc7 | OP_66, false, 0, to);
        emit8(e, (uint8_t)imm);
        emit8(e, (uint8_t)((uint32_t)imm >> 8));
        break;
    default:
        emit_op(e, 0xc7, size == 8, 0, to);
        emit32(e, (uint32_t)imm);
        break;
    }
}

static void emit_store(struct jit *j, struct x64_operand to, unsigned size, unsigned from)
{
    emit_op(&j->e,
            size == 1   ? (unsigned)X_STORE8
            : size == 2 ? (unsigned)X_STORE16
                        : (unsigned)X_STORE,
            size == 8, from, to);
}

static void step_store_imm(struct jit *j, const struct insn *insn)
{
    unsigned dst = insn_dst(insn);
    materialise_loads(j);
    settle_address(j, dst, insn->off);
    struct lazy to = address_of(j, dst, insn->off);
    emit_store_imm(j, lazy_memory(j, &to), size_of(insn->code), insn->imm);
}

static void store_reg(struct jit *j, unsigned dst, unsigned src, int32_t off, unsigned size)
{
    materialise_loads(j);
    const struct lazy *l = &j->lazy[src];
    bool constant = is_pending(j, src) && l->kind == CONST && (size < 8 || fits32(l->value));
    settle_address(j, dst, off);
    if (!constant)
        settle(j, src, size == 8);
    settle_address(j, dst, off); /* settling src may have written what the address referred to */
    struct lazy to = address_of(j, dst, off);
    constant = is_pending(j, src) && l->kind == CONST;
    if (constant)
        emit_store_imm(j, lazy_memory(j, &to), size, (int32_t)l->value);
    else
        emit_store(j, lazy_memory(j, &to), size, value_of(j, src));
}

/* or, and, xor that fetch: a compare-and-exchange loop around rax. */
static void atomic_fetch_loop(struct jit *j, unsigned op, unsigned src, struct x64_operand to, bool wide)
{
    struct emitter *e = &j->e;
    unsigned operand = home(j, src), fresh = scratch(j, 0), keep = scratch(j, 1), address = scratch(j, 2);
    bool saved = operand != RAX && occupied(j, RAX, src);
    if (to.base == RAX || to.index == RAX) {
        emit_op(e, X_LEA, true, address, to);
        to = x64_mem(address, 0);
    }
    if (operand == RAX || saved)
        emit_mov(e, true, keep, RAX);
    if (operand == RAX)
        operand = keep;
    emit_op(e, X_LOAD, wide, RAX, to);
    uint32_t again = e->size;
    emit_mov(e, wide, fresh, RAX);
    emit_rr(e, op, wide, fresh, operand);
    emit_op(e, X_CMPXCHG, wide, fresh, to);
    emit_land(e, emit_skip(e, CC_NE));
    e->buffer[e->size - 1] = (uint8_t)(again - e->size);
    if (home(j, src) != RAX) {
        emit_mov(e, wide, home(j, src), RAX);
        if (saved)
            emit_mov(e, true, RAX, keep);
    } else if (!wide) {
        emit_mov(e, false, RAX, RAX);
    }
}

static bool step_atomic(struct jit *j, const struct insn *insn)
{
    unsigned dst = insn_dst(insn), src = insn_src(insn), size = size_of(insn->code);
    bool wide = size == 8, cas = insn->imm == 0xf1;
    struct emitter *e = &j->e;
    materialise_loads(j);
    if (insn->imm == 0x100) { /* load acquire: x86 loads are */
        begin(j, dst);
        settle_address(j, src, insn->off);
        struct lazy from = address_of(j, src, insn->off);
        emit_load(j, home(j, dst), lazy_memory(j, &from), size, false);
        homed(j, dst, size < 8);
        return true;
    }
    if (insn->imm == 0x110) { /* store release: x86 stores are */
        store_reg(j, dst, src, insn->off, size);
        return true;
    }
    if (size < 4)
        return false;
    bool fetches = (insn->imm & 1) && !cas;
    if (fetches) {
        release(j, src, j->needed);
        materialise(j, src);
    } else if (!cas) {
        settle(j, src, wide);
    } else {
        release(j, 0, j->needed);
        materialise(j, 0);
        settle(j, src, wide);
    }
    settle_address(j, dst, insn->off);
    if (fetches || cas) { /* settling the address may have made something pending settle into a home, never undone it */
        release(j, cas ? 0 : src, j->needed);
        settle_address(j, dst, insn->off);
    }
    struct lazy address = address_of(j, dst, insn->off);
    struct x64_operand to = lazy_memory(j, &address);
    unsigned from = value_of(j, src);
    switch (insn->imm) {
    case 0x00: emit_op(e, X_ADD | OP_LOCK, wide, from, to); break;
    case 0x40: emit_op(e, X_OR | OP_LOCK, wide, from, to); break;
    case 0x50: emit_op(e, X_AND | OP_LOCK, wide, from, to); break;
    case 0xa0: emit_op(e, X_XOR | OP_LOCK, wide, from, to); break;
    case 0x01: emit_op(e, X_XADD, wide, from, to); break;
    case 0x41: atomic_fetch_loop(j, X_OR, src, to, wide); break;
    case 0x51: atomic_fetch_loop(j, X_AND, src, to, wide); break;
    case 0xa1: atomic_fetch_loop(j, X_XOR, src, to, wide); break;
    case 0xe1: emit_op(e, X_XCHG, wide, from, to); break;
    case 0xf1:
        emit_op(e, X_CMPXCHG, wide, from, to);
        if (!wide)
            emit_mov(e, false, RAX, RAX);
        break;
    default: return false;
    }
    if (fetches)
        homed(j, src, !wide);
    if (cas)
        homed(j, 0, !wide);
    return true;
}

static bool step_lddw(struct jit *j, const struct insn *insn, uint32_t at)
{
    unsigned dst = insn_dst(insn);
    uint32_t map = (uint32_t)insn->imm;
    begin(j, dst);
    switch (insn_src(insn)) {
    case LDDW_SRC_IMM:
        pend(j, dst, lazy_const((uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm << 32));
        return true;
    case LDDW_SRC_CODE:
        emit_op(&j->e, X_LEA, true, home(j, dst), x64_rip());
        j->e.size -= 4;
        label_ref(j, label_entry(j, (uint32_t)flow_target(insn, at)), -THUNK_SIZE);
        homed(j, dst, false);
        return true;
    case LDDW_SRC_MAP_INDEX:
        if (map >= j->binding->image->map_count)
            return false;
        pend(j, dst,
             (struct lazy){.kind = SLOT, .wide = true, .base = NO_REG, .index = NO_REG, .value = slot_handle(j, map)});
        j->map[dst] = map + 1;
        return true;
    case LDDW_SRC_MAP_INDEX_VALUE:
        if (map >= j->binding->image->map_count)
            return false;
        slot_op(j, X_LOAD, true, home(j, dst), slot_values(j, map));
        homed(j, dst, false);
        alu_add_imm(j, dst, (uint32_t)insn[1].imm <= INT32_MAX ? insn[1].imm : 0, true);
        if ((uint32_t)insn[1].imm > INT32_MAX) {
            materialise(j, dst);
            emit_const(&j->e, scratch(j, 0), (uint32_t)insn[1].imm);
            emit_rr(&j->e, X_ADD, true, home(j, dst), scratch(j, 0));
        }
        return true;
    default: return false;
    }
}

/* Packet loads of classic BPF. */
static bool step_legacy(struct jit *j, const struct insn *insn)
{
    struct emitter *e = &j->e;
    unsigned size = size_of(insn->code), data = scratch(j, 0), length = scratch(j, 1), at = scratch(j, 2);
    const struct program_contract *contract = j->binding->contract;
    if (size == 8 || ((insn->code & 0xe0) != 0x20 && (insn->code & 0xe0) != 0x40))
        return false;
    uint32_t backwards = 0; /* a packet that ends before it begins */
    begin(j, 0);
    if ((insn->code & 0xe0) == 0x40) {
        unsigned from = read_reg(j, insn_src(insn), false);
        emit_op(e, X_LEA, false, at, x64_mem(from, insn->imm));
    } else {
        emit_const(e, at, (uint32_t)insn->imm);
    }
    emit_op(e, X_LOAD, true, data, x64_mem(R12, RECORD_CONTEXT));
    if (contract) {
        const struct context_layout *layout = &contract->context[j->binding->image->personality];
        const struct context_field *packet = NULL;
        for (uint32_t i = 0; i < layout->field_count && !packet; i++) {
            if (layout->fields[i].kind == FIELD_PACKET && layout->fields[i].partner >= 0)
                packet = &layout->fields[i];
        }
        if (!packet)
            return false;
        emit_op(e, X_LOAD, true, length, x64_mem(data, layout->fields[packet->partner].real_offset));
        emit_op(e, X_LOAD, true, data, x64_mem(data, packet->real_offset));
        emit_rr(e, X_SUB, true, length, data);
        backwards = emit_skip(e, CC_B);
    } else {
        emit_op(e, X_LOAD, true, length, x64_mem(R12, RECORD_LENGTH));
    }
    emit_ri(e, X_SUB, true, x64_reg(length), (int32_t)size);
    uint32_t outside = emit_skip(e, CC_B);
    emit_rr(e, X_CMP, true, at, length);
    uint32_t inside = emit_skip(e, CC_BE);
    emit_land(e, outside);
    if (backwards)
        emit_land(e, backwards);
    emit_rr(e, X_XOR, false, RAX, RAX);
    unwind(j);
    emit_land(e, inside);
    emit_load(j, RAX, x64_index(data, at, 0, 0), size, false);
    if (size == 2) {
        emit_op(e, 0xc1 | OP_66, false, ROL, x64_reg(RAX));
        emit8(e, 8);
    } else if (size == 4) {
        emit_bswap(e, false, RAX);
    }
    homed(j, 0, true);
    return true;
}

/* ---- control ---- */

/* What must be in its home before control may leave for slot `target` or go on to the next one. */
static void settle_edges(struct jit *j, uint32_t target, uint32_t next, bool falls)
{
    uint16_t set = j->flow.live[target];
    if (falls && j->flow.marks[next] & FLOW_LEADER)
        set |= j->flow.live[next];
    materialise_set(j, set);
}

static unsigned condition_of(unsigned op)
{
    switch (op) {
    case 0x10: return CC_E;
    case 0x20: return CC_A;
    case 0x30: return CC_AE;
    case 0x40: return CC_NE;
    case 0x50: return CC_NE;
    case 0x60: return CC_G;
    case 0x70: return CC_GE;
    case 0xa0: return CC_B;
    case 0xb0: return CC_BE;
    case 0xc0: return CC_L;
    case 0xd0: return CC_LE;
    default: return ALWAYS;
    }
}

static void emit_test_imm(struct jit *j, bool wide, unsigned reg, int32_t imm)
{
    if (imm >= 0)
        wide = false;
    emit_op(&j->e, 0xf7, wide, 0, x64_reg(reg));
    emit32(&j->e, (uint32_t)imm);
}

/* Compares dst with a constant, setting flags for the condition. */
static void compare_imm(struct jit *j, unsigned op, unsigned dst, int32_t imm, bool wide)
{
    const struct lazy *l = &j->lazy[dst];
    bool equality = op == 0x10 || op == 0x50, last = !(j->out >> dst & 1);
    struct emitter *e = &j->e;
    if (op == 0x40) {
        emit_test_imm(j, wide, read_reg(j, dst, wide && imm < 0), imm);
        return;
    }
    if (is_pending(j, dst) && last) {
        if (l->kind == MASK && imm == 0 && equality && (l->value >= 0 || wide == l->wide)) {
            emit_test_imm(j, l->wide, home(j, l->base), (int32_t)l->value);
            return;
        }
        bool is_unsigned = equality || op == 0x20 || op == 0x30 || op == 0xa0 || op == 0xb0;
        if (l->kind == LOAD && (l->size == (wide ? 8 : 4)) && !l->sign) {
            emit_ri(e, X_CMP, wide, lazy_memory(j, l), imm);
            return;
        }
        if (l->kind == LOAD && l->size == 1 && !l->sign && is_unsigned && imm >= 0 && imm <= 0xff) {
            emit_op(e, 0x80, false, 7, lazy_memory(j, l));
            emit8(e, (uint8_t)imm);
            return;
        }
        if (l->kind == LOAD && l->size == 2 && !l->sign && is_unsigned && imm >= 0 && imm <= 0x7f) {
            emit_op(e, 0x83 | OP_66, false, 7, lazy_memory(j, l));
            emit8(e, (uint8_t)imm);
            return;
        }
    }
    unsigned reg = read_reg(j, dst, wide);
    if (imm == 0)
        emit_rr(e, X_TEST, wide, reg, reg);
    else
        emit_ri(e, X_CMP, wide, x64_reg(reg), imm);
}

static void compare(struct jit *j, unsigned op, unsigned dst, unsigned src, bool wide)
{
    const struct lazy *l = &j->lazy[src];
    if (is_pending(j, src) && l->kind == CONST && fits32(wide ? l->value : 0)) {
        compare_imm(j, op, dst, (int32_t)l->value, wide);
        return;
    }
    if (dst != src && op != 0x40 && fusable(j, src, wide ? 8 : 4)) {
        settle(j, dst, wide);
        if (fusable(j, src, wide ? 8 : 4)) {
            emit_op(&j->e, X_CMP + 2, wide, value_of(j, dst), lazy_memory(j, l));
            return;
        }
    }
    settle(j, dst, wide);
    settle(j, src, wide);
    settle(j, dst, wide);
    emit_rr(&j->e, op == 0x40 ? (unsigned)X_TEST : (unsigned)X_CMP, wide, value_of(j, dst), value_of(j, src));
}

static bool step_jump(struct jit *j, const struct insn *insn, uint32_t at)
{
    uint32_t target = (uint32_t)flow_target(insn, at);
    unsigned op = insn->code & 0xf0;
    bool wide = (insn->code & 7) == 5;
    if (flow_is_always(insn)) {
        settle_edges(j, target, at + 1, false);
        if (target != at + 1)
            jump(j, ALWAYS, target);
        return true;
    }
    settle_edges(j, target, at + 1, true);
    if (insn->code == 0xe5) { /* may_goto; stays exhausted */
        emit_ri(&j->e, X_CMP, true, x64_mem(R12, RECORD_BUDGET), 0);
        jump(j, CC_E, target);
        emit_op(&j->e, 0xff, true, 1, x64_mem(R12, RECORD_BUDGET));
        return true;
    }
    unsigned condition = condition_of(op);
    if (condition == ALWAYS)
        return false;
    if (target == at + 1)
        return true;
    if (insn->code & 8)
        compare(j, op, insn_dst(insn), insn_src(insn), wide);
    else
        compare_imm(j, op, insn_dst(insn), insn->imm, wide);
    jump(j, condition, target);
    return true;
}

/* After a call: r0 to r5 are new. */
static void called(struct jit *j)
{
    for (unsigned reg = 0; reg <= 5; reg++)
        homed(j, reg, false);
}

static void call_helper_slot(struct jit *j, uint32_t slot)
{
    struct emitter *e = &j->e;
    if (j->convention->sixth != NO_REG) {
        load_context(j, j->convention->sixth);
    } else {
        unsigned context = R12;
        if (j->record) {
            context = scratch(j, 0);
            load_context(j, context);
        }
        emit_op(e, X_STORE, true, home(j, 5), x64_mem(RSP, 32));
        emit_op(e, X_STORE, true, context, x64_mem(RSP, 40));
    }
    slot_call(j, slot);
    called(j);
}

/* map_lookup_elem of a known array: values + index * stride, or NULL. */
static void lookup_array(struct jit *j, const struct engine_map *map, uint32_t index)
{
    struct emitter *e = &j->e;
    unsigned values = scratch(j, 0);
    begin(j, 0);
    settle_address(j, 2, 0);
    struct lazy key = address_of(j, 2, 0);
    emit_op(e, X_LOAD, false, RAX, lazy_memory(j, &key));
    emit_op(e, 0x81, false, 7, x64_reg(RAX));
    emit32(e, map->max_entries);
    uint32_t absent = emit_skip(e, CC_AE);
    unsigned shift = 0;
    while (shift < 31 && map->stride > 1u << shift)
        shift++;
    bool power = map->stride == 1u << shift;
    slot_op(j, X_LOAD, true, values, slot_values(j, index));
    if (map->how == ENGINE_INLINE_PERCPU_ARRAY) {
        unsigned cpu = scratch(j, 1);
        load_context(j, cpu);
        emit_op(e, X_LOAD, true, cpu, x64_mem(cpu, -(int32_t)sizeof(struct context_header)));
        emit_const(e, scratch(j, 2), map->cpu_stride);
        emit_op(e, X_IMUL, true, cpu, x64_reg(scratch(j, 2)));
        emit_rr(e, X_ADD, true, values, cpu);
    }
    if (power && shift <= 3) {
        emit_op(e, X_LEA, true, RAX, x64_index(values, RAX, shift, 0));
    } else {
        if (power) {
            emit_shift(e, SHL, true, RAX, shift);
        } else if (fits32(map->stride)) {
            emit_op(e, 0x69, true, RAX, x64_reg(RAX));
            emit32(e, map->stride);
        } else {
            emit_const(e, scratch(j, 1), map->stride);
            emit_op(e, X_IMUL, true, RAX, x64_reg(scratch(j, 1)));
        }
        emit_rr(e, X_ADD, true, RAX, values);
    }
    uint32_t end = emit_skip_always(e);
    emit_land(e, absent);
    emit_rr(e, X_XOR, false, RAX, RAX);
    emit_land(e, end);
    called(j);
}

/* What tail calls need of the run time: the slot of a prog array that is only known by its handle, and a run of a
 * program that is no machine code, for callers that cannot return to the core from where they are. */
static const struct engine_tail *find_tail(const struct binding *binding, const void *handle, uint32_t index)
{
    for (uint32_t i = 0; i < binding->image->map_count; i++) {
        const struct engine_map *map = &binding->maps[i];
        if (map->handle == handle && map->tails && index < map->max_entries)
            return *(struct engine_tail *const volatile *)&map->tails[index];
    }
    return NULL;
}

static uint64_t run_tail(void *context, const struct engine_tail *target)
{
    struct run run = {.context = context};
    const void *next = target;
    while (next) {
        const struct code *code = ((const struct engine_tail *)next)->code;
        context_header(context)->tail_target = NULL;
        run.r0 = 0;
        if (code->engine->run(code, &run) != RESULT_OK)
            return 0;
        next = context_header(context)->tail_target;
    }
    return run.r0;
}

/* The same for code of the other convention. */
__attribute__((ms_abi)) static const struct engine_tail *find_tail_ms(const struct binding *binding, const void *handle,
                                                                      uint32_t index)
{
    return find_tail(binding, handle, index);
}

__attribute__((ms_abi)) static uint64_t run_tail_ms(void *context, const struct engine_tail *target)
{
    return run_tail(context, target);
}

/* r1 context, r2 prog array, r3 index.  Falls through with r0 = TAIL_FAILED when there is nothing to jump to. */
static void step_tail_call(struct jit *j)
{
    struct emitter *e = &j->e;
    unsigned target = scratch(j, 0), context = R12;
    const struct engine_map *map = j->map[2] ? &j->binding->maps[j->map[2] - 1] : NULL;
    uint32_t failed[4], failures = 0;
    materialise_set(j, j->out | (map && map->tails ? bit(3) : 0xe));
    if (map && map->tails) {
        emit_mov(e, false, RAX, home(j, 3));
        emit_op(e, 0x81, false, 7, x64_reg(RAX));
        emit32(e, map->max_entries);
        failed[failures++] = emit_skip_far(e, CC_AE);
        slot_op(j, X_LOAD, true, target, slot_new(j, (uint64_t)(uintptr_t)map->tails));
        emit_op(e, X_LOAD, true, target, x64_index(target, RAX, 3, 0));
    } else {
        slot_op(j, X_LOAD, true, home(j, 1), slot_new(j, (uint64_t)(uintptr_t)j->binding));
        slot_call(j,
                  slot_new(j, j->target->win64 ? (uint64_t)(uintptr_t)find_tail_ms : (uint64_t)(uintptr_t)find_tail));
        emit_mov(e, true, target, RAX);
    }
    emit_rr(e, X_TEST, true, target, target);
    failed[failures++] = emit_skip_far(e, CC_E);
    if (j->record) {
        context = home(j, 1);
        load_context(j, context);
    }
    struct x64_operand count =
        x64_mem(context, (int32_t)offsetof(struct context_header, tail_calls) - (int32_t)sizeof(struct context_header));
    struct x64_operand next = x64_mem(context, (int32_t)offsetof(struct context_header, tail_target) -
                                                   (int32_t)sizeof(struct context_header));
    emit_ri(e, X_CMP, true, count, ISA_TAIL_CALLS);
    failed[failures++] = emit_skip_far(e, CC_AE);
    emit_op(e, 0xff, true, 0, count);
    emit_op(e, X_LOAD, true, RAX, x64_mem(target, (int32_t)offsetof(struct engine_tail, jit_entry)));
    emit_rr(e, X_TEST, true, RAX, RAX);
    uint32_t foreign = emit_skip_far(e, CC_E);
    load_context(j, home(j, 1));
    frame_leave(j);
    emit_op(e, 0xff, false, 4, x64_reg(RAX));
    emit_land_far(e, foreign);
    if (in_main(j)) {
        emit_op(e, X_STORE, true, target, next);
        emit_rr(e, X_XOR, false, RAX, RAX);
    } else {
        load_context(j, home(j, 1));
        emit_mov(e, true, home(j, 2), target);
        slot_call(j, slot_new(j, j->target->win64 ? (uint64_t)(uintptr_t)run_tail_ms : (uint64_t)(uintptr_t)run_tail));
    }
    frame_leave(j);
    emit8(e, 0xc3);
    while (failures)
        emit_land_far(e, failed[--failures]);
    emit_const(e, RAX, (uint64_t)(int64_t)TAIL_FAILED);
    called(j);
}

/* Helpers that a raw program may call by a number in a register. */
enum { MAX_NUMBERED = 16 };

static bool step_call(struct jit *j, const struct insn *insn, uint32_t at)
{
    if (insn->code == 0x8d) {
        uint32_t done[MAX_NUMBERED], count = 0;
        materialise_set(j, j->needed);
        /* binding_helper_by_number() */
        bool numbered = !j->binding->contract && j->binding->image->helpers;
        for (uint32_t i = 0; numbered && i < j->binding->image->helper_count && count < MAX_NUMBERED; i++) {
            if (!j->binding->helpers[i].fn)
                continue;
            emit_ri(&j->e, X_CMP, true, x64_reg(home(j, insn_dst(insn))), j->binding->image->helpers[i].id);
            uint32_t other = emit_skip_far(&j->e, CC_NE);
            call_helper_slot(j, slot_helper(j, i));
            emit8(&j->e, 0xf9); /* stc, for a jump that is always taken */
            done[count++] = emit_skip_far(&j->e, CC_B);
            emit_land_far(&j->e, other);
        }
        emit_op(&j->e, X_LEA, true, scratch(j, 0), x64_mem(home(j, insn_dst(insn)), THUNK_SIZE));
        emit_op(&j->e, 0xff, false, 2, x64_reg(scratch(j, 0)));
        while (count)
            emit_land_far(&j->e, done[--count]);
        called(j);
        return true;
    }
    if (insn_src(insn) == CALL_SRC_LOCAL) {
        materialise_set(j, j->needed);
        emit8(&j->e, 0xe8);
        label_ref(j, label_entry(j, (uint32_t)flow_target(insn, at)), 0);
        called(j);
        return true;
    }
    const struct engine_helper *helper = flow_helper(j->binding, insn);
    if (!helper)
        return false;
    const struct helper_proto *proto = helper->proto;
    if (proto && proto->flags & HELPER_TAIL_CALL) {
        step_tail_call(j);
        return true;
    }
    if (!helper->fn)
        return false;
    if (proto && j->map[1] && proto->name && !strcmp(proto->name, "map_lookup_elem")) {
        const struct engine_map *map = &j->binding->maps[j->map[1] - 1];
        if ((map->how == ENGINE_INLINE_ARRAY || map->how == ENGINE_INLINE_PERCPU_ARRAY) && map->values &&
            map->key_size == 4) {
            materialise_set(j, j->out & ~1u);
            lookup_array(j, map, j->map[1] - 1);
            return true;
        }
        if (map->how == ENGINE_INLINE_HASH && map->lookup) {
            materialise_set(j, j->out | 6);
            slot_call(j, slot_new(j, (uint64_t)(uintptr_t)map->lookup));
            called(j);
            return true;
        }
    }
    materialise_set(j, j->needed);
    call_helper_slot(j, slot_helper(j, (uint32_t)insn->imm));
    if (proto && proto->flags & HELPER_UNWIND) {
        emit_rr(&j->e, X_TEST, true, RAX, RAX);
        uint32_t goes_on = emit_skip(&j->e, CC_NE);
        unwind(j);
        emit_land(&j->e, goes_on);
    }
    return true;
}

static void step_exit(struct jit *j, uint32_t at)
{
    materialise(j, 0);
    if (at + 1 >= j->flow.funcs[j->func].end)
        return; /* the epilogue follows */
    if (j->frame.saved_count + (j->frame.local ? 2u : 0) <= 3) {
        frame_leave(j);
        emit8(&j->e, 0xc3);
    } else {
        jump(j, ALWAYS, label_epilogue(j));
    }
}

/* ---- the pass ---- */

static bool step(struct jit *j, uint32_t at)
{
    const struct insn *insn = &j->flow.insns[at];
    switch (insn->code & 7) {
    case 0: return insn_is_lddw(insn) ? step_lddw(j, insn, at) : step_legacy(j, insn);
    case 1: step_load(j, insn); return true;
    case 2: step_store_imm(j, insn); return true;
    case 3:
        if ((insn->code & 0xe0) == 0xc0)
            return step_atomic(j, insn);
        store_reg(j, insn_dst(insn), insn_src(insn), insn->off, size_of(insn->code));
        return true;
    case 4:
    case 7: return step_alu(j, insn);
    default:
        if (insn->code == 0x95)
            step_exit(j, at);
        else if (insn->code == 0x85 || insn->code == 0x8d)
            return step_call(j, insn, at);
        else
            return step_jump(j, insn, at);
        return true;
    }
}

#ifdef WINBPF_MUTANTS
#include "engine/jit_x64_mutant.inc"
#endif

static enum result emit_function(struct jit *j)
{
    const struct flow_func *func = &j->flow.funcs[j->func];
    const struct flow *flow = &j->flow;
    if (!reserve(j))
        return RESULT_NO_MEMORY;
    frame_plan(j, func, &j->frame);
    if (flow->marks[func->first] & FLOW_POINTER)
        thunk(j);
    label_here(j, label_entry(j, func->first));
    frame_enter(j);
    forget(j);
    for (uint32_t at = func->first; at < func->end; at++) {
        const struct insn *insn = &flow->insns[at];
        uint32_t next = at + 1 + (uint32_t)insn_is_lddw(insn);
        if (!reserve(j))
            return RESULT_NO_MEMORY;
        if (flow->marks[at] & FLOW_LEADER) {
            forget(j); /* the step before it put what is live in its home */
            if (flow->marks[at] & FLOW_LOOP)
                item_add(j, ITEM_ALIGN, 0, 0);
            label_here(j, at);
        }
        bool falls = insn->code != 0x95 && !flow_is_always(insn);
        j->out = falls ? flow->live[next] : 0;
        if (flow_is_jump(insn))
            j->out |= flow->live[flow_target(insn, at)];
        j->needed = (uint16_t)(j->out | flow_uses(j->binding, insn));
#ifdef WINBPF_MUTANTS
        bool understood = step_mutated(j, at);
#else
        bool understood = step(j, at);
#endif
        if (!understood) {
            diag_error(j->diag, "instruction %u: the JIT cannot run opcode 0x%02x", at, insn->code);
            return RESULT_NOT_SUPPORTED;
        }
        /* Nobody asks for the dead any more. */
        uint16_t dead = j->pending & (uint16_t)~j->out;
        for (unsigned reg = 0; dead >> reg; reg++) {
            if (dead >> reg & 1)
                homed(j, reg, false);
        }
        if (falls && next < func->end && flow->marks[next] & FLOW_LEADER)
            materialise_set(j, flow->live[next]);
        at = next - 1;
    }
    label_here(j, label_epilogue(j));
    frame_leave(j);
    emit8(&j->e, 0xc3);
    if (in_main(j) && j->record)
        unwind_landing(j);
    return RESULT_OK;
}

/* ---- layout ---- */

static uint32_t padding(uint32_t position)
{
    return (0u - position) & (LOOP_ALIGN - 1);
}

/* Chooses short jumps and computes every item's delta; gives the final size.  A distance is judged with every
 * alignment on the way at its longest and every jump long, so a jump that is chosen short stays in reach. */
static uint32_t lay_out(struct jit *j)
{
    uint32_t aligns = 0;
    for (uint32_t i = 0; i < j->item_count; i++) { /* delta for now: alignments up to and including this item */
        aligns += j->items[i].kind == ITEM_ALIGN;
        j->items[i].delta = (int32_t)aligns;
    }
    int32_t delta = 0;
    for (uint32_t i = 0; i < j->item_count; i++) {
        struct item *item = &j->items[i];
        if (item->kind == ITEM_JUMP) {
            uint32_t size = item->condition == ALWAYS ? 5 : 6;
            const struct label *label = &j->labels[item->target];
            uint32_t label_aligns = label->items ? (uint32_t)j->items[label->items - 1].delta : 0;
            int64_t distance = (int64_t)label->position - (item->position + size);
            int64_t between = (int64_t)label_aligns - item->delta;
            int64_t worst = distance + (LOOP_ALIGN - 1) * between;
            item->short_ = worst >= -126 && worst <= 127;
        }
    }
    for (uint32_t i = 0; i < j->item_count; i++) {
        struct item *item = &j->items[i];
        if (item->kind == ITEM_ALIGN)
            delta += (int32_t)padding(item->position + (uint32_t)delta);
        else if (item->kind == ITEM_JUMP && item->short_)
            delta -= item->condition == ALWAYS ? 3 : 4;
        item->delta = delta;
    }
    return j->e.size + (uint32_t)delta;
}

static uint32_t final_position(const struct jit *j, const struct label *label)
{
    return label->position + (label->items ? (uint32_t)j->items[label->items - 1].delta : 0);
}

/* Copies the code to `to`, which lies `data_size` bytes after its slots. */
static void copy_code(const struct jit *j, uint8_t *to, uint32_t data_size)
{
    uint32_t from = 0, at = 0;
    for (uint32_t i = 0; i < j->item_count; i++) {
        const struct item *item = &j->items[i];
        memcpy(to + at, j->e.buffer + from, item->position - from);
        at += item->position - from;
        from = item->position;
        switch ((enum item_kind)item->kind) {
        case ITEM_ALIGN: {
            uint32_t pad = padding(at);
            emit_nops(to + at, pad);
            at += pad;
            break;
        }
        case ITEM_JUMP: {
            uint32_t target = final_position(j, &j->labels[item->target]);
            if (item->short_) {
                to[at++] = item->condition == ALWAYS ? 0xeb : (uint8_t)(0x70 | item->condition);
                to[at] = (uint8_t)(target - (at + 1));
                at++;
            } else if (item->condition == ALWAYS) {
                to[at++] = 0xe9;
                store_le32(to + at, target - (at + 4));
                at += 4;
            } else {
                to[at++] = 0x0f;
                to[at++] = (uint8_t)(0x80 | item->condition);
                store_le32(to + at, target - (at + 4));
                at += 4;
            }
            from += item->condition == ALWAYS ? 5 : 6;
            break;
        }
        case ITEM_LABEL: {
            uint32_t target = final_position(j, &j->labels[item->target]);
            store_le32(to + at, target - (at + 4) + (uint32_t)item->addend);
            at += 4;
            from += 4;
            break;
        }
        case ITEM_SLOT:
            store_le32(to + at, item->target * 8 - data_size - (at + 4));
            at += 4;
            from += 4;
            break;
        }
    }
    memcpy(to + at, j->e.buffer + from, j->e.size - from);
}

/* ---- the engine ---- */

static enum result generate(struct jit *j)
{
    const struct image *image = j->binding->image;
    enum result result = flow_analyse(j->binding, j->arena, j->diag, &j->flow);
    if (result != RESULT_OK)
        return result;
    const struct flow *flow = &j->flow;
    j->record = flow->budget || flow->legacy || flow->unwind;
    for (uint32_t i = 0; i < flow->func_count; i++)
        j->written |= (uint16_t)(flow->funcs[i].written | (flow->funcs[i].stack ? bit(FRAME) : 0));
    for (uint32_t i = 0; i < image->helper_count; i++)
        j->flow.tail_calls |= j->binding->helpers[i].proto && j->binding->helpers[i].proto->flags & HELPER_TAIL_CALL;
    j->e.capacity = flow->count * 6 + 2 * LONGEST_STEP;
    j->e.buffer = arena_alloc(j->arena, j->e.capacity);
    j->item_capacity = flow->count / 4 + 128;
    j->items = arena_array(j->arena, j->item_capacity, sizeof *j->items);
    j->slot_capacity = 64;
    j->slots = arena_array(j->arena, j->slot_capacity, sizeof *j->slots);
    j->labels = arena_array(j->arena, (size_t)flow->count + 2 * (size_t)flow->func_count + 1, sizeof *j->labels);
    j->helper_slots = arena_array(j->arena, image->helper_count + 2 * (size_t)image->map_count, sizeof(uint32_t));
    if (!j->e.buffer || !j->items || !j->slots || !j->labels || !j->helper_slots)
        return RESULT_NO_MEMORY;
    j->handle_slots = j->helper_slots + image->helper_count;
    j->value_slots = j->handle_slots + image->map_count;
    for (j->func = 0; j->func < flow->func_count; j->func++) {
        result = emit_function(j);
        if (result != RESULT_OK)
            return result;
    }
    return RESULT_OK;
}

enum result jit_x64_compile(const struct jit_target *target, const struct binding *binding,
                            const struct allocator *memory, const struct executable *exec, const struct diag *diag,
                            struct code **out)
{
    if (!exec) {
        diag_error(diag, "this system refuses executable memory");
        return RESULT_NOT_SUPPORTED;
    }
    struct arena arena;
    struct jit j = {.binding = binding, .target = target, .arena = &arena, .diag = diag};
    j.convention = target->win64 ? &microsoft : &sysv;
    arena_init(&arena, memory, SIZE_MAX);
    struct jit_code *code = memory->alloc(memory->self, sizeof *code);
    enum result result = code ? generate(&j) : RESULT_NO_MEMORY;
    if (result != RESULT_OK)
        goto failed;
    uint32_t code_size = lay_out(&j);
    uint32_t data_size = (j.slot_count * 8 + PAGE - 1) & ~(uint32_t)(PAGE - 1);
    uint32_t size = data_size + ((code_size + PAGE - 1) & ~(uint32_t)(PAGE - 1));
    uint8_t *pages = exec->alloc(exec->self, size);
    if (!pages) {
        result = RESULT_NO_MEMORY;
        goto failed;
    }
    memcpy(pages, j.slots, (size_t)j.slot_count * 8);
    copy_code(&j, pages + data_size, data_size);
    memset(pages + data_size + code_size, 0xcc, size - data_size - code_size); /* int3 */
    result = exec->seal(exec->self, pages, size, data_size);
    if (result != RESULT_OK) {
        diag_error(diag, "the system refuses to make memory executable");
        exec->free(exec->self, pages, size);
        goto failed;
    }
    *code = (struct jit_code){
        .code = {&engine_jit, binding},
        .memory = memory,
        .exec = exec,
        .layout = {pages, size, data_size, code_size},
        .pages = pages,
    };
    arena_release(&arena);
    *out = &code->code;
    return RESULT_OK;
failed:
    arena_release(&arena);
    if (code)
        memory->free(memory->self, code, sizeof *code);
    return result;
}

struct jit_target jit_x64_host(void)
{
    enum { ASKED = 1, HAS_BMI2 = 2, HAS_MOVBE = 4 };
    static uint8_t answer; /* cpuid traps under a hypervisor: tens of microseconds */
    uint8_t known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (!known) {
        unsigned a, b, c, d;
        known = ASKED;
        if (__get_cpuid(1, &a, &b, &c, &d) && (c >> 22 & 1))
            known |= HAS_MOVBE;
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 8 & 1))
            known |= HAS_BMI2;
        __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
    }
    struct jit_target target = {.bmi2 = known & HAS_BMI2, .movbe = known & HAS_MOVBE};
#ifdef _WIN32
    target.win64 = true;
#endif
    return target;
}

struct jit_layout jit_x64_layout(const struct code *code)
{
    return ((const struct jit_code *)code)->layout;
}

static enum result compile(const struct binding *binding, const struct allocator *memory, const struct executable *exec,
                           const struct diag *diag, struct code **out)
{
    struct jit_target target = jit_x64_host();
    return jit_x64_compile(&target, binding, memory, exec, diag, out);
}

static enum result run(const struct code *code, struct run *run)
{
    run->r0 = code_entry_point(code)(run->context, run->raw_length);
    return RESULT_OK;
}

static void destroy(struct code *code)
{
    struct jit_code *own = (struct jit_code *)code;
    if (!own)
        return;
    own->exec->free(own->exec->self, own->pages, own->layout.size);
    own->memory->free(own->memory->self, own, sizeof *own);
}

const void *code_machine(const struct code *code, size_t *size)
{
    const struct jit_code *own = (const struct jit_code *)code;
    if (code->engine != &engine_jit)
        return NULL;
    *size = own->layout.code_size;
    return (const uint8_t *)own->layout.memory + own->layout.data_size;
}

code_entry code_entry_point(const struct code *code)
{
    size_t size;
    const void *machine = code_machine(code, &size);
    code_entry entry;
    memcpy(&entry, &machine, sizeof entry);
    return entry;
}

#else /* another machine: the engine is there and says so */

static enum result compile(const struct binding *binding, const struct allocator *memory, const struct executable *exec,
                           const struct diag *diag, struct code **out)
{
    diag_error(diag, "no JIT for this machine");
    return RESULT_NOT_SUPPORTED;
}

static enum result run(const struct code *code, struct run *run)
{
    return RESULT_NOT_SUPPORTED;
}

static void destroy(struct code *code) {}

const void *code_machine(const struct code *code, size_t *size)
{
    return NULL;
}

code_entry code_entry_point(const struct code *code)
{
    return NULL;
}

#endif

const struct engine engine_jit = {"jit", compile, run, destroy, 0, code_machine};
