/* SPDX-License-Identifier: MIT
 *
 * The admission of programs by our own verifier.  Verification takes an arena of its own, which is gone afterwards;
 * what it found out (which instructions reach the context, which are dead) goes to lower, whose output stays with the
 * program.
 */
#include <linux/bpf.h>
#include "load/load.h"
#include "lower/lower.h"
#include "platform/os.h"

_Static_assert((int)LOWER_SEEN == (int)INSN_SEEN && (int)LOWER_CONTEXT == (int)INSN_CONTEXT &&
                   (int)LOWER_OBJECT == (int)INSN_OBJECT,
               "lower reads what the verifier writes");

enum { LOG_LEVELS = VERIFY_LOG_PATH | VERIFY_LOG_ALL | VERIFY_LOG_STATS };

enum result load_refusal(const struct verify_result *result)
{
    if (result->verdict == VERIFY_ACCEPT)
        return RESULT_OK;
    if (result->verdict != VERIFY_REJECT)
        return RESULT_TOO_BIG;
    switch (result->reason) {
    case REASON_CALL_DEPTH: return RESULT_TOO_BIG;
    case REASON_POINTER_OFFSET:
    case REASON_UNKNOWN_HELPER:
    case REASON_MAP_KIND:
    case REASON_CALLBACK:
    case REASON_RECURSION:
    case REASON_GLOBAL_ARGUMENT:
    case REASON_KFUNC:
    case REASON_SLEEPS:
    case REASON_CALL_REGISTER:
    case REASON_LEGACY_LOAD:
    case REASON_REFERENCE_LEAK:
    case REASON_NO_REFERENCE:
    case REASON_LOCK:
    case REASON_DYNPTR:
    case REASON_ITERATOR:
    case REASON_TIMER:
    case REASON_LOOP:
    case REASON_INSTRUCTION:
    case REASON_MALFORMED:
    case REASON_MIXED_POINTERS:
    case REASON_RETURN_RANGE: return RESULT_INVALID;
    default: return RESULT_ACCESS; /* memory, types, leaks */
    }
}

uint32_t load_verify_flags(uint32_t prog_flags, bool privileged)
{
    uint32_t flags = prog_flags & BPF_F_STRICT_ALIGNMENT ? VERIFY_STRICT_ALIGN : 0;
    return privileged ? flags | VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK : flags;
}

/* The verifier's log, which comes in pieces, as lines for the client's. */
struct lines {
    const struct diag *diag;
    size_t used;
    char line[4096]; /* longer ones are cut */
};

static void add_piece(void *self, const char *text, size_t length)
{
    struct lines *lines = self;
    for (; length; text++, length--) {
        if (*text != '\n') {
            if (lines->used < sizeof lines->line - 1)
                lines->line[lines->used++] = *text;
            continue;
        }
        lines->line[lines->used] = 0;
        if (lines->diag) /* straight: diag_note() cuts sooner */
            lines->diag->emit(lines->diag->self, DIAG_NOTE, lines->line);
        lines->used = 0;
    }
}

/* Where the reason that was given last applies, then what it took. */
static void say_end(const struct admission *asked, const struct verify_log *log, const struct verify_result *result,
                    uint64_t ns)
{
    struct verify_place place;
    if (result->verdict == VERIFY_REJECT) {
        if (!(log->level & (VERIFY_LOG_PATH | VERIFY_LOG_ALL))) /* the log above has it otherwise */
            diag_error(asked->diag, "%s: %s", verify_reason_code(result->reason), result->message);
        if (verify_place(asked->image, result->insn, &place) && *place.file)
            diag_error(asked->diag, "rejected at insn %u (%s:%u:%u)", result->insn, place.file, place.line,
                       place.column);
        else
            diag_error(asked->diag, "rejected at insn %u", result->insn);
    }
    verify_log_end(log, result, ns / 1000);
}

static enum result admit_with(struct arena *arena, const struct admission *asked, struct admitted *out)
{
    struct verify_input input = {.image = asked->image,
                                 .contract = asked->contract,
                                 .btf = asked->btf,
                                 .map_btf = asked->map_btf,
                                 .helpers = asked->helpers,
                                 .flags = load_verify_flags(asked->image->prog_flags, asked->privileged)};
    struct verify_result *result = arena_alloc(arena, sizeof *result);
    struct lines *lines = arena_alloc(arena, sizeof *lines);
    struct lowered lowered;
    if (!result || !lines)
        return RESULT_NO_MEMORY;
    lines->diag = asked->diag;
    struct verify_log log = {add_piece, lines, asked->log_level & LOG_LEVELS};
    if (log.level)
        input.log = &log;
    uint64_t begin = log.level & VERIFY_LOG_STATS ? os_time_monotonic() : 0;
    enum result error = verify(&input, arena, result);
    if (!error && arena->refused) /* what it says then says nothing about the program */
        error = RESULT_NO_MEMORY;
    if (error)
        return error;
    if (log.level)
        say_end(asked, &log, result, begin ? os_time_monotonic() - begin : 0);
    if ((error = load_refusal(result)))
        return error;
    error = lower(asked->image, asked->contract, result->insns, asked->arena, asked->diag, &lowered);
    if (error)
        return error;
    out->image = lowered.image;
    out->to_old = lowered.to_old;
    out->steps = result->steps;
    out->worst_case = result->worst_case;
    return RESULT_OK;
}

static enum result admit(const struct admission *asked, struct admitted *out)
{
    struct arena arena;
    arena_init(&arena, &os_allocator, VERIFY_BYTES);
    enum result result = admit_with(&arena, asked, out);
    arena_release(&arena);
    return result;
}

static const struct engine *const fastest[] = {&engine_jit, &engine_interp, NULL};
static const struct engine *const portable[] = {&engine_interp, NULL};

const struct core_admission load_admission = {admit, fastest};
const struct core_admission load_admission_interp = {admit, portable};
