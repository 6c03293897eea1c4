/* SPDX-License-Identifier: MIT
 *
 * Loads, stores and atomics, and the memory that helpers are given.
 *
 * Stack slots keep what was stored in them: a slot is one value of eight bytes or pieces of it; a load of what was
 * stored gives it back, of a part of a constant that part, of anything else a number of which the width is known.
 * Everything outside the stack is shared with others, so a load gives any number, unless the memory is a map's that is
 * frozen.
 */
#include <linux/bpf.h>
#include <string.h>
#include "verify/state.h"

enum { WINDOW = 1 << 29 }; /* no offset is further from zero */

/* ---- slots ---- */

static struct scalar part_of(const struct scalar *n, unsigned off, unsigned size)
{
    if (off == 0)
        return size == 8 ? *n : scalar_zext(n, size * 8);
    struct scalar by = scalar_const(off * 8), moved = scalar_alu(OP_RSH, true, n, &by);
    return scalar_zext(&moved, size * 8);
}

enum slot_content slot_get(const struct verifier *v, node_t node, unsigned off, unsigned size, struct value *value)
{
    if (node == NODE_NONE || node == NODE_MIXED) {
        *value = *node_value(v, node);
        return node == NODE_MIXED ? SLOT_POINTER : SLOT_UNINIT;
    }
    if (!(node & NODE_SPLIT)) {
        const struct value *whole = node_value(v, node);
        if (size == 8 || whole->kind != V_NUMBER) {
            *value = *whole;
            return size == 8 ? SLOT_VALUE : SLOT_POINTER;
        }
        *value = value_number(part_of(&whole->n, off, size));
        return SLOT_VALUE;
    }
    const struct split *split = node_split(v, node);
    uint8_t have = 0, want = (uint8_t)(((1u << size) - 1) << off);
    struct tnum bits = {0, 0};
    for (unsigned i = 0; i < 8; i++) {
        unsigned width = split->size[i];
        if (!width || i + width <= off || i >= off + size)
            continue;
        const struct value *piece = node_value(v, split->piece[i]);
        if (i == off && width == size) {
            *value = *piece;
            return SLOT_VALUE;
        }
        if (i <= off && i + width >= off + size) {
            *value = value_number(part_of(&piece->n, off - i, size));
            return SLOT_VALUE;
        }
        have |= (uint8_t)(((1u << width) - 1) << i);
        /* some bytes of it, or of ours */
        struct tnum t = piece->n.bits;
        if (i >= off) {
            bits.value |= t.value << (i - off) * 8;
            bits.mask |= t.mask << (i - off) * 8;
        } else {
            bits.value |= t.value >> (off - i) * 8;
            bits.mask |= t.mask >> (off - i) * 8;
        }
    }
    if (want & ~have)
        return SLOT_UNINIT;
    struct scalar n = scalar_any;
    uint64_t keep = size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;
    n.bits = (struct tnum){bits.value & keep & ~bits.mask, bits.mask & keep};
    (void)scalar_sync(&n);
    *value = value_number(n);
    return SLOT_VALUE;
}

/* Adds to `to` what of [at, at + size) is not in [from, from + count), in naturally aligned parts. */
static void keep_rest(struct verifier *v, struct split *to, node_t node, unsigned at, unsigned size, unsigned from,
                      unsigned count)
{
    struct value value;
    if (at >= from + count || at + size <= from) {
        if (slot_get(v, node, at, size, &value) == SLOT_VALUE) {
            to->size[at] = (uint8_t)size;
            to->piece[at] = node_make(v, &value);
        } else if (size > 1) {
            keep_rest(v, to, node, at, size / 2, from, count);
            keep_rest(v, to, node, at + size / 2, size / 2, from, count);
        }
        return;
    }
    if (at >= from && at + size <= from + count)
        return;
    keep_rest(v, to, node, at, size / 2, from, count);
    keep_rest(v, to, node, at + size / 2, size / 2, from, count);
}

