/* SPDX-License-Identifier: MIT
 *
 * A command's memory, gathered by wire.def.  What cannot be read, or is larger than any server takes, is left out: the
 * server then misses it where the command comes to need it, so errors keep their order.
 */
#include "wire/client.h"
#include <linux/bpf.h>
#include <string.h>
#include "base/checked.h"
#include "core/object.h"
#include "platform/handle.h"

enum {
    TAG = OS_TAG('w', 'i', 'r', 'e'),
    ON_STACK = 1024,
    ATTR_MOST = 4096,      /* as the core */
    PIECE_MOST = 32 << 20, /* more than any command takes: a million instructions, a log of 16 MiB, BTF */
};

enum size_kind { SIZE_COUNT, SIZE_PRODUCT, SIZE_TEXT, SIZE_KEY, SIZE_VALUE, SIZE_FD_ARRAY, SIZE_TEST_OUT, SIZE_INFO };

#define AT(field)              offsetof(union bpf_attr, field)
#define COUNT(field, unit)     SIZE_COUNT, AT(field), unit
#define PRODUCT(field, field2) SIZE_PRODUCT, AT(field), AT(field2)
#define TEXT(most)             SIZE_TEXT, most, 0
#define KEY                    SIZE_KEY, 0, 0
#define VALUE                  SIZE_VALUE, 0, 0
#define FD_ARRAY               SIZE_FD_ARRAY, 0, 0
#define TEST_OUT               SIZE_TEST_OUT, 0, 0
#define INFO                   SIZE_INFO, 0, 0

static const struct piece {
    uint32_t command, pointer, direction;
    enum size_kind kind;
    uint32_t a, b;
} pieces[] = {
#define PIECE(command, pointer, direction, size) {command, AT(pointer), direction, size},
#include "wire/wire.def"
#undef PIECE
};

/* What a program's information struct points at: the pointer, the count and the bytes of each. */
static const struct info_array {
    uint32_t pointer, count, unit;
} prog_arrays[] = {
#define ARRAY(field, count, unit)                                                                                      \
    {                                                                                                                  \
        offsetof(struct bpf_prog_info, field), offsetof(struct bpf_prog_info, count), unit                             \
    }
    ARRAY(jited_prog_insns, jited_prog_len, 1),
    ARRAY(xlated_prog_insns, xlated_prog_len, 1),
    ARRAY(map_ids, nr_map_ids, 4),
    ARRAY(jited_ksyms, nr_jited_ksyms, 8),
    ARRAY(jited_func_lens, nr_jited_func_lens, 4),
    ARRAY(func_info, nr_func_info, sizeof(struct bpf_func_info)),
    ARRAY(line_info, nr_line_info, sizeof(struct bpf_line_info)),
    ARRAY(jited_line_info, nr_jited_line_info, 8),
    ARRAY(prog_tags, nr_prog_tags, BPF_TAG_SIZE),
#undef ARRAY
};

struct gather {
    struct wire_client *client;
    struct wire_segment segments[WIRE_SEGMENTS_MOST];
    uint32_t count;
    union bpf_attr attr; /* zero behind what the caller has of it */
};

static uint32_t field32(const void *base, uint32_t at)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)base + at, sizeof value);
    return value;
}

static uint64_t field64(const void *base, uint32_t at)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)base + at, sizeof value);
    return value;
}

static void add(struct gather *gather, uint64_t address, uint64_t length, uint32_t direction)
{
    if (!length || length > PIECE_MOST || !os_memory_plausible(address, (size_t)length) ||
        gather->count == WIRE_SEGMENTS_MOST)
        return;
    gather->segments[gather->count++] =
        (struct wire_segment){.address = address, .length = length, .direction = direction};
}

/* Bytes of a text with its NUL; all that can be read, up to `most`, where there is none.  Pieces of the reading do not
 * cross a page. */
static uint64_t text_length(uint64_t address, uint64_t most)
{
    enum { STEP = 64 };
    char part[STEP];
    uint64_t length = 0;
    while (length < most && address) {
        size_t size = STEP - (size_t)((address + length) % STEP);
        if (size > most - length)
            size = (size_t)(most - length);
        if (os_memory_read(part, address + length, size))
            break;
        const char *end = memchr(part, 0, size);
        if (end)
            return length + (uint64_t)(end - part) + 1;
        length += size;
    }
    return length;
}

/* As many handles as the program's lddw instructions of the kinds "map by index" reach. */
static uint64_t fd_array_size(const union bpf_attr *attr)
{
    struct bpf_insn insns[64];
    uint64_t most = attr->fd_array_cnt;
    for (uint64_t at = 0; at < attr->insn_cnt && attr->insn_cnt <= PIECE_MOST / sizeof *insns;) {
        uint64_t left = attr->insn_cnt - at, part = left < 64 ? left : 64;
        if (os_memory_read(insns, attr->insns + at * sizeof *insns, (size_t)part * sizeof *insns))
            break;
        for (uint64_t i = 0; i < part; i++) {
            bool indexed = insns[i].src_reg == BPF_PSEUDO_MAP_IDX || insns[i].src_reg == BPF_PSEUDO_MAP_IDX_VALUE;
            if (insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) && indexed && insns[i].imm >= 0 &&
                (uint64_t)insns[i].imm >= most)
                most = (uint64_t)insns[i].imm + 1;
        }
        at += part;
    }
    return most * 4;
}

