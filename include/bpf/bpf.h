/* SPDX-License-Identifier: MIT
 *
 * The bpf() system call, one function a command.  Every function returns a value >= 0 on success; on failure it returns
 * -errno and sets errno too.  A descriptor it returns belongs to the caller (close()).
 */
#ifndef __LIBBPF_BPF_H
#define __LIBBPF_BPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Accepted for compatibility: memory here is not accounted by the lock limit. */
LIBBPF_API int libbpf_set_memlock_rlim(size_t memlock_bytes);

/* Maps. */
struct bpf_log_opts {
    size_t sz;
    char *buf;
    __u32 size;
    __u32 level;
    __u32 true_size;
    size_t : 0;
};
#define bpf_log_opts__last_field true_size

struct bpf_map_create_opts {
    size_t sz;
    __u32 btf_fd;
    __u32 btf_key_type_id;
    __u32 btf_value_type_id;
    __u32 btf_vmlinux_value_type_id;
    __u32 inner_map_fd;
    __u32 map_flags;
    __u64 map_extra;
    __u32 numa_node;
    __u32 map_ifindex;
    __s32 value_type_btf_obj_fd;
    __u32 token_fd;
    const void *excl_prog_hash;
    __u32 excl_prog_hash_size;
    struct bpf_log_opts *log_opts;
    size_t : 0;
};
#define bpf_map_create_opts__last_field log_opts

/* A new map; sizes in bytes.  `map_name` may be NULL, else 15 characters of it count. */
LIBBPF_API int bpf_map_create(enum bpf_map_type map_type, const char *map_name, __u32 key_size, __u32 value_size,
                              __u32 max_entries, const struct bpf_map_create_opts *opts);

/* flags: BPF_ANY, BPF_NOEXIST, BPF_EXIST. */
LIBBPF_API int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);
/* Values of per-CPU maps are read and written for all CPUs at once, 8-byte aligned one after the other. */
LIBBPF_API int bpf_map_lookup_elem(int fd, const void *key, void *value);
LIBBPF_API int bpf_map_lookup_elem_flags(int fd, const void *key, void *value, __u64 flags);
LIBBPF_API int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);
LIBBPF_API int bpf_map_lookup_and_delete_elem_flags(int fd, const void *key, void *value, __u64 flags);
LIBBPF_API int bpf_map_delete_elem(int fd, const void *key);
LIBBPF_API int bpf_map_delete_elem_flags(int fd, const void *key, __u64 flags);
/* key NULL: the first.  -ENOENT after the last. */
LIBBPF_API int bpf_map_get_next_key(int fd, const void *key, void *next_key);
/* From now on only programs may write it. */
LIBBPF_API int bpf_map_freeze(int fd);

struct bpf_map_batch_opts {
    size_t sz;
    __u64 elem_flags;
    __u64 flags;
    size_t : 0;
};
#define bpf_map_batch_opts__last_field flags

/* Programs. */
#define BPF_LOG_BUF_SIZE (16777215)
struct bpf_prog_load_opts {
    size_t sz;
    int attempts;
    enum bpf_attach_type expected_attach_type;
    __u32 prog_btf_fd;
    __u32 prog_flags;
    __u32 prog_ifindex;
    __u32 kern_version;
    __u32 attach_btf_id;
    __u32 attach_prog_fd;
    __u32 attach_btf_obj_fd;
    const int *fd_array;
    const void *func_info;
    __u32 func_info_cnt;
    __u32 func_info_rec_size;
    const void *line_info;
    __u32 line_info_cnt;
    __u32 line_info_rec_size;
    __u32 log_level;
    __u32 log_size;
    char *log_buf;
    __u32 log_true_size;
    __u32 token_fd;
    __u32 fd_array_cnt;
    size_t : 0;
};
#define bpf_prog_load_opts__last_field fd_array_cnt

/* Checks and loads a program.  opts->log_buf tells why it was refused. */
LIBBPF_API int bpf_prog_load(enum bpf_prog_type prog_type, const char *prog_name, const char *license,
                             const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts);

struct bpf_test_run_opts {
    size_t sz;
    const void *data_in;
    void *data_out;
    __u32 data_size_in;
    __u32 data_size_out;
    const void *ctx_in;
    void *ctx_out;
    __u32 ctx_size_in;
    __u32 ctx_size_out;
    __u32 retval;
    int repeat;
    __u32 duration;
    __u32 flags;
    __u32 cpu;
    __u32 batch_size;
    size_t : 0;
};
#define bpf_test_run_opts__last_field batch_size

/* Runs a program `repeat` times on data and context of the caller's; outputs in *opts. */
LIBBPF_API int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts);

/* BTF. */
struct bpf_btf_load_opts {
    size_t sz;
    char *log_buf;
    __u32 log_level;
    __u32 log_size;
    __u32 log_true_size;
    __u32 btf_flags;
    __u32 token_fd;
    size_t : 0;
};
#define bpf_btf_load_opts__last_field token_fd

