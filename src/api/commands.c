/* SPDX-License-Identifier: MIT
 *
 * bpf/bpf.h: each function fills in the attributes of one command.  Attribute sizes are the command's own, so that
 * an older core takes them too.
 */
#include <errno.h>
#include <string.h>
#include "api/local.h"
#include "bpf/bpf.h"

/* Bytes of union bpf_attr up to and with a field. */
#define UP_TO(field)      (unsigned)(offsetof(union bpf_attr, field) + sizeof(((union bpf_attr *)0)->field))
#define VALID(opts, type) api_opts_valid(opts, sizeof(struct type))

int bpf_map_create(enum bpf_map_type map_type, const char *map_name, __u32 key_size, __u32 value_size,
                   __u32 max_entries, const struct bpf_map_create_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_map_create_opts))
        return api_fail(EINVAL);
    attr.map_type = map_type;
    api_name_copy(attr.map_name, map_name);
    attr.key_size = key_size;
    attr.value_size = value_size;
    attr.max_entries = max_entries;
    attr.btf_fd = OPTS_GET(opts, btf_fd, 0);
    attr.btf_key_type_id = OPTS_GET(opts, btf_key_type_id, 0);
    attr.btf_value_type_id = OPTS_GET(opts, btf_value_type_id, 0);
    attr.btf_vmlinux_value_type_id = OPTS_GET(opts, btf_vmlinux_value_type_id, 0);
    attr.inner_map_fd = OPTS_GET(opts, inner_map_fd, 0);
    attr.map_flags = OPTS_GET(opts, map_flags, 0);
    attr.map_extra = OPTS_GET(opts, map_extra, 0);
    attr.numa_node = OPTS_GET(opts, numa_node, 0);
    attr.map_ifindex = OPTS_GET(opts, map_ifindex, 0);
    attr.value_type_btf_obj_fd = OPTS_GET(opts, value_type_btf_obj_fd, 0);
    attr.map_token_fd = (__s32)OPTS_GET(opts, token_fd, 0);
    return api_bpf(BPF_MAP_CREATE, &attr, UP_TO(map_token_fd));
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
    union bpf_attr attr;
    memset(&attr, 0, UP_TO(flags));
    attr.map_fd = (__u32)fd;
    attr.key = api_address(key);
    attr.value = api_address(value);
    attr.flags = flags;
    return api_bpf(BPF_MAP_UPDATE_ELEM, &attr, UP_TO(flags));
}

static int element(enum bpf_cmd command, int fd, const void *key, void *value, __u64 flags)
{
    union bpf_attr attr;
    memset(&attr, 0, UP_TO(flags));
    attr.map_fd = (__u32)fd;
    attr.key = api_address(key);
    attr.value = api_address(value);
    attr.flags = flags;
    return api_bpf(command, &attr, UP_TO(flags));
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
    return element(BPF_MAP_LOOKUP_ELEM, fd, key, value, 0);
}

int bpf_map_lookup_elem_flags(int fd, const void *key, void *value, __u64 flags)
{
    return element(BPF_MAP_LOOKUP_ELEM, fd, key, value, flags);
}

int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)
{
    return element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, 0);
}

int bpf_map_lookup_and_delete_elem_flags(int fd, const void *key, void *value, __u64 flags)
{
    return element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags);
}

int bpf_map_delete_elem(int fd, const void *key)
{
    return element(BPF_MAP_DELETE_ELEM, fd, key, NULL, 0);
}

int bpf_map_delete_elem_flags(int fd, const void *key, __u64 flags)
{
    return element(BPF_MAP_DELETE_ELEM, fd, key, NULL, flags);
}

int bpf_map_get_next_key(int fd, const void *key, void *next_key)
{
    union bpf_attr attr;
    memset(&attr, 0, UP_TO(next_key));
    attr.map_fd = (__u32)fd;
    attr.key = api_address(key);
    attr.next_key = api_address(next_key);
    return api_bpf(BPF_MAP_GET_NEXT_KEY, &attr, UP_TO(next_key));
}

