/* SPDX-License-Identifier: MIT
 *
 * Admission: what stands between a program that a client brings and code that runs without being checked.  The core
 * asks; who answers (a verifier in this process, later one in a service) is the composition's choice.  Without anybody
 * to ask, programs are loaded as they are and run in an engine that believes nothing.
 */
#ifndef WINBPF_CORE_ADMIT_H
#define WINBPF_CORE_ADMIT_H

#include "base/arena.h"
#include "base/diag.h"
#include "btf/btf.h"
#include "engine/engine.h"
#include "image/image.h"

/* What is asked.  The image was checked (image_check).  Its maps are as they are now: frozen ones that programs cannot
 * write have their contents, templates of maps of maps follow the program's own maps, BTF ids are of map_btf[]. */
struct admission {
    const struct image *image;
    const struct program_contract *contract;
    const struct btf *btf;                     /* the program's; NULL: none */
    const struct btf *const *map_btf;          /* per map; NULL: none */
    const struct helper_proto *const *helpers; /* per helper; NULL: such a program has no such helper */
    bool privileged;                           /* the client is root, an administrator */
    uint32_t log_level;                        /* BPF_LOG_ bits */
    const struct diag *diag;                   /* the client's log */
    struct arena *arena;                       /* the program's: what is admitted lies there */
};

/* What is answered: the program to run in the place of image, over the same maps and helpers. */
struct admitted {
    struct image image;
    const uint32_t *to_old; /* per instruction of it: of which instruction of the program */
    uint64_t steps;         /* it took to say so */
    uint64_t worst_case;    /* instructions of the longest run */
};

struct core_admission {
    /* RESULT_OK; or a refusal, with its reason in the log: RESULT_ACCESS, RESULT_INVALID, RESULT_TOO_BIG … */
    enum result (*admit)(const struct admission *admission, struct admitted *out);
    /* What admitted programs run in, the best first, NULL at the end: the next one where one says that it cannot. */
    const struct engine *const *engines;
};

#endif
