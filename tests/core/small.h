/* SPDX-License-Identifier: MIT
 *
 * A small world for the core's tests: one kind of map, one helper, one hook and one engine, all of them ours, so that
 * what fails here is the core.
 *
 *   kind 1   (hash by number): a handful of entries in a row, searched in order; every entry an allocation
 *   helper 1 map_lookup_elem;  helper 6: a helper of programs under the GPL
 *   hook     program type 6 (xdp), attach type 37 (XDP); its target 1 is free, 2 taken, others do not exist
 *   engine   runs the one thing it knows: "r0 = imm; exit", and counts itself as code in memory
 */
#ifndef WINBPF_TESTS_CORE_SMALL_H
#define WINBPF_TESTS_CORE_SMALL_H

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "core/client.h"
#include "core/core.h"
#include "core/epoch.h"
#include "core/helper.h"
#include "core/hook.h"
#include "core/link.h"
#include "core/map.h"
#include "core/pin.h"
#include "core/prog.h"
#include "platform/handle.h"
#include "platform/os.h"

enum { FIXTURE_ENTRIES = 64 };

struct fixture_entry {
    struct epoch_entry retired;
    uint8_t bytes[64]; /* key, then value */
};

struct fixture_map {
    struct map map;
    struct os_spin_lock lock;
    struct fixture_entry *entries[FIXTURE_ENTRIES];
};

static inline enum result fixture_create(const struct map_spec *spec, struct map **out)
{
    if (!spec->key_size || !spec->value_size || spec->key_size > 32 || spec->value_size > 32 || !spec->max_entries ||
        spec->max_entries > FIXTURE_ENTRIES)
        return RESULT_INVALID;
    struct fixture_map *map = os_alloc(sizeof *map, OS_TAG('f', 'm', 'a', 'p'));
    if (!map)
        return RESULT_NO_MEMORY;
    *out = &map->map;
    return RESULT_OK;
}

static inline void fixture_entry_free(struct epoch_entry *entry)
{
    os_free(entry, sizeof(struct fixture_entry), OS_TAG('f', 'e', 'n', 't'));
}

static inline void fixture_destroy(struct map *map)
{
    struct fixture_map *self = (struct fixture_map *)map;
    for (unsigned i = 0; i < FIXTURE_ENTRIES; i++)
        if (self->entries[i])
            fixture_entry_free(&self->entries[i]->retired);
    os_free(self, sizeof *self, OS_TAG('f', 'm', 'a', 'p'));
}

static inline struct fixture_entry **fixture_find(struct map *map, const void *key)
{
    struct fixture_map *self = (struct fixture_map *)map;
    for (unsigned i = 0; i < map->max_entries; i++) {
        struct fixture_entry *entry = os_load_acquire(&self->entries[i]);
        if (entry && !memcmp(entry->bytes, key, map->key_size))
            return &self->entries[i];
    }
    return NULL;
}

static inline void *fixture_lookup(struct map *map, const void *key)
{
    struct fixture_entry **place = fixture_find(map, key), *entry = place ? os_load_acquire(place) : NULL;
    return entry ? entry->bytes + map->key_size : NULL;
}

static inline enum result fixture_update(struct map *map, const void *key, const void *value, uint64_t flags)
{
    struct fixture_map *self = (struct fixture_map *)map;
    struct fixture_entry *entry, *old = NULL, **place;
    enum result result = RESULT_TOO_BIG;
    if (flags > BPF_EXIST)
        return RESULT_INVALID;
    entry = os_alloc(sizeof *entry, OS_TAG('f', 'e', 'n', 't'));
    if (!entry)
        return RESULT_NO_MEMORY;
    memcpy(entry->bytes, key, map->key_size);
    memcpy(entry->bytes + map->key_size, value, map->value_size);
    os_irql irql = os_spin_acquire(&self->lock);
    place = fixture_find(map, key);
    if (place && flags == BPF_NOEXIST) {
        result = RESULT_EXISTS;
    } else if (!place && flags == BPF_EXIST) {
        result = RESULT_NOT_FOUND;
    } else {
        for (unsigned i = 0; !place && i < map->max_entries; i++)
            if (!self->entries[i])
                place = &self->entries[i];
        if (place) {
            old = *place;
            os_store_release(place, entry);
            result = RESULT_OK;
        }
    }
    os_spin_release(&self->lock, irql);
    if (result)
        fixture_entry_free(&entry->retired);
    if (old)
        epoch_retire(&old->retired, fixture_entry_free);
    return result;
}