int bpf_map_freeze(int fd)
{
    union bpf_attr attr;
    ZEROED(attr);
    attr.map_fd = (__u32)fd;
    return api_bpf(BPF_MAP_FREEZE, &attr, UP_TO(map_fd));
}

int bpf_prog_load(enum bpf_prog_type prog_type, const char *prog_name, const char *license,
                  const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_prog_load_opts))
        return api_fail(EINVAL);
    if (insn_cnt > UINT32_MAX)
        return api_fail(E2BIG);
    if (!!OPTS_GET(opts, log_buf, NULL) != !!OPTS_GET(opts, log_size, 0))
        return api_fail(EINVAL);
    attr.prog_type = prog_type;
    api_name_copy(attr.prog_name, prog_name);
    attr.license = api_address(license);
    attr.insns = api_address(insns);
    attr.insn_cnt = (__u32)insn_cnt;
    attr.expected_attach_type = OPTS_GET(opts, expected_attach_type, 0);
    attr.prog_btf_fd = OPTS_GET(opts, prog_btf_fd, 0);
    attr.prog_flags = OPTS_GET(opts, prog_flags, 0);
    attr.prog_ifindex = OPTS_GET(opts, prog_ifindex, 0);
    attr.kern_version = OPTS_GET(opts, kern_version, 0);
    attr.attach_btf_id = OPTS_GET(opts, attach_btf_id, 0);
    attr.attach_prog_fd = OPTS_GET(opts, attach_prog_fd, 0);
    if (OPTS_GET(opts, attach_btf_obj_fd, 0))
        attr.attach_btf_obj_fd = OPTS_GET(opts, attach_btf_obj_fd, 0);
    attr.fd_array = api_address(OPTS_GET(opts, fd_array, NULL));
    attr.fd_array_cnt = OPTS_GET(opts, fd_array_cnt, 0);
    attr.func_info = api_address(OPTS_GET(opts, func_info, NULL));
    attr.func_info_cnt = OPTS_GET(opts, func_info_cnt, 0);
    attr.func_info_rec_size = OPTS_GET(opts, func_info_rec_size, 0);
    attr.line_info = api_address(OPTS_GET(opts, line_info, NULL));
    attr.line_info_cnt = OPTS_GET(opts, line_info_cnt, 0);
    attr.line_info_rec_size = OPTS_GET(opts, line_info_rec_size, 0);
    attr.log_level = OPTS_GET(opts, log_level, 0);
    if (attr.log_level) {
        attr.log_buf = api_address(OPTS_GET(opts, log_buf, NULL));
        attr.log_size = OPTS_GET(opts, log_size, 0);
    }
    attr.prog_token_fd = (__s32)OPTS_GET(opts, token_fd, 0);

    int attempts = OPTS_GET(opts, attempts, 0), fd;
    if (attempts < 0)
        return api_fail(EINVAL);
    do
        fd = api_bpf(BPF_PROG_LOAD, &attr, UP_TO(fd_array_cnt));
    while (fd == -EAGAIN && --attempts > 0);
    OPTS_SET(opts, log_true_size, attr.log_true_size);
    if (fd >= 0 || attr.log_level || !OPTS_GET(opts, log_buf, NULL))
        return fd;
    /* A buffer without a level asks for the log of failures: once more, with it. */
    int error = errno;
    attr.log_level = 1;
    attr.log_buf = api_address(opts->log_buf);
    attr.log_size = opts->log_size;
    fd = api_bpf(BPF_PROG_LOAD, &attr, UP_TO(fd_array_cnt));
    OPTS_SET(opts, log_true_size, attr.log_true_size);
    return fd >= 0 ? fd : api_fail(errno == ENOSPC ? error : errno);
}

