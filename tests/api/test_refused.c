/* SPDX-License-Identifier: MIT
 *
 * Memory refused to the library and to the hooks, one allocation after the other: whatever call that hits says so, and
 * when everything is closed nothing is left of it, no block, no descriptor, no id.  The linker hands us the C library's
 * allocator (--wrap, tests/CMakeLists.txt); the system's own dial is os_alloc_fail().
 */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <unistd.h>
#include "bpf/bpf.h"
#include "bpf/btf.h"
#include "bpf/libbpf.h"
#include "check.h"
#include "core/epoch.h"
#include "core/object.h"
#include "platform/handle.h"
#include "platform/os.h"
#include "winbpf/winbpf.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);

/* Blocks that anyone holds, and the dial, which is turned for the thread of the test alone. */
static int64_t live;
static _Thread_local bool counting;
static uint64_t counted, failing;

static bool refused(void)
{
    return counting && ++counted == failing;
}

static void *took(void *memory)
{
    if (memory)
        __atomic_fetch_add(&live, 1, __ATOMIC_RELAXED);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : took(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : took(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (refused())
        return NULL;
    void *grown = __real_realloc(memory, size);
    return memory ? grown : took(grown);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : took(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *text)
{
    return refused() ? NULL : took(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    if (memory)
        __atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED);
    __real_free(memory);
}

/* What there is, when nothing is going on. */
struct state {
    int64_t blocks;
    uint64_t os_blocks, os_bytes, objects;
    int descriptors, mappings;
};

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* Shared pages mapped: rings, global variables. */
static int mappings(void)
{
    char line[512];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, "memfd:winbpf") != NULL;
    if (file)
        fclose(file);
    return count;
}

static struct state look(void)
{
    struct state state;
    memset(&state, 0, sizeof state);
    os_handles_sweep();
    epoch_synchronize();
    epoch_synchronize();
    state.blocks = __atomic_load_n(&live, __ATOMIC_RELAXED);
    os_alloc_live(&state.os_blocks, &state.os_bytes);
    for (int kind = OBJECT_PROG; kind <= OBJECT_BTF; kind++)
        state.objects += object_count((enum object_kind)kind);
    state.descriptors = descriptors();
    state.mappings = mappings();
    return state;
}

static bool same(const struct state *a, const struct state *b)
{
    return a->blocks == b->blocks && a->os_blocks == b->os_blocks && a->os_bytes == b->os_bytes &&
           a->objects == b->objects && a->descriptors == b->descriptors && a->mappings == b->mappings;
}

/* Threads that were just told may still be giving back: a second at most. */
static bool settles(const struct state *before, struct state *now)
{
    for (int i = 0; i < 200; i++) {
        *now = look();
        if (same(before, now))
            return true;
        usleep(5000);
    }
    return false;
}

static bool odd; /* a refusal that was called something else */

#define good(...) said_so(__VA_ARGS__, #__VA_ARGS__)

static bool said_so(bool success, const char *what)
{
    if (!success && errno != ENOMEM) {
        printf("%s: errno %d\n", what, errno);
        odd = true;
    }
    return success;
}

/* Lives a story with each allocation refused in turn.  Returns how many there are. */
static void each_refused(const char *what, bool (*story)(void), bool by_os, uint64_t silent_most)
{
    struct state before, now;
    uint64_t injected = 0, silent = 0, leaks = 0, odds = 0;
    CHECK(story()); /* tables that grow once have grown */
    before = look();
    for (int still = 0; still < 4; still++) {
        usleep(20000);
        now = look();
        if (!same(&before, &now))
            still = 0;
        before = now;
    }
    CHECK_EQ(before.objects, 0);
    odd = false;
    counted = failing = 0;
    os_alloc_fail(0);
    counting = !by_os;
    CHECK(story());
    counting = false;
    uint64_t allocations = by_os ? os_alloc_count() : counted;
    CHECK(settles(&before, &now));
    CHECK(allocations > 0);
    for (uint64_t n = 1; n <= allocations; n++) {
        odd = false;
        counted = 0;
        failing = by_os ? 0 : n;
        os_alloc_fail(by_os ? n : 0);
        counting = !by_os;
        bool success = story();
        counting = false;
        bool reached = (by_os ? os_alloc_count() : counted) >= n;
        os_alloc_fail(0);
        failing = 0;
        injected += reached;
        silent += reached && success;
        if (odd)
            printf("%s, allocation %llu was refused\n", what, (unsigned long long)n);
        odds += odd;
        if (!settles(&before, &now)) {
            printf("%s, allocation %llu refused: blocks %+lld, the system's %+lld (%+lld bytes), objects %+lld, "
                   "descriptors %+d, mappings %+d\n",
                   what, (unsigned long long)n, (long long)(now.blocks - before.blocks),
                   (long long)(now.os_blocks - before.os_blocks), (long long)(now.os_bytes - before.os_bytes),
                   (long long)(now.objects - before.objects), now.descriptors - before.descriptors,
                   now.mappings - before.mappings);
            leaks++;
            before = now;
        }
    }
    CHECK(story());
    printf("%s, %s: failures injected %llu = allocations counted %llu; done without %llu; leaks %llu\n", what,
           by_os ? "the system's" : "all", (unsigned long long)injected, (unsigned long long)allocations,
           (unsigned long long)silent, (unsigned long long)leaks);
    CHECK_EQ(injected, allocations);
    CHECK_EQ(leaks, 0);
    CHECK_EQ(odds, 0);
    CHECK(silent <= silent_most);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    return 0;
}

static char path[64];

__attribute__((destructor)) static void clean(void)
{
    if (*path)
        unlink(path);
}

static bool have_object(void)
{
    char command[512];
    libbpf_set_print(quiet);
    if (*path)
        return true;
    snprintf(path, sizeof path, "/tmp/winbpf-refused-%d.o", (int)getpid());
    snprintf(command, sizeof command, "clang -O2 -g -target bpf -I include -c tests/api/features.bpf.c -o %s", path);
    return system(command) == 0;
}

static int sample(void *context, void *data, size_t size)
{
    ++*(int *)context;
    return 0;
}

static bool use(struct bpf_object *object)
{
    char packet[64] = {0};
    int samples = 0, ring_fd = bpf_object__find_map_fd_by_name(object, "ring");
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof packet);
    struct bpf_program *entry = bpf_object__find_program_by_name(object, "entry");
    struct ring_buffer *ring = ring_buffer__new(ring_fd, sample, &samples, NULL);
    if (!good(ring != NULL))
        return false;
    bool fine = good(!bpf_prog_test_run_opts(bpf_program__fd(entry), &opts));
    if (fine && opts.retval == XDP_PASS && ring_buffer__consume(ring) == 1)
        fine = samples == 1;
    ring_buffer__free(ring);
    if (!fine)
        return false;
    /* Globals of a loaded object are the program's own memory. */
    size_t size;
    uint64_t *hits = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".bss"), &size);
    CHECK(hits && *hits == 1);
    struct bpf_map *first = bpf_object__find_map_by_name(object, "first");
    if (!good(!bpf_map__set_pin_path(first, "/sys/fs/bpf/refused")) || !good(!bpf_map__pin(first, NULL)))
        return false;
    bool pinned = bpf_map__is_pinned(first);
    CHECK(pinned);
    fine = good(!bpf_map__unpin(first, NULL));
    if (!fine)
        CHECK_EQ(bpf_map__unpin(first, NULL), 0);
    return fine;
}

