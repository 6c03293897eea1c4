/* SPDX-License-Identifier: MIT
 *
 * From a binding to ops: map indices become handles or value addresses, helper indices stay indices into the binding's
 * table, everything else is copied.  The image has been checked (image/image.h); what is checked again here is only
 * what would make an interpreter leave its ops.
 *
 * Planted faults (WINBPF_MUTANTS): the op at a mutated slot moves to a tail of ops behind the program, together with
 * one that spoils its effect, and the slot becomes a jump there.  So no handler knows of mutants.
 */
#include "engine/op.h"

enum {
    PLANTED_OPS = 6, /* most ops in the tail for one mutated slot */
};

#ifdef WINBPF_MUTANTS
static bool is_mutated(const struct engine *engine, enum isa_op isa)
{
    return engine_mutant.engine && !strcmp(engine_mutant.engine, engine->name) && engine_mutant.op == (int)isa;
}
#endif

/* The packet pointers of the provider's context, for the legacy loads. */
static void find_packet_fields(const struct binding *binding, struct op_code *code)
{
    code->packet = code->packet_end = OP_NO_OFFSET;
    if (!binding->contract)
        return;
    const struct context_layout *layout = &binding->contract->context[binding->image->personality];
    for (uint32_t i = 0; i < layout->field_count; i++) {
        if (layout->fields[i].kind == FIELD_PACKET)
            code->packet = layout->fields[i].real_offset;
        else if (layout->fields[i].kind == FIELD_PACKET_END)
            code->packet_end = layout->fields[i].real_offset;
    }
}

static bool target_within(const struct op_code *code, uint32_t at, int64_t off)
{
    int64_t target = (int64_t)at + 1 + off;
    return target >= 0 && target < (int64_t)code->count;
}

static enum result refuse(const struct diag *diag, uint32_t at, const char *what)
{
    diag_error(diag, "instruction %u: %s", at, what);
    return RESULT_NOT_SUPPORTED;
}

/* One instruction; a lddw fills two slots. */
static enum result decode_one(struct op_code *code, uint32_t at, const struct diag *diag)
{
    const struct binding *binding = code->code.binding;
    const struct image *image = binding->image;
    const struct insn *insn = &image->insns[at];
    struct op *op = &code->ops[at];
    enum isa_op isa = isa_decode(insn);

    op->dst = (uint8_t)insn_dst(insn);
    op->src = (uint8_t)insn_src(insn);
    op->off = insn->off;
    op->imm = insn->imm;
    code->kinds[at] = (uint16_t)isa;
    switch (isa) {
    case ISA_INVALID: return refuse(diag, at, "unknown instruction");
    case ISA_LDDW_IMM:
    case ISA_LDDW_CODE:
    case ISA_LDDW_MAP_INDEX:
    case ISA_LDDW_MAP_INDEX_VALUE: {
        uint64_t value = 0;
        uint32_t high;
        if (at + 1 >= code->count)
            return refuse(diag, at, "half a lddw at the end");
        high = (uint32_t)image->insns[at + 1].imm;
        if (isa == ISA_LDDW_IMM) {
            value = (uint64_t)high << 32 | (uint32_t)insn->imm;
        } else if (isa == ISA_LDDW_CODE) {
            if (!target_within(code, at, insn->imm))
                return refuse(diag, at, "a code address outside the program");
            value = (uint64_t)(uintptr_t)&code->ops[(int64_t)at + 1 + insn->imm];
        } else {
            if ((uint32_t)insn->imm >= image->map_count)
                return refuse(diag, at, "no such map");
            const struct engine_map *map = &binding->maps[insn->imm];
            if (isa == ISA_LDDW_MAP_INDEX) {
                value = (uint64_t)(uintptr_t)map->handle;
            } else {
                if (!map->values || high > map->values_size)
                    return refuse(diag, at, "this map has no values to point at");
                value = (uint64_t)(uintptr_t)map->values + high;
            }
        }
        code->ops[at + 1].value = value;
        code->kinds[at + 1] = OP_TRAP;
        return RESULT_OK;
    }
    case ISA_LDDW_MAP_FD:
    case ISA_LDDW_MAP_VALUE:
    case ISA_LDDW_VARIABLE: return refuse(diag, at, "a reference that is not resolved");
    case ISA_CALL_KFUNC: return refuse(diag, at, "calls of kernel functions are not supported");
    case ISA_CALL_HELPER: {
        if ((uint32_t)insn->imm >= image->helper_count)
            return refuse(diag, at, "no such helper");
        const struct engine_helper *helper = &binding->helpers[insn->imm];
        if (helper->proto && helper->proto->flags & HELPER_TAIL_CALL)
            code->kinds[at] = OP_CALL_TAIL;
        else if (!helper->fn)
            return refuse(diag, at, "a helper without a body");
        else if (helper->proto && helper->proto->flags & HELPER_UNWIND)
            code->kinds[at] = OP_CALL_UNWIND;
        return RESULT_OK;
    }
    case ISA_CALL_LOCAL:
    case ISA_JA32:
        return target_within(code, at, insn->imm) ? RESULT_OK : refuse(diag, at, "a jump out of the program");
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_IMM:                                                                                           \
    case ISA_##NAME##32_REG:
#include "isa/isa.def"
    case ISA_JA:
    case ISA_MAY_GOTO:
        return target_within(code, at, insn->off) ? RESULT_OK : refuse(diag, at, "a jump out of the program");
    default: return RESULT_OK;
    }
}

