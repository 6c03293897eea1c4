/* SPDX-License-Identifier: MIT
 *
 * The value columns of isa.def as functions: eval_NAME64(d, s), eval_NAME32, test_JEQ64, …  Results of width 32 are
 * zero-extended.
 */
#ifndef WINBPF_ENGINE_EVAL_H
#define WINBPF_ENGINE_EVAL_H

#include "engine/atomics.h"
#include "isa/isa.h"

#define EVAL1(NAME, value)                                                                                             \
    static ALWAYS_INLINE uint64_t eval_##NAME(uint64_t d_)                                                             \
    {                                                                                                                  \
        const UW d = (UW)d_;                                                                                           \
        return (UW)(value);                                                                                            \
    }
#define EVAL2(NAME, value)                                                                                             \
    static ALWAYS_INLINE uint64_t eval_##NAME(uint64_t d_, uint64_t s_)                                                \
    {                                                                                                                  \
        const UW d = (UW)d_, s = (UW)s_;                                                                               \
        (void)d, (void)s;                                                                                              \
        return (UW)(value);                                                                                            \
    }
#define TEST2(NAME, value)                                                                                             \
    static ALWAYS_INLINE bool test_##NAME(uint64_t d_, uint64_t s_)                                                    \
    {                                                                                                                  \
        const UW d = (UW)d_, s = (UW)s_;                                                                               \
        (void)d, (void)s;                                                                                              \
        return (value);                                                                                                \
    }
#define EVAL_MOVSX(NAME, bits)                                                                                         \
    static ALWAYS_INLINE uint64_t eval_##NAME(uint64_t d, uint64_t s)                                                  \
    {                                                                                                                  \
        return (UW)(SW)(int##bits##_t)s;                                                                               \
    }
#define EVAL_ATOMIC(NAME, BITS, value_)                                                                                \
    static ALWAYS_INLINE uint64_t update_##NAME##BITS(uint64_t address, uint64_t s_)                                   \
    {                                                                                                                  \
        const UW s = (UW)s_;                                                                                           \
        UW old;                                                                                                        \
        ATOMIC_UPDATE(BITS, address, value_, old);                                                                     \
        return old;                                                                                                    \
    }

#define W                                           64
#define UW                                          uint64_t
#define SW                                          int64_t
#define ALU(NAME, code, off, group, symbol, value)  EVAL2(NAME##64, value)
#define ALU1(NAME, code, group, symbol, value)      EVAL1(NAME##64, value)
#define MOVSX(NAME, bits, group)                    EVAL_MOVSX(NAME##_64, bits)
#define END(NAME, code, bits, group, symbol, value) EVAL1(NAME, value)
#define JMP(NAME, code, group, symbol, condition)   TEST2(NAME##64, condition)
#define ATOMIC(NAME, imm, fetch, symbol, value)     EVAL_ATOMIC(NAME, 64, value)
#include "isa/isa.def"
#undef W
#undef UW
#undef SW

#define W                                          32
#define UW                                         uint32_t
#define SW                                         int32_t
#define ALU(NAME, code, off, group, symbol, value) EVAL2(NAME##32, value)
#define ALU1(NAME, code, group, symbol, value)     EVAL1(NAME##32, value)
#define MOVSX(NAME, bits, group)                   EVAL_MOVSX(NAME##_32, bits)
#define JMP(NAME, code, group, symbol, condition)  TEST2(NAME##32, condition)
#define ATOMIC(NAME, imm, fetch, symbol, value)    EVAL_ATOMIC(NAME, 32, value)
#include "isa/isa.def"
#undef W
#undef UW
#undef SW
#undef EVAL1
#undef EVAL2
#undef TEST2
#undef EVAL_MOVSX
#undef EVAL_ATOMIC

/* One locked instruction instead of a loop, where the machine has it. */
#define update_ATOMIC_ADD64       atomic_add_64
#define update_ATOMIC_ADD32       atomic_add_32
#define update_ATOMIC_FETCH_ADD64 atomic_add_64
#define update_ATOMIC_FETCH_ADD32 atomic_add_32

#endif
