/* SPDX-License-Identifier: MIT
 *
 * Names from before version 1.0 that programs still use.
 */
#ifndef __LIBBPF_LEGACY_BPF_H
#define __LIBBPF_LEGACY_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/bpf.h>
#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

enum libbpf_strict_mode {
    LIBBPF_STRICT_ALL = 0xffffffff,
    LIBBPF_STRICT_NONE = 0x00,
    LIBBPF_STRICT_CLEAN_PTRS = 0x01,
    LIBBPF_STRICT_DIRECT_ERRS = 0x02,
    LIBBPF_STRICT_SEC_NAME = 0x04,
    LIBBPF_STRICT_NO_OBJECT_LIST = 0x08,
    LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK = 0x10,
    LIBBPF_STRICT_MAP_DEFINITIONS = 0x20,
    __LIBBPF_STRICT_LAST,
};

struct bpf_program;
struct bpf_map;

/* Does nothing: 1.0's behaviour is the only one. */
LIBBPF_API int libbpf_set_strict_mode(enum libbpf_strict_mode mode);
/* -errno for NULL or an error pointer, 0 for a good one. */
LIBBPF_API long libbpf_get_error(const void *ptr);
LIBBPF_API enum bpf_prog_type bpf_program__get_type(const struct bpf_program *prog);
LIBBPF_API enum bpf_attach_type bpf_program__get_expected_attach_type(const struct bpf_program *prog);
LIBBPF_API const char *bpf_map__get_pin_path(const struct bpf_map *map);

#ifdef __cplusplus
}
#endif

#endif