/* An information struct, and what it points at. */
static void add_info(struct gather *gather)
{
    struct wire_description object;
    const union bpf_attr *attr = &gather->attr;
    uint64_t at = attr->info.info;
    add(gather, at, attr->info.info_len, WIRE_IN | WIRE_OUT);
    if (wire_describe(gather->client, (int)attr->info.bpf_fd, &object))
        return;
    if (object.kind == OBJECT_PROG) {
        struct bpf_prog_info info;
        uint32_t size = attr->info.info_len < sizeof info ? attr->info.info_len : sizeof info;
        memset(&info, 0, sizeof info);
        if (os_memory_read(&info, at, size))
            return;
        for (size_t i = 0; i < sizeof prog_arrays / sizeof *prog_arrays; i++) {
            const struct info_array *array = &prog_arrays[i];
            add(gather, field64(&info, array->pointer), (uint64_t)field32(&info, array->count) * array->unit, WIRE_OUT);
        }
    } else if (object.kind == OBJECT_BTF) {
        struct bpf_btf_info info;
        uint32_t size = attr->info.info_len < sizeof info ? attr->info.info_len : sizeof info;
        memset(&info, 0, sizeof info);
        if (os_memory_read(&info, at, size))
            return;
        add(gather, info.btf, info.btf_size, WIRE_OUT);
        add(gather, info.name, info.name_len, WIRE_OUT);
    }
}

static void add_piece(struct gather *gather, const struct piece *piece)
{
    struct wire_description map;
    const union bpf_attr *attr = &gather->attr;
    uint64_t address = field64(attr, piece->pointer), length = 0;
    switch (piece->kind) {
    case SIZE_COUNT: length = (uint64_t)field32(attr, piece->a) * piece->b; break;
    case SIZE_PRODUCT: length = (uint64_t)field32(attr, piece->a) * field32(attr, piece->b); break;
    case SIZE_TEXT: length = text_length(address, piece->a); break;
    case SIZE_KEY:
    case SIZE_VALUE:
        if (wire_describe(gather->client, (int)attr->map_fd, &map) || map.kind != OBJECT_MAP)
            return;
        length = piece->kind == SIZE_KEY ? map.key_size : map.value_size;
        break;
    case SIZE_FD_ARRAY: length = address ? fd_array_size(attr) : 0; break;
    case SIZE_TEST_OUT: {
        uint64_t most = (uint64_t)attr->test.data_size_in + WIRE_TEST_GROWTH;
        length = attr->test.data_size_out && attr->test.data_size_out < most ? attr->test.data_size_out : most;
        break;
    }
    case SIZE_INFO: add_info(gather); return;
    }
    if ((piece->command == BPF_PROG_LOAD || piece->command == BPF_BTF_LOAD) && piece->direction == WIRE_OUT &&
        length > WIRE_LOG_MOST)
        length = WIRE_LOG_MOST; /* no log is longer */
    add(gather, address, length, piece->direction);
}

/* Gives each segment its place.  False where the message would be too long to say its size. */
static bool lay_out(struct gather *gather, size_t *size)
{
    size_t at = sizeof(struct wire_head) + gather->count * sizeof(struct wire_segment), room;
    for (int out = 1; out >= 0; out--) {
        for (uint32_t i = 0; i < gather->count; i++) {
            struct wire_segment *segment = &gather->segments[i];
            if (!!(segment->direction & WIRE_OUT) != out)
                continue;
            segment->offset = at;
            if (!checked_align_size((size_t)segment->length, WIRE_ALIGN, &room) || !checked_add_size(at, room, &at))
                return false;
        }
    }
    *size = at;
    return true;
}

/* Copies the caller's bytes in.  A piece that cannot be read stays in the table without its IN. */
static void fill(const struct gather *gather, uint8_t *message)
{
    struct wire_segment *table = (struct wire_segment *)(message + sizeof(struct wire_head));
    memcpy(table, gather->segments, gather->count * sizeof *table);
    for (uint32_t i = 0; i < gather->count; i++) {
        struct wire_segment *segment = &table[i];
        if (segment->direction & WIRE_IN &&
            os_memory_read(message + segment->offset, segment->address, (size_t)segment->length)) {
            memset(message + segment->offset, 0, (size_t)segment->length);
            segment->address = 1; /* nobody's */
        }
    }
}