#ifdef WINBPF_MUTANTS
static struct op *plant(struct op_code *code, enum isa_op kind, unsigned dst, unsigned src, int off, int32_t imm)
{
    struct op *op = &code->ops[code->op_count];
    code->kinds[code->op_count++] = (uint16_t)kind;
    op->dst = (uint8_t)dst;
    op->src = (uint8_t)src;
    op->off = (int16_t)off;
    op->imm = imm;
    return op;
}

/* A jump planted at the end of the tail to slot `to`. */
static void plant_jump(struct op_code *code, int64_t to)
{
    plant(code, ISA_JA32, 0, 0, 0, (int32_t)(to - (int64_t)code->op_count - 1));
}

/* Makes the instruction at `at` behave wrongly. */
static void mutate(struct op_code *code, uint32_t at)
{
    struct op op = code->ops[at];
    uint16_t kind = code->kinds[at];
    enum isa_op isa = isa_decode(&code->code.binding->image->insns[at]);
    uint32_t tail = code->op_count, after = at + 1;

    switch (isa) {
    case ISA_LDDW_IMM: code->ops[at + 1].value ^= 1; return;
    case ISA_LDDW_CODE:
        code->ops[at + 1].value = (uint64_t)(uintptr_t)&code->ops[code->count]; /* a trap */
        return;
    case ISA_LDDW_MAP_INDEX:
    case ISA_LDDW_MAP_INDEX_VALUE: {
        const struct image *image = code->code.binding->image;
        const struct engine_map *other = &code->code.binding->maps[((uint32_t)op.imm + 1) % image->map_count];
        code->ops[at + 1].value += isa == ISA_LDDW_MAP_INDEX_VALUE ? 1 : 0;
        if (isa == ISA_LDDW_MAP_INDEX)
            code->ops[at + 1].value = image->map_count > 1 ? (uint64_t)(uintptr_t)other->handle : 0;
        return;
    }
#define ST(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
        code->ops[at].imm ^= 1;
        return;
#define STX(NAME, ...)   case ISA_##NAME:
#define STREL(NAME, ...) case ISA_##NAME:
#define ATOMIC(NAME, imm, fetch, sy, val)                                                                              \
    case ISA_##NAME##64:                                                                                               \
    case ISA_##NAME##32:
#define ATOMIC2(NAME, imm)                                                                                             \
    case ISA_##NAME##64:                                                                                               \
    case ISA_##NAME##32:
#include "isa/isa.def"
        plant(code, ISA_XOR64_IMM, op.src, 0, 0, 1);
        code->ops[code->op_count] = op;
        code->kinds[code->op_count++] = kind;
        plant(code, ISA_XOR64_IMM, op.src, 0, 0, 1);
        break;
#define JMP(NAME, ...)                                                                                                 \
    case ISA_##NAME##64_IMM:                                                                                           \
    case ISA_##NAME##64_REG:                                                                                           \
    case ISA_##NAME##32_IMM:                                                                                           \
    case ISA_##NAME##32_REG:
#include "isa/isa.def"
    case ISA_MAY_GOTO: {
        int64_t target = (int64_t)after + op.off;
        struct op *moved = plant(code, (enum isa_op)kind, op.dst, op.src, 1, op.imm);
        (void)moved;
        plant_jump(code, target);
        plant_jump(code, after);
        goto divert;
    }
    case ISA_JA:
    case ISA_JA32:
        code->kinds[at] = ISA_JA;
        code->ops[at].off = 0;
        return;
    case ISA_EXIT:
        plant(code, ISA_XOR64_IMM, 0, 0, 0, 1);
        plant(code, ISA_EXIT, 0, 0, 0, 0);
        goto divert;
#define LEGACY(NAME, ...) case ISA_##NAME:
#include "isa/isa.def"
    case ISA_CALL_LOCAL:
    case ISA_CALLX:
    case ISA_CALL_HELPER:
        code->ops[code->op_count] = op;
        if (isa == ISA_CALL_LOCAL)
            code->ops[code->op_count].imm = (int32_t)((int64_t)after + op.imm - (int64_t)code->op_count - 1);
        code->kinds[code->op_count++] = kind;
        plant(code, ISA_XOR64_IMM, 0, 0, 0, 1);
        break;
    default: /* whatever gives dst a value */
        code->ops[code->op_count] = op;
        code->kinds[code->op_count++] = kind;
        plant(code, ISA_XOR64_IMM, op.dst, 0, 0, 1);
        break;
    }
    plant_jump(code, after);
divert:
    code->kinds[at] = ISA_JA32;
    code->ops[at].imm = (int32_t)((int64_t)tail - at - 1);
}
#endif