/* The node of a slot in which bytes [off, off + size) now hold `value`, a number. */
static node_t slot_put(struct verifier *v, node_t node, unsigned off, unsigned size, const struct value *value)
{
    struct split to = {{0}, {0}};
    struct value whole;
    if (node == NODE_MIXED)
        return node;
    if (node & NODE_SPLIT) {
        const struct split from = *node_split(v, node);
        for (unsigned i = 0; i < 8; i++)
            if (from.size[i]) {
                if (i >= off + size || i + from.size[i] <= off) {
                    to.size[i] = from.size[i];
                    to.piece[i] = from.piece[i];
                } else {
                    keep_rest(v, &to, node, i, from.size[i], off, size);
                }
            }
    } else if (node != NODE_NONE) {
        if (node_value(v, node)->kind != V_NUMBER)
            node = NODE_ANY; /* what is left of a pointer: bytes */
        keep_rest(v, &to, node, 0, 8, off, size);
    }
    if (off % size == 0) {
        to.size[off] = (uint8_t)size;
        to.piece[off] = node_make(v, value);
    } else {
        for (unsigned i = 0; i < size; i++) {
            struct value byte = value_number(part_of(&value->n, i, 1));
            to.size[off + i] = 1;
            to.piece[off + i] = node_make(v, &byte);
        }
    }
    node = node_make_split(v, &to);
    /* whole again? */
    if (slot_get(v, node, 0, 8, &whole) == SLOT_VALUE &&
        (scalar_is_const(&whole.n) || whole.n.bits.mask == UINT64_MAX)) {
        bool plain = true;
        if (!scalar_is_const(&whole.n))
            for (unsigned i = 0; i < 8; i++)
                if (to.size[i]) {
                    const struct value *piece = node_value(v, to.piece[i]);
                    struct scalar full = scalar_bits(to.size[i] * 8u);
                    plain = plain && !piece->anchor && scalar_covers(&piece->n, &full);
                }
        if (plain) {
            v->split_count--;
            return node_make(v, &whole);
        }
    }
    return node;
}

static node_t slot_at(const struct frame *frame, uint32_t s)
{
    return s < frame->slots ? frame->slot[s] : NODE_NONE;
}

/* Bytes of the stack below the top of the frame at `offset` (negative): slot and byte in it. */
static uint32_t slot_of(int64_t offset, unsigned *byte)
{
    uint32_t below = (uint32_t)(-offset - 1); /* 0 is the byte at fp - 1 */
    *byte = 7 - below % 8;
    return below / 8;
}

static bool stack_bounds(struct verifier *v, const char *who, int64_t low, int64_t high, uint64_t size)
{
    if (low < -(int64_t)ISA_STACK_SIZE || high + (int64_t)size > 0)
        return refuse(v, REASON_STACK_BOUNDS, "%s %llu bytes at r10%+lld%s, the stack is r10-%d to r10-1", who,
                      (unsigned long long)size, (long long)low, low != high ? " and up" : "", ISA_STACK_SIZE);
    return true;
}

bool memory_read_stack(struct verifier *v, const char *who, uint32_t f, int64_t offset, unsigned size,
                       struct value *value, uint64_t *deps)
{
    struct frame *frame = &v->now.frames[f];
    unsigned byte;
    uint32_t s = slot_of(offset, &byte);
    bool uninit = v->input->flags & VERIFY_UNINIT_STACK;
    *deps = s < frame->slots ? frame->deps[s] : 0;
    v->read_frame = f;
    v->read_slots = 1ull << s;
    mark_read(v, f, s);
    if (byte + size <= 8) {
        switch (slot_get(v, slot_at(frame, s), byte, size, value)) {
        case SLOT_VALUE: return true;
        case SLOT_UNINIT:
            if (!uninit)
                return refuse(v, REASON_UNINIT_STACK, "%s %u bytes at r10%+lld, which were never written", who, size,
                              (long long)offset);
            *value = value_number(scalar_bits(size * 8));
            return true;
        default:
            if (slot_at(frame, s) == NODE_MIXED)
                return refuse(v, REASON_UNINIT_STACK,
                              "%s %u bytes at r10%+lld, which hold a pointer on one path and not on another", who, size,
                              (long long)offset);
            if (!(v->input->flags & VERIFY_POINTER_LEAKS))
                return refuse(v, REASON_SPILLED_POINTER, "%s %u bytes of the pointer at r10%+lld", who, size,
                              (long long)offset);
            *value = value_number(scalar_bits(size * 8));
            return true;
        }
    }
    /* across two slots */
    struct value low, high;
    uint64_t other;
    unsigned first = 8 - byte;
    struct scalar n = scalar_any;
    if (!memory_read_stack(v, who, f, offset, first, &low, deps) ||
        !memory_read_stack(v, who, f, offset + first, size - first, &high, &other))
        return false;
    *deps |= other;
    n.bits.value = low.n.bits.value | high.n.bits.value << first * 8;
    n.bits.mask = low.n.bits.mask | high.n.bits.mask << first * 8;
    (void)scalar_sync(&n);
    *value = value_number(n);
    return true;
}

