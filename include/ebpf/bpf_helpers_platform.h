/* SPDX-License-Identifier: MIT
 *
 * The general helpers by efW's numbers: a call through such a pointer is a call of that helper.
 */
#ifndef WINBPF_BPF_HELPERS_PLATFORM_H
#define WINBPF_BPF_HELPERS_PLATFORM_H

#include "ebpf_structs.h"

/* EBPF_HELPER(id, result, name, parameters…): clang calls a constant address, gcc knows helpers by an attribute. */
#if defined(__BPF__) && !defined(__clang__)
#define EBPF_HELPER(id, result, name, ...) extern result name(__VA_ARGS__) __attribute__((kernel_helper(id)))
#else
#define EBPF_HELPER(id, result, name, ...)                                                                             \
    static result (*const name)(__VA_ARGS__) __attribute__((unused)) = (void *)(id)
#endif

EBPF_HELPER(BPF_FUNC_map_lookup_elem, void *, bpf_map_lookup_elem, void *, const void *);
EBPF_HELPER(BPF_FUNC_map_update_elem, int64_t, bpf_map_update_elem, void *, const void *, const void *, uint64_t);
EBPF_HELPER(BPF_FUNC_map_delete_elem, int64_t, bpf_map_delete_elem, void *, const void *);
EBPF_HELPER(BPF_FUNC_map_lookup_and_delete_elem, void *, bpf_map_lookup_and_delete_elem, void *, const void *);
EBPF_HELPER(BPF_FUNC_tail_call, int64_t, bpf_tail_call, const void *, const void *, uint32_t);
EBPF_HELPER(BPF_FUNC_get_prandom_u32, uint32_t, bpf_get_prandom_u32, void);
EBPF_HELPER(BPF_FUNC_ktime_get_boot_ns, uint64_t, bpf_ktime_get_boot_ns, void);
EBPF_HELPER(BPF_FUNC_get_smp_processor_id, uint64_t, bpf_get_smp_processor_id, void);
EBPF_HELPER(BPF_FUNC_ktime_get_ns, uint64_t, bpf_ktime_get_ns, void);
EBPF_HELPER(BPF_FUNC_csum_diff, int, bpf_csum_diff, const void *, int, const void *, int, int);
EBPF_HELPER(BPF_FUNC_ringbuf_output, int, bpf_ringbuf_output, void *, const void *, uint64_t, uint64_t);
EBPF_HELPER(BPF_FUNC_trace_printk2, long, bpf_trace_printk2, const char *, uint32_t);
EBPF_HELPER(BPF_FUNC_trace_printk3, long, bpf_trace_printk3, const char *, uint32_t, uint64_t);
EBPF_HELPER(BPF_FUNC_trace_printk4, long, bpf_trace_printk4, const char *, uint32_t, uint64_t, uint64_t);
EBPF_HELPER(BPF_FUNC_trace_printk5, long, bpf_trace_printk5, const char *, uint32_t, uint64_t, uint64_t, uint64_t);
EBPF_HELPER(BPF_FUNC_map_push_elem, int64_t, bpf_map_push_elem, void *, const void *, uint64_t);
EBPF_HELPER(BPF_FUNC_map_pop_elem, int64_t, bpf_map_pop_elem, void *, void *);
EBPF_HELPER(BPF_FUNC_map_peek_elem, int64_t, bpf_map_peek_elem, void *, void *);
EBPF_HELPER(BPF_FUNC_get_current_pid_tgid, uint64_t, bpf_get_current_pid_tgid, void);
EBPF_HELPER(BPF_FUNC_get_current_logon_id, uint64_t, bpf_get_current_logon_id, const void *);
EBPF_HELPER(BPF_FUNC_is_current_admin, int32_t, bpf_is_current_admin, const void *);
EBPF_HELPER(BPF_FUNC_memcpy_s, long, bpf_memcpy_s, void *, size_t, const void *, size_t);
EBPF_HELPER(BPF_FUNC_memcmp_s, int, bpf_memcmp_s, const void *, size_t, const void *, size_t);
EBPF_HELPER(BPF_FUNC_memset, long, bpf_memset, void *, size_t, int);
EBPF_HELPER(BPF_FUNC_memmove_s, long, bpf_memmove_s, void *, size_t, const void *, size_t);
EBPF_HELPER(BPF_FUNC_get_socket_cookie, int64_t, bpf_get_socket_cookie, const void *);
EBPF_HELPER(BPF_FUNC_strncpy_s, int, bpf_strncpy_s, char *, size_t, const char *, size_t);
EBPF_HELPER(BPF_FUNC_strncat_s, int, bpf_strncat_s, char *, size_t, const char *, size_t);
EBPF_HELPER(BPF_FUNC_strnlen_s, size_t, bpf_strnlen_s, const char *, size_t);
EBPF_HELPER(BPF_FUNC_ktime_get_boot_ms, uint64_t, bpf_ktime_get_boot_ms, void);
EBPF_HELPER(BPF_FUNC_ktime_get_ms, uint64_t, bpf_ktime_get_ms, void);
EBPF_HELPER(BPF_FUNC_perf_event_output, int, bpf_perf_event_output, const void *, void *, uint64_t, const void *,
            uint64_t);
EBPF_HELPER(BPF_FUNC_get_current_process_start_key, uint64_t, bpf_get_current_process_start_key, void);
EBPF_HELPER(BPF_FUNC_get_current_thread_create_time, int64_t, bpf_get_current_thread_create_time, void);
EBPF_HELPER(BPF_FUNC_redirect_map, intptr_t, bpf_redirect_map, void *, uint64_t, uint64_t);

/* The format goes as it is, its arguments as words; up to three. */
#define __ebpf_printk_2(format)       bpf_trace_printk2(format, sizeof(format))
#define __ebpf_printk_3(format, a)    bpf_trace_printk3(format, sizeof(format), (uint64_t)(a))
#define __ebpf_printk_4(format, a, b) bpf_trace_printk4(format, sizeof(format), (uint64_t)(a), (uint64_t)(b))
#define __ebpf_printk_5(format, a, b, c)                                                                               \
    bpf_trace_printk5(format, sizeof(format), (uint64_t)(a), (uint64_t)(b), (uint64_t)(c))
#define __ebpf_printk_of(_1, _2, _3, _4, name, ...) name
#define bpf_printk(text, ...)                                                                                          \
    ({                                                                                                                 \
        static const char __text[] = text;                                                                             \
        __ebpf_printk_of(text, ##__VA_ARGS__, __ebpf_printk_5, __ebpf_printk_4, __ebpf_printk_3,                       \
                         __ebpf_printk_2)(__text, ##__VA_ARGS__);                                                      \
    })

#endif