/* Brings back what was written.  Of the answer's table only the lengths count: the rest is as we sent it. */
static enum result deliver(const struct gather *gather, const struct wire_head *head)
{
    const struct wire_segment *answer = (const struct wire_segment *)(head + 1);
    enum result result = RESULT_OK;
    for (uint32_t i = 0; i < gather->count; i++) {
        const struct wire_segment *segment = &gather->segments[i];
        uint64_t written = answer[i].written;
        if (!(segment->direction & WIRE_OUT) || !written)
            continue;
        if (written > segment->length)
            result = RESULT_PROTOCOL;
        else if (os_memory_write(segment->address, (const uint8_t *)head + segment->offset, (size_t)written))
            result = RESULT_FAULT;
    }
    return result;
}

enum result wire_command(struct wire_client *client, uint32_t numbers, uint32_t command, uint64_t attr, uint32_t size,
                         int64_t *value, bool *known)
{
    struct gather gather = {.client = client};
    _Alignas(8) uint8_t small[ON_STACK];
    size_t total;
    *known = true;
    if (size > ATTR_MOST)
        return RESULT_TOO_BIG;
    if (os_memory_read(&gather.attr, attr, size < sizeof gather.attr ? size : sizeof gather.attr))
        return RESULT_FAULT;
    /* An attr of no bytes is still one; the address is not looked at then. */
    gather.segments[gather.count++] =
        (struct wire_segment){.address = attr, .length = size, .direction = WIRE_IN | WIRE_OUT};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (pieces[i].command == command)
            add_piece(&gather, &pieces[i]);
    if (!lay_out(&gather, &total))
        return RESULT_TOO_BIG;
    uint8_t *message = total <= sizeof small ? memset(small, 0, total) : os_alloc(total, TAG);
    if (!message)
        return RESULT_NO_MEMORY;
    struct wire_head *head = (struct wire_head *)message;
    *head = (struct wire_head){.magic = WIRE_MAGIC,
                               .version = WIRE_VERSION,
                               .kind = WIRE_COMMAND,
                               .command = command,
                               .size = total,
                               .segment_count = gather.count,
                               .argument = {numbers}};
    fill(&gather, message);
    enum result result = client->exchange(client->self, head);
    if (!result) {
        result = head->result >= 0 && head->result < RESULT_COUNT ? (enum result)head->result : RESULT_PROTOCOL;
        *value = head->value;
        *known = !(head->argument[1] & WIRE_UNKNOWN_COMMAND);
        enum result delivered = deliver(&gather, head);
        if (!result)
            result = delivered;
    }
    if (message != small)
        os_free(message, total, TAG);
    return result;
}

enum result wire_control(struct wire_client *client, enum wire_kind kind, int handle, uint64_t argument[3],
                         int64_t *value)
{
    struct wire_head head = {.magic = WIRE_MAGIC,
                             .version = WIRE_VERSION,
                             .kind = (uint32_t)kind,
                             .command = (uint32_t)handle,
                             .size = sizeof head};
    if (argument)
        memcpy(head.argument, argument, sizeof head.argument);
    enum result result = client->exchange(client->self, &head);
    if (result)
        return result;
    if (argument)
        memcpy(argument, head.argument, sizeof head.argument);
    if (value)
        *value = head.value;
    return head.result >= 0 && head.result < RESULT_COUNT ? (enum result)head.result : RESULT_PROTOCOL;
}

enum result wire_close(struct wire_client *client, int handle)
{
    /* Forgotten first: once it is closed, the number may name another object. */
    os_irql irql = os_spin_acquire(&client->lock);
    struct wire_description *row = &client->remembered[(uint32_t)handle % WIRE_REMEMBERED];
    client->closes++;
    if (row->handle == handle)
        row->handle = 0;
    os_spin_release(&client->lock, irql);
    return wire_control(client, WIRE_CLOSE, handle, NULL, NULL);
}

enum result wire_describe(struct wire_client *client, int handle, struct wire_description *out)
{
    struct wire_description *row = &client->remembered[(uint32_t)handle % WIRE_REMEMBERED];
    uint64_t argument[3] = {0};
    int64_t kind;
    if (handle <= 0)
        return RESULT_BAD_HANDLE;
    os_irql irql = os_spin_acquire(&client->lock);
    uint64_t closes = client->closes;
    *out = *row;
    os_spin_release(&client->lock, irql);
    if (out->handle == handle)
        return RESULT_OK;
    enum result result = wire_control(client, WIRE_DESCRIBE, handle, argument, &kind);
    if (result)
        return result;
    *out = (struct wire_description){.handle = handle,
                                     .kind = (uint32_t)kind,
                                     .key_size = argument[0],
                                     .value_size = argument[1],
                                     .map_kind = (uint32_t)argument[2],
                                     .max_entries = (uint32_t)(argument[2] >> 32)};
    irql = os_spin_acquire(&client->lock);
    if (closes == client->closes)
        *row = *out;
    os_spin_release(&client->lock, irql);
    return RESULT_OK;
}