static void write_slot(struct verifier *v, uint32_t f, int64_t offset, unsigned size, const struct value *value,
                       uint64_t deps)
{
    unsigned byte;
    uint32_t s = slot_of(offset, &byte);
    if (size == 8 && byte == 0) {
        slot_set(v, f, s, node_make(v, value), deps, true);
        return;
    }
    slot_set(v, f, s, slot_put(v, slot_at(&v->now.frames[f], s), byte, size, value), deps, false);
}

/* Some of the bytes from `low` to `high` + `size` change, nobody knows which: what was initialized stays so, unknown.
 */
static bool stack_blur(struct verifier *v, uint32_t f, int64_t low, int64_t high, uint64_t size)
{
    unsigned byte;
    uint32_t first = slot_of(low, &byte), last = slot_of(high + (int64_t)size - 1, &byte);
    for (uint32_t s = last; s <= first; s++) {
        struct frame *frame = &v->now.frames[f];
        node_t node = slot_at(frame, s);
        if (node == NODE_NONE || node == NODE_ANY || node == NODE_MIXED)
            continue;
        if (node & NODE_SPLIT) {
            struct split split = *node_split(v, node);
            for (unsigned i = 0; i < 8; i++)
                if (split.size[i]) {
                    struct value any = value_number(scalar_bits(split.size[i] * 8u));
                    split.piece[i] = node_make(v, &any);
                }
            node = node_make_split(v, &split);
        } else if (node_value(v, node)->kind == V_NUMBER) {
            node = NODE_ANY;
        } else if (v->input->flags & VERIFY_POINTER_LEAKS && node_value(v, node)->kind < V_DYNPTR) {
            node = NODE_ANY; /* bytes: a number to whoever reads them */
        } else {
            return refuse(v, REASON_SPILLED_POINTER, "may overwrite part of the pointer at r10-%u", 8 * (s + 1));
        }
        slot_set(v, f, s, node, 0, false);
    }
    return true;
}

static bool stack_store(struct verifier *v, const struct value *base, int32_t off, unsigned size,
                        const struct value *value, uint64_t deps)
{
    uint32_t f = base->index;
    int64_t low = value_low(base, off), high = value_high(base, off);
    if (base->n.smin < -WINDOW || base->n.smax > WINDOW || !stack_bounds(v, "writes", low, high, size))
        return v->reason ? false : refuse(v, REASON_STACK_BOUNDS, "writes at an unbounded offset into the stack");
    bool pointer = value_is_pointer(value);
    if (pointer && value->kind == V_STACK && f < value->index)
        return refuse(v, REASON_POINTER_LEAK, "stores the address of a callee's stack into its caller's stack");
    if (pointer && size != 8) {
        if (!(v->input->flags & VERIFY_POINTER_LEAKS))
            return refuse(v, REASON_POINTER_LEAK, "stores %u bytes of a pointer", size);
        struct value number = value_number(scalar_bits(size * 8));
        return stack_store(v, base, off, size, &number, deps);
    }
    if (low == high) {
        unsigned byte;
        uint32_t s = slot_of(low, &byte);
        node_t there = slot_at(&v->now.frames[f], s);
        bool spilled = there > NODE_MIXED && !(there & NODE_SPLIT) && value_is_pointer(node_value(v, there));
        if (spilled && !(size == 8 && byte == 0)) {
            if (node_value(v, there)->kind >= V_DYNPTR)
                return refuse(v, node_value(v, there)->kind == V_DYNPTR ? REASON_DYNPTR : REASON_ITERATOR,
                              "writes into an object of the kernel's on the stack at r10%+lld", (long long)low);
            if (!(v->input->flags & VERIFY_POINTER_LEAKS))
                return refuse(v, REASON_SPILLED_POINTER, "overwrites %u bytes of the pointer at r10%+lld", size,
                              (long long)low);
        }
        if (spilled && node_value(v, there)->kind >= V_DYNPTR && node_value(v, there)->ref)
            return refuse(v, REASON_REFERENCE_LEAK,
                          "overwrites a dynptr or iterator that holds a reference at r10%+lld", (long long)low);
        if (byte + size <= 8) {
            struct value cut = *value;
            if (value->kind == V_NUMBER && size < 8) {
                cut = value_number(scalar_zext(&value->n, size * 8));
                if (value->n.umax <= UINT64_MAX >> (64 - size * 8)) {
                    cut.anchor = value->anchor;
                    cut.lo = value->lo;
                    cut.hi = value->hi;
                }
            }
            write_slot(v, f, low, size, &cut, deps);
            return true;
        }
        if (pointer)
            return refuse(v, REASON_ALIGNMENT, "stores a pointer at the misaligned address r10%+lld", (long long)low);
        unsigned first = 8 - byte;
        struct value part = value_number(part_of(&value->n, 0, first));
        write_slot(v, f, low, first, &part, deps);
        part = value_number(part_of(&value->n, first, size - first));
        write_slot(v, f, low + first, size - first, &part, deps);
        return true;
    }
    if (pointer)
        return refuse(v, REASON_POINTER_LEAK, "stores a pointer at a variable place of the stack");
    return stack_blur(v, f, low, high, size);
}

