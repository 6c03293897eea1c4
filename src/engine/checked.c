/* SPDX-License-Identifier: MIT
 *
 * The checked interpreter: believes nothing that the program says.  A register is a value and its provenance: the
 * *region* that a pointer points into and the region's first byte (origin).  A number's region is `number`; what was
 * never written is `unwritten`.  Every byte of stack has a shadow byte that says whether it was written and whether it
 * is part of a spilled pointer, whose provenance a slot beside it keeps.  So an access needs only the pointer's own
 * region: value - origin against the region's size.
 *
 * Most of that is decided once, before the first run: a dataflow analysis over sets of provenances finds the places
 * where an operand can only be a number, and these run the plain handlers.  The sets contain what can really happen on
 * every path (a fixpoint, reached because they only grow), and the one place where control goes through data, callx, is
 * checked at run time against the targets the analysis has seen.  So a number in the analysis is a number at run time.
 *
 * Rules of provenance.  pointer ± number keeps it; whatever else is computed from a pointer is a number, which cannot
 * be dereferenced again.  Only aligned 8-byte stores to the stack keep a pointer a pointer, and no pointer goes
 * anywhere else.  A pointer into a callee's frame goes neither into a caller's frame nor out in r0, so none outlives
 * its frame. Pointers into the packet die when a helper moves it, those into a record when it is given up.
 *
 * The budget counts instructions without touching straight-line code: executed = position - sum of all jumps'
 * displacements, so a jump adds its displacement to what is left, and only the sign is tested.  A lddw is one
 * instruction: its second slot counts as a displacement.
 */
#include "base/text.h"
#include "engine/eval.h"
#include "engine/op.h"

enum {
    MAY_GOTO_PASSES = 8388608,
    DEFAULT_BUDGET = 4000000,
    RECORDS = 16, /* records and sized memory that one run may hold at a time */
    MEMORIES = 4, /* pairs of FIELD_MEMORY, FIELD_MEMORY_END in one context */
};

enum region_kind {
    REGION_UNWRITTEN,
    REGION_NUMBER,
    REGION_STACK,
    REGION_MEMORY,
    REGION_PACKET,
    REGION_META,
    REGION_VALUE,
    REGION_RECORD,
    REGION_CONTEXT,
    REGION_MAP,
    REGION_CODE,
    REGION_OPAQUE,
    REGION_DEAD,
};

static const char *const region_names[] = {
    "nothing",     "a number", "the stack",          "memory",    "the packet",  "metadata", "a value", "a record",
    "the context", "a map",    "an address of code", "an object", "what is gone"};

enum { CAN_READ = 1, CAN_WRITE = 2 };

/* `read`, `write`: how many offsets an access of 1 << i bytes may have; 0 where it needs the long way round.  `stack`
 * is the same for stack regions. */
struct region {
    uint64_t read[4], write[4], stack[4];
    uint64_t size;
    uint8_t kind; /* enum region_kind */
    uint8_t access;
    uint16_t index; /* map, frame or record */
};

static const struct region unwritten = {.kind = REGION_UNWRITTEN};
static const struct region number = {.kind = REGION_NUMBER};
static const struct region context_region = {.kind = REGION_CONTEXT};
static const struct region code_region = {.kind = REGION_CODE};
static const struct region opaque_region = {.kind = REGION_OPAQUE};
static const struct region dead_region = {.kind = REGION_DEAD};

#define STACK_REGION(N)                                                                                                \
    {                                                                                                                  \
        .stack = {512, 511, 509, 505}, .size = ISA_STACK_SIZE, .kind = REGION_STACK, .access = 3, .index = N           \
    }
static const struct region stack_regions[ISA_FRAMES] = {STACK_REGION(0), STACK_REGION(1), STACK_REGION(2),
                                                        STACK_REGION(3), STACK_REGION(4), STACK_REGION(5),
                                                        STACK_REGION(6), STACK_REGION(7)};

/* Shadow of a stack byte. */
enum { BYTE_UNWRITTEN = 0, BYTE_NUMBER = 1, BYTE_POINTER = 2 };
#define SHADOW_8       0x01u
#define SHADOW_16      0x0101u
#define SHADOW_32      0x01010101u
#define SHADOW_64      0x0101010101010101u
#define SHADOW_POINTER 0x0202020202020202u

struct frame {
    const struct op *back; /* the call */
    const struct op_code *code;
    uint64_t saved[4], origin[4]; /* r6 to r9 */
    const struct region *region[4];
};

struct machine {
    uint64_t r[16], origin[16];
    const struct region *region[16];
    const struct op_code *code;
    const struct op *op; /* where a fault would be, set before the long ways */
    void *context;
    struct run *run;
    struct code_fault *fault;
    uint32_t depth;
    uint32_t live_records; /* bit per record that must be given up */
    uint32_t used_records;
    uint32_t memories;
    struct region packet, meta, memory[MEMORIES], records[RECORDS];
    uint64_t record_at[RECORDS];
    struct frame frames[ISA_FRAMES];
    uint64_t stack[ISA_FRAMES * ISA_STACK_SIZE / 8];
    uint8_t shadow[ISA_FRAMES * ISA_STACK_SIZE];
    uint64_t slot_origin[ISA_FRAMES * ISA_STACK_SIZE / 8]; /* meaningful where the shadow says pointer */
    const struct region *slot_region[ISA_FRAMES * ISA_STACK_SIZE / 8];
};

enum { MACHINE_SIZE = (sizeof(struct machine) + 63) & ~63 };
enum { SHADOW_DISTANCE = sizeof(uint64_t) * ISA_FRAMES * ISA_STACK_SIZE / 8 };
_Static_assert(offsetof(struct machine, shadow) - offsetof(struct machine, stack) == SHADOW_DISTANCE,
               "a stack byte's shadow is at a fixed distance");

/* What the analysis chose, beyond the plain kinds. */
enum checked_kind {
    CHECKED_ALU = OP_KINDS, /* provenance first, then the plain handler */
    CHECKED_JMP,
    CHECKED_MOV64_IMM,
    CHECKED_MOV32_IMM,
    CHECKED_MOV64_REG,
    CHECKED_MOV32_REG,
#define LDX(NAME, code, bits, signed_, group) CHECKED_##NAME##_MEM, CHECKED_##NAME##_STACK, CHECKED_##NAME##_FP,
#define ST(NAME, code, bits)                  CHECKED_##NAME##_MEM, CHECKED_##NAME##_STACK, CHECKED_##NAME##_FP,
#define STX(NAME, code, bits)                 CHECKED_##NAME##_MEM, CHECKED_##NAME##_STACK, CHECKED_##NAME##_FP,
#include "isa/isa.def"
    CHECKED_KINDS
};

/* The engine's part of op_code. */
struct extra {
    struct region *handle; /* per map: its pointer */
    struct region *value;  /* per map: one value, as lookup gives it */
    struct region *direct; /* per map: all values, as lddw gives them */
    bool uses_stack;
};

/* ---- faults ---- */

WINBPF_PRINTF(3, 4)
static NOINLINE bool stop(struct machine *m, enum code_fault_kind kind, const char *format, ...)
{
    struct code_fault *fault = m->fault;
    struct text text;
    va_list arguments;

    fault->kind = kind;
    fault->insn = (uint32_t)(m->op - m->code->ops);
    text_init(&text, fault->reason, sizeof fault->reason);
    va_start(arguments, format);
    text_vformat(&text, format, arguments);
    va_end(arguments);
    return false;
}

static bool stop_access(struct machine *m, unsigned access, uint64_t address, uint64_t size,
                        const struct region *region, uint64_t offset)
{
    m->fault->address = address;
    m->fault->size = (uint32_t)size;
    return stop(m, FAULT_ACCESS, "%s %llu bytes at offset %lld of %s, which has %llu",
                access & CAN_WRITE ? "writes" : "reads", (unsigned long long)size, (long long)offset,
                region_names[region->kind], (unsigned long long)region->size);
}

static bool stop_unwritten(struct machine *m, unsigned reg)
{
    return stop(m, FAULT_UNINIT, "r%u is read before it is written", reg);
}

/* ---- regions ---- */

static void region_size(struct region *region, enum region_kind kind, unsigned access, uint64_t size)
{
    region->kind = (uint8_t)kind;
    region->access = (uint8_t)access;
    region->size = size;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t offsets = size >= (1u << i) ? size - (1u << i) + 1 : 0;
        region->read[i] = access & CAN_READ ? offsets : 0;
        region->write[i] = access & CAN_WRITE ? offsets : 0;
        region->stack[i] = 0;
    }
}

static ALWAYS_INLINE void set_number(struct machine *m, unsigned reg, uint64_t value)
{
    m->r[reg] = value;
    m->region[reg] = &number;
}

static ALWAYS_INLINE void set_pointer(struct machine *m, unsigned reg, uint64_t value, const struct region *region,
                                      uint64_t origin)
{
    m->r[reg] = value;
    m->region[reg] = region;
    m->origin[reg] = origin;
}

