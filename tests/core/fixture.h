/* SPDX-License-Identifier: MIT
 *
 * One small harness for tests of the core as its clients see it, whole: every map kind, helper and hook, the checked
 * interpreter, and nothing but bpf().  Where the core is, is decided by what the test is built for:
 *
 *   FIXTURE_PROCESS   in this process; handles are descriptors
 *   FIXTURE_WIRE      in this process, behind messages: client and server of src/wire with nothing between them
 *   FIXTURE_DRIVER    in ebpfcore.sys, through ebpfapi.dll (Windows)
 *
 * Each test starts the core anew and, at its end, asks that everything be given back: the allocator's count in a
 * process, the judge's counts of pool, objects and handles after the driver is unloaded.  What cannot apply somewhere
 * is a row of a table, with its reason, and counts as skipped there.
 */
#ifndef WINBPF_TESTS_CORE_FIXTURE_H
#define WINBPF_TESTS_CORE_FIXTURE_H

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "check.h"
#include "core/object.h"
#include "isa/insn.h"
#include "platform/os.h"

#define FAILS(call, error)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK_EQ((call), -1);                                                                                          \
        CHECK_EQ(errno, error);                                                                                        \
    } while (0)

enum fixture_place { FIXTURE_AT_PROCESS = 1, FIXTURE_AT_WIRE = 2, FIXTURE_AT_DRIVER = 4 };

#ifdef _WIN32
#include <ebpf/ebpf_api.h>
#include "windows/prefix.h"
enum { FIXTURE_AT = FIXTURE_AT_DRIVER };

static SC_HANDLE fixture_service;

static inline bool fixture_start(void)
{
    fixture_service = prefix_service(L"ebpfcore", L"ebpfcore.sys");
    return fixture_service && prefix_start(fixture_service);
}

/* -1 and errno, as the system call: the library returns -errno. */
static inline int fixture_bpf(uint32_t command, void *attr, uint32_t size)
{
    int value = winbpf_bpf_linux((int)command, attr, size);
    if (value < 0 && errno != -value) {
        printf("bpf() returned %d and left errno %d\n", value, errno);
        check_failures++;
    }
    return value < 0 ? -1 : value;
}

static inline int fixture_result(ebpf_result_t result, int otherwise)
{
    switch (result) {
    case EBPF_SUCCESS: return 0;
    case EBPF_INVALID_FD: errno = EBADF; break;
    case EBPF_OBJECT_NOT_FOUND:
    case EBPF_NOT_PINNED:
    case EBPF_NO_MORE_KEYS: errno = ENOENT; break;
    default: errno = otherwise; break;
    }
    return -1;
}

static inline int fixture_close(int fd)
{
    return fixture_result(ebpf_close_fd(fd), EIO);
}

static inline int fixture_dup(int fd)
{
    int copy;
    return fixture_result(ebpf_duplicate_fd(fd, &copy), EIO) ? -1 : copy;
}

static inline int fixture_unpin(const char *path)
{
    return fixture_result(ebpf_object_unpin(path), EIO);
}

/* The pin after `path`, in the core's spelling; its kind. */
static inline int fixture_next_pin(const char *path, char *next, enum object_kind *kind)
{
    ebpf_object_type_t type = EBPF_OBJECT_UNKNOWN;
    char canonical[300] = "";
    if (fixture_result(ebpf_get_next_pinned_object_path(path, canonical, sizeof canonical, &type), EIO))
        return -1;
    strcpy(next, "/sys/fs/bpf/");
    strcat(next, canonical + 5);
    for (char *c = next; *c; c++)
        if (*c == '\\')
            *c = '/';
    *kind = type == EBPF_OBJECT_MAP ? OBJECT_MAP : type == EBPF_OBJECT_PROGRAM ? OBJECT_PROG : OBJECT_LINK;
    return 0;
}

static inline void fixture_sweep(void) {}

static inline uint32_t fixture_cpus(void)
{
    return os_cpu_count(); /* counted as the driver counts them */
}

/* A ring's memory; false where there is none. */
static inline bool fixture_ring_map(int ring, size_t size, uint64_t **consumer, const uint64_t **producer,
                                    const uint8_t **data)
{
    void *mine;
    const void *theirs;
    size_t told;
    if (ebpf_ring_buffer_map_map_buffer(ring, &mine, &theirs, data, &told) || told != size)
        return false;
    *consumer = mine;
    *producer = theirs;
    return true;
}

static inline void fixture_ring_unmap(int ring, size_t size, uint64_t *consumer, const uint64_t *producer,
                                      const uint8_t *data)
{
    CHECK_EQ(ebpf_ring_buffer_map_unmap_buffer(ring, consumer, producer, data), EBPF_SUCCESS);
}