static bool stack_load(struct verifier *v, unsigned dst, const struct value *base, int32_t off, unsigned size,
                       bool is_signed)
{
    int64_t low = value_low(base, off), high = value_high(base, off);
    struct value value;
    uint64_t deps = 0;
    if (base->n.smin < -WINDOW || base->n.smax > WINDOW || !stack_bounds(v, "reads", low, high, size))
        return v->reason ? false : refuse(v, REASON_STACK_BOUNDS, "reads at an unbounded offset from the stack");
    if (low == high) {
        if (!memory_read_stack(v, "reads", base->index, low, size, &value, &deps))
            return false;
        if (value.kind >= V_DYNPTR && value.kind < V_KINDS)
            return refuse(v, value.kind == V_DYNPTR ? REASON_DYNPTR : REASON_ITERATOR,
                          "reads an object of the kernel's on the stack at r10%+lld", (long long)low);
    } else {
        for (int64_t at = low; at < high + size; at++) {
            uint64_t some;
            if (!memory_read_stack(v, "may read", base->index, at, 1, &value, &some))
                return false;
        }
        value = value_number(scalar_bits(size * 8));
    }
    if (is_signed) {
        if (value.kind != V_NUMBER)
            return refuse(v, REASON_SPILLED_POINTER, "reads part of a pointer");
        value = value_number(scalar_sext(&value.n, size * 8));
    }
    set_reg(v, dst, &value, deps);
    return true;
}

/* ---- everything else ---- */

static const char *verb(enum access access)
{
    return access == ACCESS_READ ? "reads" : access == ACCESS_WRITE ? "writes" : "changes";
}

static bool bounded(struct verifier *v, enum verify_reason reason, const char *what, const struct value *base,
                    int32_t off, uint64_t size, uint64_t limit, const char *does)
{
    int64_t low = base->n.smin, high = base->n.smax;
    if (low < -WINDOW || high > WINDOW)
        return refuse(v, reason, "%s %llu bytes at an unbounded offset into %s", does, (unsigned long long)size, what);
    low += (int64_t)base->off + off;
    high += (int64_t)base->off + off;
    if (low < 0 || (uint64_t)high + size > limit) {
        if (low == high)
            return refuse(v, reason, "%s %llu bytes at offset %lld of %s, which has %llu", does,
                          (unsigned long long)size, (long long)low, what, (unsigned long long)limit);
        return refuse(v, reason, "%s %llu bytes at offset %lld to %lld of %s, which has %llu", does,
                      (unsigned long long)size, (long long)low, (long long)high, what, (unsigned long long)limit);
    }
    return true;
}

static bool packet_bounds(struct verifier *v, const struct value *base, int32_t off, uint64_t size, const char *does)
{
    int64_t from = (int64_t)base->off + off;
    static const char *const regions[REGIONS] = {"packet", "packet metadata", "memory"};
    const char *region = regions[base->index];
    if (base->n.smin < -WINDOW || base->n.smin + from < 0)
        return refuse(v, REASON_PACKET_BOUNDS, "%s before the start of the %s", does, region);
    if (from + (int64_t)size > (int64_t)base->limit) {
        if (scalar_is_const(&base->n) && !base->id)
            return refuse(v, REASON_PACKET_BOUNDS, "%s bytes %lld..%lld of the %s, only %u are proven to exist", does,
                          (long long)from, (long long)(from + (int64_t)size - 1), region, base->limit);
        return refuse(v, REASON_PACKET_BOUNDS,
                      "%s bytes %lld..%lld behind a variable place in the %s, only %u are proven to exist there", does,
                      (long long)from, (long long)(from + (int64_t)size - 1), region, base->limit);
    }
    if (base->index == REGION_PACKET && !base->id)
        mark_base_range(v);
    return true;
}

