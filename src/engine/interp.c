/* SPDX-License-Identifier: MIT
 *
 * The plain interpreter: trusts the program as the JIT does.  Threaded code (Bell 1973): each handler ends by jumping
 * to the next op's, so that the processor predicts per handler; a switch where the compiler has no computed goto.
 *
 * Everything a run needs is in its C frame: registers, eight BPF frames of stack, return addresses.  A tail call to
 * another program of this engine continues in the same loop, in the place of the frame that made it; one to another
 * engine goes back to the caller through context_header.tail_target, or, below the first frame, is a nested run.
 */
#include "engine/eval.h"
#include "engine/op.h"

struct frame {
    const struct op *back; /* the call */
    const struct op_code *code;
    uint64_t saved[4]; /* r6 to r9 */
};

enum { MAY_GOTO_PASSES = 8388608 };

/* With `labels` not NULL only gives the handlers' addresses. */
static enum result execute(const struct op_code *code, struct run *run, const void *const **labels)
{
#if ENGINE_THREADED
#define LABEL(KIND) [KIND] = &&on_##KIND
    static const void *const table[OP_KINDS] = {
#define ALU(NAME, ...)                                                                                                 \
    LABEL(ISA_##NAME##64_IMM), LABEL(ISA_##NAME##64_REG), LABEL(ISA_##NAME##32_IMM), LABEL(ISA_##NAME##32_REG),
#define ALU1(NAME, ...)  LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define MOVSX(NAME, ...) LABEL(ISA_##NAME##_64), LABEL(ISA_##NAME##_32),
#define END(NAME, ...)   LABEL(ISA_##NAME),
#define JMP(NAME, ...)                                                                                                 \
    LABEL(ISA_##NAME##64_IMM), LABEL(ISA_##NAME##64_REG), LABEL(ISA_##NAME##32_IMM), LABEL(ISA_##NAME##32_REG),
#define LDX(NAME, ...)     LABEL(ISA_##NAME),
#define ST(NAME, ...)      LABEL(ISA_##NAME),
#define STX(NAME, ...)     LABEL(ISA_##NAME),
#define ATOMIC(NAME, ...)  LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define ATOMIC2(NAME, ...) LABEL(ISA_##NAME##64), LABEL(ISA_##NAME##32),
#define LDACQ(NAME, ...)   LABEL(ISA_##NAME),
#define STREL(NAME, ...)   LABEL(ISA_##NAME),
#define LEGACY(NAME, ...)  LABEL(ISA_##NAME),
#include "isa/isa.def"
        LABEL(ISA_LDDW_IMM),
        LABEL(ISA_JA),
        LABEL(ISA_JA32),
        LABEL(ISA_MAY_GOTO),
        LABEL(ISA_CALL_HELPER),
        LABEL(ISA_CALLX),
        LABEL(ISA_EXIT),
        LABEL(OP_CALL_TAIL),
        LABEL(OP_CALL_UNWIND),
        LABEL(ISA_CALL_LOCAL),
        LABEL(OP_TRAP),
        [ISA_LDDW_CODE] = &&on_ISA_LDDW_IMM,
        [ISA_LDDW_MAP_INDEX] = &&on_ISA_LDDW_IMM,
        [ISA_LDDW_MAP_INDEX_VALUE] = &&on_ISA_LDDW_IMM,
    };
    if (labels) {
        *labels = table;
        return RESULT_OK;
    }
#define DISPATCH   goto * op->handler
#define CASE(KIND) on_##KIND:
#else
    if (labels) {
        *labels = NULL;
        return RESULT_OK;
    }
#define DISPATCH   goto dispatch
#define CASE(KIND) case KIND:
#endif
#define NEXT                                                                                                           \
    do {                                                                                                               \
        op++;                                                                                                          \
        DISPATCH;                                                                                                      \
    } while (0)
#define SKIP(n)                                                                                                        \
    do {                                                                                                               \
        op += 1 + (n);                                                                                                 \
        DISPATCH;                                                                                                      \
    } while (0)
#define JUMP(offset)                                                                                                   \
    do {                                                                                                               \
        op += 1 + (ptrdiff_t)(offset);                                                                                 \
        DISPATCH;                                                                                                      \
    } while (0)

    uint64_t r[16];
    struct frame frames[ISA_FRAMES];
    uint64_t stack[ISA_FRAMES * ISA_STACK_SIZE / 8];
    const struct engine_helper *helpers = code->code.binding->helpers;
    const struct op *op = code->ops;
    uint32_t depth = 0, passes = MAY_GOTO_PASSES;
    void *const context = run->context;

    r[1] = (uint64_t)(uintptr_t)context;
    r[2] = run->raw_length;
    r[10] = (uint64_t)(uintptr_t)stack + ISA_STACK_SIZE;

#if ENGINE_THREADED
    DISPATCH;
    {
#else
dispatch:
    switch (op->value) {
#endif
#include "engine/ops.inc"

#define LDX(NAME, code_, bits, signed_, group)                                                                         \
    CASE(ISA_##NAME) D = signed_ ? load_signed_##bits(S + op->off) : load_##bits(S + op->off);                         \
    NEXT;
#define ST(NAME, code_, bits)                                                                                          \
    CASE(ISA_##NAME) store_##bits(D + op->off, IMM);                                                                   \
    NEXT;
#define STX(NAME, code_, bits)                                                                                         \
    CASE(ISA_##NAME) store_##bits(D + op->off, S);                                                                     \
    NEXT;
#define ATOMIC(NAME, imm_, fetch, symbol, value)                                                                       \
    CASE(ISA_##NAME##64)                                                                                               \
    {                                                                                                                  \
        uint64_t old = update_##NAME##64(D + op->off, S);                                                              \
        if (fetch)                                                                                                     \
            S = old;                                                                                                   \
    }                                                                                                                  \
    NEXT;                                                                                                              \
    CASE(ISA_##NAME##32)                                                                                               \
    {                                                                                                                  \
        uint64_t old = update_##NAME##32(D + op->off, S);                                                              \
        if (fetch)                                                                                                     \
            S = old;                                                                                                   \
    }                                                                                                                  \
    NEXT;
#define LDACQ(NAME, code_, bits)                                                                                       \
    CASE(ISA_##NAME) D = load_acquire_##bits(S + op->off);                                                             \
    NEXT;
#define STREL(NAME, code_, bits)                                                                                       \
    CASE(ISA_##NAME) store_release_##bits(D + op->off, S);                                                             \
    NEXT;
#define LEGACY(NAME, code_, bits, indirect)                                                                            \
    CASE(ISA_##NAME)                                                                                                   \
    {                                                                                                                  \
        int64_t offset = (int32_t)((uint32_t)op->imm + (indirect ? (uint32_t)S : 0));                                  \
        const uint8_t *at = op_packet(code, run, offset, bits / 8);                                                    \
        if (!at)                                                                                                       \
            goto end_with_zero;                                                                                        \
        r[0] = load_##bits((uint64_t)(uintptr_t)at);                                                                   \
        r[0] = bits == 8 ? r[0] : bits == 16 ? isa_swap16(r[0]) : isa_swap32(r[0]);                                    \
    }                                                                                                                  \
    NEXT;
#include "isa/isa.def"

        CASE(ISA_XCHG64) S = atomic_exchange_64(D + op->off, S);
        NEXT;
        CASE(ISA_XCHG32) S = atomic_exchange_32(D + op->off, S);
        NEXT;
        CASE(ISA_CMPXCHG64) r[0] = atomic_compare_exchange_64(D + op->off, r[0], S);
        NEXT;
        CASE(ISA_CMPXCHG32) r[0] = atomic_compare_exchange_32(D + op->off, r[0], S);
        NEXT;

#if !ENGINE_THREADED
        CASE(ISA_LDDW_CODE)
        CASE(ISA_LDDW_MAP_INDEX)
        CASE(ISA_LDDW_MAP_INDEX_VALUE)
#endif
        CASE(ISA_LDDW_IMM) D = op[1].value;
        SKIP(1);

        CASE(ISA_CALL_HELPER) r[0] = helpers[op->imm].fn(r[1], r[2], r[3], r[4], r[5], context);
        NEXT;
        CASE(OP_CALL_UNWIND) r[0] = helpers[op->imm].fn(r[1], r[2], r[3], r[4], r[5], context);
        if (!r[0])
            goto end_with_zero;
        NEXT;
        CASE(OP_CALL_TAIL)
        {
            const struct engine_tail *target = op_tail_target(code, context, r[2], (uint32_t)r[3]);
            if (!target) {
                r[0] = (uint64_t)-1;
                NEXT;
            }
            if (target->code->engine == &engine_interp) {
                code = (const struct op_code *)target->code;
                helpers = code->code.binding->helpers;
                op = code->ops;
                r[1] = (uint64_t)(uintptr_t)context;
                DISPATCH;
            }
            if (!depth) {
                context_header(context)->tail_target = target;
                goto end_with_zero;
            }
            enum result result = op_tail_run(target, context, NULL, 0, &r[0]);
            if (result != RESULT_OK)
                return result;
            goto leave;
        }

        {
            const struct op *callee;
            CASE(ISA_CALL_LOCAL) callee = op + 1 + (ptrdiff_t)op->imm;
            goto enter;
            CASE(ISA_CALLX) if (unlikely(D < IMAGE_MAX_HELPERS))
            {
                uint32_t helper = binding_helper_by_number(code->code.binding, D);
                if (helper == IMAGE_NO_INDEX)
                    return RESULT_INVALID;
                r[0] = helpers[helper].fn(r[1], r[2], r[3], r[4], r[5], context);
                NEXT;
            }
            callee = (const struct op *)(uintptr_t)D;
        enter:
            if (depth + 1 >= ISA_FRAMES)
                return RESULT_LOOP;
            frames[depth].back = op;
            frames[depth].code = code;
            memcpy(frames[depth].saved, &r[6], sizeof frames[depth].saved);
            depth++;
            r[10] += ISA_STACK_SIZE;
            op = callee;
            DISPATCH;
        }

        CASE(ISA_EXIT)
    leave:
        if (depth) {
            depth--;
            memcpy(&r[6], frames[depth].saved, sizeof frames[depth].saved);
            r[10] -= ISA_STACK_SIZE;
            op = frames[depth].back;
            code = frames[depth].code;
            helpers = code->code.binding->helpers;
            NEXT;
        }
        run->r0 = r[0];
        return RESULT_OK;

#if !ENGINE_THREADED
    default:
#endif
        CASE(OP_TRAP) return RESULT_INVALID;
    }
end_with_zero:
    run->r0 = 0;
    return RESULT_OK;
}

static enum result compile(const struct binding *binding, const struct allocator *memory, const struct executable *exec,
                           const struct diag *diag, struct code **out)
{
    const void *const *labels;
    struct op_code *code;
    enum result result = op_decode(&engine_interp, binding, memory, 0, diag, &code);

    if (result != RESULT_OK)
        return result;
    execute(code, NULL, &labels);
    op_link(code, labels);
    *out = &code->code;
    return RESULT_OK;
}

static enum result run_code(const struct code *code, struct run *run)
{
    return execute((const struct op_code *)code, run, NULL);
}

const struct engine engine_interp = {"interp", compile, run_code, op_destroy, 0};
