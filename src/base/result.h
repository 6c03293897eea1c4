/* SPDX-License-Identifier: MIT
 *
 * One result enum is used everywhere inside; the edges translate it (bpf(): -errno, the driver: NTSTATUS).
 * It stands for what the world did to us (no memory, no such entry).  A program's fault is a verdict or a fault
 * record, and our own mistakes stop at bug_if().
 */
#ifndef WINBPF_BASE_RESULT_H
#define WINBPF_BASE_RESULT_H

enum result {
#define RESULT(name, errno_, msvc, text) RESULT_##name,
#include "base/result.def"
#undef RESULT
    RESULT_COUNT
};

/* The Linux errno (positive; 0 for RESULT_OK). */
int result_errno(enum result result);
/* The same in Microsoft's C runtime, as callers of ebpfapi.dll know it. */
int result_msvc_errno(enum result result);

/* A short lower-case text without a full stop; static storage. */
const char *result_text(enum result result);

/* The result whose errno is `error` (positive); RESULT_INVALID where no row has it. */
enum result result_from_errno(int error);

#endif
