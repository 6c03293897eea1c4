/* SPDX-License-Identifier: MIT
 *
 * The table of the sample objects: which programs they hold, and what the peers' verifiers said of each.
 */
#ifndef WINBPF_TESTS_ELF_SAMPLES_H
#define WINBPF_TESTS_ELF_SAMPLES_H

#include "check.h"
#include "contract/contract.h"
#include "elf/object.h"
#include "image/image.h"

struct sample {
    char object[256], section[128], function[128]; /* object: "project/file" */
    char type[32], prevail[16], kernel[16];        /* as the table has them; type may be "" */
    unsigned insns;                                /* 0: not counted */
    double kernel_us;                              /* of the kernel's verifier, on the day of the table */
    bool seen;                                     /* the test's own */
};

enum { SAMPLES_MOST = 1024 };
static struct sample samples[SAMPLES_MOST];
static unsigned sample_count;

/* false: there is no table. */
static inline bool samples_read(void)
{
    enum { FIELDS = 12 };
    char path[1024], line[8192];
    snprintf(path, sizeof path, "%s/corpus/samples/expected.tsv", test_shared());
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    sample_count = 0;
    while (fgets(line, sizeof line, file) && sample_count < SAMPLES_MOST) {
        char *field[FIELDS], *at = line;
        for (int i = 0; i < FIELDS; i++) {
            field[i] = at;
            at += strcspn(at, "\t\n");
            if (*at)
                *at++ = 0;
        }
        if (!strcmp(field[0], "project"))
            continue;
        struct sample *row = &samples[sample_count++];
        memset(row, 0, sizeof *row);
        snprintf(row->object, sizeof row->object, "%s/%s", field[0], field[1]);
        snprintf(row->section, sizeof row->section, "%s", field[2]);
        snprintf(row->function, sizeof row->function, "%s", field[3]);
        snprintf(row->type, sizeof row->type, "%s", field[4]);
        snprintf(row->prevail, sizeof row->prevail, "%s", field[6]);
        snprintf(row->kernel, sizeof row->kernel, "%s", field[7]);
        row->insns = (unsigned)atoi(field[5]);
        row->kernel_us = atof(field[10]);
    }
    fclose(file);
    return true;
}

/* Is this the program of a row of its object?  Its size is that of its first function alone, as PREVAIL counts, or of
 * the whole image, as libbpf does. */
static inline bool sample_is(const struct sample *row, const struct image *image)
{
    unsigned first = image->func_count > 1 ? image->funcs[1].insn : image->insn_count;
    return !strcmp(row->section, image->section) &&
           (!strcmp(row->function, image->name) || !strcmp(row->function, image->section)) &&
           (row->insns == 0 || row->insns == image->insn_count || row->insns == first);
}

/* A program type of the table by Linux's number; 0 for "". */
static inline uint32_t sample_type(const char *name)
{
    for (uint32_t type = 0; type < 64; type++) {
        const char *known = contract_program_type_name(PERSONALITY_LINUX, type);
        if (known && !strcmp(known, name))
            return type;
    }
    return 0;
}

#endif
