/* SPDX-License-Identifier: MIT
 *
 * An application's way through the library: open, change, load, run, read, pin, close; and every way of being refused.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "bpf/bpf.h"
#include "bpf/libbpf.h"
#include "check.h"
#include "core/object.h"

static char said[4096];

static int listen_to(enum libbpf_print_level level, const char *format, va_list arguments)
{
    size_t used = strlen(said);
    return vsnprintf(said + used, sizeof said - used, format, arguments);
}

static bool compile(const char *source, const char *object)
{
    char command[512];
    snprintf(command, sizeof command, "clang -O2 -g -target bpf -I include -c %s -o %s 2>/dev/null", source, object);
    return system(command) == 0;
}

static const char *features(void)
{
    static char path[64];
    if (!*path) {
        snprintf(path, sizeof path, "/tmp/winbpf-features-%d.o", (int)getpid());
        if (!compile("tests/api/features.bpf.c", path))
            *path = 0;
    }
    said[0] = 0;
    libbpf_set_print(listen_to);
    return *path ? path : NULL;
}

static int run(int fd, unsigned repeat)
{
    char packet[64] = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof packet, .repeat = (int)repeat);
    int result = bpf_prog_test_run_opts(fd, &opts);
    return result ? result : (int)opts.retval;
}

static int count_samples(void *context, void *data, size_t size)
{
    unsigned *samples = context;
    CHECK_EQ(size, 4);
    samples[samples[0] < 60 ? ++samples[0] : 0] = *(unsigned *)data;
    return 0;
}

TEST(whole_way)
{
    const char *path = features();
    if (!path)
        SKIP("no clang");
    struct bpf_object *object = bpf_object__open(path);
    REQUIRE(object != NULL);
    struct bpf_program *entry = bpf_object__find_program_by_name(object, "entry"), *program;
    struct bpf_map *first = bpf_object__find_map_by_name(object, "first");
    struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");
    struct bpf_map *ring_map = bpf_object__find_map_by_name(object, "ring");
    REQUIRE(entry && first && rodata && ring_map);
    CHECK_STR(bpf_program__section_name(entry), "xdp");
    CHECK_EQ(bpf_program__type(entry), BPF_PROG_TYPE_XDP);
    CHECK_EQ(bpf_program__expected_attach_type(entry), BPF_XDP);
    CHECK_EQ(bpf_program__fd(entry), -ENOENT);
    CHECK_EQ(bpf_map__fd(first), -1);
    CHECK(!strncmp(bpf_map__name(rodata), "winbpf-", 7) || !strncmp(bpf_map__name(rodata), "winbpf_", 7));
    CHECK(strstr(bpf_map__name(rodata), ".rodata") != NULL);
    CHECK_EQ(bpf_map__key_size(first), 4);
    CHECK_EQ(bpf_map__value_size(first), 8);
    CHECK_EQ(bpf_map__type(first), BPF_MAP_TYPE_ARRAY);
    int programs = 0, autoload = 0;
    bpf_object__for_each_program(program, object)
    {
        programs++;
        autoload += bpf_program__autoload(program);
    }
    CHECK_EQ(programs, 3);
    CHECK_EQ(autoload, 2);

    size_t size;
    unsigned *limit = bpf_map__initial_value(rodata, &size);
    REQUIRE(limit && size >= 4);
    CHECK_EQ(*limit, 10);
    *limit = 3;
    CHECK_EQ(bpf_map__set_max_entries(first, 7), 0);
    REQUIRE(bpf_object__load(object) == 0);
    CHECK_STR(said, "");
    CHECK_EQ(bpf_object__load(object), -EINVAL);
    CHECK_EQ(bpf_map__set_max_entries(first, 9), -EBUSY);
    CHECK_EQ(bpf_program__set_autoload(entry, false), -EINVAL);
    CHECK_EQ(bpf_map__max_entries(first), 7);
    CHECK_EQ(bpf_map__max_entries(ring_map), 8192); /* a power of two of pages */

    unsigned samples[61] = {0};
    struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(ring_map), count_samples, samples, NULL);
    REQUIRE(ring != NULL);
    CHECK_EQ(ring_buffer__poll(ring, 0), 0);
    int fd = bpf_program__fd(entry);
    CHECK_EQ(run(fd, 1), XDP_PASS);
    struct epoll_event ready;
    CHECK_EQ(epoll_wait(ring_buffer__epoll_fd(ring), &ready, 1, 0), 1);
    CHECK_EQ(ring_buffer__poll(ring, 1000), 1);
    CHECK_EQ(epoll_wait(ring_buffer__epoll_fd(ring), &ready, 1, 0), 0);
    CHECK_EQ(ring_buffer__poll(ring, 10), 0);
    CHECK_EQ(run(fd, 1), XDP_PASS);
    CHECK_EQ(run(fd, 1), XDP_TX); /* the third hit takes the tail call */
    CHECK_EQ(run(fd, 1), XDP_TX);
    CHECK_EQ(ring_buffer__consume_n(ring, 2), 2);
    CHECK_EQ(ring_buffer__consume(ring), 1);
    CHECK_EQ(samples[0], 4);
    CHECK_EQ(samples[4], 6); /* start was raised by the third run */
    uint32_t zero = 0;
    uint64_t value = 0;
    CHECK_EQ(bpf_map__lookup_elem(first, &zero, 4, &value, 8, 0), 0);
    CHECK_EQ(value, 5 + 5 + 5 + 6);
    CHECK_EQ(bpf_map__lookup_elem(first, &zero, 4, &value, 4, 0), -EINVAL);
    /* Globals are one memory for program and application. */
    unsigned *start = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".data"), &size);
    uint64_t *hits = bpf_map__initial_value(bpf_object__find_map_by_name(object, ".bss"), &size);
    REQUIRE(start && hits);
    CHECK_EQ(*hits, 4);
    CHECK_EQ(*start, 7);
    *hits = 0;
    CHECK_EQ(run(fd, 1), XDP_PASS);
    CHECK_EQ(*hits, 1);

    struct bpf_prog_info info;
    __u32 info_size = sizeof info;
    memset(&info, 0, sizeof info);
    CHECK_EQ(bpf_prog_get_info_by_fd(fd, &info, &info_size), 0);
    CHECK_STR(info.name, "entry");
    CHECK_EQ(info.type, BPF_PROG_TYPE_XDP);
    CHECK_EQ(info.nr_map_ids, 5 + 1);
    CHECK(info.btf_id && info.nr_func_info && info.nr_line_info);
    ring_buffer__free(ring);
    bpf_object__close(object);
}

