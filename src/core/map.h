/* SPDX-License-Identifier: MIT
 *
 * A map is typed storage shared by programs and applications; it lives until its last reference goes.  Each kind is one
 * file in src/maps that ends in one `const struct map_ops`; the core knows kinds only through that table.
 * Sizes are bytes.  Results are Linux's for the same operation (kernel/bpf/, man 2 bpf).
 */
#ifndef WINBPF_CORE_MAP_H
#define WINBPF_CORE_MAP_H

#include "base/annotate.h"
#include "base/result.h"
#include "core/epoch.h"
#include "core/object.h"
#include "engine/engine.h"
#include "image/image.h"
#include "platform/os.h"

struct map_ops;
struct btf_object;

struct map {
    struct object object; /* first */
    const struct map_ops *ops;
    char name[16];
    uint32_t kind; /* Linux number */
    uint32_t key_size, value_size, max_entries, flags;
    uint64_t extra;
    uint32_t stride; /* bytes from value to value where values are in a row */
    enum personality personality;
    uint32_t frozen;   /* user space may no longer write */
    uint32_t writable; /* mappings through which a client writes; see map_writable_enter() */
    uint32_t btf_key, btf_value;
    struct btf_object *btf;
    struct map *inner; /* template of a map-in-map */
    struct epoch_entry retired;
};

/* Flags of update (uapi BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK). */
struct map_ops {
    uint32_t kind;
    const char *name;
    /* Judges sizes and flags, then makes the map; *out's common part is filled in by map_create afterwards.  `spec` has
     * been checked for what all kinds share. */
    enum result (*create)(const struct map_spec *spec, struct map **out);
    void (*destroy)(struct map *map); /* frees everything; no program or client sees the map any more */
    /* From a program.  lookup: NULL if absent; valid until the epoch ends. */
    _Requires_epoch_held_
    void *(*lookup)(struct map *map, const void *key);
    _Requires_epoch_held_
    enum result (*update)(struct map *map, const void *key, const void *value, uint64_t flags);
    _Requires_epoch_held_
    enum result (*remove)(struct map *map, const void *key);
    /* Per-CPU kinds: the value of one CPU; NULL members for the others.  update_cpu is a program's update: it writes
     * the value of the CPU slot that the program runs on. */
    void *(*lookup_cpu)(struct map *map, const void *key, uint32_t cpu);
    enum result (*update_cpu)(struct map *map, const void *key, const void *value, uint64_t flags, uint32_t cpu);
    /* From user space, where it differs from the above: copies out value_size (per-CPU kinds: round_up(value_size, 8) ×
     * CPUs) bytes.  NULL: the core copies what lookup gives. */
    enum result (*read)(struct map *map, const void *key, void *value, uint64_t flags);
    enum result (*write)(struct map *map, const void *key, const void *value, uint64_t flags);
    enum result (*take)(struct map *map, const void *key, void *value, uint64_t flags); /* lookup and delete */
    /* key NULL: the first.  RESULT_NOT_FOUND after the last. */
    enum result (*next_key)(struct map *map, const void *key, void *next);
    enum result (*push)(struct map *map, const void *value, uint64_t flags);
    enum result (*pop)(struct map *map, void *value);
    enum result (*peek)(struct map *map, void *value);
    /* Kinds whose values are objects (prog array, map-in-map): user space writes an fd, which the core has turned into
     * a referenced object; on success the map keeps the reference.  read gives the object's id. */
    enum object_kind holds; /* meaningful when store is set */
    enum result (*store)(struct map *map, const void *key, struct object *object, uint64_t flags);
    /* No handle and no pin refers to the map any more, only programs do; may be NULL.  A prog array lets go of its
     * programs then: they may be the ones that refer to it. */
    void (*unreachable)(struct map *map);
    /* What an engine may know (values, inlining); the core fills in the rest. */
    void (*describe)(struct map *map, struct engine_map *out);
    /* mmap: pages the client may map, or NULL. */
    struct os_shared *(*shared)(struct map *map);
    /* What poll() on the map waits for (ring buffers); NULL otherwise. */
    struct os_event *(*event)(struct map *map);
};

/* The table of kinds is composed by the entry point (bin/, tests): the core never names a kind. */
void map_register(const struct map_ops *ops);

/* Bytes user space reads or writes for one value: value_size, or the sum over CPUs for per-CPU kinds. */
size_t map_user_value_size(const struct map *map);

/* Makes and publishes a map; *out holds REF_CREATOR.  `inner`: template of a map-in-map, NULL for none. */
enum result map_create(const struct map_spec *spec, struct map *inner, struct map **out);

/* The same with the BTF that spec->btf_key and btf_value are ids of; the map takes a reference of its own. */
enum result map_create_typed(const struct map_spec *spec, struct map *inner, struct btf_object *btf, struct map **out);

/* What a map was made from, without contents, inner map and BTF ids; names stay the map's. */
void map_specify(const struct map *map, struct map_spec *spec);

/* Is `name` (at most 15 characters, ended by a NUL) one that maps and programs may have: letters, digits, _ and . */
bool core_name_valid(const char name[16]);

/* Before and after a client has a writable mapping of the map's pages: RESULT_NOT_PERMITTED for a frozen map, and while
 * there is one the map cannot be frozen (RESULT_BUSY), because a program may rely on frozen contents. */
enum result map_writable_enter(struct map *map);
void map_writable_leave(struct map *map);
enum result map_freeze(struct map *map);

/* The ops of a kind, NULL where none is registered. */
const struct map_ops *map_kind(uint32_t kind);
/* Is this kind's storage one value per CPU? */
static inline bool map_is_percpu(uint32_t kind)
{
    return kind == 5 || kind == 6 || kind == 10 || kind == 21; /* PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, cgroup */
}

#endif
