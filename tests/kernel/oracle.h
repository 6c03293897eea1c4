/* SPDX-License-Identifier: MIT
 *
 * The Linux kernel as an engine: raw bpf(2) system calls, a SCHED_CLS program run by BPF_PROG_TEST_RUN on the packet,
 * the two maps of generate.h mapped into this process.
 */
#ifndef WINBPF_TESTS_KERNEL_ORACLE_H
#define WINBPF_TESTS_KERNEL_ORACLE_H

#include "kernel/generate.h"

struct oracle {
    int buffer_fd, table_fd;
    uint8_t *buffer, *table; /* the maps' values */
};

/* True if programs can be run here; else *why says what is missing. */
bool oracle_open(struct oracle *oracle, const char **why);
void oracle_close(struct oracle *oracle);

/* A program's file descriptor, or -errno; then, with a log, why the verifier refused it. */
int oracle_load(const struct oracle *oracle, const struct program *program, char *log, uint32_t log_size);

/* Runs it: memory is input and output, *r0 the low half of r0.  0 or -errno. */
int oracle_run(const struct oracle *oracle, int fd, uint8_t memory[WORLD_MEMORY], const uint8_t packet[WORLD_PACKET],
               uint32_t *r0);

#endif
