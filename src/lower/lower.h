/* SPDX-License-Identifier: MIT
 *
 * After the verdict: a program as its source saw the world becomes one for the provider that runs it.  Loads from and
 * stores to the visible context become accesses to the provider's own layout; what no path reaches becomes a jump to
 * itself, so that no engine sees what the verifier has not.  Pure: memory from the caller's arena.
 *
 * The verifier has shown that each context access has a constant offset inside one field, so a rewritten instruction
 * depends on nothing but itself, and no scratch register is needed: a load stays one instruction, a store becomes one
 * or, where the provider's field is wider, several.
 *
 * Return values are not touched here.  Which program's number they are is known only when a chain of tail calls has
 * ended, and a test run wants them as they are: prog_run() maps them (struct return_map).
 */
#ifndef WINBPF_LOWER_LOWER_H
#define WINBPF_LOWER_LOWER_H

#include "base/arena.h"
#include "base/diag.h"
#include "contract/contract.h"
#include "image/image.h"

/* What is known of an instruction. */
enum {
    LOWER_SEEN = 1u << 0,    /* some path reaches it */
    LOWER_CONTEXT = 1u << 1, /* loads from or stores to the context, whenever it is reached */
    LOWER_OBJECT = 1u << 3,  /* loads from or stores to a socket or the like */
};

struct lowered {
    struct image image;     /* shares all but insns, funcs and lines with the image it is made of */
    const uint32_t *to_new; /* insn_count + 1 of the old image: where each instruction is now; the last: the end */
    const uint32_t *to_old; /* insn_count of the new image: what each instruction is of */
};

/* `insns`: LOWER_ flags of each of the image's instructions.  The image was checked (image_check) and so is the result.
 * RESULT_NOT_SUPPORTED with a line in `diag` for a context that the contract does not let be translated,
 * RESULT_TOO_BIG for a jump that no longer reaches, RESULT_NO_MEMORY. */
enum result lower(const struct image *image, const struct program_contract *contract, const uint8_t *insns,
                  struct arena *arena, const struct diag *diag, struct lowered *out);

#endif
