/* SPDX-License-Identifier: MIT
 *
 * What map operations cost a program here and in the running kernel, in one run: the same object's instructions are
 * loaded into both, and their runs take turns, so that whatever else the machine does meets both.
 *
 *   mapbench OBJECT [ENTRIES [ROUNDS]]      prints: operation, entries, ns here, ns in the kernel, ratio
 *
 * Ours runs in the JIT, below the verifier's gate, straight from the test bench; the kernel's by BPF_PROG_TEST_RUN,
 * whose own measure of a run is taken.  A line is the median over rounds of (operation less empty loop) for each side.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "compose.h"
#include "core/epoch.h"
#include "core/prog.h"
#include "elf/elf.h"
#include "load/load.h"
#include "maps/ringbuf.h"
#include "platform/os.h"

enum { OPERATIONS = 1000, ROUNDS_MOST = 101, PROGRAMS_MOST = 64, MAPS_MOST = 32 };

static struct elf_object object;
static struct map *our_maps[MAPS_MOST];
static int kernel_maps[MAPS_MOST];
static struct prog *our_progs[PROGRAMS_MOST];
static int kernel_progs[PROGRAMS_MOST];
static uint32_t entries = 10000, rounds = 15;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "mapbench: %s %s: %s\n", what, name, strerror(errno));
    exit(1);
}

static int64_t bpf(uint32_t command, union bpf_attr *attr)
{
    return syscall(__NR_bpf, command, attr, sizeof *attr);
}

static void say(void *self, enum diag_level level, const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static const struct diag diag = {.emit = say};

/* ---- the same maps and programs on both sides */

static void make_map(uint32_t i)
{
    struct map_spec *spec = &object.maps[i];
    if (spec->max_entries == 1 && spec->key_size == 4 && !spec->contents.size && !strchr(spec->name, '.'))
        spec->max_entries = entries;
    if (map_create(spec, NULL, &our_maps[i]))
        fail("our map", spec->name);
    union bpf_attr attr = {.map_type = spec->kind,
                           .key_size = spec->key_size,
                           .value_size = spec->value_size,
                           .max_entries = spec->max_entries,
                           .map_flags = spec->flags};
    kernel_maps[i] = (int)bpf(BPF_MAP_CREATE, &attr);
    if (kernel_maps[i] < 0)
        fail("kernel map", spec->name);
}

static void set(uint32_t i, const void *key, const void *value)
{
    struct epoch_state state;
    union bpf_attr attr = {
        .map_fd = (uint32_t)kernel_maps[i], .key = (uint64_t)(uintptr_t)key, .value = (uint64_t)(uintptr_t)value};
    const struct map_ops *ops = our_maps[i]->ops;
    epoch_enter(&state);
    enum result result = ops->write ? ops->write(our_maps[i], key, value, 0) : ops->update(our_maps[i], key, value, 0);
    epoch_leave(&state);
    if (result || bpf(BPF_MAP_UPDATE_ELEM, &attr))
        fail("fill", object.maps[i].name);
}

/* Variables with their first values and the number of entries; every key of the other maps. */
static void fill_map(uint32_t i)
{
    struct map_spec *spec = &object.maps[i];
    uint64_t values[4096 / 8 * 64] = {0};
    if (spec->kind == BPF_MAP_TYPE_RINGBUF)
        return;
    if (strchr(spec->name, '.')) {
        uint32_t zero = 0;
        uint8_t *bytes = calloc(1, spec->value_size);
        if (spec->contents.size)
            memcpy(bytes, spec->contents.data, spec->contents.size);
        if (strstr(spec->name, ".data"))
            memcpy(bytes, &entries, sizeof entries); /* its only variable */
        set(i, &zero, bytes);
        free(bytes);
        return;
    }
    for (uint32_t key = 0; key < spec->max_entries; key++) {
        values[0] = key;
        set(i, &key, values);
    }
}

static int kernel_load(const struct image *image)
{
    static char log[1 << 16];
    struct insn *insns = malloc(image->insn_count * sizeof *insns);
    memcpy(insns, image->insns, image->insn_count * sizeof *insns);
    for (uint32_t i = 0; i < image->insn_count; i++) {
        struct insn *insn = &insns[i];
        if (insn_is_lddw(insn)) {
            unsigned src = insn_src(insn);
            if (src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE) {
                unsigned form = src == LDDW_SRC_MAP_INDEX ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE;
                *insn = insn_make(insn->code, insn_dst(insn), form, 0, kernel_maps[insn->imm]);
            }
            i++;
        } else if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER) {
            insn->imm = image->helpers[insn->imm].id;
        }
    }
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
                           .insns = (uint64_t)(uintptr_t)insns,
                           .insn_cnt = image->insn_count,
                           .license = (uint64_t)(uintptr_t) "GPL"};
    int fd = (int)bpf(BPF_PROG_LOAD, &attr);
    if (fd < 0) {
        attr.log_buf = (uint64_t)(uintptr_t)log;
        attr.log_size = sizeof log;
        attr.log_level = 1;
        bpf(BPF_PROG_LOAD, &attr);
        size_t length = strlen(log);
        fprintf(stderr, "%s\n", log + (length > 2000 ? length - 2000 : 0));
        fail("kernel program", image->name);
    }
    free(insns);
    return fd;
}

/* ---- one run */