static bool note_access(struct verifier *v, uint8_t kind)
{
    uint8_t *seen = &v->seen[v->insn];
    uint8_t kinds = (*seen |= kind) & (INSN_CONTEXT | INSN_OTHER | INSN_OBJECT);
    if (kinds & (kinds - 1))
        return refuse(v, REASON_MIXED_POINTERS, "reaches the context on one path and other memory on another");
    return true;
}

static bool field_pointer(struct verifier *v, const struct context_field *f, struct value *value)
{
    struct value p = value_none();
    switch (f->kind) {
    case FIELD_PACKET:
        p = value_pointer(V_PACKET, REGION_PACKET, 0);
        p.limit = v->now.g.base_range;
        mark_base_range(v);
        break;
    case FIELD_PACKET_META: p = value_pointer(V_PACKET, REGION_META, 0); break;
    case FIELD_MEMORY: p = value_pointer(V_PACKET, REGION_MEMORY, 0); break;
    case FIELD_PACKET_END: p = value_pointer(V_PACKET_END, REGION_PACKET, 0); break;
    case FIELD_MEMORY_END: p = value_pointer(V_PACKET_END, REGION_MEMORY, 0); break;
    case FIELD_SOCKET: p = value_pointer(V_OBJECT, CONTRACT_SOCK, 0); break;
    case FIELD_FLOW_KEYS: p = value_pointer(V_OBJECT, CONTRACT_FLOW_KEYS, 0); break;
    case FIELD_SOCKET_OR_NULL:
    case FIELD_SOCK_COMMON_OR_NULL:
        p = value_pointer(V_OBJECT, f->kind == FIELD_SOCKET_OR_NULL ? CONTRACT_SOCK : CONTRACT_SOCK_COMMON, 0);
        p.flags = VALUE_NULLABLE;
        p.id = fresh_id(v);
        break;
    default: return false;
    }
    *value = p;
    return true;
}

static bool context_access(struct verifier *v, const struct value *base, int32_t off, unsigned size, enum access access,
                           struct value *value)
{
    const struct context_field *f;
    if (base->off || !scalar_is_const(&base->n) || base->n.umin)
        return refuse(v, REASON_CONTEXT_BOUNDS, "%s through a context pointer that was changed", verb(access));
    if (!note_access(v, INSN_CONTEXT))
        return false;
    f = contract_field(v->context, off, size, access == ACCESS_WRITE);
    if (!f || access == ACCESS_ATOMIC)
        return refuse(v, REASON_CONTEXT_BOUNDS, "%s %u bytes at offset %d of the context: no field of %s allows it",
                      verb(access), size, off, v->contract->name);
    if (access == ACCESS_READ && !field_pointer(v, f, value))
        *value = value_number(scalar_bits(size * 8));
    return true;
}

static bool map_frozen(const struct map_spec *map)
{
    return map->frozen;
}

/* Is `contents` what every value of the map holds? */
static bool contents_known(const struct map_spec *map, const struct value *base)
{
    return map_frozen(map) && map->contents.size && map->kind == BPF_MAP_TYPE_ARRAY && map->max_entries == 1 &&
           !(base->flags & VALUE_INNER);
}

