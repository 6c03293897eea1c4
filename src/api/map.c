/* SPDX-License-Identifier: MIT
 *
 * An object's maps.  Names of internal maps follow the convention that applications rely on: the object's name, cut so
 * that both fit into 15 characters, and the section ("droppack.rodata"); sections with a second dot keep their own.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "core/map.h"

static uint32_t number_of(enum personality_of_caller numbers, uint32_t linux_kind)
{
    if (numbers == CALLER_LINUX)
        return linux_kind;
    for (uint32_t number = 1; number < 256; number++) {
        if (contract_map_kind(PERSONALITY_EFW, number) == linux_kind)
            return number;
    }
    return 0;
}

uint32_t api_map_kind(const struct bpf_object *object, uint32_t linux_kind)
{
    return number_of(object->numbers, linux_kind);
}

static uint32_t kind_of(enum personality_of_caller numbers, uint32_t number)
{
    return numbers == CALLER_LINUX ? number : contract_map_kind(PERSONALITY_EFW, number);
}

/* A map's information, its kind in Linux's numbers as everything here. */
static int map_info(int fd, struct bpf_map_info *info)
{
    union bpf_attr attr;
    ZEROED(attr);
    memset(info, 0, sizeof *info);
    attr.info.bpf_fd = (__u32)fd;
    attr.info.info = api_address(info);
    attr.info.info_len = sizeof *info;
    return api_bpf_as(CALLER_LINUX, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr.info);
}

static char *internal_name(const char *object, const char *section)
{
    char text[BPF_OBJ_NAME_LEN];
    if (strchr(section + 1, '.'))
        return strdup(section);
    size_t suffix = strlen(section), prefix = strlen(object);
    if (suffix > BPF_OBJ_NAME_LEN - 1)
        suffix = BPF_OBJ_NAME_LEN - 1;
    size_t room = BPF_OBJ_NAME_LEN - 1 - (suffix < 7 ? 7 : suffix);
    snprintf(text, sizeof text, "%.*s%.*s", (int)(prefix < room ? prefix : room), object, (int)suffix, section);
    for (char *c = text; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.')
            *c = '_';
    }
    return strdup(text);
}

int api_map_init(struct bpf_object *object, uint32_t index)
{
    struct bpf_map *map = &object->maps[index];
    const struct map_spec *spec = &object->elf.maps[index];
    map->object = object;
    map->spec = *spec;
    map->index = index;
    map->fd = map->inner_fd = -1;
    map->section = spec->name[0] == '.' ? spec->name : NULL;
    map->name = map->section ? internal_name(object->name, spec->name) : strdup(spec->name);
    if (!map->name)
        return ENOMEM;
    if (map->section) {
        map->value_size = spec->value_size;
        map->value = calloc(1, map->value_size ? map->value_size : 1);
        if (!map->value)
            return ENOMEM;
        size_t given = spec->contents.size < map->value_size ? spec->contents.size : map->value_size;
        if (given)
            memcpy(map->value, spec->contents.data, given);
    }
    if (spec->pinning) {
        map->pin_path = api_path(object->pin_root, spec->name);
        if (!map->pin_path)
            return ENOMEM;
    }
    return 0;
}

static void drop_value(struct bpf_map *map)
{
    if (map->value_shared)
        api_pages_unmap(map->value, map->value_size);
    else
        free(map->value);
    map->value = NULL;
}

void api_map_close(struct bpf_map *map)
{
    drop_value(map);
    if (map->fd >= 0)
        api_close(map->fd);
    if (map->inner_fd >= 0)
        api_close(map->inner_fd);
    free(map->name);
    free(map->pin_path);
}

static bool is_power_of_two(uint32_t x)
{
    return x && !(x & (x - 1));
}

static uint32_t entries_of(const struct bpf_map *map)
{
    uint32_t entries = map->spec.max_entries, page = (uint32_t)api_page_size();
    if (map->spec.kind == BPF_MAP_TYPE_PERF_EVENT_ARRAY && !entries)
        return (uint32_t)libbpf_num_possible_cpus();
    if (map->spec.kind == BPF_MAP_TYPE_RINGBUF && entries && (entries % page || !is_power_of_two(entries))) {
        uint32_t rounded = page;
        while (rounded < entries && rounded < 1u << 31)
            rounded *= 2;
        return rounded;
    }
    return entries;
}

