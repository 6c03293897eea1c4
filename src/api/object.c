/* SPDX-License-Identifier: MIT
 *
 * Objects: a file read once by the ELF reader, then maps made in an order in which inner templates come first, then
 * programs loaded, then the slots filled in that point at maps and programs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "api/object_impl.h"
#include "bpf/bpf.h"
#include "platform/os.h"

enum { FILE_MAX = 256 << 20, ARENA_MAX = 1 << 30 };

static void emit(void *self, enum diag_level level, const char *line)
{
    api_print(level == DIAG_NOTE ? LIBBPF_DEBUG : LIBBPF_WARN, "libbpf: %s%s\n",
              level == DIAG_WARNING ? "warning: " : "", line);
}

/* Linux's object name: the file's, without folders and from the first dot on. */
static char *name_of(const char *path, const char *chosen, const void *bytes, size_t size)
{
    char text[64];
    if (chosen)
        return strdup(chosen);
    if (!path) {
        snprintf(text, sizeof text, "%lx-%lx", (unsigned long)(uintptr_t)bytes, (unsigned long)size);
        return strdup(text);
    }
    const char *slash = strrchr(path, '/'), *begin = slash ? slash + 1 : path;
    size_t length = strcspn(begin, ".");
    snprintf(text, sizeof text, "%.*s", (int)(length < 63 ? length : 63), begin);
    return strdup(text);
}

/* Takes `bytes`, which malloc() gave. */
static struct bpf_object *open_bytes(uint8_t *bytes, size_t size, const char *path, const char *name,
                                     enum elf_personality_choice personality, const struct bpf_object_open_opts *opts)
{
    struct bpf_object *object = calloc(1, sizeof *object);
    struct diag diag = {emit, NULL, path ? path : "object"};
    if (!object) {
        free(bytes);
        return api_null(ENOMEM);
    }
    arena_init(&object->arena, &os_allocator, ARENA_MAX);
    object->file = bytes;
    object->file_size = size;
    object->btf_fd = -1;
    object->name = name_of(name, OPTS_GET(opts, object_name, NULL), bytes, size);
    object->path = strdup(path ? path : object->name ? object->name : "");
    object->pin_root = strdup(OPTS_GET(opts, pin_root_path, NULL) ? opts->pin_root_path : "/sys/fs/bpf");
    object->log = OPTS_GET(opts, kernel_log_buf, NULL);
    object->log_size = OPTS_GET(opts, kernel_log_size, 0);
    object->log_level = OPTS_GET(opts, kernel_log_level, 0);
    int error = object->name && object->path && object->pin_root ? 0 : ENOMEM;
    if (!error) {
        struct elf_options options = {.personality = personality};
        enum result result = elf_open((struct bytes){bytes, size}, &options, &object->arena, &diag, &object->elf);
        error = !result ? 0 : result == RESULT_NO_MEMORY ? ENOMEM : LIBBPF_ERRNO__FORMAT;
    }
    if (!error) {
        object->numbers = object->elf.personality == PERSONALITY_EFW ? CALLER_EFW : CALLER_LINUX;
        object->maps = calloc(object->elf.map_count + 1, sizeof *object->maps);
        object->programs = calloc(object->elf.program_count + 1, sizeof *object->programs);
        error = object->maps && object->programs ? 0 : ENOMEM;
    }
    for (uint32_t i = 0; object->maps && i < object->elf.map_count; i++) /* closing asks all of them, made or not */
        object->maps[i].fd = object->maps[i].inner_fd = -1;
    for (uint32_t i = 0; object->programs && i < object->elf.program_count; i++)
        object->programs[i].fd = -1;
    for (uint32_t i = 0; !error && i < object->elf.map_count; i++)
        error = api_map_init(object, i);
    for (uint32_t i = 0; !error && i < object->elf.map_count; i++) {
        if (object->elf.maps[i].inner < object->elf.map_count) {
            object->maps[i].inner = &object->maps[object->elf.maps[i].inner];
            if (strchr(object->maps[i].inner->name, '.')) /* "outer.inner": no name a program could have given */
                object->maps[i].inner->is_template = true;
        }
    }
    for (uint32_t i = 0; !error && i < object->elf.program_count; i++)
        error = api_program_init(object, i);
    if (error) {
        bpf_object__close(object);
        return api_null(error);
    }
    return object;
}

