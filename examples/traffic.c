/* SPDX-License-Identifier: MIT
 *
 * Makes traffic and counts it, at both ends, for ./demo:
 *
 *     traffic receive PORT...          takes UDP and TCP on each port until SIGTERM, then prints what came
 *     traffic send HOST COUNT PORT...  COUNT UDP messages to each port in turn, and COUNT over one TCP connection to
 * each
 *     traffic record INTERFACE         writes a capture of what comes in at an interface, until SIGTERM
 *
 * A message is 100 bytes.  Both print "udp PORT MESSAGES" and "tcp PORT MESSAGES" lines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 100, PORTS_MOST = 16, CONNECTIONS = 64 };

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    stopped = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
    return 1;
}

static struct sockaddr_in address_of(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    if (host)
        inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static int receive(int count, char **ports)
{
    struct pollfd wait[2 * PORTS_MOST + CONNECTIONS];
    int owner[2 * PORTS_MOST + CONNECTIONS], sockets = 0;
    unsigned long messages[PORTS_MOST] = {0}, bytes[PORTS_MOST] = {0};
    char data[65536];
    for (int i = 0; i < count; i++) {
        struct sockaddr_in here = address_of(NULL, atoi(ports[i]));
        int one = 1, room = 8 << 20;
        int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
        if (setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
            setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(udp, (struct sockaddr *)&here, sizeof here) || bind(tcp, (struct sockaddr *)&here, sizeof here) ||
            listen(tcp, 8))
            return fail(ports[i]);
        wait[sockets] = (struct pollfd){udp, POLLIN, 0}, owner[sockets++] = i;
        wait[sockets] = (struct pollfd){tcp, POLLIN, 0}, owner[sockets++] = i;
    }
    int listeners = sockets;
    printf("ready\n");
    fflush(stdout);
    for (int quiet = 0; !stopped || !quiet;) {
        quiet = poll(wait, (nfds_t)sockets, stopped ? 100 : 1000) <= 0; /* what has come is counted before the end */
        for (int i = 0; !quiet && i < sockets; i++) {
            if (!wait[i].revents)
                continue;
            if (i < listeners && i % 2 == 0) {
                while (recv(wait[i].fd, data, sizeof data, MSG_DONTWAIT) == MESSAGE)
                    messages[owner[i]]++;
            } else if (i < listeners) {
                int connection = accept(wait[i].fd, NULL, NULL);
                if (connection >= 0 && sockets < 2 * PORTS_MOST + CONNECTIONS)
                    wait[sockets] = (struct pollfd){connection, POLLIN, 0}, owner[sockets++] = owner[i];
            } else {
                ssize_t got = recv(wait[i].fd, data, sizeof data, 0);
                if (got > 0) {
                    bytes[owner[i]] += (unsigned long)got;
                } else {
                    close(wait[i].fd);
                    wait[i].fd = -1;
                }
            }
        }
    }
    for (int i = 0; i < count; i++)
        printf("udp %s %lu\ntcp %s %lu\n", ports[i], messages[i], ports[i], bytes[i] / MESSAGE);
    return 0;
}

static int send_all(const char *host, int count, int port_count, char **ports)
{
    char message[MESSAGE] = "winbpf";
    int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp[PORTS_MOST];
    unsigned long sent[PORTS_MOST] = {0}, streamed[PORTS_MOST] = {0};
    for (int i = 0; i < port_count; i++) {
        struct sockaddr_in there = address_of(host, atoi(ports[i]));
        tcp[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(tcp[i], (struct sockaddr *)&there, sizeof there))
            return fail("connect");
    }
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < port_count; i++) {
            struct sockaddr_in there = address_of(host, atoi(ports[i]));
            if (sendto(udp, message, sizeof message, 0, (struct sockaddr *)&there, sizeof there) == MESSAGE)
                sent[i]++;
            for (size_t done = 0; done < MESSAGE;) {
                ssize_t part = send(tcp[i], message + done, MESSAGE - done, 0);
                if (part <= 0)
                    return fail("send");
                done += (size_t)part;
            }
            streamed[i]++;
        }
        struct timespec pause = {0, 1000000}; /* a stream of packets, not a burst */
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < port_count; i++) { /* until the other end has everything */
        char end;
        shutdown(tcp[i], SHUT_WR);
        if (recv(tcp[i], &end, 1, 0) < 0)
            return fail("shutdown");
        printf("udp %s %lu\ntcp %s %lu\n", ports[i], sent[i], ports[i], streamed[i]);
    }
    return 0;
}

static int record(const char *interface)
{
    static unsigned char frame[1 << 16];
    const uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
    struct sockaddr_ll here = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int room = 16 << 20, tap = socket(AF_PACKET, SOCK_RAW, 0);
    here.sll_ifindex = (int)if_nametoindex(interface);
    if (tap < 0 || !here.sll_ifindex || bind(tap, (struct sockaddr *)&here, sizeof here))
        return fail(interface);
    setsockopt(tap, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    fwrite(header, sizeof header, 1, stdout);
    fflush(stdout);
    for (int quiet = 0; !stopped || !quiet;) {
        struct pollfd wait = {tap, POLLIN, 0};
        struct sockaddr_ll from;
        socklen_t size = sizeof from;
        quiet = poll(&wait, 1, stopped ? 100 : 1000) <= 0;
        if (quiet)
            continue;
        ssize_t got = recvfrom(tap, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
        if (got <= 0 || from.sll_pkttype == PACKET_OUTGOING)
            continue;
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        const uint32_t head[4] = {(uint32_t)now.tv_sec, (uint32_t)(now.tv_nsec / 1000), (uint32_t)got, (uint32_t)got};
        fwrite(head, sizeof head, 1, stdout);
        fwrite(frame, (size_t)got, 1, stdout);
    }
    return fflush(stdout) || ferror(stdout) ? fail("capture") : 0;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (argc > 2 && argc - 2 <= PORTS_MOST && !strcmp(argv[1], "receive"))
        return receive(argc - 2, argv + 2);
    if (argc > 4 && argc - 4 <= PORTS_MOST && !strcmp(argv[1], "send"))
        return send_all(argv[2], atoi(argv[3]), argc - 4, argv + 4);
    if (argc == 3 && !strcmp(argv[1], "record"))
        return record(argv[2]);
    fprintf(stderr, "usage: traffic receive PORT... | traffic send HOST COUNT PORT... | traffic record INTERFACE\n");
    return 2;
}
