/* SPDX-License-Identifier: MIT
 *
 * The image: one program as data, the structure that travels from the ELF reader to the engines.  Nothing in it is an
 * address.  Instructions name maps and helpers by index into the image's own tables:
 *   lddw src 5 (map), 6 (map value + offset): imm is an index into maps[]
 *   call src 0: imm is an index into helpers[]
 *   lddw src 3 (variable): resolved to a plain constant by the reader, never present here
 * In memory it is this struct of views, built in an arena by the ELF reader or by the core's PROG_LOAD; on the wire
 * and on disk it is the flat form of format.h.  Every receiver decodes, and decoding is the hostile check: what
 * image_decode accepted, the later rooms may index without looking.
 */
#ifndef WINBPF_IMAGE_IMAGE_H
#define WINBPF_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/diag.h"
#include "base/result.h"
#include "contract/contract.h"
#include "isa/insn.h"

enum {
    IMAGE_NO_INDEX = 0xffffffffu,
    IMAGE_MAX_MAPS = 4096,
    IMAGE_MAX_HELPERS = 4096,
    IMAGE_NAME = 128,
    IMAGE_TEXT = 1024
};

/* Names have less than IMAGE_NAME bytes, section and license less than IMAGE_TEXT; NULL reads as "". */

/* A map to be created, in the Linux ABI's terms (kind is the Linux number whatever the personality). */
struct map_spec {
    const char *name;
    uint32_t kind, key_size, value_size, max_entries, flags;
    uint64_t extra;              /* map_extra: bloom hashes, … */
    uint32_t inner;              /* index of the inner map's spec, IMAGE_NO_INDEX for none */
    uint32_t btf_key, btf_value; /* type ids in the image's BTF, 0 for none */
    uint32_t numa_node;
    uint32_t pinning;      /* 0 none, 1 by name */
    uint32_t personality;  /* enum personality: decides the value stride */
    uint32_t frozen;       /* 1: contents are read-only to programs and user space once loaded (.rodata) */
    struct bytes contents; /* initial first value (.rodata, .data, .bss); empty for none */
};

struct image_helper {
    int32_t id; /* in the image's personality */
};

enum image_linkage { IMAGE_STATIC, IMAGE_GLOBAL };

struct image_func {
    const char *name;
    uint32_t insn;     /* first instruction; funcs are sorted by it, funcs[0].insn is 0 */
    uint32_t btf_type; /* FUNC type id, 0 for none */
    uint32_t linkage;  /* enum image_linkage */
};

struct image_line {
    uint32_t insn;
    uint32_t file, text; /* offsets of strings in the image's BTF string section */
    uint32_t line, column;
};

struct image {
    const char *name; /* the program's ELF symbol */
    const char *section;
    const char *license;
    enum personality personality;
    uint32_t prog_type, attach_type; /* the personality's numbers */
    uint32_t prog_flags;             /* BPF_F_SLEEPABLE … as PROG_LOAD takes them */
    uint32_t insn_count, map_count, helper_count, func_count, line_count;
    const struct insn *insns;
    const struct map_spec *maps;
    const struct image_helper *helpers;
    const struct image_func *funcs;
    const struct image_line *lines; /* sorted by insn */
    struct bytes btf;               /* raw .BTF, empty for none */
};

/* Turns the helper ids of `insns` (call src 0) into indices, in place, and sets helpers and helper_count of *image.
 * RESULT_TOO_BIG for more than IMAGE_MAX_HELPERS different ones. */
enum result image_number_helpers(struct insn *insns, uint32_t count, struct arena *arena, struct image *image);

/* Sets funcs and func_count of *image from its instructions: the start, and every target of a local call or code
 * address.  For bytecode that came without function records; names and types stay empty. */
enum result image_find_funcs(struct arena *arena, struct image *image);

/* The flat form, in `arena`. RESULT_NO_MEMORY or RESULT_TOO_BIG otherwise. */
enum result image_encode(const struct image *image, struct arena *arena, struct bytes *out);

/* Reads a flat image.  Views in *out point into `bytes` and `arena`; both must outlive it.  RESULT_INVALID with one
 * line in `diag` for a malformed image: the shape, isa_validate() with index lddw, every index, string, range, order
 * and the BTF's header are checked.  Its meaning (types, safety) is the verifier's business. */
enum result image_decode(struct bytes bytes, struct arena *arena, const struct diag *diag, struct image *out);

/* The same checks on an image built in memory by this process. */
enum result image_check(const struct image *image, const struct diag *diag);

/* Turns a caller's bytecode into image form: helper ids become indices, in `arena`.  `insns` may hold lddw 1 and 2
 * (handles); map_index(self, handle) gives the map's index for each or IMAGE_NO_INDEX to refuse it.  Writes insns,
 * insn_count, helpers and helper_count of *image; the caller fills in the rest. */
enum result image_from_insns(const struct insn *insns, uint32_t count, struct arena *arena, const struct diag *diag,
                             uint32_t (*map_index)(void *self, int32_t handle), void *self, struct image *image);

#endif
