/* SPDX-License-Identifier: MIT
 *
 * Captures in the classic pcap format: a 24-byte header {magic, major, minor, zone, sigfigs, snaplen, link type}, then
 * records of 16 bytes {seconds, fraction, captured length, original length} and the captured bytes.  The magic tells
 * byte order and whether fractions are micro- or nanoseconds.  Everything read is hostile.
 */
#ifndef WINBPF_BIN_PCAP_H
#define WINBPF_BIN_PCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { PCAP_ETHERNET = 1, PCAP_PACKET_MAX = 262144 };

struct pcap_reader {
    /* Up to `size` bytes; fewer only at the end. */
    size_t (*read)(void *self, void *to, size_t size);
    void *self;
    bool swapped, nanoseconds;
    uint32_t snaplen, link_type;
    uint64_t records; /* read so far */
    char error[160];  /* "record 3: …" */
    uint8_t *buffer;  /* of the last packet */
    size_t capacity;
};

struct pcap_packet {
    uint32_t seconds, fraction;
    uint32_t captured, original; /* bytes */
    const uint8_t *data;         /* until the next call */
};

/* Reads the header.  False with reader->error. */
bool pcap_open(struct pcap_reader *reader, size_t (*read)(void *self, void *to, size_t size), void *self);
/* 1: a packet, 0: the end, -1: reader->error. */
int pcap_next(struct pcap_reader *reader, struct pcap_packet *packet);
void pcap_close(struct pcap_reader *reader);

/* Writing; false when the file does not take it.  Native byte order. */
bool pcap_write_header(FILE *file, bool nanoseconds, uint32_t link_type);
bool pcap_write(FILE *file, const struct pcap_packet *packet);

#endif
