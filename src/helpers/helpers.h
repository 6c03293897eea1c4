/* SPDX-License-Identifier: MIT
 *
 * The helpers that programs of every type may call, by family.  Each family is one file in which the contract of a
 * helper stands beside its body; the entry point registers this table with the core (helper_register).
 */
#ifndef WINBPF_HELPERS_HELPERS_H
#define WINBPF_HELPERS_HELPERS_H

#include "core/helper.h"

struct helper_family {
    const struct helper *helpers; /* ended by a row without a name; NULL ends the table of families */
    uint64_t prog_types;          /* bit per Linux program type that may call them; 0: all */
};

extern const struct helper_family helper_families[];

extern const struct helper map_helpers[], ringbuf_helpers[], time_helpers[], system_helpers[], checksum_helpers[],
    string_helpers[], trace_helpers[];

#endif