static inline enum result fixture_remove(struct map *map, const void *key)
{
    struct fixture_map *self = (struct fixture_map *)map;
    struct fixture_entry *old = NULL;
    os_irql irql = os_spin_acquire(&self->lock);
    struct fixture_entry **place = fixture_find(map, key);
    if (place) {
        old = *place;
        os_store_release(place, NULL);
    }
    os_spin_release(&self->lock, irql);
    if (!old)
        return RESULT_NOT_FOUND;
    epoch_retire(&old->retired, fixture_entry_free);
    return RESULT_OK;
}

static inline enum result fixture_next(struct map *map, const void *key, void *next)
{
    struct fixture_map *self = (struct fixture_map *)map;
    struct fixture_entry **place = key ? fixture_find(map, key) : NULL;
    for (size_t i = place ? (size_t)(place - self->entries) + 1 : 0; i < map->max_entries; i++) {
        struct fixture_entry *entry = os_load_acquire(&self->entries[i]);
        if (entry) {
            memcpy(next, entry->bytes, map->key_size);
            return RESULT_OK;
        }
    }
    return RESULT_NOT_FOUND;
}

static inline enum result fixture_take(struct map *map, const void *key, void *value, uint64_t flags)
{
    const void *found = fixture_lookup(map, key);
    if (!found)
        return RESULT_NOT_FOUND;
    memcpy(value, found, map->value_size);
    return fixture_remove(map, key);
}

static const struct map_ops fixture_kind = {
    .kind = BPF_MAP_TYPE_HASH,
    .name = "hash",
    .create = fixture_create,
    .destroy = fixture_destroy,
    .lookup = fixture_lookup,
    .update = fixture_update,
    .remove = fixture_remove,
    .next_key = fixture_next,
    .take = fixture_take,
};

static inline uint64_t fixture_help(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return 0;
}

static const struct helper fixture_helpers[] = {
    {{.name = "map_lookup_elem", .id = {1, 1}, .ret = RET_MAP_VALUE_OR_NULL, .args = {ARG_CONST_MAP, ARG_MAP_KEY}},
     fixture_help},
    {{.name = "gpl_only", .id = {6, 6}, .ret = RET_INTEGER, .flags = HELPER_GPL_ONLY}, fixture_help},
    {{.name = NULL}, NULL},
};

struct fixture_code {
    struct code code;
    const struct allocator *memory;
    uint64_t r0;
};

static inline enum result fixture_compile(const struct binding *binding, const struct allocator *memory,
                                          const struct executable *exec, const struct diag *diag, struct code **out)
{
    extern const struct engine fixture_engine;
    struct fixture_code *code = memory->alloc(memory->self, sizeof *code);
    if (!code)
        return RESULT_NO_MEMORY;
    code->code = (struct code){&fixture_engine, binding};
    code->memory = memory;
    code->r0 = (uint64_t)(int64_t)binding->image->insns[0].imm;
    *out = &code->code;
    return RESULT_OK;
}

static inline enum result fixture_run(const struct code *code, struct run *run)
{
    run->r0 = ((const struct fixture_code *)code)->r0;
    return run->r0 == 99 ? RESULT_FAULT : RESULT_OK;
}

static inline void fixture_code_destroy(struct code *code)
{
    struct fixture_code *self = (struct fixture_code *)code;
    self->memory->free(self->memory->self, self, sizeof *self);
}

extern const struct engine fixture_engine;
const struct engine fixture_engine = {"fixture", fixture_compile, fixture_run, fixture_code_destroy, 0};

static const struct program_contract fixture_contract = {
    .name = "xdp",
    .type = {6, 1},
    .context = {{.size = 24}, {.size = 24}},
    .returns = {{.range = {0, 4}, .otherwise = 0}, {.range = {0, 4}, .otherwise = 0}},
    .real_size = 24,
};