static void forget_arguments(struct machine *m)
{
    for (unsigned i = 1; i <= 5; i++)
        m->region[i] = &unwritten;
}

static unsigned stack_slot(const struct machine *m, uint64_t address)
{
    return (unsigned)((address - (uint64_t)(uintptr_t)m->stack) / 8);
}

static uint8_t *stack_shadow(uint64_t address)
{
    return (uint8_t *)(uintptr_t)address + SHADOW_DISTANCE;
}

/* Every pointer into `region` dies, wherever the program keeps it. */
static void kill_pointers(struct machine *m, const struct region *region)
{
    for (unsigned i = 0; i < ISA_REGISTERS; i++) {
        if (m->region[i] == region)
            m->region[i] = &dead_region;
    }
    for (unsigned i = 0; i < m->depth; i++) {
        for (unsigned k = 0; k < 4; k++) {
            if (m->frames[i].region[k] == region)
                m->frames[i].region[k] = &dead_region;
        }
    }
    for (unsigned slot = 0; slot < (m->depth + 1) * ISA_STACK_SIZE / 8; slot++) {
        if (m->shadow[slot * 8] == BYTE_POINTER && m->slot_region[slot] == region)
            m->slot_region[slot] = &dead_region;
    }
}

static const struct context_layout *layout_of(const struct machine *m)
{
    const struct binding *binding = m->code->code.binding;
    return &binding->contract->context[binding->image->personality];
}

static uint64_t real_field(const struct machine *m, const struct context_field *field)
{
    uint8_t bytes[8] = {0};
    memcpy(bytes, (const uint8_t *)m->context + field->real_offset, field->real_size <= 8 ? field->real_size : 8);
    return load_64((uint64_t)(uintptr_t)bytes);
}

/* The packet and its metadata as the provider's context has them now. */
static void find_packet(struct machine *m)
{
    const struct context_layout *layout = layout_of(m);
    uint64_t start = 0, end = 0, meta = 0;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *field = &layout->fields[i];
        if (field->kind == FIELD_PACKET)
            start = real_field(m, field);
        else if (field->kind == FIELD_PACKET_END)
            end = real_field(m, field);
        else if (field->kind == FIELD_PACKET_META)
            meta = real_field(m, field);
    }
    region_size(&m->packet, REGION_PACKET, CAN_READ | CAN_WRITE, end > start ? end - start : 0);
    region_size(&m->meta, REGION_META, CAN_READ | CAN_WRITE, meta && start > meta ? start - meta : 0);
}

/* ---- the long way to memory ---- */

/* `size` bytes at r[reg] + off for `access`, or NULL and a fault.  Not for the context.  What is written to the stack
 * counts as written from here on; bytes that never were are zero then, so nothing of ours shows through. */
static NOINLINE uint8_t *touch(struct machine *m, unsigned reg, int64_t off, uint64_t size, unsigned access)
{
    const struct region *region = m->region[reg];
    uint64_t address = m->r[reg] + (uint64_t)off, offset = address - m->origin[reg];

    switch (region->kind) {
    case REGION_UNWRITTEN: stop_unwritten(m, reg); return NULL;
    case REGION_STACK: {
        uint8_t *shadow;
        if (!range_within(offset, size, ISA_STACK_SIZE)) {
            stop_access(m, access, address, size, region, offset - ISA_STACK_SIZE);
            return NULL;
        }
        shadow = stack_shadow(address);
        for (uint64_t i = 0; i < size; i++) {
            if (shadow[i] == BYTE_UNWRITTEN) {
                if (access & CAN_READ) {
                    stop(m, FAULT_UNINIT, "reads stack byte fp%lld, which was never written",
                         (long long)(offset + i - ISA_STACK_SIZE));
                    return NULL;
                }
                ((uint8_t *)(uintptr_t)address)[i] = 0;
            }
        }
        if (access & CAN_WRITE)
            memset(shadow, BYTE_NUMBER, (size_t)size);
        return (uint8_t *)(uintptr_t)address;
    }
    case REGION_MEMORY:
    case REGION_PACKET:
    case REGION_META:
    case REGION_VALUE:
    case REGION_RECORD:
        if (!range_within(offset, size, region->size)) {
            stop_access(m, access, address, size, region, offset);
            return NULL;
        }
        if (access & ~region->access) {
            stop(m, FAULT_ACCESS, "%s %s that it may only %s", access & CAN_WRITE ? "writes" : "reads",
                 region_names[region->kind], access & CAN_WRITE ? "read" : "write");
            return NULL;
        }
        return (uint8_t *)(uintptr_t)address;
    default:
        m->fault->address = address;
        m->fault->size = (uint32_t)size;
        stop(m, FAULT_ACCESS, "r%u is %s and cannot be %s through", reg, region_names[region->kind],
             access & CAN_WRITE ? "written" : "read");
        return NULL;
    }
}

/* The field that [offset, offset + size) of the visible context lies in, or NULL and a fault. */
static const struct context_field *context_field(struct machine *m, uint64_t offset, unsigned size, unsigned access)
{
    const struct binding *binding = m->code->code.binding;
    const struct context_layout *layout = layout_of(m);
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *field = &layout->fields[i];
        if (offset < field->offset || !range_within(offset - field->offset, size, field->size))
            continue;
        if (!(field->flags & (access & CAN_WRITE ? FIELD_WRITE : FIELD_READ))) {
            stop(m, FAULT_ACCESS, "%s '%s' of %s", access & CAN_WRITE ? "writes" : "reads", field->name,
                 binding->contract->name);
            return NULL;
        }
        if (size != field->size && field->kind != FIELD_BYTES &&
            (access & CAN_WRITE || field->kind != FIELD_SCALAR || !(field->flags & FIELD_NARROW))) {
            stop(m, FAULT_ACCESS, "%s %u bytes of '%s', which has %u", access & CAN_WRITE ? "writes" : "reads", size,
                 field->name, field->size);
            return NULL;
        }
        return field;
    }
    stop(m, FAULT_ACCESS, "%s %u bytes at context offset %lld, where %s has no field",
         access & CAN_WRITE ? "writes" : "reads", size, (long long)offset, binding->contract->name);
    return NULL;
}

static bool load_context(struct machine *m, unsigned dst, unsigned src, int64_t off, unsigned size, bool is_signed)
{
    const struct context_layout *layout = layout_of(m);
    uint64_t offset = m->r[src] + (uint64_t)off - m->origin[src], value;
    const struct context_field *field = context_field(m, offset, size, CAN_READ);

    if (!field)
        return false;
    if (field->kind == FIELD_BYTES) {
        value = 0;
        memcpy(&value, (const uint8_t *)m->context + field->real_offset + (offset - field->offset), size);
        offset = field->offset; /* the part that was asked for lies lowest now */
    } else {
        value = real_field(m, field);
    }
    if (field->kind != FIELD_SCALAR && field->kind != FIELD_BYTES && is_signed)
        return stop(m, FAULT_POINTER, "sign-extends the pointer '%s'", field->name);
    switch (field->kind) {
    case FIELD_PACKET: set_pointer(m, dst, value, &m->packet, value); return true;
    case FIELD_PACKET_END: set_pointer(m, dst, value, &m->packet, value - m->packet.size); return true;
    case FIELD_PACKET_META: set_pointer(m, dst, value, &m->meta, value); return true;
    case FIELD_MEMORY:
    case FIELD_MEMORY_END: {
        const struct context_field *other = field->partner >= 0 ? &layout->fields[field->partner] : NULL;
        const struct context_field *start = field->kind == FIELD_MEMORY ? field : NULL, *end = NULL;
        uint64_t from, to;
        unsigned at;
        for (uint32_t i = 0; !start && i < layout->field_count; i++) {
            if (layout->fields[i].kind == FIELD_MEMORY && layout->fields[i].partner >= 0 &&
                &layout->fields[layout->fields[i].partner] == field)
                start = &layout->fields[i];
        }
        end = field->kind == FIELD_MEMORY ? other : field;
        from = start ? real_field(m, start) : value;
        to = end ? real_field(m, end) : value;
        /* One region per pair, found by its place in the layout. */
        at = start ? (unsigned)(start - layout->fields) % MEMORIES : 0;
        region_size(&m->memory[at], REGION_MEMORY, CAN_READ, from && to > from ? to - from : 0);
        set_pointer(m, dst, value, &m->memory[at], from);
        return true;
    }
    case FIELD_SOCKET_OR_NULL:
        if (value)
            set_pointer(m, dst, value, &opaque_region, value);
        else
            set_number(m, dst, 0);
        return true;
    default: break;
    }
    value >>= (offset - field->offset) * 8;
    if (size < 8) {
        unsigned shift = 64 - size * 8;
        value = is_signed ? (uint64_t)((int64_t)(value << shift) >> shift) : value << shift >> shift;
    }
    set_number(m, dst, value);
    return true;
}

