/* SPDX-License-Identifier: MIT
 *
 * efW's program types that no hook here runs yet: contexts as its headers lay them out, for verification.  efW checks
 * no return value, and a program may load any part of a number.
 */
#include "contract/fields.h"

#define NUMBER(name, offset, size)          ROW(name, FIELD_SCALAR, AT(offset, size), FIELD_READ | FIELD_NARROW, -1)
#define SET(name, offset, size)             ROW(name, FIELD_SCALAR, AT(offset, size), FIELD_READ | FIELD_WRITE | FIELD_NARROW, -1)
#define BYTES(name, offset, size)           ROW(name, FIELD_BYTES, AT(offset, size), FIELD_READ, -1)
#define SET_BYTES(name, offset, size)       ROW(name, FIELD_BYTES, AT(offset, size), FIELD_READ | FIELD_WRITE, -1)
#define MEMORY(kind, name, offset, partner) ROW(name, kind, AT(offset, 8), FIELD_READ, partner)

/* bpf_sock_addr_t.  A connect hook may send the connection elsewhere; the others only say yes or no. */
#define ADDR_HEAD                                                                                                      \
    NUMBER("family", 0, 4), BYTES("msg_src_ip", 4, 16), NUMBER("msg_src_port", 20, 2), NUMBER("protocol", 44, 4),      \
        NUMBER("compartment_id", 48, 4), NUMBER("interface_luid", 56, 8)
static const struct context_field addr_fields[] = {ADDR_HEAD, BYTES("user_ip", 24, 16), NUMBER("user_port", 40, 2)};
static const struct context_field connect_fields[] = {ADDR_HEAD, SET_BYTES("user_ip", 24, 16), SET("user_port", 40, 2)};

enum { CONNECT4 = 3, CONNECT6 = 4 };
static const struct attach_context addr_contexts[] = {
    {PERSONALITY_EFW, CONNECT4, LAYOUT(64, connect_fields)},
    {PERSONALITY_EFW, CONNECT6, LAYOUT(64, connect_fields)},
};

/* bpf_sock_ops_t */
static const struct context_field sock_ops_fields[] = {
    NUMBER("op", 0, 4),          NUMBER("family", 4, 4),          BYTES("local_ip", 8, 16),
    NUMBER("local_port", 24, 4), BYTES("remote_ip", 28, 16),      NUMBER("remote_port", 44, 4),
    NUMBER("protocol", 48, 1),   NUMBER("compartment_id", 52, 4), NUMBER("interface_luid", 56, 8),
};

/* netevent_event_md_t: the event, and what describes it before it */
static const struct context_field netevent_fields[] = {
    MEMORY(FIELD_PACKET, "data", 8, 1),
    MEMORY(FIELD_PACKET_END, "data_end", 16, -1),
    MEMORY(FIELD_PACKET_META, "data_meta", 0, 0),
};

/* process_md_t: the command line and who starts whom */
static const struct context_field process_fields[] = {
    MEMORY(FIELD_MEMORY, "command_start", 0, 1),
    MEMORY(FIELD_MEMORY_END, "command_end", 8, -1),
    NUMBER("process_id", 16, 8),
    NUMBER("parent_process_id", 24, 8),
    NUMBER("creating_process_id", 32, 8),
    NUMBER("creating_thread_id", 40, 8),
    NUMBER("operation", 48, 4),
};

/* sample_program_context_t */
static const struct context_field sample_fields[] = {
    MEMORY(FIELD_PACKET, "data_start", 0, 1),
    MEMORY(FIELD_PACKET_END, "data_end", 8, -1),
    SET("uint32_data", 16, 4),
    SET("uint16_data", 20, 2),
    NUMBER("helper_data_1", 24, 4),
    NUMBER("helper_data_2", 28, 4),
};

#define EFW(label, number, bytes, rows, more)                                                                          \
    .name = label, .type = {[PERSONALITY_EFW] = number}, .context = {[PERSONALITY_EFW] = LAYOUT(bytes, rows)},         \
    .returns = {[PERSONALITY_EFW] = RANGE(INT32_MIN, INT32_MAX)}, .real_size = bytes,                                  \
    .flags = CONTRACT_VERIFY_ONLY | CONTRACT_ANY_RETURN | (more)

const struct program_contract contracts_efw[] = {
    {EFW("cgroup_sock_addr", 3, 64, addr_fields, 0),
     .guid = GUID_BYTES(0x92ec8e39u, 0xaeec, 0x11ec, 0x9a, 0x30, 0x18, 0x60, 0x24, 0x89, 0xbe, 0xee),
     .attach_contexts = addr_contexts, .attach_contexts_count = COUNT(addr_contexts)},
    {EFW("sock_ops", 4, 64, sock_ops_fields, 0),
     .guid = GUID_BYTES(0x43fb224du, 0x68f8, 0x46d6, 0xaa, 0x3f, 0xc8, 0x56, 0x51, 0x8c, 0xbb, 0x32)},
    {EFW("netevent", 5, 24, netevent_fields, 0),
     .guid = GUID_BYTES(0xfc4adc85u, 0x49c3, 0x4f0a, 0x83, 0x93, 0xfa, 0xcc, 0xe8, 0x9c, 0xde, 0x91)},
    {EFW("process", 6, 56, process_fields, 0),
     .guid = GUID_BYTES(0x22ea7b37u, 0x1043, 0x4d0d, 0xb6, 0x0d, 0xca, 0xfa, 0x1c, 0x7b, 0x63, 0x8e)},
    {EFW("sample", 999, 32, sample_fields, CONTRACT_PACKET_WRITE),
     .guid = GUID_BYTES(0xf788ef4au, 0x207d, 0x4dc3, 0x85, 0xcf, 0x0f, 0x2e, 0xa1, 0x07, 0x21, 0x3c)},
    {0},
};
