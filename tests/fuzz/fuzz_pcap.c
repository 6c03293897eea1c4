/* SPDX-License-Identifier: MIT
 *
 * Any bytes as a capture: no packet is larger than allowed or than what was there, and errors come with a reason.
 */
#include <stdlib.h>
#include <string.h>
#include "pcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static size_t take(void *self, void *to, size_t size)
{
    struct input *input = self;
    size_t part = size < input->size ? size : input->size;
    memcpy(to, input->data, part);
    input->data += part;
    input->size -= part;
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct pcap_reader reader;
    struct pcap_packet packet;
    int more = 0;
    uint64_t bytes = 0;
    volatile uint8_t sum = 0;
    if (!data || !pcap_open(&reader, take, &input)) {
        if (data && !*reader.error)
            abort();
        return 0;
    }
    while ((more = pcap_next(&reader, &packet)) > 0) {
        bytes += packet.captured;
        if (packet.captured > PCAP_PACKET_MAX || bytes > size)
            abort();
        for (uint32_t i = 0; i < packet.captured; i++)
            sum = (uint8_t)(sum + packet.data[i]);
    }
    if (more < 0 && !*reader.error)
        abort();
    pcap_close(&reader);
    return 0;
}