static bool object_story(void)
{
    struct bpf_object *object = bpf_object__open(path);
    if (!good(object != NULL))
        return false;
    bool fine = good(!bpf_object__load(object));
    if (!fine) { /* nothing of it is loaded */
        struct bpf_program *program;
        struct bpf_map *map;
        bpf_object__for_each_program(program, object) CHECK(bpf_program__fd(program) < 0);
        bpf_object__for_each_map(map, object) CHECK(bpf_map__fd(map) < 0);
    }
    fine = fine && use(object) && good(bpf_object__btf(object) != NULL);
    bpf_object__close(object);
    return fine;
}

TEST(objects)
{
    if (!have_object())
        SKIP("no clang");
    each_refused("objects", object_story, false, 0);
    each_refused("objects", object_story, true, 0);
}

/* A host without standard streams: no handle of ours takes their numbers, and none of them means "none". */
TEST(closed_streams)
{
    if (!have_object())
        SKIP("no clang");
    int in = dup(0);
    close(0);
    struct bpf_object *object = bpf_object__open(path);
    REQUIRE(object != NULL);
    CHECK_EQ(bpf_object__load(object), 0);
    int btf = bpf_object__btf_fd(object), map = bpf_object__find_map_fd_by_name(object, "first");
    CHECK(btf > 2 && map > 2);
    bpf_object__close(object);
    dup2(in, 0);
    close(in);
}

