/* SPDX-License-Identifier: MIT
 *
 * Gives every packet of a capture to droppacket.bpf.c by BPF_PROG_TEST_RUN, wherever the library's programs run: in
 * this process with libbpf, in ebpfcore.sys with ebpfapi.dll.
 *
 *     replay NAME packets|messages OBJECT CAPTURE PORT...
 *
 * Ports are dropped as droppacket drops them.  The last line is "NAME: dropped B passed C": B packets were dropped; C
 * packets passed, or messages as examples/traffic.c counts them (100 bytes each, a UDP packet or that much of a TCP
 * stream).  Fails when verdicts, the map's counters and the ring buffer's events do not say the same.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "droppacket.h"

enum { MESSAGE = 100, FRAME_MOST = 1 << 16, STREAMS = 64, VERDICT_DROP = 1 };

static unsigned long events;

static int on_event(void *context, void *data, size_t size)
{
    events += size >= sizeof(struct drop_event);
    return 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
    return 1;
}

static unsigned get16(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static unsigned get32(const unsigned char *p)
{
    return get16(p) << 16 | get16(p + 2);
}

static struct stream {
    unsigned ports, next; /* both ports; the number of the byte after the last one counted */
    unsigned long bytes;
    int used;
} streams[STREAMS];

/* Payload bytes of a TCP segment that were not there before, so that nothing is counted twice. */
static void count_stream(const unsigned char *tcp, unsigned length)
{
    unsigned ports = get32(tcp), sequence = get32(tcp + 4), header = (tcp[12] >> 4) * 4u, i = 0;
    while (i < STREAMS && streams[i].used && streams[i].ports != ports)
        i++;
    if (i == STREAMS || header < 20 || header > length)
        return;
    if (!streams[i].used || tcp[13] & 2) /* SYN takes a number of its own */
        streams[i] = (struct stream){ports, sequence + (tcp[13] >> 1 & 1), streams[i].bytes, 1};
    unsigned end = sequence + (length - header), fresh = end - streams[i].next;
    if (length > header && fresh && fresh <= length - header) {
        streams[i].bytes += fresh;
        streams[i].next = end;
    }
}

/* Messages in a passed UDP packet, 0 or 1; a TCP segment's bytes go to its stream. */
static unsigned count_message(const unsigned char *p, unsigned size)
{
    if (size < 34 || get16(p + 12) != 0x0800 || (p[14] & 15) < 5)
        return 0;
    unsigned header = (p[14] & 15) * 4u, total = get16(p + 16);
    if (total < header + 20 || total > size - 14)
        return 0;
    const unsigned char *inner = p + 14 + header;
    if (p[23] == 17)
        return 1;
    if (p[23] == 6)
        count_stream(inner, total - header);
    return 0;
}

int main(int argc, char **argv)
{
    static unsigned char frame[FRAME_MOST];
    unsigned head[6], record[4], key;
    unsigned long dropped = 0, passed = 0, frames = 0;
    if (argc < 6 || (strcmp(argv[2], "packets") && strcmp(argv[2], "messages"))) {
        fprintf(stderr, "usage: replay NAME packets|messages OBJECT CAPTURE PORT...\n");
        return 2;
    }
    int packets = !strcmp(argv[2], "packets");
    struct bpf_object *object = bpf_object__open_file(argv[3], NULL);
    if (!object || bpf_object__load(object))
        return fail(argv[3]);
    struct bpf_map *ports = bpf_object__find_map_by_name(object, "ports");
    struct bpf_map *ring_map = bpf_object__find_map_by_name(object, "events");
    struct bpf_program *program = bpf_object__find_program_by_name(object, "droppacket");
    if (!ports || !ring_map || !program)
        return fail("not droppacket.bpf.c");
    for (int i = 5; i < argc; i++) {
        unsigned short port = (unsigned short)atoi(argv[i]);
        unsigned long long zero = 0;
        if (bpf_map_update_elem(bpf_map__fd(ports), &port, &zero, 0))
            return fail(argv[i]);
    }
    struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(ring_map), on_event, NULL, NULL);
    if (!ring)
        return fail("ring buffer");
    FILE *capture = fopen(argv[4], "rb");
    if (!capture || fread(head, sizeof head, 1, capture) != 1 || head[0] != 0xa1b2c3d4)
        return fail(argv[4]);
    while (fread(record, sizeof record, 1, capture) == 1) {
        if (record[2] > sizeof frame || fread(frame, 1, record[2], capture) != record[2])
            return fail("the capture is cut off");
        LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = record[2], .repeat = 1);
        if (bpf_prog_test_run_opts(bpf_program__fd(program), &run))
            return fail("test run");
        frames++;
        if (run.retval == VERDICT_DROP)
            dropped++;
        else
            passed += packets ? 1 : count_message(frame, record[2]);
        if (ring_buffer__poll(ring, 0) < 0)
            return fail("ring buffer");
    }
    fclose(capture);
    while (ring_buffer__poll(ring, 100) > 0)
        continue;
    unsigned long long in_map = 0;
    for (int i = 5; i < argc; i++) {
        unsigned short port = (unsigned short)atoi(argv[i]);
        unsigned long long count = 0;
        if (bpf_map_lookup_elem(bpf_map__fd(ports), &port, &count))
            return fail(argv[i]);
        in_map += count;
    }
    for (key = 0; key < STREAMS; key++)
        passed += streams[key].bytes / MESSAGE;
    ring_buffer__free(ring);
    bpf_object__close(object);
    printf("%lu packets given to the program; %lu dropped, %llu in the map, %lu events in the ring buffer\n", frames,
           dropped, in_map, events);
    printf("%s: dropped %lu passed %lu\n", argv[1], dropped, passed);
    return dropped == in_map && dropped == events ? 0 : 1;
}