struct bpf_object *bpf_object__open_mem(const void *obj_buf, size_t obj_buf_sz, const struct bpf_object_open_opts *opts)
{
    if (!obj_buf || !obj_buf_sz || !api_opts_valid(opts, sizeof *opts))
        return api_null(EINVAL);
    uint8_t *copy = malloc(obj_buf_sz);
    if (!copy)
        return api_null(ENOMEM);
    memcpy(copy, obj_buf, obj_buf_sz);
    return open_bytes(copy, obj_buf_sz, NULL, NULL, ELF_PERSONALITY_AUTO, opts);
}

#ifdef _WIN32
#define READ_MODE "rb"
#else
#define READ_MODE "rbe"
#endif

/* A pipe does not say how long it is, and a file may grow meanwhile: so until its end. */
static int read_file(const char *path, uint8_t **out, size_t *size)
{
    size_t got = 0, room = 1 << 16;
    FILE *file = fopen(path, READ_MODE);
    if (!file)
        return errno;
    uint8_t *bytes = malloc(room);
    int error = bytes ? 0 : ENOMEM;
    while (!error) {
        if (got == room) {
            uint8_t *more = room < FILE_MAX ? realloc(bytes, room * 2) : NULL;
            error = more ? 0 : room < FILE_MAX ? ENOMEM : EFBIG;
            if (!more)
                break;
            bytes = more;
            room *= 2;
        }
        size_t part = fread(bytes + got, 1, room - got, file);
        got += part;
        if (!part && ferror(file))
            error = errno ? errno : EIO;
        else if (!part)
            break;
    }
    fclose(file);
    if (error)
        free(bytes);
    else
        *out = bytes, *size = got;
    return error;
}

struct bpf_object *api_object_open(const char *path, enum elf_personality_choice personality,
                                   const struct bpf_object_open_opts *opts)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (!path || !api_opts_valid(opts, sizeof *opts))
        return api_null(EINVAL);
    int error = read_file(path, &bytes, &size);
    if (error) {
        api_warn("%s: %s\n", path, api_strerror(error));
        return api_null(error);
    }
    return open_bytes(bytes, size, path, path, personality, opts);
}

struct bpf_object *bpf_object__open_file(const char *path, const struct bpf_object_open_opts *opts)
{
    return api_object_open(path, ELF_PERSONALITY_AUTO, opts);
}

struct bpf_object *bpf_object__open(const char *path)
{
    return bpf_object__open_file(path, NULL);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        api_close(*fd);
    *fd = -1;
}

static void unload(struct bpf_object *object)
{
    for (uint32_t i = 0; i < object->elf.program_count; i++)
        bpf_program__unload(&object->programs[i]);
    for (uint32_t i = 0; i < object->elf.map_count; i++)
        close_fd(&object->maps[i].fd);
    close_fd(&object->btf_fd);
}

void bpf_object__close(struct bpf_object *object)
{
    if (!object || libbpf_get_error(object))
        return;
    for (uint32_t i = 0; object->programs && i < object->elf.program_count; i++)
        api_program_close(&object->programs[i]);
    for (uint32_t i = 0; object->maps && i < object->elf.map_count; i++)
        api_map_close(&object->maps[i]);
    close_fd(&object->btf_fd);
    btf__free(object->btf);
    free(object->programs);
    free(object->maps);
    arena_release(&object->arena);
    free(object->file);
    free(object->name);
    free(object->path);
    free(object->pin_root);
    free(object);
}

