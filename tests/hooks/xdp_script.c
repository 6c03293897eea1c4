/* SPDX-License-Identifier: MIT
 *
 * One story about XDP, told through libbpf and printed line by line.  It is built twice: against the system's libbpf,
 * which asks the Linux kernel, and against ours.  test_kernel.c compares the two outputs.
 *
 *     xdp_script rules             what BPF_PROG_TEST_RUN and the frame-moving helpers accept and give
 *     xdp_script filter OBJECT N   N frames of tests/packets.h through an object's first XDP program, the maps of an
 *                                  xdp-filter object filled in before
 *
 * Exit status 4: bpf() is not permitted here.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../packets.h"

enum { NOT_PERMITTED = 4, BIG = 80000 };

static int quiet(enum libbpf_print_level level, const char *format, va_list arguments)
{
    return 0;
}

static unsigned long long hash(const void *data, size_t size)
{
    unsigned long long h = 1469598103934665603ull;
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 1099511628211ull;
    return h;
}

#define INSN(c, d, s, o, i) ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV_IMM(d, i)       INSN(0xb7, d, 0, 0, i)
#define MOV_REG(d, s)       INSN(0xbf, d, s, 0, 0)
#define CALL(id)            INSN(0x85, 0, 0, 0, id)
#define EXIT                INSN(0x95, 0, 0, 0, 0)

static int load(const struct bpf_insn *insns, size_t count)
{
    int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "rule", "GPL", insns, count, NULL);
    if (fd < 0)
        printf("load: errno %d\n", errno);
    return fd;
}
#define LOAD(...) load((struct bpf_insn[]){__VA_ARGS__}, sizeof((struct bpf_insn[]){__VA_ARGS__}) / 8)

static unsigned char input[BIG], output[BIG];

struct request {
    unsigned size, room; /* of data in and out; room 0: no data_out */
    struct xdp_md context;
    unsigned context_size, context_room;
    unsigned flags, repeat;
    unsigned char extra; /* what follows the context */
};

static void ask(const char *what, long detail, int fd, struct request request)
{
    unsigned char context[64] = {0}, context_out[64] = {0};
    memcpy(context, &request.context, sizeof request.context);
    memset(context + sizeof request.context, request.extra, sizeof context - sizeof request.context);
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = input, .data_size_in = request.size,
                .data_out = request.room ? output : NULL, .data_size_out = request.room,
                .ctx_in = request.context_size ? context : NULL, .ctx_size_in = request.context_size,
                .ctx_out = request.context_room ? context_out : NULL, .ctx_size_out = request.context_room,
                .flags = request.flags, .repeat = (int)request.repeat);
    memset(output, 0xee, sizeof output);
    int result = bpf_prog_test_run_opts(fd, &opts), error = result ? errno : 0;
    printf("%s %ld (%u): errno %d", what, detail, request.size, error);
    if (!error || error == ENOSPC) {
        printf(" retval %d size %u", (int)opts.retval, opts.data_size_out);
        if (request.room && !(error && request.context_room)) /* after a refusal of everything: whatever was there */
            printf(" data %llx", hash(output, BIG));
    }
    if (!error && request.context_room) {
        struct xdp_md md;
        memcpy(&md, context_out, sizeof md);
        printf(" ctx %u: %u %u %u %u %u %u", opts.ctx_size_out, md.data, md.data_end, md.data_meta, md.ingress_ifindex,
               md.rx_queue_index, md.egress_ifindex);
    }
    putchar('\n');
}

/* Calls `helper` with a number and returns what it gives. */
static int load_mover(int helper, int first, int second_helper, int second)
{
    if (!second_helper)
        return LOAD(MOV_IMM(2, first), CALL(helper), EXIT);
    return LOAD(MOV_REG(6, 1), MOV_IMM(2, first), CALL(helper), MOV_REG(1, 6), MOV_IMM(2, second), CALL(second_helper),
                EXIT);
}

static void move(const char *what, int helper, const int *values, size_t count, unsigned size)
{
    for (size_t i = 0; i < count; i++) {
        int fd = load_mover(helper, values[i], 0, 0);
        ask(what, values[i], fd,
            (struct request){
                .size = size, .room = BIG, .context_size = 24, .context_room = 24, .context = {.data_end = size}});
    }
}