static bool store_context(struct machine *m, unsigned dst, int64_t off, unsigned size, uint64_t value)
{
    uint64_t offset = m->r[dst] + (uint64_t)off - m->origin[dst];
    const struct context_field *field = context_field(m, offset, size, CAN_WRITE);

    if (!field)
        return false;
    if (field->kind == FIELD_BYTES) {
        memcpy((uint8_t *)m->context + field->real_offset + (offset - field->offset), &value, size);
        return true;
    }
    if (field->kind != FIELD_SCALAR)
        return stop(m, FAULT_POINTER, "writes the pointer '%s'", field->name);
    if (size < 8)
        value &= ((uint64_t)1 << size * 8) - 1;
    memcpy((uint8_t *)m->context + field->real_offset, &value, field->real_size <= 8 ? field->real_size : 8);
    return true;
}

/* Any load of a LDX row, from anywhere. */
static NOINLINE bool load_slowly(struct machine *m, const struct op *op, enum isa_op isa)
{
    static const uint8_t bits_of[ISA_OPS] = {
#define LDX(NAME, code, bits, signed_, group) [ISA_##NAME] = bits,
#include "isa/isa.def"
    };
    static const bool signed_of[ISA_OPS] = {
#define LDX(NAME, code, bits, signed__, group) [ISA_##NAME] = signed__,
#include "isa/isa.def"
    };
    unsigned size = bits_of[isa] / 8u, src = op->src, dst = op->dst;
    const struct region *region = m->region[src];
    uint64_t address = m->r[src] + (uint64_t)(int64_t)op->off, offset = address - m->origin[src], value = 0;
    const uint8_t *at;

    m->op = op;
    if (region->kind == REGION_CONTEXT)
        return load_context(m, dst, src, op->off, size, signed_of[isa]);
    if (region->kind == REGION_STACK && size == 8 && !(offset & 7) && range_within(offset, 8, ISA_STACK_SIZE) &&
        load_64((uint64_t)(uintptr_t)stack_shadow(address)) == SHADOW_POINTER) {
        unsigned slot = stack_slot(m, address);
        set_pointer(m, dst, load_64(address), m->slot_region[slot], m->slot_origin[slot]);
        return true;
    }
    at = touch(m, src, op->off, size, CAN_READ);
    if (!at)
        return false;
    memcpy(&value, at, size);
    if (signed_of[isa])
        value = (uint64_t)((int64_t)(value << (64 - size * 8)) >> (64 - size * 8));
    set_number(m, dst, value);
    return true;
}

/* May the program put what is in `src` into memory?  Numbers only. */
static bool is_storable(struct machine *m, unsigned src)
{
    const struct region *region = m->region[src];
    if (region == &number)
        return true;
    if (region == &unwritten)
        return stop_unwritten(m, src);
    return stop(m, FAULT_POINTER, "stores r%u, a pointer to %s, where only numbers may be", src,
                region_names[region->kind]);
}

/* Any store: of `value`, which is in register `src` unless that is 16. */
static NOINLINE bool store_slowly(struct machine *m, const struct op *op, enum isa_op isa)
{
    static const uint8_t bits_of[ISA_OPS] = {
#define ST(NAME, code, bits)    [ISA_##NAME] = bits,
#define STX(NAME, code, bits)   [ISA_##NAME] = bits,
#define STREL(NAME, code, bits) [ISA_##NAME] = bits,
#include "isa/isa.def"
    };
    static const bool from_register[ISA_OPS] = {
#define STX(NAME, code, bits)   [ISA_##NAME] = true,
#define STREL(NAME, code, bits) [ISA_##NAME] = true,
#include "isa/isa.def"
    };
    unsigned size = bits_of[isa] / 8u, dst = op->dst, src = op->src;
    const struct region *region = m->region[dst];
    uint64_t address = m->r[dst] + (uint64_t)(int64_t)op->off, offset = address - m->origin[dst];
    uint64_t value = from_register[isa] ? m->r[src] : (uint64_t)(int64_t)op->imm;
    uint8_t *at;

    m->op = op;
    if (from_register[isa] && m->region[src] != &number) {
        const struct region *stored = m->region[src];
        if (stored == &unwritten)
            return stop_unwritten(m, src);
        if (region->kind == REGION_STACK) {
            unsigned slot;
            if (size != 8 || offset & 7)
                return stop(m, FAULT_POINTER, "stores a part of r%u, a pointer to %s", src, region_names[stored->kind]);
            if (stored->kind == REGION_STACK && stored->index > region->index)
                return stop(m, FAULT_POINTER, "stores a pointer to its own stack in a caller's");
            at = touch(m, dst, op->off, size, CAN_WRITE);
            if (!at)
                return false;
            slot = stack_slot(m, address);
            memset(stack_shadow(address), BYTE_POINTER, 8);
            m->slot_region[slot] = stored;
            m->slot_origin[slot] = m->origin[src];
            memcpy(at, &value, 8);
            return true;
        }
        return is_storable(m, src);
    }
    if (region->kind == REGION_CONTEXT)
        return store_context(m, dst, op->off, size, value);
    at = touch(m, dst, op->off, size, CAN_WRITE);
    if (!at)
        return false;
    memcpy(at, &value, size);
    return true;
}

/* The cell of an atomic operation: aligned, written, not the context. */
static NOINLINE uint8_t *cell(struct machine *m, const struct op *op, unsigned base, unsigned size, unsigned access)
{
    uint8_t *at;
    m->op = op;
    if ((m->r[base] + (uint64_t)(int64_t)op->off) & (size - 1)) {
        stop(m, FAULT_ACCESS, "an atomic access of %u bytes that is not aligned", size);
        return NULL;
    }
    at = touch(m, base, op->off, size, CAN_READ);
    return at && access & CAN_WRITE ? touch(m, base, op->off, size, CAN_WRITE) : at;
}

/* ---- provenance of arithmetic ---- */

/* Sets dst's region for the operation that the plain handler does next. */
static NOINLINE bool judge_alu(struct machine *m, const struct op *op, enum isa_op isa)
{
    const struct region *d = m->region[op->dst], *s = &number;
    bool reads_dst = true, adds = false, subtracts = false;

    m->op = op;
    switch (isa) {
#define ALU(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_REG:
#define MOVSX(NAME, ...)                                                                                               \
    case ISA_##NAME##_64:                                                                                              \
    case ISA_##NAME##_32:
#include "isa/isa.def"
        s = m->region[op->src];
        if (s == &unwritten)
            return stop_unwritten(m, op->src);
        break;
    default: break;
    }
    switch (isa) {
    case ISA_MOV64_IMM:
    case ISA_MOV32_IMM:
    case ISA_MOV64_REG:
    case ISA_MOV32_REG:
#define MOVSX(NAME, ...)                                                                                               \
    case ISA_##NAME##_64:                                                                                              \
    case ISA_##NAME##_32:
#include "isa/isa.def"
        reads_dst = false;
        break;
    case ISA_ADD64_IMM:
    case ISA_ADD64_REG: adds = true; break;
    case ISA_SUB64_IMM:
    case ISA_SUB64_REG: subtracts = true; break;
    default: break;
    }
    if (reads_dst && d == &unwritten)
        return stop_unwritten(m, op->dst);
    if (isa == ISA_MOV64_REG) {
        m->region[op->dst] = s;
        m->origin[op->dst] = m->origin[op->src];
    } else if ((adds || subtracts) && d != &number && s == &number) {
        /* stays what it is */
    } else if (adds && d == &number && s != &number) {
        m->region[op->dst] = s;
        m->origin[op->dst] = m->origin[op->src];
    } else {
        m->region[op->dst] = &number;
    }
    return true;
}

static NOINLINE bool judge_jump(struct machine *m, const struct op *op, enum isa_op isa)
{
    m->op = op;
    if (m->region[op->dst] == &unwritten)
        return stop_unwritten(m, op->dst);
    switch (isa) {
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_REG:
#include "isa/isa.def"
        if (m->region[op->src] == &unwritten)
            return stop_unwritten(m, op->src);
        break;
    default: break;
    }
    return true;
}

/* ---- helpers ---- */

struct call {
    uint32_t map;    /* index of the map argument, IMAGE_NO_INDEX for none */
    uint64_t size;   /* the constant size argument */
    unsigned record; /* register of the record given up, 0 for none */
};

static bool stop_argument(struct machine *m, const struct helper_proto *proto, unsigned reg, const char *wanted)
{
    return stop(m, FAULT_CALL, "%s: r%u is %s, not %s", proto->name, reg, region_names[m->region[reg]->kind], wanted);
}

static bool check_memory(struct machine *m, const struct helper_proto *proto, unsigned reg, uint64_t size,
                         unsigned access)
{
    if (m->region[reg]->kind == REGION_CONTEXT || m->region[reg]->kind >= REGION_MAP || m->region[reg] == &number)
        return stop_argument(m, proto, reg, "a pointer to memory");
    return touch(m, reg, 0, size, access) != NULL;
}