static inline enum result fixture_test_run(struct prog *prog, struct test_run *run)
{
    struct {
        struct context_header header;
        uint64_t context[4];
    } event = {{0}, {0}};
    struct epoch_state state;
    uint64_t r0 = 0;
    if (run->data_in_size < 14)
        return RESULT_INVALID;
    uint32_t cpu = epoch_enter_cpu(&state);
    for (uint32_t i = 0; i < (run->repeat ? run->repeat : 1) && i < 1000; i++) /* what a fuzzer asks for is patience */
        prog_run(prog, cpu, event.context, &r0, NULL);
    epoch_leave_cpu(&state);
    run->retval = (uint32_t)r0;
    enum result result = RESULT_OK;
    if (run->data_out) {
        uint32_t part = run->data_in_size < run->data_out_size ? run->data_in_size : run->data_out_size;
        memcpy(run->data_out, run->data_in, part);
        if (run->data_in_size > run->data_out_size)
            result = RESULT_NO_SPACE;
    }
    run->data_out_size = run->data_in_size;
    return result;
}

static int fixture_attached;

static inline enum result fixture_attach(struct link *link, uint32_t target, uint32_t flags)
{
    if (target != 1)
        return target == 2 ? RESULT_BUSY : RESULT_NO_DEVICE;
    os_fetch_add(&fixture_attached, 1);
    return RESULT_OK;
}

static inline void fixture_detach(struct link *link)
{
    os_fetch_sub(&fixture_attached, 1);
}

/* Waits a while for nothing to be attached. */
static inline bool fixture_detaches(void)
{
    for (int i = 0; i < 5000 && os_load(&fixture_attached); i++)
        os_sleep_ns(1000000);
    return !os_load(&fixture_attached);
}

static const struct hook_ops fixture_hook = {
    .contract = &fixture_contract,
    .test_run = fixture_test_run,
    .attach_types = 1ull << BPF_XDP,
    .attach = fixture_attach,
    .detach = fixture_detach,
};

static inline bool fixture_start(void)
{
    struct core_options options = {.engine = &fixture_engine};
    if (core_start(&options))
        return false;
    map_register(&fixture_kind);
    helper_register(fixture_helpers, 0);
    hook_register(&fixture_hook);
    return true;
}

/* bpf() as a program calls it: -1 and errno on failure. */
static inline int fixture_bpf(uint32_t command, void *attr, uint32_t size)
{
    int64_t value = 0;
    enum result result = core_command(client_process(), command, (uint64_t)(uintptr_t)attr, size, &value);
    if (result) {
        errno = result_errno(result);
        return -1;
    }
    return (int)value;
}

static inline int fixture_map_fd(uint32_t entries)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = BPF_MAP_TYPE_HASH;
    attr.key_size = 4;
    attr.value_size = 8;
    attr.max_entries = entries;
    strcpy(attr.map_name, "table");
    return fixture_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
}

static inline int fixture_prog_fd(int r0, int map_fd)
{
    struct insn insns[4] = {insn_make(0xb7, 0, 0, 0, r0), insn_make(0x18, 1, map_fd >= 0 ? 1 : 0, 0, map_fd),
                            insn_make(0, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.prog_type = BPF_PROG_TYPE_XDP;
    attr.insn_cnt = 4;
    attr.insns = (uintptr_t)insns;
    attr.license = (uintptr_t) "GPL";
    strcpy(attr.prog_name, "prog");
    return fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
}

static inline int fixture_element(uint32_t command, int fd, const void *key, const void *value, uint64_t flags)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_fd = (uint32_t)fd;
    attr.key = (uintptr_t)key;
    attr.value = (uintptr_t)value;
    attr.flags = flags;
    return fixture_bpf(command, &attr, 32);
}

/* Waits (a second at most) until `kind` has `count` objects: closes are noticed at once by listing commands, and by
 * the watcher soon after. */
static inline bool fixture_settles(enum object_kind kind, uint32_t count)
{
    for (int i = 0; i < 1000 && object_count(kind) != count; i++)
        os_sleep_ns(1000000);
    return object_count(kind) == count;
}

/* Stops the core and says whether everything it took was given back. */
static inline bool fixture_stop(void)
{
    uint64_t blocks, bytes;
    core_stop();
    os_alloc_live(&blocks, &bytes);
    if (blocks || bytes)
        printf("%llu blocks, %llu bytes not given back\n", (unsigned long long)blocks, (unsigned long long)bytes);
    return !blocks && !bytes;
}

#endif