/* BTF is a help, not a need: a core that refuses it still gets maps and programs.  Without memory there is no going on.
 */
static int load_btf(struct bpf_object *object)
{
    struct bytes bytes = object->elf.btf_bytes;
    if (!object->elf.btf || !bytes.size)
        return 0;
    object->btf_fd = bpf_btf_load(bytes.data, bytes.size, NULL);
    if (object->btf_fd < 0) {
        int error = errno;
        if (error == ENOMEM) {
            object->btf_fd = -1;
            return -error;
        }
        api_warn("%s: BTF not loaded (%s), going on without\n", object->path, api_strerror(error));
        object->btf_fd = -1;
    }
    return 0;
}

static int fill_slots(struct bpf_object *object)
{
    for (uint32_t i = 0; i < object->elf.init_count; i++) {
        const struct elf_map_init *init = &object->elf.inits[i];
        struct bpf_map *map = &object->maps[init->map];
        int fd = init->is_program ? object->programs[init->target].fd : object->maps[init->target].fd;
        if (map->fd < 0 || map->reused || fd < 0)
            continue;
        int result = bpf_map_update_elem(map->fd, &init->key, &fd, 0);
        if (result) {
            api_warn("%s: map '%s': slot %u cannot be filled: %s\n", object->path, map->name, init->key,
                     api_strerror(-result));
            return result;
        }
    }
    return 0;
}

static int load(struct bpf_object *object)
{
    int result = load_btf(object);
    for (uint32_t i = 0; !result && i < object->elf.map_count; i++) {
        if (!object->maps[i].is_template)
            result = api_map_load(&object->maps[i]);
    }
    for (uint32_t i = 0; !result && i < object->elf.program_count; i++) {
        if (!object->programs[i].skip)
            result = api_program_load(&object->programs[i]);
    }
    return result ? result : fill_slots(object);
}

int bpf_object__load(struct bpf_object *obj)
{
    if (!obj)
        return api_fail(EINVAL);
    if (obj->loaded) {
        api_warn("object '%s': load can't be attempted twice\n", obj->name);
        return api_fail(EINVAL);
    }
    obj->loaded = true;
    int result = load(obj);
    if (!result)
        return 0;
    unload(obj);
    api_warn("failed to load object '%s'\n", obj->path);
    return api_fail(-result);
}

const char *bpf_object__name(const struct bpf_object *obj)
{
    return obj ? obj->name : api_null(EINVAL);
}

unsigned int bpf_object__kversion(const struct bpf_object *obj)
{
    return obj ? obj->elf.version : 0;
}

int bpf_object__btf_fd(const struct bpf_object *obj)
{
    return obj->btf_fd;
}

struct bpf_program *bpf_object__find_program_by_name(const struct bpf_object *obj, const char *name)
{
    for (uint32_t i = 0; i < obj->elf.program_count; i++) {
        if (!strcmp(obj->programs[i].image->name, name))
            return &obj->programs[i];
    }
    return api_null(ENOENT);
}

struct bpf_program *bpf_object__next_program(const struct bpf_object *obj, struct bpf_program *prog)
{
    size_t next = prog ? (size_t)(prog - obj->programs) + 1 : 0;
    return next < obj->elf.program_count ? &obj->programs[next] : NULL;
}

struct bpf_program *bpf_object__prev_program(const struct bpf_object *obj, struct bpf_program *prog)
{
    size_t at = prog ? (size_t)(prog - obj->programs) : obj->elf.program_count;
    return at ? &obj->programs[at - 1] : NULL;
}

struct bpf_map *bpf_object__next_map(const struct bpf_object *obj, const struct bpf_map *map)
{
    for (size_t next = map ? (size_t)(map - obj->maps) + 1 : 0; next < obj->elf.map_count; next++) {
        if (!obj->maps[next].is_template)
            return &obj->maps[next];
    }
    return NULL;
}

