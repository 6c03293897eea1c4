/* SPDX-License-Identifier: MIT
 *
 * Loads droppacket.bpf.c, joins two interfaces and filters what comes in at the first:
 *
 *     droppacket OBJECT INTERFACE INTERFACE PORT...
 *
 * Prints every dropped packet as it happens, and the counts on SIGINT, SIGTERM or at the end of standard input.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winbpf/winbpf.h>
#include "droppacket.h"

static volatile sig_atomic_t stopped;
static unsigned long events;

static void on_signal(int number)
{
    stopped = 1;
}

static int on_event(void *context, void *data, size_t size)
{
    const struct drop_event *event = data;
    char source[INET_ADDRSTRLEN], destination[INET_ADDRSTRLEN];
    if (size < sizeof *event)
        return 0;
    inet_ntop(AF_INET, &event->source, source, sizeof source);
    inet_ntop(AF_INET, &event->destination, destination, sizeof destination);
    printf("dropped: %s:%u -> %s:%u, %u bytes\n", source, event->source_port, destination, event->port, event->length);
    fflush(stdout);
    events++;
    return 0;
}

static int fail(const char *what)
{
    fprintf(stderr, "droppacket: %s: %s\n", what, strerror(errno));
    return 1;
}

static unsigned long long total(int fd, unsigned which)
{
    unsigned long long value = 0;
    bpf_map_lookup_elem(fd, &which, &value);
    return value;
}

static void print_counts(int ports_fd, int totals_fd, unsigned interface)
{
    unsigned short port, *from = NULL, last;
    unsigned long long dropped, in_map = 0;
    struct winbpf_xdp_counts counts;
    while (!bpf_map_get_next_key(ports_fd, from, &port)) {
        if (!bpf_map_lookup_elem(ports_fd, &port, &dropped)) {
            printf("port %u: %llu dropped\n", port, dropped);
            in_map += dropped;
        }
        last = port;
        from = &last;
    }
    memset(&counts, 0, sizeof counts);
    winbpf_xdp_counts(interface, &counts, sizeof counts);
    printf("counts: seen=%llu udp=%llu dropped=%llu events=%lu events_lost=%llu map=%llu\n",
           total(totals_fd, TOTAL_SEEN), total(totals_fd, TOTAL_UDP), total(totals_fd, TOTAL_DROPPED), events,
           total(totals_fd, TOTAL_EVENTS_LOST), in_map);
    printf("frames: received=%llu passed=%llu dropped=%llu aborted=%llu lost=%llu faults=%llu\n",
           (unsigned long long)counts.received, (unsigned long long)counts.passed, (unsigned long long)counts.dropped,
           (unsigned long long)counts.aborted, (unsigned long long)counts.lost, (unsigned long long)counts.faults);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: droppacket OBJECT INTERFACE INTERFACE PORT...\n");
        return 2;
    }
    unsigned in = if_nametoindex(argv[2]), out = if_nametoindex(argv[3]);
    if (!in || !out)
        return fail(in ? argv[3] : argv[2]);

    struct bpf_object *object = bpf_object__open(argv[1]);
    if (!object)
        return fail(argv[1]);
    if (bpf_object__load(object))
        return fail("loading");
    int ports_fd = bpf_object__find_map_fd_by_name(object, "ports");
    int totals_fd = bpf_object__find_map_fd_by_name(object, "totals");
    for (int i = 4; i < argc; i++) {
        unsigned short port = (unsigned short)atoi(argv[i]);
        unsigned long long zero = 0;
        if (bpf_map_update_elem(ports_fd, &port, &zero, BPF_ANY))
            return fail("map 'ports'");
    }
    struct ring_buffer *ring =
        ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"), on_event, NULL, NULL);
    if (!ring)
        return fail("map 'events'");

    if (winbpf_xdp_join(in, out))
        return fail("joining the interfaces");
    struct bpf_link *link = bpf_program__attach_xdp(bpf_object__find_program_by_name(object, "droppacket"), (int)in);
    if (!link)
        return fail("attaching");
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    printf("attached to %s, frames go on to %s\n", argv[2], argv[3]);
    fflush(stdout);

    struct pollfd wait[2] = {{ring_buffer__epoll_fd(ring), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    while (!stopped && poll(wait, 2, 200) >= 0) {
        char ignored[256];
        ring_buffer__consume(ring);
        if (wait[1].revents && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)
            break;
    }
    /* What is on its way is still filtered, then nothing is. */
    struct winbpf_xdp_counts before, now;
    do {
        winbpf_xdp_counts(in, &before, sizeof before);
        usleep(20000);
        winbpf_xdp_counts(in, &now, sizeof now);
    } while (now.received != before.received);
    bpf_link__destroy(link);
    ring_buffer__consume(ring);
    print_counts(ports_fd, totals_fd, in);
    winbpf_xdp_leave(in, out);
    ring_buffer__free(ring);
    bpf_object__close(object);
    return 0;
}
