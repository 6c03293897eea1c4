/* SPDX-License-Identifier: MIT
 *
 * Checksums and segmentation: trains are cut into frames whose checksums verify and whose payload is the train's.
 */
#include "check.h"
#include "hooks/offload.h"
#include "packets.h"

struct collected {
    const uint8_t *segment;
    size_t network, transport, header;
    bool v4, udp;
    unsigned count;
    uint8_t payload[70000], flags[64];
    size_t length;
    uint16_t ids[64], sizes[64];
    uint32_t sequences[64];
};

static uint32_t be(const uint8_t *p, int n)
{
    uint32_t v = 0;
    while (n--)
        v = v << 8 | *p++;
    return v;
}

/* Sum of the pseudo-header and everything behind it; 0 after folding and complementing means it verifies. */
static uint16_t verify(const struct collected *c, size_t size)
{
    const uint8_t *ip = c->segment + c->network;
    uint64_t sum = c->v4 ? checksum_add(0, ip + 12, 8) : checksum_add(0, ip + 8, 32);
    sum += (c->udp ? 17 : 6) + (size - c->transport);
    return checksum_finish(checksum_add(sum, c->segment + c->transport, size - c->transport));
}

static void collect(void *self, size_t size)
{
    struct collected *c = self;
    const uint8_t *ip = c->segment + c->network, *l4 = c->segment + c->transport;
    CHECK_EQ(verify(c, size), 0);
    if (c->v4) {
        CHECK_EQ(checksum_finish(checksum_add(0, ip, 20)), 0);
        CHECK_EQ(be(ip + 2, 2), size - c->network);
        c->ids[c->count] = (uint16_t)be(ip + 4, 2);
    } else {
        CHECK_EQ(be(ip + 4, 2), size - c->network - 40);
    }
    if (c->udp) {
        CHECK_EQ(be(l4 + 4, 2), size - c->transport);
    } else {
        c->sequences[c->count] = be(l4 + 4, 4);
        c->flags[c->count] = l4[13];
    }
    c->sizes[c->count++] = (uint16_t)(size - c->header);
    memcpy(c->payload + c->length, c->segment + c->header, size - c->header);
    c->length += size - c->header;
}

static void cut(bool v4, bool udp, unsigned tags, size_t payload, uint16_t segment)
{
    static uint8_t train[70000], out[4000];
    static struct collected c;
    size_t network = 14 + tags * 4, transport = network + (v4 ? 20 : 40), header = transport + (udp ? 8 : 20);
    memset(train, 0, sizeof train);
    for (unsigned i = 0; i < tags; i++)
        packet_be16(train + 12 + i * 4, 0x8100);
    packet_be16(train + network - 2, v4 ? 0x0800 : 0x86dd);
    train[network] = v4 ? 0x45 : 0x60;
    if (v4)
        packet_be16(train + network + 4, 0xfffe), train[network + 9] = udp ? 17 : 6, train[network + 12] = 10;
    else
        train[network + 6] = udp ? 17 : 6, train[network + 8] = 0xfd;
    if (!udp)
        train[transport + 12] = 0x50, train[transport + 13] = 0x99, memset(train + transport + 4, 0xff, 4);
    for (size_t i = 0; i < payload; i++)
        train[header + i] = (uint8_t)(i * 31 + i / 251);
    struct offload offload = {true, (uint16_t)transport, udp ? 6 : 16,
                              udp  ? TRAIN_UDP
                              : v4 ? TRAIN_TCP4
                                   : TRAIN_TCP6,
                              segment};
    memset(&c, 0, sizeof c);
    c.segment = out, c.network = network, c.transport = transport, c.header = header, c.v4 = v4, c.udp = udp;
    CHECK(offload_segments(train, header + payload, &offload, out, sizeof out, collect, &c));
    unsigned expected = payload ? (unsigned)((payload + segment - 1) / segment) : 1;
    CHECK_EQ(c.count, expected);
    CHECK_EQ(c.length, payload);
    CHECK(!memcmp(c.payload, train + header, payload));
    for (unsigned i = 0; i < c.count; i++) {
        if (v4)
            CHECK_EQ(c.ids[i], (uint16_t)(0xfffe + i));
        if (!udp) {
            CHECK_EQ(c.sequences[i], (uint32_t)(0xffffffff + i * segment));
            CHECK_EQ(c.flags[i], (i ? 0 : 0x80) | 0x10 | (i + 1 == c.count ? 0x09 : 0));
        }
        if (i + 1 < c.count)
            CHECK_EQ(c.sizes[i], segment);
    }
}

TEST(trains)
{
    for (int v4 = 0; v4 < 2; v4++)
        for (int udp = 0; udp < 2; udp++)
            for (unsigned tags = 0; tags < 3; tags++) {
                cut(v4, udp, tags, 10000, 1448);
                cut(v4, udp, tags, 1449, 1448);
                cut(v4, udp, tags, 1448, 1448);
                cut(v4, udp, tags, 61, 7);
                cut(v4, udp, tags, 0, 100);
            }
}

static void nothing(void *self, size_t size) {}

/* No shape of headers makes it read or write outside. */
TEST(hostile_trains)
{
    uint32_t seed = 77;
    uint8_t frame[PACKET_MOST];
    for (int i = 0; i < 200000; i++) {
        size_t size = packet_make(&seed, frame);
        uint8_t *exact = malloc(size), *out = malloc(700);
        memcpy(exact, frame, size);
        for (int j = 0; j < 3; j++)
            exact[packet_random(&seed) % size] = (uint8_t)packet_random(&seed);
        struct offload offload = {true, (uint16_t)(packet_random(&seed) % 100), (uint16_t)(packet_random(&seed) % 20),
                                  (enum offload_train)(packet_random(&seed) % 5),
                                  (uint16_t)(packet_random(&seed) % 800)};
        offload_segments(exact, size, &offload, out, 700, nothing, NULL);
        offload_checksum(exact, size, &offload);
        free(exact);
        free(out);
    }
}

TEST(sums)
{
    static const uint8_t odd[] = {0x45, 0x00, 0xff};
    CHECK_EQ(checksum_finish(0), 0xffff);
    uint8_t stored[2];
    uint16_t value = checksum_finish(checksum_add(0, odd, 3));
    memcpy(stored, &value, 2);
    CHECK_EQ(stored[0] << 8 | stored[1], 0xffff & ~(0x4500 + 0xff00 - 0x10000 + 1));
    uint8_t frame[64] = {0};
    struct offload past = {true, 60, 4, TRAIN_NONE, 0}, inside = {true, 34, 6, TRAIN_NONE, 0};
    CHECK(!offload_checksum(frame, sizeof frame, &past));
    CHECK(offload_checksum(frame, sizeof frame, &inside));
    CHECK_EQ(frame[40] << 8 | frame[41], 0xffff);
}

TEST_MAIN
