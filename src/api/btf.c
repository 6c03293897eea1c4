/* SPDX-License-Identifier: MIT
 *
 * BTF for applications: what the btf room reads, with the bytes it was read from.  `struct btf` of the public header is
 * a name without a body; what is behind it is a struct holder.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/local.h"
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "btf/btf.h"
#include "platform/os.h"

/* bpf/btf.h cannot be included beside btf/btf.h, whose enumerators have the same names. */
LIBBPF_API struct btf *btf__new(const void *data, __u32 size);
LIBBPF_API void btf__free(struct btf *btf);
LIBBPF_API struct btf *btf__load_from_kernel_by_id(__u32 id);
LIBBPF_API int btf__load_into_kernel(struct btf *btf);
LIBBPF_API int btf__fd(const struct btf *btf);
LIBBPF_API void btf__set_fd(struct btf *btf, int fd);
LIBBPF_API const void *btf__raw_data(const struct btf *btf, __u32 *size);
LIBBPF_API __u32 btf__type_cnt(const struct btf *btf);
LIBBPF_API const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id);
LIBBPF_API const char *btf__name_by_offset(const struct btf *btf, __u32 offset);
LIBBPF_API const char *btf__str_by_offset(const struct btf *btf, __u32 offset);
LIBBPF_API __s32 btf__find_by_name(const struct btf *btf, const char *type_name);
LIBBPF_API __s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind);
LIBBPF_API __s64 btf__resolve_size(const struct btf *btf, __u32 type_id);
LIBBPF_API int btf__resolve_type(const struct btf *btf, __u32 type_id);

enum { TYPE_HEADER = 12 };

struct holder {
    struct arena arena;
    struct btf *read; /* of the btf room */
    int fd;
};

static const struct holder *held(const struct btf *btf)
{
    return (const struct holder *)(const void *)btf;
}

struct btf *btf__new(const void *data, __u32 size)
{
    struct holder *holder = calloc(1, sizeof *holder);
    if (!holder)
        return api_null(ENOMEM);
    arena_init(&holder->arena, &os_allocator, 1 << 30);
    holder->fd = -1;
    uint8_t *copy = arena_alloc(&holder->arena, size);
    enum result result = RESULT_NO_MEMORY;
    if (copy) {
        memcpy(copy, data, size);
        result = btf_open((struct bytes){copy, size}, &holder->arena, NULL, &holder->read);
    }
    if (result) {
        arena_release(&holder->arena);
        free(holder);
        return api_null(result_errno(result));
    }
    return (struct btf *)(void *)holder;
}

void btf__free(struct btf *btf)
{
    struct holder *holder = (struct holder *)(void *)btf;
    if (!btf || libbpf_get_error(btf))
        return;
    if (holder->fd >= 0)
        api_close(holder->fd);
    arena_release(&holder->arena);
    free(holder);
}

struct btf *btf__load_from_kernel_by_id(__u32 id)
{
    struct bpf_btf_info info;
    __u32 size = sizeof info;
    struct btf *btf = NULL;
    int fd = bpf_btf_get_fd_by_id(id);
    if (fd < 0)
        return api_null(errno);
    memset(&info, 0, sizeof info);
    int error = bpf_obj_get_info_by_fd(fd, &info, &size) ? errno : 0;
    uint8_t *bytes = error ? NULL : malloc(info.btf_size ? info.btf_size : 1);
    if (!error && !bytes)
        error = ENOMEM;
    if (!error) {
        __u32 btf_size = info.btf_size;
        memset(&info, 0, sizeof info);
        info.btf = api_address(bytes);
        info.btf_size = btf_size;
        size = sizeof info;
        error = bpf_obj_get_info_by_fd(fd, &info, &size) ? errno : 0;
        btf = error ? NULL : btf__new(bytes, btf_size);
        error = btf ? 0 : errno;
    }
    free(bytes);
    api_close(fd);
    return btf ? btf : api_null(error);
}

int btf__load_into_kernel(struct btf *btf)
{
    struct holder *holder = (struct holder *)(void *)btf;
    if (holder->fd >= 0)
        return api_fail(EEXIST);
    struct bytes bytes = btf_bytes(holder->read);
    int fd = bpf_btf_load(bytes.data, bytes.size, NULL);
    if (fd < 0)
        return fd;
    holder->fd = fd;
    return 0;
}

int btf__fd(const struct btf *btf)
{
    return held(btf)->fd;
}

void btf__set_fd(struct btf *btf, int fd)
{
    ((struct holder *)(void *)btf)->fd = fd;
}

const void *btf__raw_data(const struct btf *btf, __u32 *size)
{
    struct bytes bytes = btf_bytes(held(btf)->read);
    *size = (__u32)bytes.size;
    return bytes.data;
}

__u32 btf__type_cnt(const struct btf *btf)
{
    return btf_type_count(held(btf)->read);
}

const struct btf_type *btf__type_by_id(const struct btf *btf, __u32 id)
{
    static const uint8_t no_type[TYPE_HEADER];
    if (id >= btf__type_cnt(btf))
        return api_null(EINVAL);
    const uint8_t *at = id ? btf_type(held(btf)->read, id).extra - TYPE_HEADER : no_type;
    return (const struct btf_type *)(const void *)at;
}

const char *btf__str_by_offset(const struct btf *btf, __u32 offset)
{
    const char *text = btf_string(held(btf)->read, offset);
    return text ? text : api_null(EINVAL);
}

const char *btf__name_by_offset(const struct btf *btf, __u32 offset)
{
    return btf__str_by_offset(btf, offset);
}

static __s32 find(const struct btf *btf, const char *name, __u32 kind, bool any)
{
    const struct btf *read = held(btf)->read;
    if (!strcmp(name, "void") && (any || !kind))
        return 0;
    for (__u32 id = 1; id < btf_type_count(read); id++) {
        struct btf_type_view type = btf_type(read, id);
        if ((any || type.kind == kind) && !strcmp(type.name, name))
            return (__s32)id;
    }
    return api_fail(ENOENT);
}

__s32 btf__find_by_name(const struct btf *btf, const char *type_name)
{
    return find(btf, type_name, 0, true);
}

__s32 btf__find_by_name_kind(const struct btf *btf, const char *type_name, __u32 kind)
{
    return find(btf, type_name, kind, false);
}

__s64 btf__resolve_size(const struct btf *btf, __u32 type_id)
{
    uint32_t size;
    if (type_id >= btf__type_cnt(btf) || btf_sizeof(held(btf)->read, type_id, &size))
        return api_fail(EINVAL);
    return size;
}

int btf__resolve_type(const struct btf *btf, __u32 type_id)
{
    if (type_id >= btf__type_cnt(btf))
        return api_fail(EINVAL);
    return (int)btf_skip_modifiers(held(btf)->read, type_id);
}

struct btf *bpf_object__btf(const struct bpf_object *obj)
{
    struct bpf_object *object = (struct bpf_object *)(uintptr_t)obj;
    if (!object->btf && object->elf.btf)
        object->btf = btf__new(object->elf.btf_bytes.data, (__u32)object->elf.btf_bytes.size);
    return object->btf;
}