static inline bool fixture_given_back(void)
{
    struct judge *judge = prefix_judge();
    const struct {
        const char *name;
        long long count;
    } alive[] = {{"pool blocks", judge->pool_blocks}, {"handles", judge->handles},   {"references", judge->references},
                 {"threads", judge->threads},         {"mappings", judge->mappings}, {"timers", judge->timers},
                 {"work items", judge->work_items},   {"devices", judge->devices},   {"crashes", judge->crashes}};
    bool none = true;
    for (size_t i = 0; i < sizeof alive / sizeof *alive; i++)
        if (alive[i].count) {
            printf("%s not given back: %lld\n", alive[i].name, alive[i].count);
            none = false;
        }
    return none;
}

static inline bool fixture_stop(void)
{
    winbpf_disconnect();
    return prefix_stop(fixture_service) && fixture_given_back();
}

#else
#include <unistd.h>
#include "compose.h"
#include "core/client.h"
#include "core/core.h"
#include "core/epoch.h"
#include "core/pin.h"
#include "engine/engine.h"
#include "platform/handle.h"

static inline bool fixture_core_start(void)
{
    static const struct core_options options = {.engine = &engine_checked};
    return !compose_start(&options);
}

/* Stops the core and says whether everything it took was given back. */
static inline bool fixture_core_stop(void)
{
    uint64_t blocks, bytes;
    compose_stop();
    os_alloc_live(&blocks, &bytes);
    if (blocks || bytes)
        printf("%llu blocks, %llu bytes not given back\n", (unsigned long long)blocks, (unsigned long long)bytes);
    return !blocks && !bytes;
}

static inline uint32_t fixture_cpus(void)
{
    return os_cpu_count();
}

static inline int fixture_errno(enum result result)
{
    if (!result)
        return 0;
    errno = result_errno(result);
    return -1;
}

#ifdef FIXTURE_WIRE
#include "wire/client.h"
#include "wire/server.h"
enum { FIXTURE_AT = FIXTURE_AT_WIRE };

static struct client *fixture_session;

static inline enum result fixture_exchange(void *self, struct wire_head *message)
{
    static const struct wire_patience patience = {NULL, NULL};
    size_t answer;
    return wire_serve(fixture_session, &patience, message, (size_t)message->size, &answer);
}

static struct wire_client fixture_client;

/* A client's memory is its messages. */
static inline enum result fixture_no_read(void *self, void *to, uint64_t from, size_t size)
{
    return RESULT_FAULT;
}

static inline enum result fixture_no_write(void *self, uint64_t to, const void *from, size_t size)
{
    return RESULT_FAULT;
}

static inline bool fixture_start(void)
{
    static const struct client_memory memory = {fixture_no_read, fixture_no_write, NULL};
    memset(&fixture_client, 0, sizeof fixture_client);
    fixture_client.exchange = fixture_exchange;
    return fixture_core_start() && !client_table_create(&memory, true, &fixture_session);
}

static inline bool fixture_stop(void)
{
    client_table_destroy(fixture_session);
    return fixture_core_stop();
}

static inline int fixture_bpf(uint32_t command, void *attr, uint32_t size)
{
    int64_t value = 0;
    bool known;
    enum result result =
        wire_command(&fixture_client, CALLER_LINUX, command, (uint64_t)(uintptr_t)attr, size, &value, &known);
    return fixture_errno(result) ? -1 : (int)value;
}

static inline int fixture_close(int fd)
{
    return fixture_errno(wire_close(&fixture_client, fd));
}

static inline int fixture_dup(int fd)
{
    int64_t copy;
    return fixture_errno(wire_control(&fixture_client, WIRE_DUPLICATE, fd, NULL, &copy)) ? -1 : (int)copy;
}

static inline int fixture_unpin(const char *path)
{
    union bpf_attr attr = {.pathname = (uintptr_t)path};
    return fixture_bpf(WIRE_UNPIN, &attr, sizeof attr);
}

static inline int fixture_next_pin(const char *path, char *next, enum object_kind *kind)
{
    char found[PIN_PATH_SIZE];
    union bpf_attr attr = {.map_fd = sizeof found, .key = (uintptr_t)path, .value = (uintptr_t)found};
    int value = fixture_bpf(WIRE_NEXT_PIN, &attr, sizeof attr);
    if (value < 0)
        return -1;
    strcpy(next, found);
    *kind = (enum object_kind)value;
    return 0;
}

static inline void fixture_sweep(void) {}

static inline bool fixture_ring_map(int ring, size_t size, uint64_t **consumer, const uint64_t **producer,
                                    const uint8_t **data)
{
    return false;
}

static inline void fixture_ring_unmap(int ring, size_t size, uint64_t *consumer, const uint64_t *producer,
                                      const uint8_t *data)
{
}

#else
#include "core/map.h"
enum { FIXTURE_AT = FIXTURE_AT_PROCESS };

static inline bool fixture_start(void)
{
    return fixture_core_start();
}

static inline bool fixture_stop(void)
{
    return fixture_core_stop();
}

