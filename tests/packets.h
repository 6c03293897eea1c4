/* SPDX-License-Identifier: MIT
 *
 * Pseudo-random Ethernet frames for tests, the same ones for the same seed: plain and VLAN-tagged, IPv4 with and
 * without options and fragments, IPv6 with and without extension headers, TCP, UDP, ICMP, ARP, cut and odd ones.
 * Addresses and ports come from small sets, so that filters match some.
 */
#ifndef WINBPF_TESTS_PACKETS_H
#define WINBPF_TESTS_PACKETS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { PACKET_MOST = 600 };

static inline uint32_t packet_random(uint32_t *seed)
{
    uint32_t x = *seed ? *seed : 1;
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    return *seed = x;
}

static inline uint8_t *packet_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
    return p + 2;
}

/* The frame's length; `out` has room for PACKET_MOST bytes. */
static inline size_t packet_make(uint32_t *seed, uint8_t *out)
{
    static const uint16_t ports[] = {53, 80, 443, 1000, 1001, 5353, 40000, 65535};
    uint8_t *p = out, *start;
    uint32_t kind = packet_random(seed) % 16, payload = packet_random(seed) % 200, tcp = packet_random(seed) & 1;
    memset(out, 0, PACKET_MOST);
    for (int i = 0; i < 2; i++) { /* 02:00:00:00:00:0N */
        p[0] = 2, p[5] = (uint8_t)(packet_random(seed) % 6);
        p += 6;
    }
    uint32_t tags = kind == 1 ? 1 : kind == 2 ? 2 : kind == 3 ? 5 : 0;
    for (uint32_t i = 0; i < tags; i++) {
        p = packet_be16(p, i + 1 < tags ? 0x88a8 : 0x8100);
        p = packet_be16(p, packet_random(seed) & 0xfff);
    }
    if (kind == 4) { /* ARP */
        p = packet_be16(p, 0x0806);
        for (int i = 0; i < 28; i++)
            *p++ = (uint8_t)packet_random(seed);
        return (size_t)(p - out);
    }
    if (kind == 5) { /* some other type */
        p = packet_be16(p, packet_random(seed));
        return (size_t)(p - out) + payload;
    }
    uint32_t v6 = packet_random(seed) % 3 == 0, protocol = kind == 6 ? (v6 ? 58 : 1) : tcp ? 6 : 17;
    start = p + 2;
    if (!v6) {
        uint32_t words = kind == 7 ? 6 + packet_random(seed) % 5 : 5;
        p = packet_be16(p, 0x0800);
        p[0] = (uint8_t)(0x40 | words);
        packet_be16(p + 2, words * 4 + 20 + payload);
        packet_be16(p + 4, packet_random(seed));
        packet_be16(p + 6, kind == 8 ? 0x2000 | packet_random(seed) % 100 : 0);
        p[8] = 64, p[9] = (uint8_t)protocol;
        p[12] = p[16] = 10;
        p[15] = (uint8_t)(1 + packet_random(seed) % 6);
        p[19] = (uint8_t)(1 + packet_random(seed) % 6);
        p += words * 4;
    } else {
        p = packet_be16(p, 0x86dd);
        p[0] = 0x60;
        packet_be16(p + 4, 20 + payload);
        p[6] = (uint8_t)protocol, p[7] = 64;
        p[8] = p[24] = 0xfd;
        p[23] = (uint8_t)(1 + packet_random(seed) % 6);
        p[39] = (uint8_t)(1 + packet_random(seed) % 6);
        p += 40;
        if (kind == 9) { /* hop-by-hop options, then perhaps a fragment header */
            start[6] = 0;
            p[0] = (uint8_t)(packet_random(seed) & 1 ? 44 : protocol);
            if (p[0] == 44) {
                p += 8;
                p[0] = (uint8_t)protocol;
            }
            p += 8;
        }
    }
    packet_be16(p, ports[packet_random(seed) % 8]);
    packet_be16(p + 2, ports[packet_random(seed) % 8]);
    if (protocol == 6)
        p[12] = 0x50, p[13] = (uint8_t)packet_random(seed), p += 20;
    else
        packet_be16(p + 4, 8 + payload), p += 8;
    for (uint32_t i = 0; i < payload; i++)
        *p++ = (uint8_t)packet_random(seed);
    size_t length = (size_t)(p - out);
    if (kind == 10) /* cut */
        length = 14 + packet_random(seed) % (length - 14);
    return length;
}

#endif