enum result op_decode(const struct engine *engine, const struct binding *binding, const struct allocator *memory,
                      size_t extra, const struct diag *diag, struct op_code **out)
{
    const struct image *image = binding->image;
    uint32_t count = image->insn_count, planted = 0;
    size_t ops_at, kinds_at, extra_at, size;
    struct op_code *code;
    enum result result;

    if (!count || count > ISA_MAX_INSNS) {
        diag_error(diag, "a program of %u instructions", count);
        return RESULT_INVALID;
    }
#ifdef WINBPF_MUTANTS
    for (uint32_t i = 0; i < count; i++) {
        enum isa_op isa = isa_decode(&image->insns[i]);
        planted += is_mutated(engine, isa);
        i += isa >= ISA_LDDW_IMM && isa <= ISA_LDDW_MAP_INDEX_VALUE;
    }
#endif
    ops_at = (sizeof *code + 15) & ~(size_t)15;
    kinds_at = ops_at + (count + 1 + (size_t)planted * PLANTED_OPS) * sizeof(struct op);
    extra_at = (kinds_at + 2 * (count + 1 + (size_t)planted * PLANTED_OPS) * sizeof(uint16_t) + 15) & ~(size_t)15;
    size = extra_at + extra;
    code = memory->alloc(memory->self, size);
    if (!code)
        return RESULT_NO_MEMORY;
    memset(code, 0, sizeof *code);
    memset((uint8_t *)code + extra_at, 0, extra);
    code->code.engine = engine;
    code->code.binding = binding;
    code->memory = memory;
    code->size = size;
    code->count = count;
    code->op_count = count + 1;
    code->ops = (struct op *)((uint8_t *)code + ops_at);
    code->kinds = (uint16_t *)((uint8_t *)code + kinds_at);
    code->plain = code->kinds + count + 1 + (size_t)planted * PLANTED_OPS;
    code->extra = (uint8_t *)code + extra_at;
    find_packet_fields(binding, code);

    for (uint32_t i = 0; i < count; i++) {
        result = decode_one(code, i, diag);
        if (result != RESULT_OK) {
            op_destroy(&code->code);
            return result;
        }
        i += code->kinds[i] >= ISA_LDDW_IMM && code->kinds[i] <= ISA_LDDW_MAP_INDEX_VALUE;
    }
    memset(&code->ops[count], 0, sizeof(struct op));
    code->kinds[count] = OP_TRAP;
#ifdef WINBPF_MUTANTS
    for (uint32_t i = 0; i < count; i++) {
        enum isa_op isa = isa_decode(&image->insns[i]);
        if (is_mutated(engine, isa))
            mutate(code, i);
        i += isa >= ISA_LDDW_IMM && isa <= ISA_LDDW_MAP_INDEX_VALUE;
    }
#endif
    *out = code;
    return RESULT_OK;
}

