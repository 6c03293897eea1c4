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

_Static_assert((int)LOWER_SEEN == (int)INSN_SEEN && (int)LOWER_CONTEXT == (int)INSN_CONTEXT,
               "lower reads what the verifier writes");

enum { LOG_STATS = 4 }; /* BPF_LOG_STATS */

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

/* The source line that an instruction is of; NULL where that is unknown. */
static const struct image_line *line_of(const struct image *image, uint32_t insn)
{
    uint32_t low = 0, high = image->line_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->lines[middle].insn <= insn)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &image->lines[low - 1] : NULL;
}

/* The reason first, on one line; then how the program gets there; then, as Linux's last line, what it took. */
static void say(const struct admission *asked, const struct verify_result *result, uint64_t ns)
{
    if (result->verdict != VERIFY_ACCEPT) {
        const struct image_line *line = line_of(asked->image, result->insn);
        const char *file = line && asked->btf ? btf_string(asked->btf, line->file) : NULL;
        if (file)
            diag_error(asked->diag, "insn %u (%s:%u:%u): %s [%s]", result->insn, file, line->line, line->column,
                       result->message, verify_reason_code(result->reason));
        else
            diag_error(asked->diag, "insn %u: %s [%s]", result->insn, result->message,
                       verify_reason_code(result->reason));
        for (uint32_t i = 0; i < result->event_count; i++)
            diag_note(asked->diag, "  insn %u: %s", result->events[i].insn, result->events[i].text);
    }
    if (asked->log_level & LOG_STATS) {
        diag_note(asked->diag, "verification time %llu usec", (unsigned long long)(ns / 1000));
        diag_note(asked->diag, "stack depth %u", result->stack_depth);
    }
    diag_note(asked->diag,
              "processed %llu insns (limit %u) max_states_per_insn 0 total_states %u peak_states %u mark_read 0",
              (unsigned long long)result->steps, (unsigned)VERIFY_STEPS, result->states, result->states);
}

static enum result admit_with(struct arena *arena, const struct admission *asked, struct admitted *out)
{
    struct verify_input input = {.image = asked->image,
                                 .contract = asked->contract,
                                 .btf = asked->btf,
                                 .helpers = asked->helpers,
                                 .flags = load_verify_flags(asked->image->prog_flags, asked->privileged)};
    struct verify_result *result = arena_alloc(arena, sizeof *result);
    struct lowered lowered;
    if (!result)
        return RESULT_NO_MEMORY;
    uint64_t begin = asked->log_level & LOG_STATS ? os_time_monotonic() : 0;
    enum result error = verify(&input, arena, result);
    if (!error && arena->refused) /* what it says then says nothing about the program */
        error = RESULT_NO_MEMORY;
    if (error)
        return error;
    say(asked, result, begin ? os_time_monotonic() - begin : 0);
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