static int rules(void)
{
    enum { HEAD = 44, META = 54, TAIL = 65, LENGTH = 188, LOAD_BYTES = 189, STORE_BYTES = 190 };
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (unsigned char)(i * 7 + i / 256);
    int pass = LOAD(MOV_IMM(0, 2), EXIT);
    if (pass < 0)
        return errno == EPERM ? NOT_PERMITTED : 1;
    static const int verdicts[] = {0, 1, 2, 3, 4, 5, 100, -1};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        ask("returns", verdicts[i], LOAD(MOV_IMM(0, verdicts[i]), EXIT), (struct request){.size = 64});
    static const unsigned sizes[] = {0, 1, 13, 14, 15, 64, 1500, 3519, 3520, 3521, 3776, 3777, 4096, 9000, 65535};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ask("size", 0, pass, (struct request){.size = sizes[i], .room = BIG, .context_room = 24});

    /* Contexts. */
    static const struct request contexts[] = {
        {.size = 64, .context_size = 24, .context_room = 24},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data_end = 64}},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data = 4, .data_end = 64}, .room = BIG},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data = 32, .data_end = 64}},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data = 48, .data_end = 64}},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data = 52, .data_end = 64}},
        {.size = 64, .context_size = 24, .context = {.data = 3, .data_end = 64}},
        {.size = 600, .context_size = 24, .context = {.data = 212, .data_end = 600}},
        {.size = 600, .context_size = 24, .context = {.data = 216, .data_end = 600}},
        {.size = 600, .context_size = 24, .context = {.data = 220, .data_end = 600}},
        {.size = 600, .context_size = 24, .context = {.data = 256, .data_end = 600}},
        {.size = 64, .context_size = 24, .context = {.data = 8, .data_end = 4}},
        {.size = 64, .context_size = 24, .context = {.data_end = 65}},
        {.size = 64, .context_size = 24, .context_room = 24, .context = {.data_end = 40}},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .data_meta = 1}},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .ingress_ifindex = 1}, .context_room = 24},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .ingress_ifindex = 1, .rx_queue_index = 1}},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .ingress_ifindex = 99999}},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .rx_queue_index = 1}},
        {.size = 64, .context_size = 24, .context = {.data_end = 64, .egress_ifindex = 1}},
        {.size = 64, .context_size = 8, .context = {.data_end = 64}, .context_room = 24},
        {.size = 64, .context_size = 1, .context_room = 24},
        {.size = 64, .context_size = 40, .context = {.data_end = 64}, .context_room = 40},
        {.size = 64, .context_size = 40, .context = {.data_end = 64}, .extra = 1},
        {.size = 64, .context_size = 24, .context = {.data_end = 64}, .context_room = 12},
        {.size = 64, .flags = 1},
        {.size = 64, .flags = 4},
        {.size = 64, .room = 63},
        {.size = 64, .room = 64},
        {.size = 64, .room = 63, .context_room = 24},
        {.size = 9000, .room = 8999},
        {.size = 64, .repeat = 5, .room = BIG},
    };
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        ask("context", (long)i, pass, contexts[i]);
    int field[] = {12, 16};
    for (int i = 0; i < 2; i++) {
        int fd = LOAD(INSN(0x61, 0, 1, (short)field[i], 0), EXIT);
        ask("field", field[i], fd, (struct request){.size = 64});
        ask("field", field[i], fd,
            (struct request){.size = 64, .context_size = 24, .context = {.data_end = 64, .ingress_ifindex = 1}});
    }

    /* Moving edges. */
    static const int heads[] = {0, 1, -1, 50, 51, 49, 64, -215, -216, -217, -256, 100000, -100000};
    move("head", HEAD, heads, sizeof heads / sizeof *heads, 64);
    static const int tails[] = {0, 1, -1, -50, -51, -64, 100, 3455, 3456, 3457, 4000, 100000, -100000};
    move("tail", TAIL, tails, sizeof tails / sizeof *tails, 64);
    static const int shrinks[] = {0, 1, -1, -5000, -5480, -5481, -8986, -8987, -9000};
    for (size_t i = 0; i < sizeof shrinks / sizeof *shrinks; i++)
        if (shrinks[i] <= 0) /* growing a frame in fragments depends on the kernel's page pool */
            ask("tail of fragments", shrinks[i], load_mover(TAIL, shrinks[i], 0, 0),
                (struct request){.size = 9000, .room = BIG});
    static const int metas[] = {0, 4, -4, -3, -8, -32, -212, -216, -220, -252, -256, 1, 100000, -100000};
    move("meta", META, metas, sizeof metas / sizeof *metas, 64);
    static const int pairs[][4] = {
        {META, -8, HEAD, -200}, {META, -8, HEAD, -208},   {META, -8, HEAD, -209},   {META, -8, META, 8},
        {META, -8, META, 12},   {HEAD, -100, META, -116}, {HEAD, -100, META, -120}, {HEAD, 20, META, -32},
        {HEAD, 20, TAIL, 3500}, {TAIL, -50, HEAD, 1},     {TAIL, 100, HEAD, 100},   {META, -32, TAIL, -40},
        {META, -32, HEAD, 10},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        int fd = load_mover(pairs[i][0], pairs[i][1], pairs[i][2], pairs[i][3]);
        ask("pair", (long)i, fd, (struct request){.size = 64, .room = BIG, .context_room = 24});
        ask("pair with metadata", (long)i, fd,
            (struct request){.size = 128,
                             .room = BIG,
                             .context_size = 24,
                             .context = {.data = 16, .data_end = 128},
                             .context_room = 24});
    }
    int again = load_mover(HEAD, -4, 0, 0);
    ask("head repeated", 10, again, (struct request){.size = 64, .room = BIG, .repeat = 10});
    ask("head repeated", 60, again, (struct request){.size = 64, .room = BIG, .repeat = 60});

    /* Copying bytes. */
    static const unsigned frames[] = {64, 3520, 9000};
    static const int ranges[][2] = {{0, 8},    {56, 8},   {57, 8},    {64, 1},    {3515, 8}, {3518, 8},
                                    {8990, 8}, {8993, 8}, {65535, 8}, {65536, 8}, {-1, 8}};
    for (size_t f = 0; f < 3; f++) {
        ask("length", 0, LOAD(CALL(LENGTH), EXIT), (struct request){.size = frames[f]});
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
            int size = ranges[i][1];
            int fd = LOAD(INSN(0x7a, 10, 0, -8, 0), MOV_IMM(2, ranges[i][0]), MOV_REG(3, 10), INSN(0x07, 3, 0, 0, -8),
                          MOV_IMM(4, size), MOV_REG(6, 1), CALL(LOAD_BYTES), INSN(0x55, 0, 0, 1, 0),
                          INSN(0x79, 0, 10, -8, 0), EXIT);
            ask("load bytes", ranges[i][0], fd, (struct request){.size = frames[f]});
            fd = LOAD(INSN(0x7a, 10, 0, -8, 0x12345678), MOV_IMM(2, ranges[i][0]), MOV_REG(3, 10),
                      INSN(0x07, 3, 0, 0, -8), MOV_IMM(4, size), CALL(STORE_BYTES), EXIT);
            ask("store bytes", ranges[i][0], fd, (struct request){.size = frames[f], .room = BIG});
        }
    }
    return 0;
}