/* May bytes [off, off + size) of memory be touched plainly?  Fills *value for a load. */
static bool access_memory(struct verifier *v, const struct value *base, int32_t off, unsigned size, enum access access,
                          struct value *value)
{
    const char *does = verb(access);
    struct value any = value_number(scalar_bits(size * 8));
    *value = any;
    if (base->flags & VALUE_NULLABLE)
        return refuse(v, REASON_NULL_POINTER, "%s memory through a pointer that may be NULL", does);
    if (access != ACCESS_READ && base->flags & VALUE_READ_ONLY)
        return refuse(v, REASON_READ_ONLY, "%s memory that is read-only", does);
    if (access == ACCESS_ATOMIC && !(base->kind == V_MAP_VALUE || base->kind == V_MEMORY || base->kind == V_RECORD))
        return refuse(v, base->kind == V_NUMBER ? REASON_NOT_POINTER : REASON_ATOMIC_MEMORY,
                      "atomic operations work on the stack, map values, records and memory of helpers alone");
    switch (base->kind) {
    case V_CONTEXT: return context_access(v, base, off, size, access, value);
    case V_PACKET:
        if (access == ACCESS_WRITE) {
            if (base->index == REGION_MEMORY || !(v->contract->flags & CONTRACT_PACKET_WRITE))
                return refuse(v, REASON_READ_ONLY, "writes to memory that programs of type %s may only read",
                              v->contract->name);
            v->result->uses_packet_write = true;
        }
        return note_access(v, INSN_OTHER) && packet_bounds(v, base, off, size, does);
    case V_MAP_VALUE: {
        const struct map_spec *map = &v->image->maps[base->index];
        if (access != ACCESS_READ && (map->flags & BPF_F_RDONLY_PROG || map_frozen(map)))
            return refuse(v, REASON_READ_ONLY, "%s a value of map '%s', which programs may only read", does,
                          map->name ? map->name : "");
        if (access == ACCESS_READ && map->flags & BPF_F_WRONLY_PROG)
            return refuse(v, REASON_READ_ONLY, "reads a value of map '%s', which programs may only write",
                          map->name ? map->name : "");
        if (!note_access(v, INSN_OTHER) ||
            !bounded(v, REASON_MAP_VALUE_BOUNDS, "a map value", base, off, size, map->value_size, does) ||
            !map_special(v, base, off, size, does))
            return false;
        if (contents_known(map, base) && scalar_is_const(&base->n)) {
            uint64_t at = base->n.umin + (uint64_t)base->off + (uint64_t)off, bits = 0;
            for (unsigned i = 0; i < size; i++)
                if (at + i < map->contents.size)
                    bits |= (uint64_t)map->contents.data[at + i] << 8 * i;
            value->n = scalar_const(bits);
        }
        return true;
    }
    case V_MAP_KEY:
        if (access != ACCESS_READ)
            return refuse(v, REASON_READ_ONLY, "writes to a map's key");
        return note_access(v, INSN_OTHER) && bounded(v, REASON_MEMORY_BOUNDS, "a map key", base, off, size,
                                                     v->image->maps[base->index].key_size, does);
    case V_MEMORY:
    case V_RECORD:
        return note_access(v, INSN_OTHER) &&
               bounded(v, REASON_MEMORY_BOUNDS, base->kind == V_RECORD ? "the record" : "the memory", base, off, size,
                       base->limit, does);
    case V_OBJECT: {
        const struct context_layout *layout = contract_object_layout((enum contract_object)base->index);
        if (!note_access(v, INSN_OBJECT))
            return false;
        if (!scalar_is_const(&base->n) || base->n.umin ||
            !contract_field(layout, base->off + off, size, access == ACCESS_WRITE) ||
            (access == ACCESS_WRITE && base->index != CONTRACT_FLOW_KEYS))
            return refuse(v, REASON_MEMORY_BOUNDS,
                          "%s %u bytes at offset %d of a socket or the like: no field allows it", does, size,
                          base->off + off);
        return true;
    }
    case V_BTF:
        if (access != ACCESS_READ)
            return refuse(v, REASON_READ_ONLY, "writes to an object of the kernel's");
        return note_access(v, INSN_OTHER);
    case V_NUMBER:
        if (value_is_null(base))
            return refuse(v, REASON_NULL_POINTER, "%s memory through NULL", does);
        return refuse(v, REASON_NOT_POINTER, "%s memory through a number", does);
    default: {
        static const char *const names[V_KINDS] = {
            [V_PACKET_END] = "the end of a packet", [V_MAP] = "a map", [V_CODE] = "a function"};
        return refuse(v, REASON_OPAQUE_POINTER, "%s memory through a pointer to %s", does,
                      names[base->kind] ? names[base->kind] : "an opaque object");
    }
    }
}

static bool aligned(struct verifier *v, const struct value *base, int32_t off, unsigned size, bool always)
{
    uint64_t place = (uint64_t)((int64_t)base->off + off);
    if (size == 1 || !(always || v->input->flags & VERIFY_STRICT_ALIGN) || base->kind == V_NUMBER)
        return true;
    if (base->kind == V_PACKET && base->index != REGION_MEMORY)
        place += 2; /* the IP header is what is aligned (Linux's NET_IP_ALIGN) */
    struct scalar by = scalar_const(place), at = scalar_alu(OP_ADD, true, &base->n, &by);
    if ((at.bits.value | at.bits.mask) & (size - 1))
        return refuse(v, REASON_ALIGNMENT, "address is not known to be a multiple of %u", size);
    return true;
}

static bool base_of(struct verifier *v, unsigned reg, struct value *base)
{
    if (reg == 10) {
        *base = value_pointer(V_STACK, v->now.depth - 1, 0);
        return true;
    }
    *base = v->now.regs[reg];
    if (base->kind == V_NONE)
        return refuse(v, REASON_UNINIT_REGISTER, "r%u was never written", reg);
    return true;
}