static bool check_argument(struct machine *m, const struct helper_proto *proto, unsigned reg, struct call *call)
{
    const struct binding *binding = m->code->code.binding;
    enum arg_kind kind = proto->args[reg - 1];
    const struct region *region = m->region[reg];
    const struct engine_map *map = call->map != IMAGE_NO_INDEX ? &binding->maps[call->map] : NULL;
    uint64_t value = m->r[reg];
    bool is_null = region == &number && !value;

    if (kind == ARG_NONE || kind == ARG_VARIADIC)
        return true;
    if (region == &unwritten)
        return stop_unwritten(m, reg);
    switch (kind) {
    case ARG_ANYTHING: return true;
    case ARG_SCALAR:
    case ARG_SIZE_OR_ZERO: return region == &number || stop_argument(m, proto, reg, "a number");
    case ARG_SIZE:
        if (region != &number)
            return stop_argument(m, proto, reg, "a number");
        return value || stop(m, FAULT_CALL, "%s: r%u is a size of 0", proto->name, reg);
    case ARG_CONST_SIZE_OR_ZERO:
        call->size = value;
        return region == &number || stop_argument(m, proto, reg, "a number");
    case ARG_CONST_MAP:
        if (region->kind != REGION_MAP || value != m->origin[reg])
            return stop_argument(m, proto, reg, "a map");
        call->map = region->index;
        if (proto->map_kinds &&
            (binding->maps[region->index].kind >= 64 || !(proto->map_kinds >> binding->maps[region->index].kind & 1)))
            return stop(m, FAULT_CALL, "%s: not for a map of kind %u", proto->name, binding->maps[region->index].kind);
        return true;
    case ARG_MAP_KEY:
        return map ? check_memory(m, proto, reg, map->key_size, CAN_READ)
                   : stop(m, FAULT_CALL, "%s: a key without a map", proto->name);
    case ARG_MAP_VALUE:
        return map ? check_memory(m, proto, reg, map->value_size, CAN_READ)
                   : stop(m, FAULT_CALL, "%s: a value without a map", proto->name);
    case ARG_MAP_VALUE_UNINIT:
        return map ? check_memory(m, proto, reg, map->value_size, CAN_WRITE)
                   : stop(m, FAULT_CALL, "%s: a value without a map", proto->name);
    case ARG_CONTEXT_OR_NULL:
        if (is_null)
            return true;
        /* fall through */
    case ARG_CONTEXT:
        if (!binding->contract && region->kind == REGION_MEMORY && value == (uint64_t)(uintptr_t)m->context)
            return true;
        return (region->kind == REGION_CONTEXT && value == m->origin[reg]) ||
               stop_argument(m, proto, reg, "the unmodified context");
    case ARG_MEM_OR_NULL:
    case ARG_MEM_UNINIT_OR_NULL:
    case ARG_MEM:
    case ARG_MEM_UNINIT: {
        uint64_t size;
        bool fixed = reg == HELPER_ARGS;
        if (fixed)
            return stop(m, FAULT_CALL, "%s: memory without a size", proto->name);
        if (m->region[reg + 1] == &unwritten)
            return stop_unwritten(m, reg + 1);
        if (m->region[reg + 1] != &number)
            return stop_argument(m, proto, reg + 1, "a number");
        size = m->r[reg + 1];
        if (is_null && (kind == ARG_MEM_OR_NULL || kind == ARG_MEM_UNINIT_OR_NULL))
            return !size || stop(m, FAULT_CALL, "%s: r%u is NULL with a size", proto->name, reg);
        return check_memory(m, proto, reg, size, kind == ARG_MEM || kind == ARG_MEM_OR_NULL ? CAN_READ : CAN_WRITE);
    }
    case ARG_RECORD:
        if (region->kind != REGION_RECORD || value != m->origin[reg] || !(m->live_records >> region->index & 1))
            return stop_argument(m, proto, reg, "a reserved record");
        call->record = reg;
        return true;
    case ARG_CONST_STR: {
        uint64_t length = 0;
        const uint8_t *at = touch(m, reg, 0, 1, CAN_READ);
        while (at && *at) {
            length++;
            at = touch(m, reg, (int64_t)length, 1, CAN_READ);
        }
        return at != NULL;
    }
    case ARG_LONG:
    case ARG_INT: {
        unsigned size = kind == ARG_LONG ? 8 : 4;
        if (value & (size - 1))
            return stop(m, FAULT_CALL, "%s: r%u is not aligned", proto->name, reg);
        return check_memory(m, proto, reg, size, CAN_WRITE);
    }
    case ARG_SPIN_LOCK:
        return region->kind == REGION_VALUE ? check_memory(m, proto, reg, 4, CAN_READ | CAN_WRITE)
                                            : stop_argument(m, proto, reg, "in a map value");
    case ARG_SOCKET:
    case ARG_SOCK_COMMON:
    case ARG_BTF_ID:
        return (region->kind == REGION_OPAQUE && value == m->origin[reg]) ||
               stop_argument(m, proto, reg, "an object of the system");
    default: return stop(m, FAULT_CALL, "%s: the checked interpreter cannot check r%u", proto->name, reg);
    }
}

/* Memory of `size` bytes that a helper returned. */
static bool set_record(struct machine *m, uint64_t value, uint64_t size, bool must_give_up)
{
    unsigned i = 0;
    while (i < RECORDS && m->used_records >> i & 1)
        i++;
    if (i == RECORDS)
        return stop(m, FAULT_REFERENCE, "holds more than %d records", RECORDS);
    m->used_records |= 1u << i;
    if (must_give_up)
        m->live_records |= 1u << i;
    region_size(&m->records[i], REGION_RECORD, CAN_READ | CAN_WRITE, size);
    m->records[i].index = (uint16_t)i;
    m->record_at[i] = value;
    set_pointer(m, 0, value, &m->records[i], value);
    return true;
}

static bool set_result(struct machine *m, const struct helper_proto *proto, const struct call *call, uint64_t value)
{
    const struct extra *extra = m->code->extra;
    const struct engine_map *map = call->map != IMAGE_NO_INDEX ? &m->code->code.binding->maps[call->map] : NULL;

    set_number(m, 0, value);
    switch (proto->ret) {
    case RET_VOID: m->region[0] = &unwritten; return true;
    case RET_INTEGER:
    case RET_NEVER: return true;
    case RET_MAP_VALUE_OR_NULL:
        if (!value || !map)
            return true;
        if (map->kind == 12 || map->kind == 13) {
            if (map->inner >= m->code->code.binding->image->map_count)
                return stop(m, FAULT_CALL, "%s: a map of maps without a template", proto->name);
            set_pointer(m, 0, value, &extra->handle[map->inner], value);
        } else {
            set_pointer(m, 0, value, &extra->value[call->map], value);
        }
        return true;
    case RET_MEM_OR_NULL: return !value || set_record(m, value, call->size, false);
    case RET_RECORD_OR_NULL: return !value || set_record(m, value, call->size, true);
    default:
        if (value)
            set_pointer(m, 0, value, &opaque_region, value);
        return true;
    }
}

static NOINLINE bool call_helper(struct machine *m, const struct op *op, uint32_t index)
{
    const struct engine_helper *helper = &m->code->code.binding->helpers[index];
    const struct helper_proto *proto = helper->proto;
    struct call call = {.map = IMAGE_NO_INDEX};
    uint64_t value;

    m->op = op;
    if (proto) {
        for (unsigned reg = 1; reg <= HELPER_ARGS; reg++) {
            if (!check_argument(m, proto, reg, &call))
                return false;
        }
    }
    /* A register the program never wrote holds nothing of ours. */
    for (unsigned reg = 1; reg <= HELPER_ARGS; reg++) {
        if (m->region[reg] == &unwritten)
            m->r[reg] = 0;
    }
    value = helper->fn(m->r[1], m->r[2], m->r[3], m->r[4], m->r[5], m->context);
    if (!proto) {
        set_number(m, 0, value);
        forget_arguments(m);
        return true;
    }
    if (call.record) {
        const struct region *region = m->region[call.record];
        uint32_t bit = 1u << region->index;
        m->live_records &= ~bit;
        m->used_records &= ~bit;
        kill_pointers(m, region);
    }
    if (proto->flags & HELPER_CHANGES_PACKET && m->code->code.binding->contract) {
        kill_pointers(m, &m->packet);
        kill_pointers(m, &m->meta);
        find_packet(m);
    }
    forget_arguments(m);
    return set_result(m, proto, &call, value);
}

/* A stopped program gives nothing up itself. */
static void give_up_records(struct machine *m)
{
    const struct binding *binding = m->code->code.binding;
    const struct engine_helper *chosen = NULL;
    for (uint32_t i = 0; i < binding->image->helper_count; i++) {
        const struct engine_helper *helper = &binding->helpers[i];
        if (!helper->fn || !helper->proto || helper->proto->args[0] != ARG_RECORD)
            continue;
        if (!chosen || (helper->proto->name && strstr(helper->proto->name, "discard")))
            chosen = helper;
    }
    for (unsigned i = 0; chosen && i < RECORDS; i++) {
        if (m->live_records >> i & 1)
            chosen->fn(m->record_at[i], 0, 0, 0, 0, m->context);
    }
    m->live_records = 0;
}