struct bpf_map *bpf_object__prev_map(const struct bpf_object *obj, const struct bpf_map *map)
{
    for (size_t at = map ? (size_t)(map - obj->maps) : obj->elf.map_count; at; at--) {
        if (!obj->maps[at - 1].is_template)
            return &obj->maps[at - 1];
    }
    return NULL;
}

struct bpf_map *bpf_object__find_map_by_name(const struct bpf_object *obj, const char *name)
{
    struct bpf_map *map;
    bpf_object__for_each_map(map, obj)
    {
        if (!strcmp(map->name, name) || (map->section && !strcmp(map->section, name)))
            return map;
    }
    return api_null(ENOENT);
}

int bpf_object__find_map_fd_by_name(const struct bpf_object *obj, const char *name)
{
    const struct bpf_map *map = bpf_object__find_map_by_name(obj, name);
    return map ? map->fd : api_fail(ENOENT);
}

char *api_path(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path)
        return api_null(ENOMEM);
    snprintf(path, size, "%s/%s", folder, name);
    for (char *c = path + strlen(folder) + 1; *c; c++) {
        if (*c == '.')
            *c = '_'; /* pin names have no dots */
    }
    return path;
}

int bpf_object__pin_maps(struct bpf_object *obj, const char *path)
{
    struct bpf_map *map;
    if (!obj || !obj->loaded)
        return api_fail(ENOENT);
    bpf_object__for_each_map(map, obj)
    {
        if (map->skip || (!path && !map->pin_path))
            continue;
        char *place = path ? api_path(path, map->name) : NULL;
        if (path && !place)
            return api_fail(ENOMEM);
        int result = bpf_map__pin(map, place);
        free(place);
        if (result) {
            int error = errno;
            while ((map = bpf_object__prev_map(obj, map)))
                bpf_map__unpin(map, NULL);
            return api_fail(error);
        }
    }
    return 0;
}

int bpf_object__unpin_maps(struct bpf_object *obj, const char *path)
{
    struct bpf_map *map;
    if (!obj)
        return api_fail(ENOENT);
    bpf_object__for_each_map(map, obj)
    {
        char *place = path ? api_path(path, map->name) : NULL;
        int result = map->pinned ? bpf_map__unpin(map, place) : 0;
        free(place);
        if (result)
            return result;
    }
    return 0;
}

static int pin_verb(struct bpf_object *obj, uint32_t index, const char *path,
                    int (*verb)(struct bpf_program *, const char *))
{
    char *place = api_path(path, obj->programs[index].image->name);
    int result = place ? verb(&obj->programs[index], place) : -ENOMEM;
    free(place);
    return result;
}

int bpf_object__pin_programs(struct bpf_object *obj, const char *path)
{
    if (!obj || !obj->loaded)
        return api_fail(ENOENT);
    if (!path)
        return api_fail(EINVAL);
    for (uint32_t i = 0; i < obj->elf.program_count; i++) {
        int result = pin_verb(obj, i, path, bpf_program__pin);
        if (result) {
            while (i--)
                pin_verb(obj, i, path, bpf_program__unpin);
            return api_fail(-result);
        }
    }
    return 0;
}

int bpf_object__unpin_programs(struct bpf_object *obj, const char *path)
{
    if (!obj)
        return api_fail(ENOENT);
    if (!path)
        return api_fail(EINVAL);
    for (uint32_t i = 0; i < obj->elf.program_count; i++) {
        int result = pin_verb(obj, i, path, bpf_program__unpin);
        if (result)
            return api_fail(-result);
    }
    return 0;
}

int bpf_object__pin(struct bpf_object *object, const char *path)
{
    int result = bpf_object__pin_maps(object, path);
    if (result)
        return result;
    result = bpf_object__pin_programs(object, path);
    if (result) {
        int error = errno;
        bpf_object__unpin_maps(object, path);
        return api_fail(error);
    }
    return 0;
}