bool memory_load(struct verifier *v, unsigned dst, unsigned reg, int32_t off, unsigned size, bool is_signed)
{
    struct value base, value;
    if (!base_of(v, reg, &base) || !aligned(v, &base, off, size, false))
        return false;
    if (base.kind == V_STACK)
        return note_access(v, INSN_OTHER) && stack_load(v, dst, &base, off, size, is_signed);
    if (!access_memory(v, &base, off, size, ACCESS_READ, &value))
        return false;
    if (is_signed) {
        if (value.kind != V_NUMBER)
            return refuse(v, REASON_CONTEXT_BOUNDS, "reads a pointer of the context with sign extension");
        value.n = scalar_sext(&value.n, size * 8);
    }
    set_reg(v, dst, &value, 0);
    return true;
}

bool memory_store(struct verifier *v, unsigned reg, int32_t off, unsigned size, const struct value *value,
                  uint64_t deps)
{
    struct value base, ignored;
    if (!base_of(v, reg, &base) || !aligned(v, &base, off, size, false))
        return false;
    if (base.kind == V_STACK)
        return note_access(v, INSN_OTHER) && stack_store(v, &base, off, size, value, deps);
    if (value_is_pointer(value) && (!(v->input->flags & VERIFY_POINTER_LEAKS) || base.kind == V_CONTEXT))
        return refuse(v, REASON_POINTER_LEAK, "stores an address where others can read it");
    return access_memory(v, &base, off, size, ACCESS_WRITE, &ignored);
}

bool memory_atomic(struct verifier *v, const struct insn *insn, unsigned size)
{
    unsigned dst = insn_dst(insn), src = insn_src(insn);
    bool fetch = insn->imm & 1, compare = insn->imm == 0xf1;
    struct value base, operand, old;
    uint64_t deps = 0;
    if (!base_of(v, dst, &base) || !base_of(v, src, &operand))
        return false;
    if (compare && v->now.regs[0].kind == V_NONE)
        return refuse(v, REASON_UNINIT_REGISTER, "r0 was never written");
    if ((value_is_pointer(&operand) || (compare && value_is_pointer(&v->now.regs[0]))))
        return refuse(v, REASON_POINTER_LEAK, "an atomic operation would store an address");
    if (!aligned(v, &base, insn->off, size, true))
        return false;
    if (base.kind == V_STACK) {
        int64_t low = value_low(&base, insn->off), high = value_high(&base, insn->off);
        if (!note_access(v, INSN_OTHER))
            return false;
        if (base.n.smin < -WINDOW || base.n.smax > WINDOW || !stack_bounds(v, "changes", low, high, size))
            return v->reason ? false : refuse(v, REASON_STACK_BOUNDS, "changes the stack at an unbounded offset");
        for (int64_t at = low; at <= high; at += size)
            if (!memory_read_stack(v, "changes", base.index, at, size, &old, &deps))
                return false;
        if (value_is_pointer(&old))
            return refuse(v, REASON_SPILLED_POINTER, "changes a pointer on the stack");
        struct value any = value_number(scalar_bits(size * 8));
        if (!stack_store(v, &base, insn->off, size, &any, 0))
            return false;
    } else if (!access_memory(v, &base, insn->off, size, ACCESS_ATOMIC, &old)) {
        return false;
    }
    if (fetch) {
        struct value any = value_number(scalar_bits(size * 8));
        set_reg(v, compare ? 0 : src, &any, 0);
    }
    return true;
}

/* What was refused, said of `who`. */
static bool named(struct verifier *v, const char *who)
{
    char message[VERIFY_MESSAGE];
    memcpy(message, v->message, sizeof message);
    return refuse(v, v->reason, "%s %s", who, message);
}

