/* SPDX-License-Identifier: MIT
 *
 * What the files of the library share.
 *
 * Errors: a function that returns an int ends in `return api_result(...)` or `api_fail(error)`, one that returns a
 * pointer in `return api_null(error)`: -errno and errno, NULL and errno.
 */
#ifndef WINBPF_API_LOCAL_H
#define WINBPF_API_LOCAL_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/bpf.h>
#include "base/annotate.h"
#include "base/result.h"
#include "bpf/libbpf.h"
#include "core/client.h"

struct map;

/* Supplied by the entry point that is linked in: starts the core in this process.  Called once. */
enum result api_start(void);
/* Sees to it that the core runs: 0 or -errno. */
int api_ready(void);

/* One command to the core, which is started first if need be. >= 0, or -errno with errno set.  `personality` decides
 * whose numbers `attr` speaks. */
int api_bpf(enum bpf_cmd command, union bpf_attr *attr, unsigned size);
int api_bpf_as(enum personality_of_caller numbers, enum bpf_cmd command, union bpf_attr *attr, unsigned size);

/* The object behind a map's descriptor, referenced (REF_LOOKUP), or NULL. */
struct map *api_map_get(int fd);
void api_map_put(struct map *map);

int api_fail(int error); /* positive errno */
void *api_null(int error);
int api_result(enum result result);

WINBPF_PRINTF(2, 3)
void api_print(enum libbpf_print_level level, const char *format, ...);
#define api_warn(...) api_print(LIBBPF_WARN, "libbpf: " __VA_ARGS__)
#define api_info(...) api_print(LIBBPF_INFO, "libbpf: " __VA_ARGS__)

/* Removes a pin: the counterpart of BPF_OBJ_PIN that Linux leaves to unlink(). */
int api_unpin(const char *path);

/* Option structures: is this one as long as it says, with nothing but zeros in what we do not know? */
bool api_opts_valid(const void *opts, size_t known);
#define OPTS_HAS(opts, field)            ((opts) && (opts)->sz >= offsetof(__typeof__(*(opts)), field) + sizeof((opts)->field))
#define OPTS_GET(opts, field, otherwise) (OPTS_HAS(opts, field) ? (opts)->field : (otherwise))
#define OPTS_SET(opts, field, value)                                                                                   \
    do {                                                                                                               \
        if (OPTS_HAS(opts, field))                                                                                     \
            (opts)->field = (value);                                                                                   \
    } while (0)

#define ZEROED(attr) memset(&(attr), 0, sizeof(attr))
static inline uint64_t api_address(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

/* A name as the ABI's 16 bytes want it: cut to 15 characters. */
void api_name_copy(char out[BPF_OBJ_NAME_LEN], const char *name);

#endif
