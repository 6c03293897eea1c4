/* SPDX-License-Identifier: MIT
 *
 * Checksums and segmentation (offload.h).  A train has one set of headers and one long payload; segment i gets a copy
 * of the headers with length, IPv4 identification (+ i), TCP sequence number (+ bytes before it) and flags (CWR on the
 * first alone, FIN and PSH on the last alone) put right, and checksums computed afresh.
 */
#include <string.h>
#include "base/bytes.h"
#include "base/checked.h"
#include "hooks/offload.h"

enum { ETHERNET = 14, VLAN_TAG = 4, IPV4 = 20, IPV6 = 40, TCP = 20, UDP = 8, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void store_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static uint32_t load_be32(const uint8_t *p)
{
    return (uint32_t)load_be16(p) << 16 | load_be16(p + 2);
}

static void store_be32(uint8_t *p, uint32_t v)
{
    store_be16(p, v >> 16);
    store_be16(p + 2, v);
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (; size >= 4; p += 4, size -= 4)
        sum += load_be32(p); /* halves add up the same modulo 0xffff */
    if (size >= 2) {
        sum += load_be16(p);
        p += 2, size -= 2;
    }
    if (size)
        sum += (uint32_t)p[0] << 8;
    return sum;
}

uint16_t checksum_finish(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    uint8_t bytes[2];
    uint16_t stored;
    store_be16(bytes, (uint32_t)~sum & 0xffff);
    memcpy(&stored, bytes, 2);
    return stored;
}

static void store_checksum(uint8_t *place, uint64_t sum, bool zero_means_none)
{
    uint16_t value = checksum_finish(sum);
    if (!value && zero_means_none)
        value = 0xffff;
    memcpy(place, &value, 2);
}

bool offload_checksum(uint8_t *frame, size_t size, const struct offload *offload)
{
    size_t start = offload->checksum_start, place = start + offload->checksum_offset;
    if (start >= size || !range_within(place, 2, size))
        return false;
    store_checksum(frame + place, checksum_add(0, frame + start, size - start), offload->checksum_offset == 6);
    return true;
}

/* Where the network header begins, behind any VLAN tags; 0 for none that fits. */
static size_t network_header(const uint8_t *frame, size_t size, uint16_t *type)
{
    size_t at = ETHERNET;
    if (size < at)
        return 0;
    for (*type = load_be16(frame + 12); *type == 0x8100 || *type == 0x88a8; at += VLAN_TAG) {
        if (size < at + VLAN_TAG)
            return 0;
        *type = load_be16(frame + at + 2);
    }
    return at;
}

bool offload_segments(const uint8_t *frame, size_t size, const struct offload *offload, uint8_t *out, size_t capacity,
                      void (*each)(void *self, size_t size), void *self)
{
    uint16_t type;
    bool udp = offload->train == TRAIN_UDP;
    size_t network = network_header(frame, size, &type), transport = offload->checksum_start;
    bool v4 = type == 0x0800;
    if (!network || (!v4 && type != 0x86dd) || (offload->train == TRAIN_TCP4 && !v4) ||
        (offload->train == TRAIN_TCP6 && v4) || offload->train == TRAIN_OTHER || !offload->segment)
        return false;
    if (transport < network + (v4 ? IPV4 : IPV6) || size < transport + (udp ? UDP : TCP))
        return false;
    size_t headers = transport + (udp ? UDP : (size_t)(frame[transport + 12] >> 4) * 4);
    if ((!udp && headers < transport + TCP) || headers > size || headers + offload->segment > capacity)
        return false;

    size_t payload = size - headers;
    uint32_t sequence = udp ? 0 : load_be32(frame + transport + 4), number = 0;
    for (size_t done = 0; done < payload || !number; number++) {
        size_t part = payload - done < offload->segment ? payload - done : offload->segment;
        size_t length = headers + part, transport_length = length - transport;
        uint8_t *ip = out + network, *l4 = out + transport;
        memcpy(out, frame, headers);
        memcpy(out + headers, frame + headers + done, part);

        uint64_t sum = 0; /* of the pseudo-header */
        if (v4) {
            store_be16(ip + 2, (uint32_t)(length - network));
            store_be16(ip + 4, (uint32_t)load_be16(frame + network + 4) + number);
            memset(ip + 10, 0, 2);
            size_t ip_header = (size_t)(ip[0] & 15) * 4;
            if (ip_header < IPV4 || network + ip_header > transport)
                return false;
            store_checksum(ip + 10, checksum_add(0, ip, ip_header), false);
            sum = checksum_add(sum, ip + 12, 8);
        } else {
            store_be16(ip + 4, (uint32_t)(length - network - IPV6));
            sum = checksum_add(sum, ip + 8, 32);
        }
        sum += (udp ? PROTOCOL_UDP : PROTOCOL_TCP) + transport_length;
        if (udp) {
            store_be16(l4 + 4, (uint32_t)transport_length);
            memset(l4 + 6, 0, 2);
            store_checksum(l4 + 6, checksum_add(sum, l4, transport_length), true);
        } else {
            store_be32(l4 + 4, sequence + (uint32_t)done);
            if (number)
                l4[13] &= (uint8_t)~TCP_CWR;
            if (done + part < payload)
                l4[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
            memset(l4 + 16, 0, 2);
            store_checksum(l4 + 16, checksum_add(sum, l4, transport_length), false);
        }
        each(self, length);
        done += part;
    }
    return true;
}
