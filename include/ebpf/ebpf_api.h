/* SPDX-License-Identifier: MIT
 *
 * What ebpfapi.dll has beside bpf() and libbpf's functions, under the names and numbers of ebpf-for-windows: handles,
 * pins by their Windows names, ring buffers without a callback.
 */
#ifndef WINBPF_EBPF_API_H
#define WINBPF_EBPF_API_H

#include <stddef.h>
#include <stdint.h>
#include <bpf/libbpf.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int fd_t;
typedef intptr_t ebpf_handle_t;

typedef enum ebpf_result {
    EBPF_SUCCESS = 0,
    EBPF_VERIFICATION_FAILED = 1,
    EBPF_JIT_COMPILATION_FAILED = 2,
    EBPF_PROGRAM_LOAD_FAILED = 3,
    EBPF_INVALID_FD = 4,
    EBPF_INVALID_OBJECT = 5,
    EBPF_INVALID_ARGUMENT = 6,
    EBPF_OBJECT_NOT_FOUND = 7,
    EBPF_OBJECT_ALREADY_EXISTS = 8,
    EBPF_FILE_NOT_FOUND = 9,
    EBPF_ALREADY_PINNED = 10,
    EBPF_NOT_PINNED = 11,
    EBPF_NO_MEMORY = 12,
    EBPF_PROGRAM_TOO_LARGE = 13,
    EBPF_RPC_EXCEPTION = 14,
    EBPF_ALREADY_INITIALIZED = 15,
    EBPF_ELF_PARSING_FAILED = 16,
    EBPF_FAILED = 17,
    EBPF_OPERATION_NOT_SUPPORTED = 18,
    EBPF_KEY_NOT_FOUND = 19,
    EBPF_ACCESS_DENIED = 20,
    EBPF_BLOCKED_BY_POLICY = 21,
    EBPF_ARITHMETIC_OVERFLOW = 22,
    EBPF_EXTENSION_FAILED_TO_LOAD = 23,
    EBPF_INSUFFICIENT_BUFFER = 24,
    EBPF_NO_MORE_KEYS = 25,
    EBPF_KEY_ALREADY_EXISTS = 26,
    EBPF_NO_MORE_TAIL_CALLS = 27,
    EBPF_PENDING = 28,
    EBPF_OUT_OF_SPACE = 29,
    EBPF_CANCELED = 30,
    EBPF_INVALID_POINTER = 31,
    EBPF_TIMEOUT = 32,
    EBPF_STALE_ID = 33,
    EBPF_INVALID_STATE = 34
} ebpf_result_t;

typedef enum ebpf_object_type {
    EBPF_OBJECT_UNKNOWN = 0,
    EBPF_OBJECT_MAP = 1,
    EBPF_OBJECT_LINK = 2,
    EBPF_OBJECT_PROGRAM = 3
} ebpf_object_type_t;

union bpf_attr;

/* The system call: Linux's commands and attributes, ebpf-for-windows' numbers for kinds of maps, programs and helpers.
 * Returns a value >= 0, or -errno (the numbers of Microsoft's C runtime) with errno set. */
LIBBPF_API int bpf(int cmd, union bpf_attr *attr, unsigned int size);

/* The same with Linux's numbers, for programs and tools that were written for Linux. */
LIBBPF_API int winbpf_bpf_linux(int cmd, union bpf_attr *attr, unsigned int size);

/* Closes this process's connection to the driver, and with it every descriptor, so that the driver can be unloaded; the
 * next call opens a new one.  Calls that are under way end with ECANCELED. */
LIBBPF_API void winbpf_disconnect(void);

/* close() and dup() of the descriptors that bpf() returns; 0 is never one. */
LIBBPF_API ebpf_result_t ebpf_close_fd(fd_t fd);
LIBBPF_API ebpf_result_t ebpf_duplicate_fd(fd_t fd, fd_t *dup);

/* Pins.  A path may be spelt BPF:\a\b or /sys/fs/bpf/a/b; the former is the canonical form. */
LIBBPF_API ebpf_result_t ebpf_object_unpin(const char *path);
LIBBPF_API fd_t ebpf_object_get(const char *path);
/* The pin after `start_path` ("" for the first) in the order of bytes: EBPF_NO_MORE_KEYS after the last.  *type is what
 * is looked for, EBPF_OBJECT_UNKNOWN for any, and then what was found. */
LIBBPF_API ebpf_result_t ebpf_get_next_pinned_object_path(const char *start_path, char *next_path, size_t next_path_len,
                                                          ebpf_object_type_t *type);
LIBBPF_API ebpf_result_t ebpf_canonicalize_pin_path(char *output, size_t output_size, const char *input);

/* A ring buffer map's memory: the consumer's position to write, the producer's position and the data (twice in a row)
 * to read; *data_size is the ring's size. */
LIBBPF_API ebpf_result_t ebpf_ring_buffer_map_map_buffer(fd_t map_fd, void **consumer, const void **producer,
                                                         const uint8_t **data, size_t *data_size);
LIBBPF_API ebpf_result_t ebpf_ring_buffer_map_unmap_buffer(fd_t map_fd, void *consumer, const void *producer,
                                                           const void *data);
/* Has an auto-reset event set whenever the map has something to read; handle 0 or -1 ends it, as closing the
 * descriptor does.  `index` is 0. */
LIBBPF_API ebpf_result_t ebpf_map_set_wait_handle(fd_t map_fd, uint64_t index, ebpf_handle_t handle);
/* The event that ring_buffer__poll() waits for; the ring buffer's own, not to be closed. */
LIBBPF_API ebpf_handle_t ebpf_ring_buffer_get_wait_handle(struct ring_buffer *ring_buffer);

#ifdef __cplusplus
}
#endif

#endif
