/* SPDX-License-Identifier: MIT
 *
 * Skeletons: arrays of names in, pointers to maps, programs, links and global data out.  Arrays are walked with the
 * strides the structure states: programs built with older headers have shorter entries.
 */
#include <errno.h>
#include <stdlib.h>
#include "api/object_impl.h"

static struct bpf_map_skeleton *map_at(const struct bpf_object_skeleton *s, int i)
{
    return (struct bpf_map_skeleton *)(void *)((char *)s->maps + (size_t)i * (size_t)s->map_skel_sz);
}

static struct bpf_prog_skeleton *prog_at(const struct bpf_object_skeleton *s, int i)
{
    return (struct bpf_prog_skeleton *)(void *)((char *)s->progs + (size_t)i * (size_t)s->prog_skel_sz);
}

int bpf_object__open_skeleton(struct bpf_object_skeleton *s, const struct bpf_object_open_opts *opts)
{
    LIBBPF_OPTS(bpf_object_open_opts, own, .object_name = s->name);
    if (opts) {
        if (!api_opts_valid(opts, sizeof *opts))
            return api_fail(EINVAL);
        memcpy(&own, opts, opts->sz < sizeof own ? opts->sz : sizeof own);
        own.sz = sizeof own;
        if (!own.object_name)
            own.object_name = s->name;
    }
    struct bpf_object *object = bpf_object__open_mem(s->data, s->data_sz, &own);
    if (!object) {
        api_warn("skeleton '%s': cannot be opened\n", s->name);
        return api_fail(errno);
    }
    *s->obj = object;
    for (int i = 0; i < s->map_cnt; i++) {
        struct bpf_map_skeleton *entry = map_at(s, i);
        *entry->map = bpf_object__find_map_by_name(object, entry->name);
        if (!*entry->map)
            return api_fail(ESRCH);
        if (entry->mmaped && bpf_map__is_internal(*entry->map))
            *entry->mmaped = (*entry->map)->value;
    }
    for (int i = 0; i < s->prog_cnt; i++) {
        struct bpf_prog_skeleton *entry = prog_at(s, i);
        *entry->prog = bpf_object__find_program_by_name(object, entry->name);
        if (!*entry->prog)
            return api_fail(ESRCH);
    }
    return 0;
}

int bpf_object__load_skeleton(struct bpf_object_skeleton *s)
{
    int result = bpf_object__load(*s->obj);
    for (int i = 0; !result && i < s->map_cnt; i++) {
        struct bpf_map_skeleton *entry = map_at(s, i);
        if (entry->mmaped && bpf_map__is_internal(*entry->map))
            *entry->mmaped = (*entry->map)->value;
    }
    return result;
}

int bpf_object__attach_skeleton(struct bpf_object_skeleton *s)
{
    for (int i = 0; i < s->prog_cnt; i++) {
        struct bpf_prog_skeleton *entry = prog_at(s, i);
        if (!bpf_program__autoload(*entry->prog) || !bpf_program__autoattach(*entry->prog) || *entry->link)
            continue;
        *entry->link = bpf_program__attach(*entry->prog);
        if (!*entry->link && errno != EOPNOTSUPP) /* types without a target of their own are the application's job */
            return api_fail(errno);
    }
    return 0;
}

void bpf_object__detach_skeleton(struct bpf_object_skeleton *s)
{
    for (int i = 0; i < s->prog_cnt; i++) {
        struct bpf_prog_skeleton *entry = prog_at(s, i);
        bpf_link__destroy(*entry->link);
        *entry->link = NULL;
    }
}

void bpf_object__destroy_skeleton(struct bpf_object_skeleton *s)
{
    if (!s)
        return;
    bpf_object__detach_skeleton(s);
    if (s->obj)
        bpf_object__close(*s->obj);
    free(s->maps);
    free(s->progs);
    free(s);
}