static int create(struct bpf_map *map, int inner_fd)
{
    struct bpf_object *object = map->object;
    const struct map_spec *spec = &map->spec;
    char name[BPF_OBJ_NAME_LEN];
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = spec->flags, .map_extra = spec->extra,
                .numa_node = spec->numa_node, .inner_map_fd = inner_fd > 0 ? (__u32)inner_fd : 0);
    if (object->btf_fd >= 0 && spec->btf_value) {
        opts.btf_fd = (__u32)object->btf_fd;
        opts.btf_key_type_id = spec->btf_key;
        opts.btf_value_type_id = spec->btf_value;
    }
    api_name_copy(name, map->name);
    for (char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.')
            *c = '_';
    }
    union bpf_attr attr;
    ZEROED(attr);
    attr.map_type = api_map_kind(object, spec->kind);
    memcpy(attr.map_name, name, sizeof name);
    attr.key_size = spec->key_size;
    attr.value_size = spec->value_size;
    attr.max_entries = map->spec.max_entries = entries_of(map);
    attr.map_flags = opts.map_flags;
    attr.map_extra = opts.map_extra;
    attr.numa_node = opts.numa_node;
    attr.inner_map_fd = opts.inner_map_fd;
    attr.btf_fd = opts.btf_fd;
    attr.btf_key_type_id = opts.btf_key_type_id;
    attr.btf_value_type_id = opts.btf_value_type_id;
    unsigned size = offsetof(union bpf_attr, map_extra) + sizeof attr.map_extra;
    int fd = api_bpf_as(object->numbers, BPF_MAP_CREATE, &attr, size);
    if (fd < 0 && errno != ENOMEM && attr.btf_fd) { /* its types do not suit the map: BTF is optional */
        attr.btf_fd = attr.btf_key_type_id = attr.btf_value_type_id = 0;
        fd = api_bpf_as(object->numbers, BPF_MAP_CREATE, &attr, size);
    }
    return fd;
}

/* An existing map under the pin path, when it is the same kind of map. */
static int reuse_pinned(struct bpf_map *map)
{
    struct bpf_map_info info;
    int fd = bpf_obj_get(map->pin_path);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int result = map_info(fd, &info);
    if (!result && (info.type != map->spec.kind || info.key_size != map->spec.key_size ||
                    info.value_size != map->spec.value_size || info.max_entries != entries_of(map) ||
                    info.map_flags != map->spec.flags)) {
        api_warn("map '%s': %s holds a map with other parameters\n", map->name, map->pin_path);
        result = -EINVAL;
    }
    if (result) {
        api_close(fd);
        return result;
    }
    map->fd = fd;
    map->reused = map->pinned = true;
    return 0;
}

/* Application and program see one memory where the core can share the map's pages. */
static int share_value(struct bpf_map *map)
{
    void *pages;
    int result = api_pages_map(map->fd, map->value_size, !map->spec.frozen, &pages);
    if (pages) {
        drop_value(map);
        map->value = pages;
        map->value_shared = true;
    }
    return result;
}

static int give_contents(struct bpf_map *map)
{
    uint32_t zero = 0;
    int result = map->reused ? 0 : bpf_map_update_elem(map->fd, &zero, map->value, 0);
    if (!result && map->spec.frozen && !map->reused)
        result = bpf_map_freeze(map->fd);
    return result ? result : share_value(map);
}

int api_map_load(struct bpf_map *map)
{
    int result = 0, inner_fd = map->inner_fd;
    const char *what = "create";
    if (map->skip)
        return 0;
    if (map->pin_path && map->fd < 0) {
        what = "reuse pinned";
        result = reuse_pinned(map);
    }
    if (!result && map->fd < 0) {
        bool temporary = false;
        what = "create";
        if (map->inner && inner_fd < 0) {
            inner_fd = map->inner->fd;
            if (inner_fd < 0) {
                inner_fd = create(map->inner, -1);
                temporary = true;
            }
            if (inner_fd < 0)
                result = inner_fd;
        }
        if (!result)
            result = map->fd = create(map, inner_fd);
        if (temporary && inner_fd >= 0)
            api_close(inner_fd);
        if (result > 0)
            result = 0;
        if (!result && map->section) {
            what = "initialise";
            result = give_contents(map);
        }
        if (!result && map->pin_path) {
            what = "pin";
            result = bpf_map__pin(map, NULL);
        }
    } else if (!result && map->section) {
        result = give_contents(map);
    }
    if (result) {
        const char *kind = libbpf_bpf_map_type_str((enum bpf_map_type)map->spec.kind);
        api_warn("%s: map '%s': failed to %s (%s, %u entries, keys of %u and values of %u bytes): %s\n",
                 map->object->path, map->name, what, kind ? kind : "unknown kind", map->spec.max_entries,
                 map->spec.key_size, map->spec.value_size, api_strerror(-result));
        return api_fail(-result);
    }
    return 0;
}

