/* SPDX-License-Identifier: MIT
 *
 * What the command files know of programs beyond prog.h.
 */
#ifndef WINBPF_CORE_PROG_IMPL_H
#define WINBPF_CORE_PROG_IMPL_H

#include "core/admit.h"
#include "core/core.h"
#include "core/prog.h"

enum result prog_start(const struct core_options *options);
void prog_stop(void);

/* Asks for a program whose maps are bound, and makes the answer its binding.image.  `helpers` as in admission. */
enum result prog_admit(struct prog *prog, const struct core_admission *admission, const struct prog_source *source,
                       const struct helper_proto *const *helpers);

/* Raises or lowers the number of those who want run times counted. */
void prog_time_runs(int change);

/* The instructions as a listing shows them: helper ids, and map ids in the place of handles.  From `memory`, insn_count
 * of them; NULL when there is none. */
struct insn *prog_caller_insns(const struct prog *prog, const struct allocator *memory);

/* Its machine code and how many bytes that is; NULL and 0 where it has none. */
const void *prog_machine(const struct prog *prog, size_t *size);

bool prog_gpl_compatible(const struct prog *prog);

#endif
