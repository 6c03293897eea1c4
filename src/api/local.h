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

/* ---- the system behind the library: in_process.c (the core in this process) or over_wire.c (a driver) ---- */

/* Supplied by the entry point that is linked in: starts the core in this process.  Called once. */
enum result api_start(void);
/* Sees to it that the system can be reached: 0 or -errno. */
int api_ready(void);

/* Whose numbers the library's own functions speak: Linux's in libbpf, ebpf-for-windows' in ebpfapi.dll. */
extern const enum personality_of_caller api_numbers;

/* One command.  >= 0, or -errno with errno set.  `numbers` decides whose numbers `attr` speaks. */
int api_bpf_as(enum personality_of_caller numbers, enum bpf_cmd command, union bpf_attr *attr, unsigned size);
static inline int api_bpf(enum bpf_cmd command, union bpf_attr *attr, unsigned size)
{
    return api_bpf_as(api_numbers, command, attr, size);
}

/* As close() and dup() on the descriptors that bpf() gave. */
int api_close(int fd);
int api_dup(int fd);

/* Removes a pin: the counterpart of BPF_OBJ_PIN that Linux leaves to unlink(). */
int api_unpin(const char *path);

/* A map's pages in this process; *out is NULL, without an error, where the map has none to share. */
int api_pages_map(int fd, size_t length, bool writable, void **out);
void api_pages_unmap(void *pages, size_t length);

/* A ring: its two positions, and its data twice in a row.  It stays when its descriptor is closed. */
struct api_ring {
    uint64_t *consumer;       /* ours to write */
    const uint64_t *producer; /* the rest is read-only */
    const uint8_t *data;
    uint64_t mask;
};
/* What wakes up when one of its rings has something new. */
struct api_waiter;
int api_waiter_create(struct api_waiter **out);
void api_waiter_destroy(struct api_waiter *waiter);
/* Before any ring's positions are read: what came until now is no reason to wake up. */
void api_waiter_reset(struct api_waiter *waiter);
int api_waiter_wait(struct api_waiter *waiter, int timeout_ms);
/* What an application may wait for itself: an epoll descriptor, an event's handle. */
intptr_t api_waiter_handle(const struct api_waiter *waiter);
/* -EINVAL for maps of other kinds. */
int api_ring_open(int fd, struct api_waiter *waiter, struct api_ring **out);
void api_ring_reset(struct api_ring *ring); /* as api_waiter_reset, for one */
void api_ring_close(struct api_ring *ring);

/* What ring_buffer__poll() waits for. */
intptr_t api_ring_wait_handle(const struct ring_buffer *rb);

/* The error number that bpf() has for a result, here. */
int api_errno(enum result result);
void api_set_errno(int error);
const char *api_strerror(int error);
/* Bytes that can be mapped by themselves, of which a ring's size is a multiple. */
size_t api_page_size(void);
uint32_t api_cpu_count(void);

/* ---- the library's own ---- */

int api_fail(int error); /* positive errno */
void *api_null(int error);
int api_result(enum result result);

WINBPF_PRINTF(2, 3)
void api_print(enum libbpf_print_level level, const char *format, ...);
#define api_warn(...) api_print(LIBBPF_WARN, "libbpf: " __VA_ARGS__)
#define api_info(...) api_print(LIBBPF_INFO, "libbpf: " __VA_ARGS__)

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
