/* SPDX-License-Identifier: MIT
 *
 * What the program droppacket.bpf.c and its loader droppacket.c tell each other.
 */
#ifndef DROPPACKET_H
#define DROPPACKET_H

/* Sent through the ring buffer for every dropped packet. */
struct drop_event {
    unsigned int source, destination; /* IPv4 addresses, network order */
    unsigned short source_port, port; /* host order */
    unsigned int length;              /* of the frame, bytes */
};

/* Slots of the map `totals`. */
enum { TOTAL_SEEN, TOTAL_UDP, TOTAL_DROPPED, TOTAL_EVENTS_LOST, TOTALS };

#endif