bool memory_range(struct verifier *v, const char *who, const struct value *p, uint64_t deps, uint64_t size, bool write,
                  bool needs_init)
{
    if (p->flags & VALUE_NULLABLE)
        return refuse(v, REASON_NULL_POINTER, "%s: the pointer may be NULL", who);
    if (write && p->flags & VALUE_READ_ONLY)
        return refuse(v, REASON_READ_ONLY, "%s: the memory is read-only", who);
    switch (p->kind) {
    case V_STACK: {
        int64_t low = value_low(p, 0), high = value_high(p, 0);
        if (p->n.smin < -WINDOW || p->n.smax > WINDOW || size > ISA_STACK_SIZE ||
            !stack_bounds(v, "takes", low, high, size))
            return v->reason
                       ? named(v, who)
                       : refuse(v, REASON_STACK_BOUNDS, "%s: %llu bytes on the stack", who, (unsigned long long)size);
        if (needs_init || low != high) {
            for (int64_t at = low; at < high + (int64_t)size;) {
                struct value value;
                uint64_t some;
                unsigned byte, width;
                (void)slot_of(at, &byte);
                width = byte == 0 && at + 8 <= high + (int64_t)size ? 8 : 1;
                if (!memory_read_stack(v, "takes", p->index, at, width, &value, &some))
                    return named(v, who);
                if (value_is_pointer(&value) && (!(v->input->flags & VERIFY_POINTER_LEAKS) || low != high))
                    return refuse(v, REASON_POINTER_LEAK, "%s: the stack at r10%+lld holds an address", who,
                                  (long long)at);
                if (value.kind >= V_DYNPTR && value.kind < V_KINDS)
                    return refuse(v, REASON_DYNPTR, "%s: an object of the kernel's is at r10%+lld", who, (long long)at);
                at += width;
            }
        }
        return true;
    }
    case V_PACKET:
        if (write &&
            (p->index == REGION_MEMORY || (p->index == REGION_PACKET && !(v->contract->flags & CONTRACT_PACKET_WRITE))))
            return refuse(v, REASON_READ_ONLY, "%s: packet bytes may not be written here", who);
        return packet_bounds(v, p, 0, size, who);
    case V_MAP_VALUE: {
        const struct map_spec *map = &v->image->maps[p->index];
        if (write && (map->flags & BPF_F_RDONLY_PROG || map_frozen(map)))
            return refuse(v, REASON_READ_ONLY, "%s: programs may only read this map", who);
        if (!write && map->flags & BPF_F_WRONLY_PROG)
            return refuse(v, REASON_READ_ONLY, "%s: programs may only write this map", who);
        return bounded(v, REASON_MAP_VALUE_BOUNDS, "a map value", p, 0, size, map->value_size, who) &&
               map_special(v, p, 0, size, who);
    }
    case V_MAP_KEY:
        if (write)
            return refuse(v, REASON_READ_ONLY, "%s: a map's key is read-only", who);
        return bounded(v, REASON_MEMORY_BOUNDS, "a map key", p, 0, size, v->image->maps[p->index].key_size, who);
    case V_MEMORY:
    case V_RECORD: return bounded(v, REASON_MEMORY_BOUNDS, "the memory", p, 0, size, p->limit, who);
    case V_BTF:
        if (write)
            return refuse(v, REASON_READ_ONLY, "%s: an object of the kernel's is read-only", who);
        return true;
    case V_NUMBER:
        if (value_is_null(p))
            return refuse(v, REASON_NULL_POINTER, "%s: the pointer is NULL", who);
        return refuse(v, REASON_ARGUMENT_KIND, "%s: a number where memory is wanted", who);
    default: return refuse(v, REASON_ARGUMENT_KIND, "%s: not a pointer to readable memory", who);
    }
}

void memory_written(struct verifier *v, const struct value *p, uint64_t size)
{
    if (p->kind != V_STACK || !size)
        return; /* elsewhere nothing was known */
    if (p->n.smin != p->n.smax) {
        (void)stack_blur(v, p->index, value_low(p, 0), value_high(p, 0), size);
        return;
    }
    int64_t at = value_low(p, 0), end = at + (int64_t)size;
    while (at < end) {
        unsigned byte;
        (void)slot_of(at, &byte);
        unsigned width = byte == 0 && at + 8 <= end ? 8 : 1;
        struct value any = value_number(scalar_bits(width * 8));
        write_slot(v, p->index, at, width, &any, 0);
        at += width;
    }
}

static bool kill_packet(struct verifier *v, void *self, struct value *value, uint64_t *deps)
{
    (void)v;
    (void)self;
    if (value->flags & VALUE_LENGTH && value->kind == V_NUMBER) {
        *value = value_number(value->n);
        return true;
    }
    if ((value->kind != V_PACKET && value->kind != V_PACKET_END) || value->index == REGION_MEMORY)
        return false;
    value_forget(v, value);
    *deps = 0;
    return true;
}

void memory_packet_changed(struct verifier *v)
{
    v->now.g.base_range = 0;
    state_visit(v, kill_packet, NULL);
}