static double kernel_run(uint32_t program, uint32_t repeat)
{
    uint8_t packet[64] = {0};
    union bpf_attr attr = {.test = {.prog_fd = (uint32_t)kernel_progs[program],
                                    .data_in = (uint64_t)(uintptr_t)packet,
                                    .data_size_in = sizeof packet,
                                    .repeat = repeat}};
    if (bpf(BPF_PROG_TEST_RUN, &attr))
        fail("test run", object.programs[program].name);
    return (double)attr.test.duration / OPERATIONS;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double our_run(uint32_t program, uint32_t repeat)
{
    _Alignas(64) struct {
        struct context_header header;
        uint64_t context[8];
    } frame = {0};
    struct epoch_state state;
    code_entry entry = code_entry_point(our_progs[program]->code);
    frame.header.cpu = epoch_enter_cpu(&state);
    double start = now();
    for (uint32_t i = 0; i < repeat; i++)
        entry(frame.context, 0);
    double spent = now() - start;
    epoch_leave_cpu(&state);
    return spent / repeat / OPERATIONS;
}

/* ---- rings are emptied between runs */

static uint64_t *our_consumer, *kernel_consumer;
static const uint64_t *kernel_producer;
static struct map *our_ring;

static void open_ring(uint32_t i)
{
    size_t page = os_page_size();
    void *memory;
    if (os_shared_map_client(our_maps[i]->ops->shared(our_maps[i]), 0, page, true, &memory))
        fail("our ring", "pages");
    our_ring = our_maps[i];
    our_consumer = memory;
    kernel_consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, kernel_maps[i], 0);
    void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, kernel_maps[i], (off_t)page);
    if (kernel_consumer == MAP_FAILED || producer == MAP_FAILED)
        fail("kernel ring", "pages");
    kernel_producer = producer;
}

static void empty_rings(void)
{
    if (!our_ring)
        return;
    os_store_release(our_consumer, ringbuf_query(our_ring, BPF_RB_PROD_POS));
    os_store_release(kernel_consumer, os_load_acquire(kernel_producer));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void measure(uint32_t program, uint32_t empty)
{
    const char *name = object.programs[program].name;
    double ours[ROUNDS_MOST], theirs[ROUNDS_MOST];
    bool ring = strstr(name, "ring_");
    double once = kernel_run(program, 10) * OPERATIONS;
    uint32_t repeat = ring ? 200 : (uint32_t)(8e6 / (once + 1000)) + 1;
    /* Every page of a ring is touched once before anything counts. */
    for (uint32_t i = 0; i < (ring ? 25u : 1u); i++) {
        kernel_run(program, repeat);
        our_run(program, repeat);
        empty_rings();
    }
    for (uint32_t i = 0; i < rounds; i++) {
        double idle = kernel_run(empty, 2000);
        theirs[i] = kernel_run(program, repeat) - idle;
        idle = our_run(empty, 2000);
        ours[i] = our_run(program, repeat) - idle;
        empty_rings();
    }
    double mine = median(ours, rounds), other = median(theirs, rounds);
    /* Under half a nanosecond a side is noise, and so is their ratio. */
    if (mine < 0.5 || other < 0.5)
        printf("%-28s %8u %9.2f %9.2f       -\n", name, entries, mine, other);
    else
        printf("%-28s %8u %9.2f %9.2f %7.2f\n", name, entries, mine, other, mine / other);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: mapbench OBJECT [ENTRIES [ROUNDS]]\n");
        return 2;
    }
    if (argc > 2)
        entries = (uint32_t)strtoul(argv[2], NULL, 0);
    if (argc > 3)
        rounds = (uint32_t)strtoul(argv[3], NULL, 0);
    if (!entries || !rounds || rounds > ROUNDS_MOST)
        return 2;
    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
    sched_setaffinity(0, sizeof last, &last);

    FILE *file = fopen(argv[1], "rb");
    if (!file)
        fail("open", argv[1]);
    static uint8_t bytes[1 << 20];
    struct bytes view = {bytes, fread(bytes, 1, sizeof bytes, file)};
    fclose(file);
    struct arena arena;
    arena_init(&arena, &os_allocator, 64 << 20);
    struct elf_options options = {0};
    struct core_options core = {.engine = &engine_checked, .admission = &load_admission, .executable = &os_executable};
    if (elf_open(view, &options, &arena, &diag, &object) || compose_start(&core))
        return 1;
    if (object.map_count > MAPS_MOST || object.program_count > PROGRAMS_MOST)
        return 1;
    for (uint32_t i = 0; i < object.map_count; i++) {
        make_map(i);
        fill_map(i);
        if (object.maps[i].kind == BPF_MAP_TYPE_RINGBUF)
            open_ring(i);
    }
    uint32_t empty = 0;
    for (uint32_t i = 0; i < object.program_count; i++) {
        const struct image *image = &object.programs[i];
        kernel_progs[i] = kernel_load(image);
        const struct prog_source source = {.image = image, .maps = our_maps, .diag = &diag, .privileged = true};
        if (prog_create(&source, &our_progs[i]))
            return 1;
        if (!strcmp(image->name, "empty"))
            empty = i;
    }
    for (uint32_t i = 0; i < object.program_count; i++)
        if (i != empty)
            measure(i, empty);
    for (uint32_t i = 0; i < object.program_count; i++)
        object_put(&our_progs[i]->object, REF_CREATOR);
    if (our_consumer)
        os_shared_unmap(our_consumer, os_page_size());
    for (uint32_t i = 0; i < object.map_count; i++)
        object_put(&our_maps[i]->object, REF_CREATOR);
    compose_stop();
    return 0;
}
