/* SPDX-License-Identifier: MIT
 *
 * A loaded program: its image, its binding (maps and helpers resolved) and its code.  Constant once published, but for
 * its counters; holds a reference on each of its maps.
 *
 * `image` is the program as the client brought it, and what listings show.  What runs is binding.image: the same one,
 * or what admission made of it for the provider's context (core/admit.h).
 */
#ifndef WINBPF_CORE_PROG_H
#define WINBPF_CORE_PROG_H

#include "base/diag.h"
#include "core/map.h"
#include "core/object.h"
#include "engine/engine.h"

struct hook_ops;

/* What a run's context_header points at as `invocation`. */
struct invocation {
    struct prog *prog; /* the one that was entered; a tail call does not change it */
    uint32_t cpu;
};

struct prog {
    struct object object;    /* first */
    struct engine_tail tail; /* what prog arrays point at */
    struct arena arena;      /* everything below */
    struct image image;
    struct binding binding;
    struct image lowered;    /* admitted programs: what binding.image is */
    const uint32_t *to_old;  /* admitted programs: per instruction of that, which of image's it is of */
    bool verified;           /* somebody vouches for it; else it runs checked */
    uint32_t verified_insns; /* how much work that was */
    uint64_t worst_case;     /* admitted programs: instructions of the longest run */
    struct map **maps;       /* image.map_count */
    struct btf_object *btf;
    struct code *code;
    const struct program_contract *contract;
    const struct hook_ops *hook;
    char name[16];
    uint8_t tag[8];
    uint64_t load_time; /* boot ns */
    uint32_t created_by_uid;
    struct prog_counts *run_counts; /* per CPU slot, 64 bytes apart: runs, then ns */
    struct epoch_entry retired;
};

/* Counters of one CPU slot; the sum over slots is what a listing shows. */
struct prog_counts {
    uint64_t runs;
    uint64_t ns; /* only while BPF_ENABLE_STATS asks for it */
    uint64_t pad[6];
};

/* What a program is made of. */
struct prog_source {
    const struct image *image;
    struct map *const *maps; /* the image's; each is referenced as the program is made */
    struct btf_object *btf;  /* that the image's types and lines are of; NULL: none */
    const struct diag *diag; /* reasons of refusals, as the client's log */
    uint32_t log_level;      /* BPF_LOG_ bits of that log */
    bool privileged;         /* the client is root, an administrator */
};

/* *out holds REF_CREATOR.  A refusal is RESULT_INVALID, RESULT_ACCESS or RESULT_TOO_BIG as Linux has them. */
enum result prog_create(const struct prog_source *source, struct prog **out);

/* Sums of the counters. */
void prog_counts(const struct prog *prog, uint64_t *runs, uint64_t *ns);

/* The first 8 bytes of the SHA-256 of the instructions as the caller gave them, map handles and indices taken as 0:
 * Linux's tag since 6.18. */
void prog_tag(const struct insn *insns, uint32_t count, uint8_t tag[8]);
/* Runs it once on a provider's context (header before it).  The caller is inside epoch_enter_cpu(), whose CPU is
 * `cpu`; tail calls are followed.  RESULT_FAULT with *fault (may be NULL) when the checked interpreter stopped it;
 * *r0 is then the contract's `otherwise`.  *r0 is in the provider's numbers otherwise too (return_map applied). */
_Requires_epoch_held_
enum result prog_run(struct prog *prog, uint32_t cpu, void *context, uint64_t *r0, struct code_fault *fault);

/* The same for a test run: *r0 is what the program returned, in its own numbers. */
_Requires_epoch_held_
enum result prog_run_raw(struct prog *prog, uint32_t cpu, void *context, uint64_t *r0, struct code_fault *fault);

#endif