TEST(errors)
{
    const char *path = features();
    if (!path)
        SKIP("no clang");
    errno = 0;
    CHECK(bpf_object__open("/nowhere/at/all.o") == NULL);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(libbpf_get_error(NULL), -ENOENT);
    CHECK(bpf_object__open_mem("junk, no ELF", 12, NULL) == NULL);
    CHECK_EQ(errno, LIBBPF_ERRNO__FORMAT);
    CHECK_EQ(bpf_map_lookup_elem(-1, &errno, &errno), -EBADF);
    CHECK_EQ(errno, EBADF);
    CHECK_EQ(bpf_map_create(BPF_MAP_TYPE_HASH, "bad name!", 4, 4, 1, NULL), -EINVAL);
    struct {
        struct bpf_map_create_opts known;
        uint64_t unknown;
    } newer = {.known.sz = sizeof newer};
    int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "newer", 4, 4, 1, &newer.known);
    CHECK(fd >= 0); /* zeros of the future are fine */
    close(fd);
    newer.unknown = 1;
    CHECK_EQ(bpf_map_create(BPF_MAP_TYPE_HASH, "newer", 4, 4, 1, &newer.known), -EINVAL);
    char log[4096] = "";
    struct bpf_insn bad[] = {{.code = 0xff}, {.code = 0x95}};
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof log);
    CHECK_EQ(bpf_prog_load(BPF_PROG_TYPE_XDP, "bad", "GPL", bad, 2, &opts), -EINVAL);
    CHECK(*log);
    char text[64];
    CHECK_EQ(libbpf_strerror(-ENOENT, text, sizeof text), 0);
    CHECK_STR(text, "No such file or directory");
    CHECK_EQ(libbpf_strerror(LIBBPF_ERRNO__FORMAT, text, sizeof text), 0);
    CHECK_STR(text, "BPF object format invalid");
    CHECK_EQ(libbpf_strerror(99999, text, sizeof text), -ENOENT);
    CHECK_STR(libbpf_bpf_map_type_str(BPF_MAP_TYPE_RINGBUF), "ringbuf");
    CHECK_STR(libbpf_bpf_prog_type_str(BPF_PROG_TYPE_XDP), "xdp");
    CHECK_STR(libbpf_bpf_attach_type_str(BPF_XDP), "xdp");
    CHECK(libbpf_bpf_map_type_str(9999) == NULL);
    enum bpf_prog_type type;
    enum bpf_attach_type attach;
    CHECK_EQ(libbpf_prog_type_by_name("xdp", &type, &attach), 0);
    CHECK_EQ(type, BPF_PROG_TYPE_XDP);
    CHECK_EQ(attach, BPF_XDP);
    CHECK_EQ(libbpf_prog_type_by_name("no such section", &type, &attach), -ESRCH);
}