LIBBPF_API int bpf_btf_load(const void *btf_data, size_t btf_size, struct bpf_btf_load_opts *opts);

/* Pins: names that keep objects alive and let others find them. */
struct bpf_obj_pin_opts {
    size_t sz;
    __u32 file_flags;
    int path_fd;
    size_t : 0;
};
#define bpf_obj_pin_opts__last_field path_fd

struct bpf_obj_get_opts {
    size_t sz;
    __u32 file_flags;
    int path_fd;
    size_t : 0;
};
#define bpf_obj_get_opts__last_field path_fd

LIBBPF_API int bpf_obj_pin(int fd, const char *pathname);
LIBBPF_API int bpf_obj_pin_opts(int fd, const char *pathname, const struct bpf_obj_pin_opts *opts);
LIBBPF_API int bpf_obj_get(const char *pathname);
LIBBPF_API int bpf_obj_get_opts(const char *pathname, const struct bpf_obj_get_opts *opts);

/* Links: programs attached to hooks. */
struct bpf_link_create_opts {
    size_t sz;
    __u32 flags;
    union bpf_iter_link_info *iter_info;
    __u32 iter_info_len;
    __u32 target_btf_id;
    union {
        struct {
            __u64 bpf_cookie;
        } perf_event;
        struct {
            __u32 flags;
            __u32 cnt;
            const char **syms;
            const unsigned long *addrs;
            const __u64 *cookies;
        } kprobe_multi;
        struct {
            __u32 flags;
            __u32 cnt;
            const char *path;
            const unsigned long *offsets;
            const unsigned long *ref_ctr_offsets;
            const __u64 *cookies;
            __u32 pid;
            __u32 path_fd;
        } uprobe_multi;
        struct {
            __u64 cookie;
        } tracing;
        struct {
            __u32 pf;
            __u32 hooknum;
            __s32 priority;
            __u32 flags;
        } netfilter;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } tcx;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } netkit;
        struct {
            __u32 relative_fd;
            __u32 relative_id;
            __u64 expected_revision;
        } cgroup;
        struct {
            const __u32 *ids;
            const __u64 *cookies;
            __u32 cnt;
        } tracing_multi;
    };
    size_t : 0;
};
#define bpf_link_create_opts__last_field uprobe_multi.path_fd

struct bpf_link_update_opts {
    size_t sz;
    __u32 flags;
    __u32 old_prog_fd;
    __u32 old_map_fd;
    size_t : 0;
};
#define bpf_link_update_opts__last_field old_map_fd

/* target_fd: the interface index for XDP. */
LIBBPF_API int bpf_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type,
                               const struct bpf_link_create_opts *opts);
LIBBPF_API int bpf_link_detach(int link_fd);
LIBBPF_API int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts);

/* Enumeration: -ENOENT after the last. */
LIBBPF_API int bpf_prog_get_next_id(__u32 start_id, __u32 *next_id);
LIBBPF_API int bpf_map_get_next_id(__u32 start_id, __u32 *next_id);
LIBBPF_API int bpf_btf_get_next_id(__u32 start_id, __u32 *next_id);
LIBBPF_API int bpf_link_get_next_id(__u32 start_id, __u32 *next_id);

struct bpf_get_fd_by_id_opts {
    size_t sz;
    __u32 open_flags;
    __u32 token_fd;
    size_t : 0;
};
#define bpf_get_fd_by_id_opts__last_field token_fd

LIBBPF_API int bpf_prog_get_fd_by_id(__u32 id);
LIBBPF_API int bpf_prog_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
LIBBPF_API int bpf_map_get_fd_by_id(__u32 id);
LIBBPF_API int bpf_map_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
LIBBPF_API int bpf_btf_get_fd_by_id(__u32 id);
LIBBPF_API int bpf_btf_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);
LIBBPF_API int bpf_link_get_fd_by_id(__u32 id);
LIBBPF_API int bpf_link_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);

/* *info_len: in, the size of *info; out, what was written. */
LIBBPF_API int bpf_obj_get_info_by_fd(int bpf_fd, void *info, __u32 *info_len);
LIBBPF_API int bpf_prog_get_info_by_fd(int prog_fd, struct bpf_prog_info *info, __u32 *info_len);
LIBBPF_API int bpf_map_get_info_by_fd(int map_fd, struct bpf_map_info *info, __u32 *info_len);
LIBBPF_API int bpf_btf_get_info_by_fd(int btf_fd, struct bpf_btf_info *info, __u32 *info_len);
LIBBPF_API int bpf_link_get_info_by_fd(int link_fd, struct bpf_link_info *info, __u32 *info_len);

#ifdef __cplusplus
}
#endif

#endif