/* Filters. */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void set_value(struct bpf_map *map, const void *key, unsigned long long value)
{
    unsigned long long values[512];
    int cpus = libbpf_num_possible_cpus();
    for (int i = 0; i < cpus && i < 512; i++)
        values[i] = value;
    if (bpf_map_update_elem(bpf_map__fd(map), key, values, BPF_ANY))
        printf("update %s: errno %d\n", bpf_map__name(map), errno);
}

static void fill(struct bpf_object *object)
{
    struct bpf_map *map;
    if ((map = bpf_object__find_map_by_name(object, "filter_ports"))) {
        static const unsigned keys[] = {53, 0x3500, 80, 0x5000, 1000, 0xe803, 0x409c};
        for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
            set_value(map, &keys[i], i % 3 == 0 ? 15 : i % 3 == 1 ? 5 : 10);
    }
    if ((map = bpf_object__find_map_by_name(object, "filter_ipv4")))
        for (unsigned char i = 1; i < 4; i++)
            set_value(map, (unsigned char[4]){10, 0, 0, i}, i);
    if ((map = bpf_object__find_map_by_name(object, "filter_ipv6")))
        for (unsigned char i = 1; i < 4; i++)
            set_value(map, (unsigned char[16]){[0] = 0xfd, [15] = i}, i);
    if ((map = bpf_object__find_map_by_name(object, "filter_ethernet")))
        for (unsigned char i = 0; i < 2; i++)
            set_value(map, (unsigned char[6]){2, 0, 0, 0, 0, i}, i + 1u);
}

