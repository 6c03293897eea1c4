/* SPDX-License-Identifier: MIT
 *
 * Writes captures for demonstrations and tests:
 *
 *     gen_capture random SEED COUNT                       frames of tests/packets.h
 *     gen_capture flow COUNT PORT... > capture.pcap       COUNT UDP packets to each port in turn, and as many TCP ones
 *     gen_capture count < capture.pcap                    how many records it has
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../packets.h"

static void put_header(void)
{
    uint32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 1};
    fwrite(header, sizeof header, 1, stdout);
}

static void put(const uint8_t *packet, size_t size, unsigned number)
{
    uint32_t header[4] = {1700000000 + number / 1000, number % 1000 * 1000, (uint32_t)size, (uint32_t)size};
    fwrite(header, sizeof header, 1, stdout);
    fwrite(packet, size, 1, stdout);
}

/* A frame from 10.0.0.1 to 10.0.0.2. */
static size_t flow_packet(uint8_t *p, int udp, unsigned port, unsigned number)
{
    memset(p, 0, 100);
    p[0] = p[6] = 2, p[5] = 2, p[11] = 1;
    packet_be16(p + 12, 0x0800);
    p[14] = 0x45;
    packet_be16(p + 16, udp ? 60 : 72);
    packet_be16(p + 18, number);
    p[22] = 64, p[23] = udp ? 17 : 6;
    p[26] = p[30] = 10, p[29] = 1, p[33] = 2;
    packet_be16(p + 34, 40000);
    packet_be16(p + 36, port);
    if (udp)
        packet_be16(p + 38, 40);
    else
        p[46] = 0x50, p[47] = 0x10;
    return udp ? 74 : 86;
}

int main(int argc, char **argv)
{
    uint8_t packet[PACKET_MOST];
    if (argc == 4 && !strcmp(argv[1], "random")) {
        uint32_t seed = (uint32_t)strtoul(argv[2], NULL, 0);
        put_header();
        for (unsigned i = 0, count = (unsigned)atoi(argv[3]); i < count; i++)
            put(packet, packet_make(&seed, packet), i);
    } else if (argc >= 4 && !strcmp(argv[1], "flow")) {
        unsigned number = 0;
        put_header();
        for (int i = 0; i < atoi(argv[2]); i++) {
            for (int j = 3; j < argc; j++) {
                put(packet, flow_packet(packet, 1, (unsigned)atoi(argv[j]), number), number);
                number++;
                put(packet, flow_packet(packet, 0, (unsigned)atoi(argv[j]), number), number);
                number++;
            }
        }
    } else if (argc == 2 && !strcmp(argv[1], "count")) {
        uint32_t header[6];
        unsigned count = 0;
        if (fread(header, 24, 1, stdin) != 1 || header[0] != 0xa1b2c3d4)
            return 1;
        while (fread(header, 16, 1, stdin) == 1) {
            for (uint32_t i = 0; i < header[2]; i++)
                if (getchar() == EOF)
                    return 1;
            count++;
        }
        printf("%u\n", count);
    } else {
        fprintf(stderr, "usage: gen_capture random SEED COUNT | gen_capture flow COUNT PORT... | gen_capture count\n");
        return 2;
    }
    return fflush(stdout) || ferror(stdout);
}