int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_test_run_opts))
        return api_fail(EINVAL);
    attr.test.prog_fd = (__u32)prog_fd;
    attr.test.batch_size = OPTS_GET(opts, batch_size, 0);
    attr.test.cpu = OPTS_GET(opts, cpu, 0);
    attr.test.flags = OPTS_GET(opts, flags, 0);
    attr.test.repeat = (__u32)OPTS_GET(opts, repeat, 0);
    attr.test.duration = OPTS_GET(opts, duration, 0);
    attr.test.ctx_size_in = OPTS_GET(opts, ctx_size_in, 0);
    attr.test.ctx_size_out = OPTS_GET(opts, ctx_size_out, 0);
    attr.test.data_size_in = OPTS_GET(opts, data_size_in, 0);
    attr.test.data_size_out = OPTS_GET(opts, data_size_out, 0);
    attr.test.ctx_in = api_address(OPTS_GET(opts, ctx_in, NULL));
    attr.test.ctx_out = api_address(OPTS_GET(opts, ctx_out, NULL));
    attr.test.data_in = api_address(OPTS_GET(opts, data_in, NULL));
    attr.test.data_out = api_address(OPTS_GET(opts, data_out, NULL));
    int result = api_bpf(BPF_PROG_TEST_RUN, &attr, UP_TO(test));
    OPTS_SET(opts, data_size_out, attr.test.data_size_out);
    OPTS_SET(opts, ctx_size_out, attr.test.ctx_size_out);
    OPTS_SET(opts, duration, attr.test.duration);
    OPTS_SET(opts, retval, attr.test.retval);
    return result;
}

int bpf_btf_load(const void *btf_data, size_t btf_size, struct bpf_btf_load_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_btf_load_opts))
        return api_fail(EINVAL);
    if (btf_size > UINT32_MAX)
        return api_fail(E2BIG);
    attr.btf = api_address(btf_data);
    attr.btf_size = (__u32)btf_size;
    attr.btf_flags = OPTS_GET(opts, btf_flags, 0);
    attr.btf_token_fd = (__s32)OPTS_GET(opts, token_fd, 0);
    attr.btf_log_level = OPTS_GET(opts, log_level, 0);
    if (attr.btf_log_level) {
        attr.btf_log_buf = api_address(OPTS_GET(opts, log_buf, NULL));
        attr.btf_log_size = OPTS_GET(opts, log_size, 0);
    }
    int fd = api_bpf(BPF_BTF_LOAD, &attr, UP_TO(btf_token_fd));
    OPTS_SET(opts, log_true_size, attr.btf_log_true_size);
    return fd;
}

int bpf_obj_pin_opts(int fd, const char *pathname, const struct bpf_obj_pin_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_obj_pin_opts))
        return api_fail(EINVAL);
    attr.pathname = api_address(pathname);
    attr.bpf_fd = (__u32)fd;
    attr.file_flags = OPTS_GET(opts, file_flags, 0);
    attr.path_fd = OPTS_GET(opts, path_fd, 0);
    return api_bpf(BPF_OBJ_PIN, &attr, UP_TO(path_fd));
}

int bpf_obj_pin(int fd, const char *pathname)
{
    return bpf_obj_pin_opts(fd, pathname, NULL);
}

int bpf_obj_get_opts(const char *pathname, const struct bpf_obj_get_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_obj_get_opts))
        return api_fail(EINVAL);
    attr.pathname = api_address(pathname);
    attr.file_flags = OPTS_GET(opts, file_flags, 0);
    attr.path_fd = OPTS_GET(opts, path_fd, 0);
    return api_bpf(BPF_OBJ_GET, &attr, UP_TO(path_fd));
}

int bpf_obj_get(const char *pathname)
{
    return bpf_obj_get_opts(pathname, NULL);
}

