/* SPDX-License-Identifier: MIT
 *
 * XDP as programs see it.  The provider keeps pointers (struct xdp_context in src/hooks: efW's layout with three fields
 * more); Linux's programs see each as a u32 that loads as a pointer, efW's see the layout itself.  The hook's verdicts
 * are Linux's: ABORTED 0, DROP 1, PASS 2, TX 3, REDIRECT 4.  efW numbers them otherwise (PASS 1, DROP 2, TX 3), and
 * what is none of a personality's verdicts must not let a packet through: Linux aborts, efW drops.
 */
#include "contract/contract.h"

enum { ABORTED, DROP, PASS, TX, REDIRECT };

enum {
    REAL_DATA = 0,
    REAL_DATA_END = 8,
    REAL_DATA_META = 16,
    REAL_INGRESS = 24,
    REAL_QUEUE = 28,
    REAL_EGRESS = 32,
    REAL_SIZE = 40,
};

static const struct context_field linux_fields[] = {
    {"data", FIELD_PACKET, 0, 4, REAL_DATA, 8, FIELD_READ, 1},
    {"data_end", FIELD_PACKET_END, 4, 4, REAL_DATA_END, 8, FIELD_READ, -1},
    {"data_meta", FIELD_PACKET_META, 8, 4, REAL_DATA_META, 8, FIELD_READ, 0},
    {"ingress_ifindex", FIELD_SCALAR, 12, 4, REAL_INGRESS, 4, FIELD_READ, -1},
    {"rx_queue_index", FIELD_SCALAR, 16, 4, REAL_QUEUE, 4, FIELD_READ, -1},
    {"egress_ifindex", FIELD_SCALAR, 20, 4, REAL_EGRESS, 4, FIELD_READ, -1},
};

static const struct context_field efw_fields[] = {
    {"data", FIELD_PACKET, 0, 8, REAL_DATA, 8, FIELD_READ, 1},
    {"data_end", FIELD_PACKET_END, 8, 8, REAL_DATA_END, 8, FIELD_READ, -1},
    {"data_meta", FIELD_PACKET_META, 16, 8, REAL_DATA_META, 8, FIELD_READ, 0},
    {"ingress_ifindex", FIELD_SCALAR, 24, 4, REAL_INGRESS, 4, FIELD_READ, -1},
};

static const uint8_t efw_verdicts[] = {PASS, DROP, TX}; /* of 1, 2, 3 */

const struct program_contract contract_xdp = {
    .name = "xdp",
    .guid = GUID_BYTES(0xf1832a85u, 0x85d5, 0x45b0, 0x98, 0xa0, 0x70, 0x69, 0xd6, 0x30, 0x13, 0xb0),
    .type = {[PERSONALITY_LINUX] = 6, [PERSONALITY_EFW] = 1},
    .context = {[PERSONALITY_LINUX] = {24, sizeof(linux_fields) / sizeof(linux_fields[0]), linux_fields},
                [PERSONALITY_EFW] = {32, sizeof(efw_fields) / sizeof(efw_fields[0]), efw_fields}},
    .returns =
        {[PERSONALITY_LINUX] = {{ABORTED, REDIRECT}, NULL, ABORTED}, [PERSONALITY_EFW] = {{1, 3}, efw_verdicts, DROP}},
    .real_size = REAL_SIZE,
    .flags = CONTRACT_PACKET_WRITE | CONTRACT_ANY_RETURN,
};
