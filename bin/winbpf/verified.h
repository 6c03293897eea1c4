/* SPDX-License-Identifier: MIT
 *
 * A program and what the verifier said of it, for the ways to show it: text, JSON, the kernel's log, a page.
 */
#ifndef WINBPF_BIN_VERIFIED_H
#define WINBPF_BIN_VERIFIED_H

#include <stdbool.h>
#include <stdio.h>
#include "elf/elf.h"
#include "names.h"
#include "verify/verify.h"

struct cli_verified {
    const char *object; /* the file as it was named */
    const struct elf_object *elf;
    const struct image *image;
    const char *type;   /* its name */
    bool refused_shape; /* image_check() refused it: it never reached the verifier */
    struct verify_result result;
    double microseconds; /* of the verifier, thread CPU time */
    size_t peak_bytes;
};

/* A verdict in words: one line for an accepted program, a diagnostic for any other.  `colour`: with escapes. */
void cli_print_verdict(FILE *out, const struct cli_verified *verified, bool colour);

/* What is known before each instruction. */
void cli_print_invariants(FILE *out, const struct cli_verified *verified, bool colour);

/* One element of the JSON document's "programs". */
void cli_print_json_verdict(FILE *out, const struct cli_verified *verified);

/* The page: begin, one call a program, end. */
void cli_page_begin(FILE *out, size_t programs);
void cli_page_program(FILE *out, const struct cli_verified *verified, size_t number);
void cli_page_end(FILE *out);

/* The help line of a reason, for this refusal where that makes it more exact; "" for none. */
const char *cli_reason_help(enum verify_reason reason);

/* Old verdicts to compare with. */
struct cli_old;
/* NULL with the error said. */
struct cli_old *cli_old_read(const char *path);
/* Says what changed for this program; true when it was accepted and is not any more. */
bool cli_old_compare(struct cli_old *old, FILE *out, const struct cli_verified *verified);
/* Says which old programs were not seen. */
void cli_old_finish(struct cli_old *old, FILE *out);

#endif