/* ---- the loop ---- */

/* With `labels` not NULL only gives the handlers' addresses. */
static enum result execute(const struct op_code *code, struct run *run, struct machine *m, const void *const **labels)
{
#if ENGINE_THREADED
#define LABEL(KIND)  [KIND] = &&on_##KIND
#define LABELS(NAME) LABEL(CHECKED_##NAME##_MEM), LABEL(CHECKED_##NAME##_STACK), LABEL(CHECKED_##NAME##_FP)
    static const void *const table[CHECKED_KINDS] = {
#define ALU(NAME, ...)                                                                                                 \
    LABEL(ISA_##NAME##64_IMM), LABEL(ISA_##NAME##64_REG), LABEL(ISA_##NAME##32_IMM), LABEL(ISA_##NAME##32_REG),
#define ALU1(NAME, ...)  LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define MOVSX(NAME, ...) LABEL(ISA_##NAME##_64), LABEL(ISA_##NAME##_32),
#define END(NAME, ...)   LABEL(ISA_##NAME),
#define JMP(NAME, ...)                                                                                                 \
    LABEL(ISA_##NAME##64_IMM), LABEL(ISA_##NAME##64_REG), LABEL(ISA_##NAME##32_IMM), LABEL(ISA_##NAME##32_REG),
#define LDX(NAME, ...)     LABELS(NAME),
#define ST(NAME, ...)      LABELS(NAME),
#define STX(NAME, ...)     LABELS(NAME),
#define ATOMIC(NAME, ...)  LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define ATOMIC2(NAME, ...) LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define LDACQ(NAME, ...)   LABEL(ISA_##NAME),
#define STREL(NAME, ...)   LABEL(ISA_##NAME),
#define LEGACY(NAME, ...)  LABEL(ISA_##NAME),
#include "isa/isa.def"
        LABEL(CHECKED_ALU),
        LABEL(CHECKED_JMP),
        LABEL(CHECKED_MOV64_IMM),
        LABEL(CHECKED_MOV32_IMM),
        LABEL(CHECKED_MOV64_REG),
        LABEL(CHECKED_MOV32_REG),
        LABEL(ISA_LDDW_IMM),
        LABEL(ISA_LDDW_CODE),
        LABEL(ISA_LDDW_MAP_INDEX),
        LABEL(ISA_LDDW_MAP_INDEX_VALUE),
        LABEL(ISA_JA),
        LABEL(ISA_JA32),
        LABEL(ISA_MAY_GOTO),
        LABEL(ISA_CALL_HELPER),
        LABEL(ISA_CALL_LOCAL),
        LABEL(ISA_CALLX),
        LABEL(ISA_EXIT),
        LABEL(OP_CALL_TAIL),
        LABEL(OP_CALL_UNWIND),
        LABEL(OP_TRAP),
    };
    if (labels) {
        *labels = table;
        return RESULT_OK;
    }
#define DISPATCH       goto * op->handler
#define CASE(KIND)     on_##KIND:
#define DO_PLAIN(KIND) goto *table[KIND]
#else
    uint64_t kind;
    if (labels) {
        *labels = NULL;
        return RESULT_OK;
    }
#define DISPATCH   goto dispatch
#define CASE(KIND) case KIND:
#define DO_PLAIN(KIND)                                                                                                 \
    do {                                                                                                               \
        kind = (KIND);                                                                                                 \
        goto dispatch_kind;                                                                                            \
    } while (0)
#endif
#define NEXT                                                                                                           \
    do {                                                                                                               \
        op++;                                                                                                          \
        DISPATCH;                                                                                                      \
    } while (0)
#define SKIP(n)                                                                                                        \
    do {                                                                                                               \
        left += (n);                                                                                                   \
        op += 1 + (n);                                                                                                 \
        DISPATCH;                                                                                                      \
    } while (0)
#define JUMP(offset)                                                                                                   \
    do {                                                                                                               \
        ptrdiff_t displacement = (offset);                                                                             \
        left += displacement;                                                                                          \
        if (unlikely(left < 0))                                                                                        \
            goto over_budget;                                                                                          \
        op += 1 + displacement;                                                                                        \
        DISPATCH;                                                                                                      \
    } while (0)

    uint64_t *const r = m->r;
    const struct op *op = code->ops;
    const struct region *region;
    uint64_t address;
    const int64_t budget = run->budget && run->budget < INT64_MAX ? (int64_t)run->budget : DEFAULT_BUDGET;
    int64_t left = budget;
    uint32_t passes = MAY_GOTO_PASSES;

#define PLAIN(OP) code->plain[(OP)-code->ops]

#if ENGINE_THREADED
    DISPATCH;
    {
#else
dispatch:
    kind = op->value;
dispatch_kind:
    switch (kind) {
#endif
#include "engine/ops.inc"

        CASE(CHECKED_ALU)
        if (!judge_alu(m, op, (enum isa_op)PLAIN(op)))
            goto fault;
        DO_PLAIN(PLAIN(op));
        CASE(CHECKED_JMP)
        if (!judge_jump(m, op, (enum isa_op)PLAIN(op)))
            goto fault;
        DO_PLAIN(PLAIN(op));
        CASE(CHECKED_MOV64_IMM) D = IMM;
        m->region[op->dst] = &number;
        NEXT;
        CASE(CHECKED_MOV32_IMM) D = (uint32_t)op->imm;
        m->region[op->dst] = &number;
        NEXT;
        CASE(CHECKED_MOV64_REG) region = m->region[op->src];
        if (unlikely(region == &unwritten))
            goto read_unwritten;
        D = S;
        m->origin[op->dst] = m->origin[op->src];
        m->region[op->dst] = region;
        NEXT;
        CASE(CHECKED_MOV32_REG) if (unlikely(m->region[op->src] == &unwritten)) goto read_unwritten;
        D = (uint32_t)S;
        m->region[op->dst] = &number;
        NEXT;

#define LOG_8  0
#define LOG_16 1
#define LOG_32 2
#define LOG_64 3
#define LDX(NAME, code_, bits, signed_, group)                                                                         \
    CASE(CHECKED_##NAME##_MEM) address = S + op->off;                                                                  \
    if (unlikely(address - m->origin[op->src] >= m->region[op->src]->read[LOG_##bits]))                                \
        goto load_slow;                                                                                                \
    D = signed_ ? load_signed_##bits(address) : load_##bits(address);                                                  \
    m->region[op->dst] = &number;                                                                                      \
    NEXT;                                                                                                              \
    CASE(CHECKED_##NAME##_STACK) address = S + op->off;                                                                \
    if (unlikely(address - m->origin[op->src] >= m->region[op->src]->stack[LOG_##bits] ||                              \
                 load_##bits(address + SHADOW_DISTANCE) != SHADOW_##bits))                                             \
        goto load_slow;                                                                                                \
    D = signed_ ? load_signed_##bits(address) : load_##bits(address);                                                  \
    m->region[op->dst] = &number;                                                                                      \
    NEXT;                                                                                                              \
    CASE(CHECKED_##NAME##_FP) address = r[10] + op->off;                                                               \
    if (unlikely(load_##bits(address + SHADOW_DISTANCE) != SHADOW_##bits))                                             \
        goto load_slow;                                                                                                \
    D = signed_ ? load_signed_##bits(address) : load_##bits(address);                                                  \
    m->region[op->dst] = &number;                                                                                      \
    NEXT;
#define STORE(NAME, bits, value, check)                                                                                \
    CASE(CHECKED_##NAME##_MEM) address = D + op->off;                                                                  \
    if (unlikely(address - m->origin[op->dst] >= m->region[op->dst]->write[LOG_##bits] || (check)))                    \
        goto store_slow;                                                                                               \
    store_##bits(address, value);                                                                                      \
    NEXT;                                                                                                              \
    CASE(CHECKED_##NAME##_STACK) address = D + op->off;                                                                \
    if (unlikely(address - m->origin[op->dst] >= m->region[op->dst]->stack[LOG_##bits] || (check)))                    \
        goto store_slow;                                                                                               \
    store_##bits(address, value);                                                                                      \
    store_##bits(address + SHADOW_DISTANCE, SHADOW_##bits);                                                            \
    NEXT;                                                                                                              \
    CASE(CHECKED_##NAME##_FP) address = r[10] + op->off;                                                               \
    if (unlikely(check))                                                                                               \
        goto store_slow;                                                                                               \
    store_##bits(address, value);                                                                                      \
    store_##bits(address + SHADOW_DISTANCE, SHADOW_##bits);                                                            \
    NEXT;
#define ST(NAME, code_, bits)  STORE(NAME, bits, IMM, false)
#define STX(NAME, code_, bits) STORE(NAME, bits, S, m->region[op->src] != &number)
#define CELL(bits, base, access)                                                                                       \
    address = (uint64_t)(uintptr_t)cell(m, op, base, (bits) / 8, access);                                              \
    if (!address)                                                                                                      \
        goto fault;
#define UPDATE(bits)                                                                                                   \
    if (!is_storable((m->op = op, m), op->src))                                                                        \
        goto fault;                                                                                                    \
    CELL(bits, op->dst, CAN_READ | CAN_WRITE)
#define ATOMIC(NAME, imm_, fetch, symbol, value)                                                                       \
    CASE(ISA_##NAME##64) UPDATE(64) address = update_##NAME##64(address, S);                                           \
    if (fetch)                                                                                                         \
        S = address;                                                                                                   \
    NEXT;                                                                                                              \
    CASE(ISA_##NAME##32) UPDATE(32) address = update_##NAME##32(address, S);                                           \
    if (fetch)                                                                                                         \
        S = address;                                                                                                   \
    NEXT;
#define LDACQ(NAME, code_, bits)                                                                                       \
    CASE(ISA_##NAME) CELL(bits, op->src, CAN_READ) D = load_acquire_##bits(address);                                   \
    m->region[op->dst] = &number;                                                                                      \
    NEXT;
#define STREL(NAME, code_, bits)                                                                                       \
    CASE(ISA_##NAME)                                                                                                   \
    m->op = op;                                                                                                        \
    if (!is_storable(m, op->src))                                                                                      \
        goto fault;                                                                                                    \
    if ((D + op->off) & (bits / 8 - 1)) {                                                                              \
        stop(m, FAULT_ACCESS, "an atomic access of %u bytes that is not aligned", bits / 8);                           \
        goto fault;                                                                                                    \
    }                                                                                                                  \
    address = (uint64_t)(uintptr_t)touch(m, op->dst, op->off, bits / 8, CAN_WRITE);                                    \
    if (!address)                                                                                                      \
        goto fault;                                                                                                    \
    store_release_##bits(address, S);                                                                                  \
    NEXT;
#define LEGACY(NAME, code_, bits, indirect)                                                                            \
    CASE(ISA_##NAME)                                                                                                   \
    {                                                                                                                  \
        int64_t offset = (int32_t)((uint32_t)op->imm + (indirect ? (uint32_t)S : 0));                                  \
        const uint8_t *at;                                                                                             \
        m->op = op;                                                                                                    \
        if (indirect && m->region[op->src] != &number) {                                                               \
            if (m->region[op->src] == &unwritten)                                                                      \
                goto read_unwritten;                                                                                   \
            stop(m, FAULT_POINTER, "r%u, an offset into the packet, is a pointer", op->src);                           \
            goto fault;                                                                                                \
        }                                                                                                              \
        if (r[6] != (uint64_t)(uintptr_t)m->context || m->region[6]->kind == REGION_NUMBER ||                          \
            m->region[6] == &unwritten) {                                                                              \
            stop(m, FAULT_ACCESS, "a packet load, and r6 is not the context");                                         \
            goto fault;                                                                                                \
        }                                                                                                              \
        at = op_packet(code, run, offset, bits / 8);                                                                   \
        if (!at)                                                                                                       \
            goto end_with_zero;                                                                                        \
        address = load_##bits((uint64_t)(uintptr_t)at);                                                                \
        forget_arguments(m);                                                                                           \
        set_number(m, 0, bits == 8 ? address : bits == 16 ? isa_swap16(address) : isa_swap32(address));                \
    }                                                                                                                  \
    NEXT;
#include "isa/isa.def"

        CASE(ISA_XCHG64) UPDATE(64) S = atomic_exchange_64(address, S);
        NEXT;
        CASE(ISA_XCHG32) UPDATE(32) S = atomic_exchange_32(address, S);
        NEXT;
        CASE(ISA_CMPXCHG64) UPDATE(64) if (!is_storable(m, 0)) goto fault;
        r[0] = atomic_compare_exchange_64(address, r[0], S);
        NEXT;
        CASE(ISA_CMPXCHG32) UPDATE(32) if (!is_storable(m, 0)) goto fault;
        r[0] = atomic_compare_exchange_32(address, r[0], S);
        NEXT;

        CASE(ISA_LDDW_IMM) set_number(m, op->dst, op[1].value);
        SKIP(1);
        CASE(ISA_LDDW_CODE) set_pointer(m, op->dst, op[1].value, &code_region, op[1].value);
        SKIP(1);
        CASE(ISA_LDDW_MAP_INDEX)
        set_pointer(m, op->dst, op[1].value, &((const struct extra *)code->extra)->handle[op->imm], op[1].value);
        SKIP(1);
        CASE(ISA_LDDW_MAP_INDEX_VALUE)
        set_pointer(m, op->dst, op[1].value, &((const struct extra *)code->extra)->direct[op->imm],
                    (uint64_t)(uintptr_t)code->code.binding->maps[op->imm].values);
        SKIP(1);

        CASE(ISA_CALL_HELPER) if (!call_helper(m, op, (uint32_t)op->imm)) goto fault;
        NEXT;
        CASE(OP_CALL_UNWIND) if (!call_helper(m, op, (uint32_t)op->imm)) goto fault;
        if (!r[0])
            goto end_with_zero;
        NEXT;
        CASE(OP_CALL_TAIL)
        {
            const struct engine_tail *target;
            const struct helper_proto *proto = code->code.binding->helpers[op->imm].proto;
            struct call call = {.map = IMAGE_NO_INDEX};
            m->op = op;
            if (!check_argument(m, proto, 1, &call) || !check_argument(m, proto, 2, &call) ||
                !check_argument(m, proto, 3, &call))
                goto fault;
            target = op_tail_target(code, m->context, r[2], (uint32_t)r[3]);
            forget_arguments(m);
            set_number(m, 0, (uint64_t)-1);
            if (!target)
                NEXT;
            if (m->live_records) {
                stop(m, FAULT_REFERENCE, "a tail call while a record is neither submitted nor discarded");
                goto fault;
            }
            if (target->code->engine == code->code.engine && target->code->binding->contract) {
                left -= op - code->ops + 1;
                if (left < 0)
                    goto over_budget;
                m->code = code = (const struct op_code *)target->code;
                op = code->ops;
                for (unsigned i = 0; i < 10; i++)
                    m->region[i] = &unwritten;
                set_pointer(m, 1, (uint64_t)(uintptr_t)m->context, &context_region, (uint64_t)(uintptr_t)m->context);
                memset(m->shadow + (size_t)m->depth * ISA_STACK_SIZE, BYTE_UNWRITTEN, ISA_STACK_SIZE);
                DISPATCH;
            }
            if (!m->depth) {
                context_header(m->context)->tail_target = target;
                goto end_with_zero;
            }
            enum result result =
                op_tail_run(target, m->context, run->scratch ? (uint8_t *)run->scratch + MACHINE_SIZE : NULL,
                            run->scratch ? run->scratch_size - MACHINE_SIZE : 0, &r[0]);
            if (result != RESULT_OK) {
                stop(m, FAULT_CALL, "the program it tail-called failed");
                goto fault;
            }
            goto leave;
        }

        {
            const struct op *callee;
            CASE(ISA_CALL_LOCAL) callee = op + 1 + (ptrdiff_t)op->imm;
            goto enter;
            CASE(ISA_CALLX)
            m->op = op;
            uint32_t helper = binding_helper_by_number(code->code.binding, D);
            if (helper != IMAGE_NO_INDEX) {
                if (!call_helper(m, op, helper))
                    goto fault;
                NEXT;
            }
            if (m->region[op->dst]->kind != REGION_CODE || D != m->origin[op->dst]) {
                stop(m, FAULT_CALL, "calls through r%u, which is %s", op->dst, region_names[m->region[op->dst]->kind]);
                goto fault;
            }
            callee = (const struct op *)(uintptr_t)D;
            if (callee < code->ops || callee >= code->ops + code->count) {
                stop(m, FAULT_CALL, "calls into another program");
                goto fault;
            }
        enter:
            m->op = op;
            if (m->depth + 1 >= ISA_FRAMES) {
                stop(m, FAULT_CALL, "calls deeper than %d frames", ISA_FRAMES);
                goto fault;
            }
            left += callee - op - 1;
            if (left < 0)
                goto over_budget;
            struct frame *frame = &m->frames[m->depth++];
            frame->back = op;
            frame->code = code;
            for (unsigned i = 0; i < 4; i++) {
                frame->saved[i] = r[6 + i];
                frame->origin[i] = m->origin[6 + i];
                frame->region[i] = m->region[6 + i];
                m->region[6 + i] = &unwritten;
            }
            set_pointer(m, 10, r[10] + ISA_STACK_SIZE, &stack_regions[m->depth], r[10]);
            memset(m->shadow + (size_t)m->depth * ISA_STACK_SIZE, BYTE_UNWRITTEN, ISA_STACK_SIZE);
            op = callee;
            DISPATCH;
        }

        CASE(ISA_EXIT)
    leave:
        if (m->depth) {
            const struct frame *frame = &m->frames[m->depth - 1];
            if (m->region[0]->kind == REGION_STACK && m->region[0]->index == m->depth) {
                m->op = op;
                stop(m, FAULT_POINTER, "returns a pointer to its own stack");
                goto fault;
            }
            m->depth--;
            left -= op - code->ops + 1;
            for (unsigned i = 0; i < 4; i++) {
                r[6 + i] = frame->saved[i];
                m->origin[6 + i] = frame->origin[i];
                m->region[6 + i] = frame->region[i];
            }
            forget_arguments(m);
            set_pointer(m, 10, r[10] - ISA_STACK_SIZE, &stack_regions[m->depth], m->origin[10] - ISA_STACK_SIZE);
            m->code = code = frame->code;
            op = frame->back;
            left += op - code->ops + 1;
            if (left < 0)
                goto over_budget;
            NEXT;
        }
        m->op = op;
        if (m->region[0] != &number) {
            stop(m, FAULT_RETURN, "ends with r0 %s%s", m->region[0] == &unwritten ? "never written" : "a pointer to ",
                 m->region[0] == &unwritten ? "" : region_names[m->region[0]->kind]);
            goto fault;
        }
        if (m->live_records) {
            stop(m, FAULT_REFERENCE, "ends with a record neither submitted nor discarded");
            goto fault;
        }
        run->r0 = r[0];
        run->executed = (uint64_t)(op - code->ops + 1 + budget - left);
        return RESULT_OK;

    load_slow:
        if (!load_slowly(m, op, (enum isa_op)PLAIN(op)))
            goto fault;
        NEXT;
    store_slow:
        if (!store_slowly(m, op, (enum isa_op)PLAIN(op)))
            goto fault;
        NEXT;

#if !ENGINE_THREADED
    default:
#endif
        CASE(OP_TRAP)
        m->op = op;
        stop(m, FAULT_INSN, "no instruction");
        goto fault;
    }
end_with_zero:
    if (m->live_records) {
        m->op = op;
        stop(m, FAULT_REFERENCE, "ends with a record neither submitted nor discarded");
        goto fault;
    }
    run->r0 = 0;
    run->executed = (uint64_t)(op - code->ops + 1 + budget - left);
    return RESULT_OK;
read_unwritten:
    m->op = op;
    stop_unwritten(m, op->src);
    goto fault;
over_budget:
    m->op = op;
    stop(m, FAULT_BUDGET, "runs longer than %llu instructions",
         (unsigned long long)(run->budget ? run->budget : DEFAULT_BUDGET));
fault:
    give_up_records(m);
    run->r0 = 0;
    run->executed = (uint64_t)(m->op - m->code->ops + 1 + budget - left);
    return RESULT_FAULT;
}

static enum result run_code(const struct code *code_, struct run *run)
{
    const struct op_code *code = (const struct op_code *)code_;
    const struct extra *extra = code->extra;
    struct code_fault ignored;
#ifdef WINBPF_KERNEL
    struct machine *const m = run->scratch;
#else
    struct machine on_stack;
    struct machine *const m = &on_stack; /* the large arrays stay as they are until the program gives them contents */
#endif
    uint64_t context = (uint64_t)(uintptr_t)run->context;

#ifdef WINBPF_KERNEL
    if (!m || run->scratch_size < MACHINE_SIZE)
        return RESULT_NO_MEMORY;
#endif
    m->code = code;
    m->op = code->ops;
    m->context = run->context;
    m->run = run;
    m->fault = run->fault ? run->fault : &ignored;
    m->depth = 0;
    m->live_records = m->used_records = 0;
    for (unsigned i = 0; i < 10; i++)
        m->region[i] = &unwritten;
    if (code->code.binding->contract) {
        set_pointer(m, 1, context, &context_region, context);
        find_packet(m);
    } else {
        region_size(&m->memory[0], REGION_MEMORY, CAN_READ | CAN_WRITE, run->raw_length);
        set_pointer(m, 1, context, &m->memory[0], context);
        set_number(m, 2, run->raw_length);
    }
    set_pointer(m, 10, (uint64_t)(uintptr_t)m->stack + ISA_STACK_SIZE, &stack_regions[0],
                (uint64_t)(uintptr_t)m->stack);
    if (extra->uses_stack)
        memset(m->shadow, BYTE_UNWRITTEN, ISA_STACK_SIZE);
    m->fault->kind = FAULT_NONE;
    m->fault->address = m->fault->size = 0;
    return execute(code, run, m, NULL);
}

/* ---- the analysis ---- */

/* Sets of what a register may hold. */
enum {
    MAY_UNWRITTEN = 1,
    MAY_NUMBER = 2,
    MAY_STACK = 4,
    MAY_MEMORY = 8, /* packet, map value, raw memory: what the short way is for */
    MAY_OTHER = 16,
    MAY_POINTER = MAY_STACK | MAY_MEMORY | MAY_OTHER,
    MAY_ANY = 31,
};

struct state {
    uint8_t may[12]; /* [11]: 1 once reached */
};

struct analysis {
    const struct op_code *code;
    struct state *states; /* before each instruction */
    uint32_t *work;       /* instructions to look at again, each at most once */
    uint8_t *queued;
    uint32_t pending;
};

/* Adds `from` to the state at `at`; did that change it? */
static bool merge(struct analysis *a, uint32_t at, const struct state *from)
{
    struct state *to = &a->states[at];
    bool changed = !to->may[11];
    for (unsigned i = 0; i < ISA_REGISTERS; i++) {
        changed |= (from->may[i] & ~to->may[i]) != 0;
        to->may[i] |= from->may[i];
    }
    to->may[11] = 1;
    return changed;
}

static void join(struct analysis *a, uint32_t at, const struct state *from)
{
    if (merge(a, at, from) && !a->queued[at]) {
        a->queued[at] = 1;
        a->work[a->pending++] = at;
    }
}

static bool is_lddw(enum isa_op isa)
{
    return isa >= ISA_LDDW_IMM && isa <= ISA_LDDW_MAP_INDEX_VALUE;
}

/* The set after dst += or -= something of set `s`. */
static uint8_t sum(uint8_t d, uint8_t s, bool adds)
{
    uint8_t result = 0;
    if (s & MAY_NUMBER)
        result |= d & (MAY_POINTER | MAY_NUMBER);
    if (s & MAY_POINTER && d & MAY_NUMBER)
        result |= adds ? s & MAY_POINTER : MAY_NUMBER;
    if (s & MAY_POINTER && d & MAY_POINTER)
        result |= MAY_NUMBER;
    return result;
}

/* What follows instruction `at`: the state behind it, and whether control goes on to the next slot. */
static bool step(struct analysis *a, uint32_t at, struct state *s)
{
    const struct op_code *code = a->code;
    const struct op *op = &code->ops[at];
    uint16_t kind = code->kinds[at];
    uint8_t *may = s->may;

    switch (kind) {
    case ISA_MOV64_REG: may[op->dst] = may[op->src] & ~MAY_UNWRITTEN; return true;
    case ISA_ADD64_IMM:
    case ISA_SUB64_IMM: may[op->dst] = sum(may[op->dst], MAY_NUMBER, true); return true;
    case ISA_ADD64_REG:
    case ISA_SUB64_REG: may[op->dst] = sum(may[op->dst], may[op->src], kind == ISA_ADD64_REG); return true;
#define LDX(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
        {
            uint8_t from = may[op->src];
            may[op->dst] = MAY_NUMBER;
            if (from & MAY_OTHER)
                may[op->dst] |= MAY_MEMORY | MAY_OTHER;
            if (from & MAY_STACK && kind == ISA_LDXDW)
                may[op->dst] |= MAY_POINTER;
            return true;
        }
    case ISA_LDDW_IMM: may[op->dst] = MAY_NUMBER; return true;
    case ISA_LDDW_MAP_INDEX_VALUE: may[op->dst] = MAY_MEMORY; return true;
    case ISA_LDDW_MAP_INDEX: may[op->dst] = MAY_OTHER; return true;
    case ISA_LDDW_CODE: {
        struct state callee;
        memset(callee.may, MAY_UNWRITTEN, sizeof callee.may);
        memset(&callee.may[1], MAY_ANY, 5);
        callee.may[10] = MAY_STACK;
        may[op->dst] = MAY_OTHER;
        join(a, (uint32_t)((int64_t)at + 1 + op->imm), &callee);
        return true;
    }
    case ISA_CALL_LOCAL: {
        struct state callee;
        memset(callee.may, MAY_UNWRITTEN, sizeof callee.may);
        memcpy(&callee.may[1], &may[1], 5);
        callee.may[10] = MAY_STACK;
        join(a, (uint32_t)((int64_t)at + 1 + op->imm), &callee);
    }
        /* fall through */
    case ISA_CALLX:
        may[0] = MAY_ANY;
        memset(&may[1], MAY_UNWRITTEN, 5);
        return true;
    case ISA_CALL_HELPER:
    case OP_CALL_UNWIND:
    case OP_CALL_TAIL: {
        const struct helper_proto *proto = code->code.binding->helpers[op->imm].proto;
        memset(&may[1], MAY_UNWRITTEN, 5);
        may[0] = MAY_NUMBER;
        if (proto && proto->ret == RET_VOID)
            may[0] |= MAY_UNWRITTEN;
        else if (proto && proto->ret != RET_INTEGER && proto->ret != RET_NEVER)
            may[0] |= MAY_MEMORY | MAY_OTHER;
        return true;
    }
#define LEGACY(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
        memset(&may[1], MAY_UNWRITTEN, 5);
        may[0] = MAY_NUMBER;
        return true;
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_IMM:                                                                                           \
    case ISA_##NAME##32_REG:
#include "isa/isa.def"
    case ISA_MAY_GOTO: join(a, (uint32_t)((int64_t)at + 1 + op->off), s); return true;
    case ISA_JA: join(a, (uint32_t)((int64_t)at + 1 + op->off), s); return false;
    case ISA_JA32: join(a, (uint32_t)((int64_t)at + 1 + op->imm), s); return false;
    case ISA_EXIT:
    case OP_TRAP: return false;
#define ST(NAME, ...)    case ISA_##NAME:
#define STX(NAME, ...)   case ISA_##NAME:
#define STREL(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
        return true;
#define ATOMIC(NAME, imm, fetch, symbol, value)                                                                        \
    case ISA_##NAME##64:                                                                                               \
    case ISA_##NAME##32:
#include "isa/isa.def"
    case ISA_XCHG64:
    case ISA_XCHG32:
        may[op->src] = MAY_NUMBER; /* anything else was a fault */
        return true;
    case ISA_CMPXCHG64:
    case ISA_CMPXCHG32: may[op->src] = may[0] = MAY_NUMBER; return true;
    default: /* arithmetic, load-acquire */ may[op->dst] = MAY_NUMBER; return true;
    }
}

static void analyse(struct analysis *a)
{
    const struct op_code *code = a->code;
    struct state entry;

    memset(entry.may, MAY_UNWRITTEN, sizeof entry.may);
    entry.may[1] = code->code.binding->contract ? MAY_OTHER : MAY_MEMORY;
    entry.may[2] = code->code.binding->contract ? MAY_UNWRITTEN : MAY_NUMBER;
    entry.may[10] = MAY_STACK;
    join(a, 0, &entry);
    while (a->pending) {
        uint32_t at = a->work[--a->pending];
        a->queued[at] = 0;
        for (;;) {
            struct state state = a->states[at];
            if (!step(a, at, &state))
                break;
            at += is_lddw((enum isa_op)code->kinds[at]) ? 2 : 1;
            if (at >= code->op_count)
                break;
            if (!merge(a, at, &state) || a->queued[at])
                break;
        }
    }
}

/* The kind with which to run the op at `at`, given what its registers may hold. */
static uint16_t choose(const struct op_code *code, uint32_t at, const uint8_t *may)
{
    const struct op *op = &code->ops[at];
    uint16_t kind = code->kinds[at];
    uint8_t d = may[op->dst], s = may[op->src];
    bool fp;

    switch (kind) {
    case ISA_MOV64_IMM: return d == MAY_NUMBER ? kind : CHECKED_MOV64_IMM;
    case ISA_MOV32_IMM: return d == MAY_NUMBER ? kind : CHECKED_MOV32_IMM;
    case ISA_MOV64_REG: return d == MAY_NUMBER && s == MAY_NUMBER ? kind : CHECKED_MOV64_REG;
    case ISA_MOV32_REG: return d == MAY_NUMBER && s && !(s & MAY_UNWRITTEN) ? kind : CHECKED_MOV32_REG;
    case ISA_ADD64_IMM:
    case ISA_SUB64_IMM: return d && !(d & MAY_UNWRITTEN) ? kind : CHECKED_ALU;
    case ISA_ADD64_REG:
    case ISA_SUB64_REG: return d && !(d & MAY_UNWRITTEN) && s == MAY_NUMBER ? kind : CHECKED_ALU;
#define ALU1(NAME, ...)                                                                                                \
    case ISA_##NAME##64:                                                                                               \
    case ISA_##NAME##32:
#define END(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
        return d == MAY_NUMBER ? kind : CHECKED_ALU;
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##32_IMM:
#include "isa/isa.def"
        return d && !(d & MAY_UNWRITTEN) ? kind : CHECKED_JMP;
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_REG:
#include "isa/isa.def"
        return d && s && !((d | s) & MAY_UNWRITTEN) ? kind : CHECKED_JMP;
#define MEMORY(NAME, base, bits)                                                                                       \
    case ISA_##NAME:                                                                                                   \
        fp = op->base == 10 && may[10] == MAY_STACK && op->off >= -ISA_STACK_SIZE && op->off <= -(bits / 8);           \
        return fp                                                                         ? CHECKED_##NAME##_FP        \
               : may[op->base] & MAY_STACK && !(may[op->base] & (MAY_MEMORY | MAY_OTHER)) ? CHECKED_##NAME##_STACK     \
                                                                                          : CHECKED_##NAME##_MEM;
#define LDX(NAME, code_, bits, signed_, group) MEMORY(NAME, src, bits)
#define ST(NAME, code_, bits)                  MEMORY(NAME, dst, bits)
#define STX(NAME, code_, bits)                 MEMORY(NAME, dst, bits)
#include "isa/isa.def"
    default: break;
    }
    switch (kind) {
#define ALU(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##32_IMM:
#include "isa/isa.def"
        return d == MAY_NUMBER ? kind : CHECKED_ALU;
#define ALU(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_REG:
#define MOVSX(NAME, ...)                                                                                               \
    case ISA_##NAME##_64:                                                                                              \
    case ISA_##NAME##_32:
#include "isa/isa.def"
        return d == MAY_NUMBER && s == MAY_NUMBER ? kind : CHECKED_ALU;
    default: return kind;
    }
}

static void describe_maps(struct op_code *code, struct extra *extra)
{
    const struct binding *binding = code->code.binding;
    for (uint32_t i = 0; i < binding->image->map_count; i++) {
        const struct engine_map *map = &binding->maps[i];
        unsigned access = CAN_READ | CAN_WRITE;
        if (map->flags & 1u << 7) /* BPF_F_RDONLY_PROG */
            access &= ~(unsigned)CAN_WRITE;
        if (map->flags & 1u << 8) /* BPF_F_WRONLY_PROG */
            access &= ~(unsigned)CAN_READ;
        region_size(&extra->value[i], REGION_VALUE, access, map->value_size);
        region_size(&extra->direct[i], REGION_VALUE, access, map->values_size);
        extra->handle[i].kind = REGION_MAP;
        extra->handle[i].index = extra->value[i].index = extra->direct[i].index = (uint16_t)i;
    }
}

static enum result compile(const struct binding *binding, const struct allocator *memory, const struct executable *exec,
                           const struct diag *diag, struct code **out)
{
    uint32_t maps = binding->image->map_count;
    size_t regions = (size_t)maps * sizeof(struct region), planes, size;
    const void *const *labels;
    struct op_code *code;
    struct extra *extra;
    struct analysis a;
    uint8_t *scratch;
    enum result result;

    if (maps > IMAGE_MAX_MAPS)
        return RESULT_TOO_BIG;
    result = op_decode(&engine_checked, binding, memory, sizeof *extra + 3 * regions, diag, &code);
    if (result != RESULT_OK)
        return result;
    extra = code->extra;
    extra->handle = (struct region *)(extra + 1);
    extra->value = extra->handle + maps;
    extra->direct = extra->value + maps;
    describe_maps(code, extra);

    planes = code->op_count;
    size = planes * (sizeof(struct state) + sizeof(uint32_t) + 1);
    scratch = memory->alloc(memory->self, size);
    if (!scratch) {
        op_destroy(&code->code);
        return RESULT_NO_MEMORY;
    }
    memset(scratch, 0, size);
    a.code = code;
    a.work = (uint32_t *)scratch;
    a.states = (struct state *)(a.work + planes);
    a.queued = (uint8_t *)(a.states + planes);
    a.pending = 0;
    analyse(&a);
    for (uint32_t i = 0; i < code->op_count; i++) {
        code->plain[i] = code->kinds[i];
        extra->uses_stack |= code->ops[i].dst == 10 || code->ops[i].src == 10 || code->kinds[i] == ISA_CALL_HELPER;
    }
    for (uint32_t i = 0; i < code->op_count; i++) {
        if (!op_is_second(code, i))
            code->kinds[i] = choose(code, i, a.states[i].may);
    }
    memory->free(memory->self, scratch, size);
    execute(code, NULL, NULL, &labels);
    op_link(code, labels);
    *out = &code->code;
    return RESULT_OK;
}

#ifdef WINBPF_KERNEL
enum { SCRATCH_SIZE = 2 * MACHINE_SIZE }; /* one to run in, one for another engine's program called from a subprogram */
#else
enum { SCRATCH_SIZE = 0 };
#endif

const struct engine engine_checked = {"checked", compile, run_code, op_destroy, SCRATCH_SIZE};