/* What the application asks and changes. */

#define READ(type, function, value)                                                                                    \
    type function(const struct bpf_map *map)                                                                           \
    {                                                                                                                  \
        return value;                                                                                                  \
    }
READ(int, bpf_map__fd, map ? map->fd : api_fail(EINVAL))
READ(const char *, bpf_map__name, map ? map->name : NULL)
READ(enum bpf_map_type, bpf_map__type, (enum bpf_map_type)number_of(api_numbers, map->spec.kind))
READ(__u32, bpf_map__max_entries, map->spec.max_entries)
READ(__u32, bpf_map__map_flags, map->spec.flags)
READ(__u32, bpf_map__numa_node, map->spec.numa_node)
READ(__u32, bpf_map__key_size, map->spec.key_size)
READ(__u32, bpf_map__value_size, map->spec.value_size)
READ(__u32, bpf_map__btf_key_type_id, map->spec.btf_key)
READ(__u32, bpf_map__btf_value_type_id, map->spec.btf_value)
READ(__u32, bpf_map__ifindex, 0)
READ(__u64, bpf_map__map_extra, map->spec.extra)
READ(bool, bpf_map__autocreate, !map->skip)
READ(bool, bpf_map__is_internal, map->section != NULL)
READ(const char *, bpf_map__pin_path, map->pin_path)
READ(const char *, bpf_map__get_pin_path, map->pin_path)
READ(bool, bpf_map__is_pinned, map->pinned)

#define CHANGE(function, type, statement)                                                                              \
    int function(struct bpf_map *map, type value)                                                                      \
    {                                                                                                                  \
        if (map->object->loaded || map->fd >= 0)                                                                       \
            return api_fail(EBUSY);                                                                                    \
        statement;                                                                                                     \
        return 0;                                                                                                      \
    }
CHANGE(bpf_map__set_type, enum bpf_map_type, map->spec.kind = kind_of(api_numbers, value))
CHANGE(bpf_map__set_max_entries, __u32, map->spec.max_entries = value)
CHANGE(bpf_map__set_map_flags, __u32, map->spec.flags = value)
CHANGE(bpf_map__set_numa_node, __u32, map->spec.numa_node = value)
CHANGE(bpf_map__set_key_size, __u32, map->spec.key_size = value)
CHANGE(bpf_map__set_ifindex, __u32, (void)value)
CHANGE(bpf_map__set_map_extra, __u64, map->spec.extra = value)
CHANGE(bpf_map__set_autocreate, bool, map->skip = !value)

int bpf_map__set_value_size(struct bpf_map *map, __u32 size)
{
    if (map->object->loaded || map->fd >= 0)
        return api_fail(EBUSY);
    if (map->section) { /* its last array grows or shrinks with it */
        uint8_t *value = realloc(map->value, size ? size : 1);
        if (!value)
            return api_fail(ENOMEM);
        if (size > map->value_size)
            memset(value + map->value_size, 0, size - map->value_size);
        map->value = value;
        map->value_size = size;
        map->spec.btf_key = map->spec.btf_value = 0;
    }
    map->spec.value_size = size;
    return 0;
}

int bpf_map__set_initial_value(struct bpf_map *map, const void *data, size_t size)
{
    if (map->object->loaded || map->reused)
        return api_fail(EBUSY);
    if (!map->section || size != map->value_size)
        return api_fail(EINVAL);
    memcpy(map->value, data, size);
    return 0;
}

void *bpf_map__initial_value(const struct bpf_map *map, size_t *psize)
{
    if (!map->section)
        return NULL;
    if (psize)
        *psize = map->value_size;
    return map->value;
}