TEST(pins)
{
    const char *path = features();
    if (!path)
        SKIP("no clang");
    struct bpf_object *object = bpf_object__open(path);
    REQUIRE(object && bpf_object__load(object) == 0);
    struct bpf_map *first = bpf_object__find_map_by_name(object, "first");
    CHECK_EQ(bpf_map__pin(first, "/sys/fs/bpf/t/first"), 0);
    CHECK(bpf_map__is_pinned(first));
    CHECK_EQ(bpf_map__pin(first, "/sys/fs/bpf/t/other"), -EINVAL);
    CHECK_EQ(bpf_obj_pin(bpf_map__fd(first), "/sys/fs/bpf/t/first"), -EEXIST);
    CHECK_EQ(bpf_object__pin_programs(object, "/sys/fs/bpf/t/progs"), -EINVAL); /* one is not loaded */
    bpf_object__close(object);
    int fd = bpf_obj_get("/sys/fs/bpf/t/first");
    CHECK(fd >= 0);
    close(fd);

    /* A new object takes the pinned map over. */
    object = bpf_object__open(path);
    first = bpf_object__find_map_by_name(object, "first");
    CHECK_EQ(bpf_map__set_pin_path(first, "/sys/fs/bpf/t/first"), 0);
    CHECK_EQ(bpf_object__load(object), 0);
    CHECK(bpf_map__is_pinned(first));
    CHECK_EQ(bpf_map__unpin(first, NULL), 0);
    CHECK_EQ(bpf_obj_get("/sys/fs/bpf/t/first"), -ENOENT);
    bpf_object__close(object);
}

TEST(skeleton)
{
    const char *path = features();
    if (!path)
        SKIP("no clang");
    static char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    struct bpf_object *object = NULL;
    struct bpf_map *rodata = NULL;
    struct bpf_program *entry = NULL;
    struct bpf_link *link = NULL;
    void *globals = NULL;
    struct bpf_object_skeleton *s = calloc(1, sizeof *s);
    struct old_map_skeleton { /* an older header's: without a link */
        const char *name;
        struct bpf_map **map;
        void **mmaped;
    } *maps = calloc(1, sizeof *maps);
    *maps = (struct old_map_skeleton){"feat.rodata", &rodata, &globals};
    s->sz = sizeof *s;
    s->name = "feat";
    s->obj = &object;
    s->data = bytes, s->data_sz = size;
    s->map_cnt = 1, s->map_skel_sz = sizeof *maps, s->maps = (struct bpf_map_skeleton *)(void *)maps;
    s->prog_cnt = 1, s->prog_skel_sz = sizeof(struct bpf_prog_skeleton);
    s->progs = calloc(1, sizeof *s->progs);
    *s->progs = (struct bpf_prog_skeleton){"entry", &entry, &link};
    REQUIRE(bpf_object__open_skeleton(s, NULL) == 0);
    REQUIRE(rodata && entry && globals);
    *(unsigned *)globals = 1;
    CHECK_EQ(bpf_object__load_skeleton(s), 0);
    CHECK_EQ(*(unsigned *)globals, 1);
    CHECK_EQ(bpf_object__attach_skeleton(s), 0);
    CHECK_EQ(run(bpf_program__fd(entry), 1), XDP_TX);
    bpf_object__destroy_skeleton(s);
}

/* Whatever was opened above is closed: nothing is left in the core. */
TEST(nothing_left)
{
    const char *path = features();
    if (!path)
        SKIP("no clang");
    __u32 id;
    for (int i = 0; i < 100 && !bpf_prog_get_next_id(0, &id); i++)
        usleep(10000);
    CHECK_EQ(bpf_prog_get_next_id(0, &id), -ENOENT);
    CHECK_EQ(bpf_map_get_next_id(0, &id), -ENOENT);
    CHECK_EQ(bpf_btf_get_next_id(0, &id), -ENOENT);
    CHECK_EQ(bpf_link_get_next_id(0, &id), -ENOENT);
    unlink(path);
}

TEST_MAIN