/* Sums over CPUs, since the two systems choose theirs as they like; sorted, since hash order is nobody's promise. */
static void dump(struct bpf_map *map)
{
    static char *lines[70000];
    unsigned char key[64], next[64];
    unsigned long long values[4096];
    size_t count = 0, words = (bpf_map__value_size(map) + 7) / 8, cpus = (size_t)libbpf_num_possible_cpus();
    for (void *from = NULL; !bpf_map_get_next_key(bpf_map__fd(map), from, next); from = key) {
        char line[512];
        int used = 0, zero = 1;
        memcpy(key, next, bpf_map__key_size(map));
        memset(values, 0, sizeof values);
        if (bpf_map_lookup_elem(bpf_map__fd(map), key, values))
            continue;
        for (size_t i = 0; i < bpf_map__key_size(map); i++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%02x", key[i]);
        for (size_t w = 0; w < words; w++) {
            unsigned long long sum = 0;
            for (size_t cpu = 0; cpu < cpus; cpu++)
                sum += values[cpu * words + w];
            zero &= !sum;
            used += snprintf(line + used, sizeof line - (size_t)used, " %llu", sum);
        }
        if (!zero && count < sizeof lines / sizeof *lines)
            lines[count++] = strdup(line);
    }
    qsort(lines, count, sizeof *lines, compare_lines);
    printf("map %s: %zu entries\n", bpf_map__name(map), count);
    for (size_t i = 0; i < count; i++) {
        printf("  %s\n", lines[i]);
        free(lines[i]);
    }
}

static int filter(const char *path, int packets)
{
    unsigned seed = 20231114, verdicts[6] = {0};
    struct bpf_object *object = bpf_object__open_file(path, NULL);
    if (!object) {
        printf("load: errno %d\n", errno);
        return 1;
    }
    struct bpf_map *map;
    bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
    struct bpf_program *program = NULL, *other;
    bpf_object__for_each_program(other, object)
    {
        bool xdp = bpf_program__type(other) == BPF_PROG_TYPE_XDP;
        if (!program && xdp)
            program = other;
        bpf_program__set_autoload(other, xdp);
    }
    if (!program)
        program = bpf_object__next_program(object, NULL);
    if (!program) {
        printf("load: no program\n");
        return 1;
    }
    bpf_program__set_autoload(program, true);
    bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
    if (bpf_object__load(object)) {
        printf("load: errno %d\n", errno);
        return errno == EPERM ? NOT_PERMITTED : 1;
    }
    fill(object);
    for (int i = 0; i < packets; i++) {
        size_t size = packet_make(&seed, input);
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = input, .data_size_in = (unsigned)size, .data_out = output,
                    .data_size_out = sizeof output);
        int result = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
        verdicts[opts.retval < 5 ? opts.retval : 5]++;
        printf("%d: %d %u %u %llx\n", i, result, opts.retval, opts.data_size_out, hash(output, opts.data_size_out));
    }
    printf("verdicts: %u %u %u %u %u %u\n", verdicts[0], verdicts[1], verdicts[2], verdicts[3], verdicts[4],
           verdicts[5]);
    bpf_object__for_each_map(map, object) dump(map);
    bpf_object__close(object);
    return 0;
}

int main(int argc, char **argv)
{
    libbpf_set_print(quiet);
    if (argc == 2 && !strcmp(argv[1], "rules"))
        return rules();
    if (argc == 4 && !strcmp(argv[1], "filter"))
        return filter(argv[2], atoi(argv[3]));
    fprintf(stderr, "usage: xdp_script rules | xdp_script filter OBJECT N\n");
    return 2;
}