void op_link(struct op_code *code, const void *const *labels)
{
    for (uint32_t i = 0; i < code->op_count; i++) {
        if (op_is_second(code, i))
            continue;
#if ENGINE_THREADED
        code->ops[i].handler = labels[code->kinds[i]];
        if (!code->ops[i].handler)
            code->ops[i].handler = labels[OP_TRAP];
#else
        code->ops[i].value = code->kinds[i];
#endif
    }
}

void op_destroy(struct code *code)
{
    struct op_code *ops = (struct op_code *)code;
    ops->memory->free(ops->memory->self, ops, ops->size);
}

const uint8_t *op_packet(const struct op_code *code, const struct run *run, int64_t offset, unsigned size)
{
    const uint8_t *start = run->context, *end = start + run->raw_length;
    if (code->code.binding->contract) {
        if (code->packet == OP_NO_OFFSET || code->packet_end == OP_NO_OFFSET)
            return NULL;
        memcpy(&start, (const uint8_t *)run->context + code->packet, sizeof start);
        memcpy(&end, (const uint8_t *)run->context + code->packet_end, sizeof end);
    }
    if (offset < 0 || start > end || !range_within((uint64_t)offset, size, (uint64_t)(end - start)))
        return NULL;
    return start + offset;
}

struct engine_tail *const *op_tails(const struct op_code *code, uint64_t handle, uint32_t *count)
{
    const struct binding *binding = code->code.binding;
    for (uint32_t i = 0; i < binding->image->map_count; i++) {
        if ((uint64_t)(uintptr_t)binding->maps[i].handle == handle && binding->maps[i].tails) {
            *count = binding->maps[i].max_entries;
            return binding->maps[i].tails;
        }
    }
    return NULL;
}

const struct engine_tail *op_tail_target(const struct op_code *code, void *context, uint64_t handle, uint32_t index)
{
    struct context_header *header = context_header(context);
    const struct engine_tail *target;
    uint32_t count;
    struct engine_tail *const *tails = op_tails(code, handle, &count);

    if (!tails || index >= count || header->tail_calls >= ISA_TAIL_CALLS)
        return NULL;
    target = __atomic_load_n(&tails[index], __ATOMIC_ACQUIRE);
    if (!target || !target->code)
        return NULL;
    header->tail_calls++;
    return target;
}

enum result op_tail_run(const struct engine_tail *target, void *context, void *scratch, size_t scratch_size,
                        uint64_t *r0)
{
    struct context_header *header = context_header(context);
    while (target) {
        struct run run = {.context = context, .scratch = scratch, .scratch_size = scratch_size};
        enum result result;
        header->tail_target = NULL;
        result = target->code->engine->run(target->code, &run);
        if (result != RESULT_OK)
            return result;
        *r0 = run.r0;
        target = header->tail_target;
    }
    return RESULT_OK;
}
