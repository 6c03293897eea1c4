/* SPDX-License-Identifier: MIT
 *
 * The sample extension's context and helpers, as programs of efW's personality see them.
 */
#ifndef WINBPF_SAMPLE_EXT_HELPERS_H
#define WINBPF_SAMPLE_EXT_HELPERS_H

#include "ebpf_structs.h"

/* SEC("sample_ext"): a buffer to look at and to change, and numbers that the program and its helpers pass about. */
typedef struct _sample_program_context {
    uint8_t *data_start;
    uint8_t *data_end;
    uint32_t uint32_data;
    uint16_t uint16_data;
    uint32_t helper_data_1;
    uint32_t helper_data_2;
} sample_program_context_t;

#define SAMPLE_EXT_HELPER_FN_BASE 65536

#if defined(__bpf__) || defined(__BPF__)
#include "bpf_helpers_platform.h"
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE, int64_t, sample_ebpf_extension_helper_function1,
            sample_program_context_t *context);
/* Where `find` begins in `buffer`, or a negative error. */
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 1, int64_t, sample_ebpf_extension_find, void *buffer, size_t size, void *find,
            size_t find_size);
/* Puts `replace` at `position` of `buffer`. */
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 2, int64_t, sample_ebpf_extension_replace, void *buffer, size_t size,
            int64_t position, void *replace, size_t replace_size);
/* These two are given the context as well, which the program does not pass. */
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 3, int64_t, sample_ebpf_extension_helper_implicit_1, void);
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 4, int64_t, sample_ebpf_extension_helper_implicit_2, uint32_t argument);
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 5, void *, sample_ext_helper_map_lookup_element, void *map, const void *key);
EBPF_HELPER(SAMPLE_EXT_HELPER_FN_BASE + 6, int64_t, sample_ext_helper_map_get_value, void *map, const void *key,
            uint8_t *value, size_t size);
#endif

#endif