static inline int fixture_bpf(uint32_t command, void *attr, uint32_t size)
{
    int64_t value = 0;
    enum result result = core_command(client_process(), command, (uint64_t)(uintptr_t)attr, size, &value);
    return fixture_errno(result) ? -1 : (int)value;
}

static inline int fixture_close(int fd)
{
    return close(fd);
}

static inline int fixture_dup(int fd)
{
    return dup(fd);
}

static inline int fixture_unpin(const char *path)
{
    return fixture_errno(pin_remove(path));
}

static inline int fixture_next_pin(const char *path, char *next, enum object_kind *kind)
{
    uint32_t id;
    return fixture_errno(pin_next(path, next, kind, &id));
}

static inline struct os_shared *fixture_shared(int ring)
{
    struct object *object;
    uint32_t flags;
    if (client_process()->ops->handle_get(client_process(), ring, &object, &flags))
        return NULL;
    struct map *map = (struct map *)object;
    struct os_shared *shared = object->kind == OBJECT_MAP && map->ops->shared ? map->ops->shared(map) : NULL;
    object_put(object, REF_LOOKUP); /* the handle keeps it */
    return shared;
}

static inline bool fixture_ring_map(int ring, size_t size, uint64_t **consumer, const uint64_t **producer,
                                    const uint8_t **data)
{
    size_t page = os_page_size();
    struct os_shared *shared = fixture_shared(ring);
    void *mine, *theirs;
    if (!shared || os_shared_map_client(shared, 0, page, true, &mine))
        return false;
    if (os_shared_map_client(shared, page, page + 2 * size, false, &theirs)) {
        os_shared_unmap(mine, page);
        return false;
    }
    *consumer = mine;
    *producer = theirs;
    *data = (const uint8_t *)theirs + page;
    return true;
}

static inline void fixture_ring_unmap(int ring, size_t size, uint64_t *consumer, const uint64_t *producer,
                                      const uint8_t *data)
{
    os_shared_unmap(consumer, os_page_size());
    os_shared_unmap((void *)(uintptr_t)producer, os_page_size() + 2 * size);
}

/* Lets closes take effect. */
static inline void fixture_sweep(void)
{
    os_handles_sweep();
}
#endif
#endif

/* ---- over any of them ---- */

static inline uint32_t fixture_count(enum object_kind kind)
{
    static const uint32_t commands[OBJECT_KINDS] = {[OBJECT_PROG] = BPF_PROG_GET_NEXT_ID,
                                                    [OBJECT_MAP] = BPF_MAP_GET_NEXT_ID,
                                                    [OBJECT_LINK] = BPF_LINK_GET_NEXT_ID,
                                                    [OBJECT_BTF] = BPF_BTF_GET_NEXT_ID};
    union bpf_attr attr;
    uint32_t count = 0;
    memset(&attr, 0, sizeof attr);
    while (count < 100000 && !fixture_bpf(commands[kind], &attr, 12)) {
        attr.start_id = attr.next_id;
        count++;
    }
    return count;
}

/* Waits (a second at most) until `kind` has `count` objects. */
static inline bool fixture_settles(enum object_kind kind, uint32_t count)
{
    for (int i = 0; i < 1000 && fixture_count(kind) != count; i++)
        os_sleep_ns(1000000);
    return fixture_count(kind) == count;
}

static inline int fixture_map(uint32_t kind, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = kind;
    attr.key_size = key;
    attr.value_size = value;
    attr.max_entries = entries;
    attr.map_flags = flags;
    strcpy(attr.map_name, "table");
    return fixture_bpf(BPF_MAP_CREATE, &attr, 72);
}

static inline int fixture_map_fd(uint32_t entries)
{
    return fixture_map(BPF_MAP_TYPE_HASH, 4, 8, entries, 0);
}

/* r0 = `r0`; r1 = the map, if there is one; exit. */
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
    return fixture_bpf(BPF_PROG_LOAD, &attr, 144);
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

/* What does not apply somewhere: the test's name, the places, why.  The table ends with a row without a name. */
struct fixture_exception {
    const char *test;
    unsigned places; /* enum fixture_place */
    const char *reason;
};

static const struct fixture_exception *fixture_exceptions;

static inline void fixture_skip(void)
{
    for (const struct fixture_exception *row = fixture_exceptions; row->test; row++)
        if (row->places & FIXTURE_AT && !strcmp(row->test, check_name))
            check_not_here = row->reason;
}

/* check_main() with the table applied; a row that names no test is a fault. */
static inline int fixture_main(int argc, char **argv, const struct fixture_exception *exceptions)
{
    fixture_exceptions = exceptions;
    for (const struct fixture_exception *row = exceptions; row->test; row++) {
        struct check_test *test = check_first;
        while (test && strcmp(test->name, row->test))
            test = test->next;
        if (!test) {
            printf("the table of exceptions names a test that is not there: %s\n", row->test);
            return 1;
        }
        if (row->places & FIXTURE_AT)
            test->body = fixture_skip;
    }
    return check_main(argc, argv);
}

#endif
