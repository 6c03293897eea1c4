/* SPDX-License-Identifier: MIT
 *
 * From a program that a client brings to code that runs at full speed: verify, lower, compile.  The core's admission
 * (core/admit.h) for whoever has the verifier in the same process as the core.
 */
#ifndef WINBPF_LOAD_LOAD_H
#define WINBPF_LOAD_LOAD_H

#include "core/admit.h"
#include "verify/verify.h"

/* Verifies and lowers; what is admitted runs in the JIT, or in the plain interpreter where the JIT cannot. */
extern const struct core_admission load_admission;

/* The same without machine code: what systems that refuse executable memory come to, and what tests compare. */
extern const struct core_admission load_admission_interp;

/* What PROG_LOAD answers for a refusal, as Linux does for the same fault: RESULT_ACCESS, RESULT_INVALID,
 * RESULT_TOO_BIG. */
enum result load_refusal(const struct verify_result *result);

/* The VERIFY_ flags of a program: a privileged client's may store addresses and read unwritten stack, as on Linux. */
uint32_t load_verify_flags(uint32_t prog_flags, bool privileged);

#endif