int bpf_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type,
                    const struct bpf_link_create_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_link_create_opts))
        return api_fail(EINVAL);
    if (OPTS_GET(opts, iter_info_len, 0) || OPTS_GET(opts, target_btf_id, 0))
        return api_fail(EOPNOTSUPP);
    attr.link_create.prog_fd = (__u32)prog_fd;
    attr.link_create.target_fd = (__u32)target_fd;
    attr.link_create.attach_type = attach_type;
    attr.link_create.flags = OPTS_GET(opts, flags, 0);
    return api_bpf(BPF_LINK_CREATE, &attr, UP_TO(link_create));
}

int bpf_link_detach(int link_fd)
{
    union bpf_attr attr;
    ZEROED(attr);
    attr.link_detach.link_fd = (__u32)link_fd;
    return api_bpf(BPF_LINK_DETACH, &attr, UP_TO(link_detach));
}

int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_link_update_opts))
        return api_fail(EINVAL);
    attr.link_update.link_fd = (__u32)link_fd;
    attr.link_update.new_prog_fd = (__u32)new_prog_fd;
    attr.link_update.flags = OPTS_GET(opts, flags, 0);
    attr.link_update.old_prog_fd = OPTS_GET(opts, old_prog_fd, 0);
    return api_bpf(BPF_LINK_UPDATE, &attr, UP_TO(link_update));
}

static int next_id(enum bpf_cmd command, __u32 start, __u32 *next)
{
    union bpf_attr attr;
    ZEROED(attr);
    attr.start_id = start;
    int result = api_bpf(command, &attr, UP_TO(open_flags));
    if (!result)
        *next = attr.next_id;
    return result;
}

static int fd_by_id(enum bpf_cmd command, __u32 id, const struct bpf_get_fd_by_id_opts *opts)
{
    union bpf_attr attr;
    ZEROED(attr);
    if (!VALID(opts, bpf_get_fd_by_id_opts))
        return api_fail(EINVAL);
    attr.start_id = id;
    attr.open_flags = OPTS_GET(opts, open_flags, 0);
    return api_bpf(command, &attr, UP_TO(open_flags));
}

#define BY_ID(kind, KIND)                                                                                              \
    int bpf_##kind##_get_next_id(__u32 start_id, __u32 *next)                                                          \
    {                                                                                                                  \
        return next_id(BPF_##KIND##_GET_NEXT_ID, start_id, next);                                                      \
    }                                                                                                                  \
    int bpf_##kind##_get_fd_by_id(__u32 id)                                                                            \
    {                                                                                                                  \
        return fd_by_id(BPF_##KIND##_GET_FD_BY_ID, id, NULL);                                                          \
    }                                                                                                                  \
    int bpf_##kind##_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts)                             \
    {                                                                                                                  \
        return fd_by_id(BPF_##KIND##_GET_FD_BY_ID, id, opts);                                                          \
    }
BY_ID(prog, PROG)
BY_ID(map, MAP)
BY_ID(btf, BTF)
BY_ID(link, LINK)

int bpf_obj_get_info_by_fd(int bpf_fd, void *info, __u32 *info_len)
{
    union bpf_attr attr;
    ZEROED(attr);
    attr.info.bpf_fd = (__u32)bpf_fd;
    attr.info.info_len = *info_len;
    attr.info.info = api_address(info);
    int result = api_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, UP_TO(info));
    if (!result)
        *info_len = attr.info.info_len;
    return result;
}

int bpf_prog_get_info_by_fd(int prog_fd, struct bpf_prog_info *info, __u32 *info_len)
{
    return bpf_obj_get_info_by_fd(prog_fd, info, info_len);
}

int bpf_map_get_info_by_fd(int map_fd, struct bpf_map_info *info, __u32 *info_len)
{
    return bpf_obj_get_info_by_fd(map_fd, info, info_len);
}

int bpf_btf_get_info_by_fd(int btf_fd, struct bpf_btf_info *info, __u32 *info_len)
{
    return bpf_obj_get_info_by_fd(btf_fd, info, info_len);
}

int bpf_link_get_info_by_fd(int link_fd, struct bpf_link_info *info, __u32 *info_len)
{
    return bpf_obj_get_info_by_fd(link_fd, info, info_len);
}