int bpf_map__reuse_fd(struct bpf_map *map, int fd)
{
    struct bpf_map_info info;
    int result = map_info(fd, &info);
    if (result)
        return result;
    int copy = api_dup(fd);
    char *name = strdup(map->section ? map->name : info.name[0] ? info.name : map->name);
    if (copy < 0 || !name) {
        int error = copy < 0 ? errno : ENOMEM;
        if (copy >= 0)
            api_close(copy);
        free(name);
        return api_fail(error);
    }
    if (map->fd >= 0)
        api_close(map->fd);
    free(map->name);
    map->fd = copy;
    map->name = name;
    map->spec.kind = info.type;
    map->spec.key_size = info.key_size;
    map->spec.value_size = info.value_size;
    map->spec.max_entries = info.max_entries;
    map->spec.flags = info.map_flags;
    map->spec.extra = info.map_extra;
    map->reused = true;
    return 0;
}

int bpf_map__set_inner_map_fd(struct bpf_map *map, int fd)
{
    if (map->spec.kind != BPF_MAP_TYPE_ARRAY_OF_MAPS && map->spec.kind != BPF_MAP_TYPE_HASH_OF_MAPS)
        return api_fail(EINVAL);
    if (map->inner_fd >= 0)
        return api_fail(EINVAL);
    int copy = api_dup(fd);
    if (copy < 0)
        return api_fail(errno);
    map->inner_fd = copy;
    return 0;
}

struct bpf_map *bpf_map__inner_map(struct bpf_map *map)
{
    return map->inner;
}

int bpf_map__set_pin_path(struct bpf_map *map, const char *path)
{
    char *copy = path ? strdup(path) : NULL;
    if (path && !copy)
        return api_fail(ENOMEM);
    free(map->pin_path);
    map->pin_path = copy;
    return 0;
}

int bpf_map__pin(struct bpf_map *map, const char *path)
{
    const char *place = path ? path : map->pin_path;
    if (!place || map->fd < 0)
        return api_fail(EINVAL);
    if (map->pin_path && path && strcmp(path, map->pin_path))
        return api_fail(EINVAL); /* it has another place */
    if (map->pinned)
        return path && map->reused ? 0 : api_fail(EEXIST);
    char *copy = map->pin_path ? NULL : strdup(place);
    if (!map->pin_path && !copy)
        return api_fail(ENOMEM);
    int result = bpf_obj_pin(map->fd, place);
    if (result) {
        free(copy);
        return api_fail(-result);
    }
    if (copy)
        map->pin_path = copy;
    map->pinned = true;
    return 0;
}

int bpf_map__unpin(struct bpf_map *map, const char *path)
{
    const char *place = path ? path : map->pin_path;
    if (!place || (map->pin_path && path && strcmp(path, map->pin_path)))
        return api_fail(EINVAL);
    int result = api_unpin(place);
    if (!result)
        map->pinned = false;
    return result;
}

static bool sizes_fit(const struct bpf_map *map, size_t key_size, size_t value_size, bool with_value)
{
    size_t expected = map->spec.value_size;
    if (map_is_percpu(map->spec.kind))
        expected = (expected + 7) / 8 * 8 * (size_t)libbpf_num_possible_cpus();
    return map->fd >= 0 && key_size == map->spec.key_size && (!with_value || value_size == expected);
}

int bpf_map__lookup_elem(const struct bpf_map *map, const void *key, size_t key_sz, void *value, size_t value_sz,
                         __u64 flags)
{
    return sizes_fit(map, key_sz, value_sz, true) ? bpf_map_lookup_elem_flags(map->fd, key, value, flags)
                                                  : api_fail(EINVAL);
}

int bpf_map__update_elem(const struct bpf_map *map, const void *key, size_t key_sz, const void *value, size_t value_sz,
                         __u64 flags)
{
    return sizes_fit(map, key_sz, value_sz, true) ? bpf_map_update_elem(map->fd, key, value, flags) : api_fail(EINVAL);
}

int bpf_map__delete_elem(const struct bpf_map *map, const void *key, size_t key_sz, __u64 flags)
{
    return sizes_fit(map, key_sz, 0, false) ? bpf_map_delete_elem_flags(map->fd, key, flags) : api_fail(EINVAL);
}

int bpf_map__lookup_and_delete_elem(const struct bpf_map *map, const void *key, size_t key_sz, void *value,
                                    size_t value_sz, __u64 flags)
{
    return sizes_fit(map, key_sz, value_sz, true) ? bpf_map_lookup_and_delete_elem_flags(map->fd, key, value, flags)
                                                  : api_fail(EINVAL);
}

int bpf_map__get_next_key(const struct bpf_map *map, const void *cur_key, void *next_key, size_t key_sz)
{
    return sizes_fit(map, key_sz, 0, false) ? bpf_map_get_next_key(map->fd, cur_key, next_key) : api_fail(EINVAL);
}