/* What efW has beside XDP: a test run of the bind hook. */
static bool bind_story(void)
{
    const struct bpf_insn insns[] = {{.code = 0xb7, .dst_reg = 0, .imm = 2}, {.code = 0x95}};
    uint8_t context[56] = {0}, name[100] = {0}, back[100];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = context, .ctx_size_in = sizeof context, .ctx_out = context,
                .ctx_size_out = sizeof context, .data_in = name, .data_size_in = sizeof name, .data_out = back,
                .data_size_out = sizeof back);
    int fd = bpf_prog_load((enum bpf_prog_type)10002, "bind", "MIT", insns, 2, NULL);
    if (!good(fd >= 0))
        return false;
    bool fine = good(!bpf_prog_test_run_opts(fd, &opts));
    CHECK(!fine || opts.retval == 2);
    close(fd);
    return fine;
}

TEST(bind_runs)
{
    libbpf_set_print(quiet);
    each_refused("bind", bind_story, false, 0);
    each_refused("bind", bind_story, true, 0);
}

/* Joining, attaching, changing, pinning, leaving. */
static bool attach_story(void)
{
    unsigned left = if_nametoindex("refused0"), right = if_nametoindex("refused1");
    struct winbpf_xdp_counts counts;
    bool fine = false;
    if (!good(!winbpf_xdp_join(left, right))) {
        CHECK_EQ(winbpf_xdp_counts(left, &counts, sizeof counts), -ENODEV); /* neither end is half joined */
        CHECK_EQ(winbpf_xdp_counts(right, &counts, sizeof counts), -ENODEV);
        return false;
    }
    struct bpf_object *object = bpf_object__open(path);
    struct bpf_link *link = NULL;
    if (good(object != NULL) && good(!bpf_object__load(object))) {
        struct bpf_program *entry = bpf_object__find_program_by_name(object, "entry");
        struct bpf_program *tail = bpf_object__find_program_by_name(object, "tail");
        link = bpf_program__attach_xdp(entry, (int)left);
        if (!good(link != NULL)) { /* the place is free still */
            bool was = counting;
            counting = false;
            struct bpf_link *again = bpf_program__attach_xdp(entry, (int)left);
            CHECK(again != NULL);
            bpf_link__destroy(again);
            counting = was;
        } else if (good(!bpf_link__update_program(link, tail)) && good(!bpf_link__pin(link, "/sys/fs/bpf/refused"))) {
            fine = good(!bpf_link__unpin(link));
            if (!fine)
                unlink("/sys/fs/bpf/refused");
        }
    }
    bpf_link__destroy(link);
    if (object)
        bpf_object__close(object);
    CHECK_EQ(winbpf_xdp_leave(left, right), 0);
    return fine;
}

TEST(attaching)
{
    if (unshare(CLONE_NEWNET) || system("ip link add refused0 type veth peer name refused1 2>/dev/null && "
                                        "ip link set refused0 up && ip link set refused1 up"))
        SKIP("no network namespace of our own (root is needed)");
    if (!have_object())
        SKIP("no clang");
    each_refused("attaching", attach_story, true, 0);
    each_refused("attaching", attach_story, false, 0);
}

TEST_MAIN
