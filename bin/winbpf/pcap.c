/* SPDX-License-Identifier: MIT
 *
 * The pcap reader and writer (pcap.h).  Memory grows to the largest packet seen, PCAP_PACKET_MAX at most.
 */
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "pcap.h"

enum { FILE_HEADER = 24, RECORD_HEADER = 16 };

#define MAGIC_MICRO 0xa1b2c3d4u
#define MAGIC_NANO  0xa1b23c4du
#define MAGIC_NG    0x0a0d0d0au

static uint32_t swap(uint32_t v)
{
    return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

static uint32_t word(const struct pcap_reader *reader, const uint8_t *p)
{
    uint32_t v = load_le32(p);
    return reader->swapped ? swap(v) : v;
}

bool pcap_open(struct pcap_reader *reader, size_t (*read)(void *self, void *to, size_t size), void *self)
{
    uint8_t header[FILE_HEADER];
    memset(reader, 0, sizeof *reader);
    reader->read = read;
    reader->self = self;
    size_t got = read(self, header, sizeof header);
    uint32_t magic = got >= 4 ? load_le32(header) : 0;
    if (magic == MAGIC_NG) {
        snprintf(reader->error, sizeof reader->error,
                 "header: this is pcapng, only classic pcap is read (convert it: tcpdump -r IN -w OUT)");
        return false;
    }
    reader->swapped = swap(magic) == MAGIC_MICRO || swap(magic) == MAGIC_NANO;
    if (reader->swapped)
        magic = swap(magic);
    reader->nanoseconds = magic == MAGIC_NANO;
    if (got < 4 || (magic != MAGIC_MICRO && magic != MAGIC_NANO)) {
        snprintf(reader->error, sizeof reader->error, "header: not a pcap capture");
        return false;
    }
    if (got < sizeof header) {
        snprintf(reader->error, sizeof reader->error, "header: the file ends after %zu of its 24 bytes", got);
        return false;
    }
    uint32_t version = word(reader, header + 4), major = reader->swapped ? version >> 16 : version & 0xffff;
    if (major != 2) {
        snprintf(reader->error, sizeof reader->error, "header: pcap version %u, only 2 is known", major);
        return false;
    }
    reader->snaplen = word(reader, header + 16);
    reader->link_type = word(reader, header + 20) & 0xffff; /* the rest says whether frames end in a checksum */
    return true;
}

int pcap_next(struct pcap_reader *reader, struct pcap_packet *packet)
{
    uint8_t header[RECORD_HEADER];
    unsigned long long number = reader->records + 1;
    size_t got = reader->read(reader->self, header, sizeof header);
    if (!got)
        return 0;
    if (got < sizeof header) {
        snprintf(reader->error, sizeof reader->error, "record %llu: the file ends inside its header", number);
        return -1;
    }
    static const uint8_t zeros[RECORD_HEADER];
    if (!memcmp(header, zeros,
                sizeof zeros)) { /* what a full disk or a crash leaves; without an end in a sparse file */
        snprintf(reader->error, sizeof reader->error, "record %llu: nothing but zeros from here", number);
        return -1;
    }
    packet->seconds = word(reader, header);
    packet->fraction = word(reader, header + 4);
    packet->captured = word(reader, header + 8);
    packet->original = word(reader, header + 12);
    if (packet->captured > PCAP_PACKET_MAX) {
        snprintf(reader->error, sizeof reader->error, "record %llu: says it has %u bytes, the most is %u", number,
                 packet->captured, PCAP_PACKET_MAX);
        return -1;
    }
    if (packet->captured > reader->capacity) {
        uint8_t *grown = realloc(reader->buffer, packet->captured);
        if (!grown) {
            snprintf(reader->error, sizeof reader->error, "record %llu: out of memory", number);
            return -1;
        }
        reader->buffer = grown;
        reader->capacity = packet->captured;
    }
    if (packet->captured && reader->read(reader->self, reader->buffer, packet->captured) < packet->captured) {
        snprintf(reader->error, sizeof reader->error, "record %llu: the file ends inside its %u bytes", number,
                 packet->captured);
        return -1;
    }
    packet->data = reader->buffer;
    reader->records++;
    return 1;
}

void pcap_close(struct pcap_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
    reader->capacity = 0;
}

bool pcap_write_header(FILE *file, bool nanoseconds, uint32_t link_type)
{
    uint32_t header[6] = {nanoseconds ? MAGIC_NANO : MAGIC_MICRO, 2 | 4 << 16, 0, 0, PCAP_PACKET_MAX, link_type};
    return fwrite(header, sizeof header, 1, file) == 1;
}

bool pcap_write(FILE *file, const struct pcap_packet *packet)
{
    uint32_t header[4] = {packet->seconds, packet->fraction, packet->captured, packet->original};
    return fwrite(header, sizeof header, 1, file) == 1 &&
           (!packet->captured || fwrite(packet->data, packet->captured, 1, file) == 1);
}
