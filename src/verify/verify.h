/* SPDX-License-Identifier: MIT
 *
 * The verifier: an image and its contract in; a verdict, its reason and what was learnt out.  Pure: no operating
 * system, no global state, memory from the caller's arena, whose limit is the verifier's budget of bytes.
 *
 * A program that is accepted does the following on every input, whatever the other programs and user space do to its
 * maps meanwhile: touches only memory that its contract gives it, reads only what was written, calls each helper with
 * what its prototype asks for, gives back every reference it takes, returns a value in its contract's range, and ends
 * after at most `worst_case` instructions.  docs/VERIFIER.md has the domain, the argument and the sources.
 */
#ifndef WINBPF_VERIFY_VERIFY_H
#define WINBPF_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "btf/btf.h"
#include "contract/contract.h"
#include "image/image.h"

enum verify_verdict { VERIFY_ACCEPT, VERIFY_REJECT, VERIFY_TOO_COMPLEX, VERIFY_TOO_LONG };

/* Every reason to refuse, by stable code: reasons.def. */
enum verify_reason {
    REASON_NONE,
#define REASON(code, NAME, title) REASON_##NAME,
#include "verify/reasons.def"
    REASONS
};

/* "V0203" and "access outside of the packet"; static text. */
const char *verify_reason_code(enum verify_reason reason);
const char *verify_reason_title(enum verify_reason reason);

enum {
    VERIFY_POINTER_LEAKS = 1u << 0, /* addresses may be stored, compared and returned (a privileged loader's program) */
    VERIFY_UNINIT_STACK = 1u << 1,  /* unwritten stack bytes may be read: they hold unknown numbers */
    VERIFY_STRICT_ALIGN = 1u << 2,  /* every access must be aligned to its size */
    VERIFY_INVARIANTS = 1u << 3,    /* record what holds before each instruction: takes more steps and more memory */
};

enum {
    VERIFY_STEPS = 4000000,   /* default budget of steps */
    VERIFY_BYTES = 256 << 20, /* what a caller's arena should allow */
    VERIFY_EVENTS = 16,       /* of the path to a refusal */
    VERIFY_MESSAGE = 240,
};

/* Where the log in the kernel's grammar goes, piece by piece, while the program is verified. */
enum {
    VERIFY_LOG_PATH = 1, /* the path to a refusal, with the values that its instructions touch */
    VERIFY_LOG_ALL = 2,  /* all that is walked */
    VERIFY_LOG_STATS = 4,
};
struct verify_log {
    void (*write)(void *self, const char *text, size_t length);
    void *self;
    uint32_t level; /* VERIFY_LOG_ */
};

struct verify_input {
    const struct image *image;               /* image_check() passed */
    const struct program_contract *contract; /* of the image's program type */
    const struct btf *btf;            /* of the image's btf, or NULL: then map values have no special fields, and global
                                       * functions are walked with their callers */
    const struct btf *const *map_btf; /* per image map: what its btf_value is a type of; NULL: btf for all of them */
    const struct helper_proto *const
        *helpers;                 /* one per image helper; NULL: a program of this type has no such helper */
    uint32_t func;                /* index of the function to start from; 0 is the program */
    uint32_t flags;               /* VERIFY_ */
    uint64_t max_steps;           /* 0: VERIFY_STEPS */
    uint64_t max_insns;           /* worst case that is still accepted; 0: any that is known */
    const struct verify_log *log; /* NULL: none */
};

/* One step of the story behind a refusal, in the order of execution. */
struct verify_event {
    uint32_t insn;
    char text[120]; /* "r2 is packet + 14", "branch taken: r3 > r4" */
};

/* What an instruction turned out to be: the lowering needs it, and dead code is not run. */
enum {
    INSN_SEEN = 1u << 0,
    INSN_CONTEXT = 1u << 1, /* loads from or stores to the context */
    INSN_OTHER = 1u << 2,   /* loads from or stores to some other memory */
    INSN_OBJECT = 1u << 3,  /* loads from or stores to a socket or the like, which has a layout of its own */
};

struct verify_result {
    enum verify_verdict verdict;
    enum verify_reason reason;
    uint32_t insn;                /* where; for too-complex: where most steps went */
    char message[VERIFY_MESSAGE]; /* one line, in words; empty for accept */
    uint64_t steps;               /* instructions walked */
    uint64_t worst_case;  /* instructions of the longest run; valid for accept and too-long; UINT64_MAX: unknown */
    size_t peak_bytes;    /* taken from the arena's allocator */
    uint32_t stack_depth; /* bytes, over the deepest chain of calls */
    uint32_t states, joins, taken_back; /* checkpoints made; generalizations that held, and that did not */
    uint32_t most_states;               /* checkpoints at one instruction, at most */
    uint32_t event_count;
    struct verify_event events[VERIFY_EVENTS];
    const uint32_t *path; /* of a refusal: the instructions walked, in order; in the arena, NULL: no memory for it */
    uint32_t path_count;
    const uint8_t *insns;          /* per instruction: INSN_ flags; in the arena */
    const char *const *invariants; /* when asked for, per instruction: what is known before it, the distinct states
                                    * joined by " | ", "" where nothing arrives; in the arena */
    bool uses_packet_write, changes_packet, tail_calls, sleeps;
    uint8_t max_irql; /* the lowest of its helpers' highest IRQLs */
};

/* RESULT_OK with *result (reject and the other verdicts included); RESULT_NO_MEMORY only if the allocator refused while
 * the arena was below its limit, RESULT_INVALID for an input that breaks the rules above. */
enum result verify(const struct verify_input *input, struct arena *arena, struct verify_result *result);

/* The log's end: statistics; `microseconds` is what the verification took, for VERIFY_LOG_STATS. */
void verify_log_end(const struct verify_log *log, const struct verify_result *result, uint64_t microseconds);

/* Where an instruction comes from, by the image's line info.  Texts lie in the image's BTF and are as hostile. */
struct verify_place {
    const char *file, *source; /* "" where they are not known */
    uint32_t line, column;     /* from 1; column 0: not known */
};
/* False where nothing is known of this instruction. */
bool verify_place(const struct image *image, uint32_t insn, struct verify_place *out);

#endif
