/* SPDX-License-Identifier: MIT
 *
 * Numbers and definitions that programs and applications of efW's personality share: kinds of maps, helpers, program
 * and attach types, the map definition of the "maps" section.  They are not Linux's (<linux/bpf.h>), and a file speaks
 * one of the two.
 */
#ifndef WINBPF_EBPF_STRUCTS_H
#define WINBPF_EBPF_STRUCTS_H

#if defined(__bpf__) || defined(__BPF__)
/* A C library's <stdint.h> wants its own headers, which no compiler for BPF finds. */
typedef __INT8_TYPE__ int8_t;
typedef __INT16_TYPE__ int16_t;
typedef __INT32_TYPE__ int32_t;
typedef __INT64_TYPE__ int64_t;
typedef __UINT8_TYPE__ uint8_t;
typedef __UINT16_TYPE__ uint16_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INTPTR_TYPE__ intptr_t;
typedef __UINTPTR_TYPE__ uintptr_t;
typedef __SIZE_TYPE__ size_t;
#else
#include <stddef.h>
#include <stdint.h>
#endif

typedef enum bpf_map_type {
    BPF_MAP_TYPE_UNSPEC,
    BPF_MAP_TYPE_HASH,
    BPF_MAP_TYPE_ARRAY,
    BPF_MAP_TYPE_PROG_ARRAY,
    BPF_MAP_TYPE_PERCPU_HASH,
    BPF_MAP_TYPE_PERCPU_ARRAY,
    BPF_MAP_TYPE_HASH_OF_MAPS,
    BPF_MAP_TYPE_ARRAY_OF_MAPS,
    BPF_MAP_TYPE_LRU_HASH,
    BPF_MAP_TYPE_LPM_TRIE,
    BPF_MAP_TYPE_QUEUE,
    BPF_MAP_TYPE_LRU_PERCPU_HASH,
    BPF_MAP_TYPE_STACK,
    BPF_MAP_TYPE_RINGBUF,
    BPF_MAP_TYPE_PERF_EVENT_ARRAY,
    BPF_MAP_TYPE_SAMPLE_HASH_MAP,
    BPF_MAP_TYPE_XSKMAP,
    BPF_MAP_TYPE_MAX,
} ebpf_map_type_t;

/* What an update asks for. */
typedef enum ebpf_map_option {
    EBPF_ANY,
    EBPF_NOEXIST,
    EBPF_EXIST,
} ebpf_map_option_t;
#define BPF_ANY     EBPF_ANY
#define BPF_NOEXIST EBPF_NOEXIST
#define BPF_EXIST   EBPF_EXIST

/* Where a map that is loaded with its program stays. */
typedef enum ebpf_pin_type {
    LIBBPF_PIN_NONE,
    LIBBPF_PIN_BY_NAME,
} ebpf_pin_type_t;

typedef uint32_t ebpf_id_t;

/* Of perf_event_output(): the slot of this CPU, and how many bytes of the context's data to send, shifted. */
#define EBPF_MAP_FLAG_INDEX_MASK       0xffffffffULL
#define EBPF_MAP_FLAG_INDEX_SHIFT      0
#define EBPF_MAP_FLAG_CURRENT_CPU      EBPF_MAP_FLAG_INDEX_MASK
#define EBPF_MAP_FLAG_CTX_LENGTH_SHIFT 32
#define EBPF_MAP_FLAG_CTX_LENGTH_MAX   0xfffffULL
#define EBPF_MAP_FLAG_CTX_LENGTH_MASK  (EBPF_MAP_FLAG_CTX_LENGTH_MAX << EBPF_MAP_FLAG_CTX_LENGTH_SHIFT)

/* A map as the section "maps" describes it.  Other maps are named by place in that section or by id; 0: none. */
typedef struct _ebpf_map_definition_in_file {
    ebpf_map_type_t type;
    uint32_t key_size;
    uint32_t value_size;
    uint32_t max_entries;
    uint32_t inner_map_idx;
    ebpf_pin_type_t pinning;
    uint32_t id;
    uint32_t inner_id;
} ebpf_map_definition_in_file_t;

/* General helpers, which every program type has; those of a program type begin above the maximum. */
typedef enum ebpf_helper_id_t {
    BPF_FUNC_map_lookup_elem = 1,
    BPF_FUNC_map_update_elem,
    BPF_FUNC_map_delete_elem,
    BPF_FUNC_map_lookup_and_delete_elem,
    BPF_FUNC_tail_call,
    BPF_FUNC_get_prandom_u32,
    BPF_FUNC_ktime_get_boot_ns,
    BPF_FUNC_get_smp_processor_id,
    BPF_FUNC_ktime_get_ns,
    BPF_FUNC_csum_diff,
    BPF_FUNC_ringbuf_output,
    BPF_FUNC_trace_printk2,
    BPF_FUNC_trace_printk3,
    BPF_FUNC_trace_printk4,
    BPF_FUNC_trace_printk5,
    BPF_FUNC_map_push_elem,
    BPF_FUNC_map_pop_elem,
    BPF_FUNC_map_peek_elem,
    BPF_FUNC_get_current_pid_tgid,
    BPF_FUNC_get_current_logon_id,
    BPF_FUNC_is_current_admin,
    BPF_FUNC_memcpy_s,
    BPF_FUNC_memcmp_s,
    BPF_FUNC_memset,
    BPF_FUNC_memmove_s,
    BPF_FUNC_get_socket_cookie,
    BPF_FUNC_strncpy_s,
    BPF_FUNC_strncat_s,
    BPF_FUNC_strnlen_s,
    BPF_FUNC_ktime_get_boot_ms,
    BPF_FUNC_ktime_get_ms,
    BPF_FUNC_perf_event_output,
    BPF_FUNC_get_current_process_start_key,
    BPF_FUNC_get_current_thread_create_time,
    BPF_FUNC_redirect_map,
} ebpf_helper_id_t;
#define EBPF_MAX_GENERAL_HELPER_FUNCTION 65535

typedef enum bpf_prog_type {
    BPF_PROG_TYPE_UNSPEC,
    BPF_PROG_TYPE_XDP,
    BPF_PROG_TYPE_BIND,
    BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    BPF_PROG_TYPE_SOCK_OPS,
    BPF_PROG_TYPE_NETEVENT,
    BPF_PROG_TYPE_PROCESS,
    BPF_PROG_TYPE_SAMPLE = 999,
} bpf_prog_type_t;

typedef enum bpf_attach_type {
    BPF_ATTACH_TYPE_UNSPEC,
    BPF_XDP,
    BPF_ATTACH_TYPE_BIND,
    BPF_CGROUP_INET4_CONNECT,
    BPF_CGROUP_INET6_CONNECT,
    BPF_CGROUP_INET4_RECV_ACCEPT,
    BPF_CGROUP_INET6_RECV_ACCEPT,
    BPF_CGROUP_SOCK_OPS,
    BPF_ATTACH_TYPE_SAMPLE,
    BPF_ATTACH_TYPE_NETEVENT = 10,
    BPF_ATTACH_TYPE_PROCESS,
    BPF_CGROUP_INET4_CONNECT_AUTHORIZATION,
    BPF_CGROUP_INET6_CONNECT_AUTHORIZATION,
    BPF_CGROUP_INET4_BIND,
    BPF_CGROUP_INET6_BIND,
    BPF_CGROUP_INET4_LISTEN,
    BPF_CGROUP_INET6_LISTEN,
    __MAX_BPF_ATTACH_TYPE,
} bpf_attach_type_t;

#endif
