/* SPDX-License-Identifier: MIT
 *
 * What every header of the library shares: export marks and option structures.  An option structure begins with its
 * own size, so that program and library may be of different ages: a caller's larger structure is accepted while what
 * the library does not know is zero.
 */
#ifndef __LIBBPF_LIBBPF_COMMON_H
#define __LIBBPF_LIBBPF_COMMON_H

#include <string.h>

#ifndef LIBBPF_API
#if defined(_WIN32)
#define LIBBPF_API
#else
#define LIBBPF_API __attribute__((visibility("default")))
#endif
#endif

#define LIBBPF_DEPRECATED(message) __attribute__((deprecated(message)))

#define LIBBPF_MAJOR_VERSION 1
#define LIBBPF_MINOR_VERSION 8

/* LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 5): a zeroed structure `opts`, its size and some fields filled in. */
#define LIBBPF_OPTS(TYPE, NAME, ...)                                                                                   \
    struct TYPE NAME;                                                                                                  \
    memset(&NAME, 0, sizeof(NAME)); /* padding counts */                                                               \
    NAME = (struct TYPE)                                                                                               \
    {                                                                                                                  \
        .sz = sizeof(struct TYPE), __VA_ARGS__                                                                         \
    }
#define DECLARE_LIBBPF_OPTS LIBBPF_OPTS

/* Fills in an existing one again. */
#define LIBBPF_OPTS_RESET(NAME, ...)                                                                                   \
    do {                                                                                                               \
        memset(&NAME, 0, sizeof(NAME));                                                                                \
        NAME = (__typeof__(NAME)){.sz = sizeof(NAME), __VA_ARGS__};                                                    \
    } while (0)

#endif
