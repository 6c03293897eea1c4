/* SPDX-License-Identifier: MIT
 *
 * Calls and returns.
 *
 * A helper's prototype says what each argument must be; the names that need more than that (locks, timers, dynptrs) are
 * few and stand here.  A helper with a callback is a loop whose head is the call itself: the call is walked as if it
 * were over, and the callback, when it returns, leads back to the call, so that what holds before each round is found
 * as for every other loop.  Static functions are walked in their caller's state; global ones once, by their BTF
 * signature, when that is understood.
 */
#include <linux/bpf.h>
#include <string.h>
#include "verify/state.h"

enum { MAX_LOOPS = 1 << 23, MAX_SIZE = 1 << 29, MAX_ERRNO = 4095 };

struct call {
    const struct helper_proto *proto;
    uint32_t map; /* of the CONST_MAP argument, IMAGE_NO_INDEX: none */
    bool inner;
    struct value args[HELPER_ARGS];
    uint64_t deps[HELPER_ARGS];
    uint64_t size;     /* of the CONST_SIZE argument */
    uint64_t most;     /* the largest size argument's largest value */
    uint32_t released; /* reference given up */
    uint32_t callback; /* function */
    unsigned callback_context;
    uint32_t dynptr_kind, dynptr_ref;
    int64_t new_dynptr; /* offset of the slot that becomes one, 0: none */
    uint32_t new_dynptr_frame;
    char who[80];
};

static bool is(const struct call *c, const char *name)
{
    return !strcmp(c->proto->name, name);
}

static void name_argument(struct verifier *v, struct call *c, unsigned i)
{
    struct text text;
    v->blamed = 2u << i;
    text_init(&text, c->who, sizeof c->who);
    text_format(&text, "argument %u of bpf_%s", i + 1, c->proto->name);
}

static bool wrong(struct verifier *v, const struct call *c, const char *wanted, const struct value *got)
{
    char buffer[64];
    struct text text;
    text_init(&text, buffer, sizeof buffer);
    value_text(v, got, &text);
    return refuse(v, got->flags & VALUE_NULLABLE ? REASON_NULL_POINTER : REASON_ARGUMENT_KIND,
                  "%s must be %s, it is %s", c->who, wanted, buffer);
}

static bool unmoved(const struct value *p)
{
    return !p->off && !p->n.umin && !p->n.umax;
}

/* ---- references ---- */

static bool acquire(struct verifier *v, uint32_t *id)
{
    if (v->now.g.ref_count == REFS)
        return refuse(v, REASON_REFERENCE_LEAK, "more than %d references are held at once", REFS);
    *id = fresh_id(v);
    v->now.g.refs[v->now.g.ref_count++] = (struct ref){*id, v->insn};
    return true;
}

static bool kill_ref(struct verifier *v, void *self, struct value *value, uint64_t *deps)
{
    const uint32_t *id = self;
    if (value->ref != *id)
        return false;
    value_forget(v, value);
    *deps = 0;
    return true;
}

static bool release(struct verifier *v, const struct call *c, uint32_t id)
{
    for (uint32_t i = 0; i < v->now.g.ref_count; i++)
        if (v->now.g.refs[i].id == id) {
            v->now.g.refs[i] = v->now.g.refs[--v->now.g.ref_count];
            state_visit(v, kill_ref, &id);
            return true;
        }
    return refuse(v, REASON_NO_REFERENCE, "bpf_%s gives up a reference that the program does not hold", c->proto->name);
}

static bool nothing_held(struct verifier *v, const char *where)
{
    if (v->now.g.ref_count)
        return refuse(v, REASON_REFERENCE_LEAK, "the reference taken at instruction %u is still held %s",
                      v->now.g.refs[0].insn, where);
    if (v->now.g.lock_map)
        return refuse(v, REASON_LOCK, "a spin lock is still held %s", where);
    return true;
}

/* ---- dynptrs ---- */

static bool dynptr_slots(struct verifier *v, struct call *c, const struct value *p, int64_t *offset)
{
    if (p->kind != V_STACK || p->n.smin != p->n.smax)
        return wrong(v, c, "a pointer to a dynptr on the stack", p);
    *offset = value_low(p, 0);
    if (*offset % 8 || *offset < -(int64_t)ISA_STACK_SIZE || *offset > -16)
        return refuse(v, REASON_DYNPTR, "%s: a dynptr takes 16 aligned bytes of the stack", c->who);
    return true;
}

static bool dynptr_new(struct verifier *v, struct call *c, const struct value *p)
{
    int64_t offset;
    if (!dynptr_slots(v, c, p, &offset))
        return false;
    for (int64_t at = offset; at < offset + 16; at += 8) {
        uint32_t s = (uint32_t)(-at / 8 - 1);
        struct frame *frame = &v->now.frames[p->index];
        node_t node = s < frame->slots ? frame->slot[s] : NODE_NONE;
        const struct value *there = node & NODE_SPLIT ? node_value(v, NODE_ANY) : node_value(v, node);
        if (there->kind == V_DYNPTR || there->kind == V_ITER) {
            if (there->kind == V_ITER || there->flags & VALUE_OWNED)
                return refuse(v, REASON_DYNPTR, "%s: a dynptr there still holds a reference", c->who);
            uint32_t id = there->ref;
            state_visit(v, kill_ref, &id);
        }
    }
    c->new_dynptr = offset;
    c->new_dynptr_frame = p->index;
    return true;
}

static void dynptr_put(struct verifier *v, const struct call *c, uint32_t kind, uint32_t ref, bool owned)
{
    for (unsigned half = 0; half < 2; half++) {
        struct value d = value_pointer(V_DYNPTR, half, 0);
        d.limit = kind;
        d.ref = ref;
        d.flags = owned ? VALUE_OWNED : 0;
        slot_set(v, c->new_dynptr_frame, (uint32_t)(-(c->new_dynptr + 8 * half) / 8 - 1), node_make(v, &d), 0, true);
    }
}

static bool dynptr_used(struct verifier *v, struct call *c, const struct value *p)
{
    int64_t offset;
    if (p->kind == V_DYNPTR) { /* handed to a callback */
        c->dynptr_kind = p->limit;
        c->dynptr_ref = p->ref;
        return true;
    }
    if (!dynptr_slots(v, c, p, &offset))
        return false;
    struct value low, high;
    uint64_t deps;
    if (!memory_read_stack(v, c->who, p->index, offset, 8, &low, &deps) ||
        !memory_read_stack(v, c->who, p->index, offset + 8, 8, &high, &deps))
        return false;
    if (low.kind != V_DYNPTR || low.index != 0 || high.kind != V_DYNPTR || high.index != 1 || low.ref != high.ref)
        return refuse(v, REASON_DYNPTR, "%s: no dynptr was made there", c->who);
    c->dynptr_kind = low.limit;
    c->dynptr_ref = low.ref;
    return true;
}

/* ---- arguments ---- */

static bool null_argument(const struct value *a)
{
    return value_is_null(a);
}

static bool size_argument(struct verifier *v, struct call *c, unsigned i, bool zero)
{
    const struct value *size = &c->args[i], *memory = &c->args[i - 1];
    enum arg_kind kind = c->proto->args[i - 1];
    bool write = kind == ARG_MEM_UNINIT || kind == ARG_MEM_UNINIT_OR_NULL;
    if (size->kind != V_NUMBER)
        return wrong(v, c, "a size", size);
    mark_precise(v, c->deps[i]);
    if (size->n.smin < 0)
        return refuse(v, REASON_ARGUMENT_SIZE, "%s may be negative: mask it or compare it with 0", c->who);
    if (!zero && size->n.umin == 0)
        return refuse(v, REASON_ARGUMENT_SIZE, "%s may be 0", c->who);
    if (size->n.umax >= MAX_SIZE)
        return refuse(v, REASON_ARGUMENT_SIZE, "%s is not bounded", c->who);
    if (size->n.umax > c->most)
        c->most = size->n.umax;
    name_argument(v, c, i - 1);
    if (size->n.umax == 0 && value_is_null(memory))
        return kind == ARG_MEM_OR_NULL || kind == ARG_MEM_UNINIT_OR_NULL || wrong(v, c, "a pointer to memory", memory);
    if (!memory_range(v, c->who, memory, c->deps[i - 1], size->n.umax, write, !write))
        return false;
    if (write && memory->kind == V_STACK && size->n.umin < size->n.umax) {
        /* what may or may not be written is read as if it had been: it has to hold something before */
        struct value rest = *memory;
        rest.off += (int32_t)size->n.umin;
        return memory_range(v, c->who, &rest, c->deps[i - 1], size->n.umax - size->n.umin, true, true);
    }
    return true;
}

static bool text_argument(struct verifier *v, struct call *c, const struct value *p)
{
    const struct map_spec *map;
    if (p->kind != V_MAP_VALUE)
        return wrong(v, c, "text in read-only data", p);
    map = &v->image->maps[p->index];
    if (!map->frozen)
        return refuse(v, REASON_ARGUMENT_KIND, "%s must lie in read-only data", c->who);
    int64_t at = value_low(p, 0);
    if (!scalar_is_const(&p->n) || at < 0 || (uint64_t)at >= map->value_size)
        return refuse(v, REASON_MAP_VALUE_BOUNDS, "%s is at no constant place in read-only data", c->who);
    if (map->contents.data &&
        ((uint64_t)at >= map->contents.size || !memchr(map->contents.data + at, 0, map->contents.size - (size_t)at)))
        return refuse(v, REASON_ARGUMENT_KIND, "%s is text without an end", c->who);
    return true;
}

static bool lock_argument(struct verifier *v, struct call *c, const struct value *p)
{
    struct globals *g = &v->now.g;
    const struct map_info *info;
    if (p->kind != V_MAP_VALUE || p->flags & VALUE_NULLABLE)
        return wrong(v, c, "a bpf_spin_lock in a map value", p);
    info = map_info(v, p->index);
    if (info->lock < 0 || !scalar_is_const(&p->n) || value_low(p, 0) != info->lock)
        return refuse(v, REASON_LOCK, "%s points at no bpf_spin_lock of the map's value", c->who);
    if (is(c, "spin_lock")) {
        if (g->lock_map)
            return refuse(v, REASON_LOCK, "a second spin lock is taken while one is held");
        g->lock_map = p->index + 1u;
        g->lock_id = p->id;
    } else {
        if (!g->lock_map)
            return refuse(v, REASON_LOCK, "a spin lock is released that is not held");
        if (g->lock_map != p->index + 1u || g->lock_id != p->id)
            return refuse(v, REASON_LOCK, "another spin lock is released than the one that is held");
        g->lock_map = g->lock_id = 0;
    }
    return true;
}

static bool timer_argument(struct verifier *v, struct call *c, const struct value *p)
{
    const struct map_info *info;
    if (p->kind != V_MAP_VALUE || p->flags & VALUE_NULLABLE)
        return wrong(v, c, "a bpf_timer in a map value", p);
    info = map_info(v, p->index);
    if (info->timer < 0 || !scalar_is_const(&p->n) || value_low(p, 0) != info->timer)
        return refuse(v, REASON_TIMER, "%s points at no bpf_timer of the map's value", c->who);
    return true;
}

static bool object_argument(struct verifier *v, struct call *c, unsigned i, const struct value *p, bool any_socket)
{
    bool fits =
        p->kind == V_OBJECT && p->index != CONTRACT_FLOW_KEYS && !(p->flags & VALUE_NULLABLE) && unmoved(p) &&
        (any_socket || p->index == CONTRACT_SOCK || p->index == CONTRACT_TCP_SOCK || p->index == CONTRACT_SOCK_COMMON);
    if (p->kind == V_BTF && !(p->flags & VALUE_NULLABLE) && unmoved(p))
        fits = true;
    if (!fits)
        return wrong(v, c, "a socket", p);
    (void)i;
    if (c->proto->flags & HELPER_RELEASES && !c->released) {
        if (!p->ref)
            return refuse(v, REASON_NO_REFERENCE, "%s: the program holds no reference to it", c->who);
        c->released = p->ref;
    }
    return true;
}

static bool map_argument(struct verifier *v, struct call *c, const struct value *p)
{
    const struct map_spec *map;
    if (p->kind != V_MAP || p->flags & VALUE_NULLABLE || !unmoved(p))
        return wrong(v, c, "a map", p);
    map = &v->image->maps[p->index];
    c->map = p->index;
    c->inner = p->flags & VALUE_INNER;
    if (c->proto->map_kinds && (map->kind >= 64 || !(c->proto->map_kinds >> map->kind & 1)))
        return refuse(v, REASON_MAP_KIND, "bpf_%s does not work on a map of kind %s ('%s')", c->proto->name,
                      contract_map_kind_name(map->kind) ? contract_map_kind_name(map->kind) : "unknown",
                      map->name ? map->name : "");
    if ((map->frozen || map->flags & BPF_F_RDONLY_PROG) &&
        (is(c, "map_update_elem") || is(c, "map_delete_elem") || is(c, "map_push_elem") || is(c, "map_pop_elem") ||
         is(c, "map_lookup_and_delete_elem")))
        return refuse(v, REASON_READ_ONLY, "bpf_%s changes map '%s', which programs may only read", c->proto->name,
                      map->name ? map->name : "");
    return true;
}

/* What a helper writes as one number is aligned, whatever the flags say. */
static bool aligned_argument(struct verifier *v, const struct call *c, const struct value *p, unsigned size)
{
    struct scalar off = scalar_const((uint64_t)(int64_t)p->off), at = scalar_alu(OP_ADD, true, &p->n, &off);
    return (p->kind != V_PACKET && !((at.bits.value | at.bits.mask) & (size - 1))) ||
           refuse(v, REASON_ALIGNMENT, "%s is not known to be a multiple of %u", c->who, size);
}

static bool check_argument(struct verifier *v, struct call *c, unsigned i)
{
    struct value *a = &c->args[i];
    enum arg_kind kind = c->proto->args[i];
    const struct map_spec *map = c->map != IMAGE_NO_INDEX ? &v->image->maps[c->map] : NULL;
    *a = v->now.regs[i + 1];
    c->deps[i] = v->now.reg_deps[i + 1];
    name_argument(v, c, i);
    if (kind == ARG_VARIADIC)
        return true;
    if (a->kind == V_NONE)
        return refuse(v, REASON_UNINIT_REGISTER,
                      a->index ? "%s (r%u) does not hold the same kind of value on every path"
                               : "%s (r%u) was never written",
                      c->who, i + 1);
    switch (kind) {
    case ARG_ANYTHING:
        if (value_is_pointer(a) && !(v->input->flags & VERIFY_POINTER_LEAKS))
            return refuse(v, REASON_POINTER_LEAK, "%s is an address", c->who);
        return true;
    case ARG_SCALAR: return a->kind == V_NUMBER || wrong(v, c, "a number", a);
    case ARG_CONST_MAP: return map_argument(v, c, a);
    case ARG_MAP_KEY:
        if (!map)
            return refuse(v, REASON_ARGUMENT_KIND, "%s: there is no map before it", c->who);
        return memory_range(v, c->who, a, c->deps[i], map->key_size, false, true);
    case ARG_MAP_VALUE_OR_NULL:
        if (null_argument(a))
            return true;
        return map && memory_range(v, c->who, a, c->deps[i], map->value_size, false, true);
    case ARG_MAP_VALUE:
        if (!map)
            return refuse(v, REASON_ARGUMENT_KIND, "%s: there is no map before it", c->who);
        return memory_range(v, c->who, a, c->deps[i], map->value_size, false, true);
    case ARG_MAP_VALUE_UNINIT:
        if (!map)
            return refuse(v, REASON_ARGUMENT_KIND, "%s: there is no map before it", c->who);
        return memory_range(v, c->who, a, c->deps[i], map->value_size, true, false);
    case ARG_CONTEXT_OR_NULL:
        if (null_argument(a))
            return true;
        return (a->kind == V_CONTEXT && unmoved(a)) || wrong(v, c, "the context or NULL", a);
    case ARG_CONTEXT: return (a->kind == V_CONTEXT && unmoved(a)) || wrong(v, c, "the unchanged context", a);
    case ARG_MEM:
    case ARG_MEM_UNINIT: return true; /* with its size */
    case ARG_MEM_OR_NULL:
    case ARG_MEM_UNINIT_OR_NULL: return true;
    case ARG_SIZE: return size_argument(v, c, i, false);
    case ARG_SIZE_OR_ZERO: return size_argument(v, c, i, true);
    case ARG_CONST_SIZE_OR_ZERO:
        mark_precise(v, c->deps[i]);
        if (!value_is_const(a, &c->size))
            return refuse(v, REASON_CONSTANT_ARGUMENT, "%s must be a constant", c->who);
        if (c->size >= MAX_SIZE)
            return refuse(v, REASON_ARGUMENT_SIZE, "%s is too large: %llu", c->who, (unsigned long long)c->size);
        return true;
    case ARG_RECORD:
        if (a->kind != V_RECORD || a->flags & VALUE_NULLABLE || !unmoved(a))
            return wrong(v, c, "the start of a reserved record", a);
        c->released = a->ref;
        return true;
    case ARG_CONST_STR: return text_argument(v, c, a);
    case ARG_LONG:
    case ARG_INT:
        return memory_range(v, c->who, a, c->deps[i], kind == ARG_LONG ? 8 : 4, true, false) &&
               aligned_argument(v, c, a, kind == ARG_LONG ? 8 : 4);
    case ARG_FIXED_MEM: return memory_range(v, c->who, a, c->deps[i], c->proto->fixed_size[i], false, true);
    case ARG_FIXED_MEM_UNINIT: return memory_range(v, c->who, a, c->deps[i], c->proto->fixed_size[i], true, false);
    case ARG_CALLBACK:
        if (a->kind != V_CODE || !unmoved(a))
            return wrong(v, c, "a function of this program", a);
        c->callback = a->index;
        c->callback_context = i + 1;
        return true;
    case ARG_STACK_OR_NULL:
        return a->kind == V_STACK || null_argument(a) || wrong(v, c, "a pointer to the stack or NULL", a);
    case ARG_SPIN_LOCK: return lock_argument(v, c, a);
    case ARG_TIMER: return timer_argument(v, c, a);
    case ARG_DYNPTR: return dynptr_used(v, c, a);
    case ARG_DYNPTR_UNINIT: return dynptr_new(v, c, a);
    case ARG_SOCK_COMMON_OR_NULL:
    case ARG_BTF_ID_OR_NULL:
        if (null_argument(a))
            return true;
        return object_argument(v, c, i, a, true);
    case ARG_SOCK_COMMON:
    case ARG_BTF_ID: return object_argument(v, c, i, a, true);
    case ARG_SOCKET: return object_argument(v, c, i, a, false);
    default: return wrong(v, c, "something that no program here can have", a);
    }
}

/* What the helper wrote, after all arguments were found good. */
static void write_arguments(struct verifier *v, const struct call *c)
{
    for (unsigned i = 0; i < HELPER_ARGS; i++) {
        const struct value *a = &c->args[i];
        switch (c->proto->args[i]) {
        case ARG_MAP_VALUE_UNINIT: memory_written(v, a, v->image->maps[c->map].value_size); break;
        case ARG_MEM_UNINIT:
        case ARG_MEM_UNINIT_OR_NULL:
            if (i + 1 < HELPER_ARGS && c->args[i + 1].kind == V_NUMBER)
                memory_written(v, a, c->args[i + 1].n.umax);
            break;
        case ARG_LONG: memory_written(v, a, 8); break;
        case ARG_INT: memory_written(v, a, 4); break;
        case ARG_FIXED_MEM_UNINIT: memory_written(v, a, c->proto->fixed_size[i]); break;
        default: break;
        }
    }
}

/* An array's element at a constant index inside it exists. */
static bool element_exists(struct verifier *v, const struct call *c)
{
    const struct map_spec *map = &v->image->maps[c->map];
    const struct value *key = &c->args[1];
    struct value index;
    uint64_t deps, number;
    if (c->inner || (map->kind != BPF_MAP_TYPE_ARRAY && map->kind != BPF_MAP_TYPE_PERCPU_ARRAY) || map->key_size != 4 ||
        c->proto->args[1] != ARG_MAP_KEY || !is(c, "map_lookup_elem"))
        return false;
    if (key->kind == V_STACK && scalar_is_const(&key->n)) {
        if (!memory_read_stack(v, c->who, key->index, value_low(key, 0), 4, &index, &deps) ||
            !value_is_const(&index, &number) || number >= map->max_entries)
            return false;
        mark_precise(v, deps);
        return true;
    }
    return false;
}

static bool give_result(struct verifier *v, const struct call *c)
{
    struct value r = value_none();
    switch (c->proto->ret) {
    case RET_VOID: break;
    case RET_INTEGER:
    case RET_NEVER:
        r = value_number(scalar_any);
        if (is(c, "get_smp_processor_id"))
            r.n = scalar_urange(0, MAX_ERRNO);
        else if (c->most && (is(c, "get_stack") || is(c, "get_task_stack") || is(c, "probe_read_str") ||
                             is(c, "probe_read_kernel_str") || is(c, "probe_read_user_str")))
            r.n = scalar_srange(-MAX_ERRNO, (int64_t)c->most);
        break;
    case RET_MAP_VALUE_OR_NULL: {
        const struct map_spec *map = &v->image->maps[c->map];
        if (map->kind == BPF_MAP_TYPE_ARRAY_OF_MAPS || map->kind == BPF_MAP_TYPE_HASH_OF_MAPS) {
            if (map->inner >= v->image->map_count)
                return refuse(v, REASON_MAP_KIND, "map '%s' has no inner map to look at", map->name ? map->name : "");
            r = value_pointer(V_MAP, map->inner, 0);
            r.flags = VALUE_INNER | VALUE_NULLABLE;
            r.id = fresh_id(v);
        } else if (map->kind == BPF_MAP_TYPE_SOCKMAP || map->kind == BPF_MAP_TYPE_SOCKHASH) {
            r = value_pointer(V_OBJECT, CONTRACT_SOCK, 0);
            r.flags = VALUE_NULLABLE | VALUE_OWNED;
            r.id = fresh_id(v);
            if (!acquire(v, &r.ref))
                return false;
        } else if (map->kind == BPF_MAP_TYPE_XSKMAP) {
            r = value_pointer(V_MEMORY, 0, 0); /* struct bpf_xdp_sock: its queue */
            r.limit = 4;
            r.flags = VALUE_NULLABLE | VALUE_READ_ONLY;
            r.id = fresh_id(v);
        } else {
            r = value_pointer(V_MAP_VALUE, c->map, 0);
            r.id = fresh_id(v);
            r.flags = (element_exists(v, c) ? 0 : VALUE_NULLABLE) | (c->inner ? VALUE_INNER : 0);
        }
        break;
    }
    case RET_MAP_VALUE:
        r = value_pointer(V_MAP_VALUE, c->map, 0);
        r.id = fresh_id(v);
        break;
    case RET_MEM_OR_NULL:
    case RET_DYNPTR_MEM_OR_NULL:
        r = value_pointer(V_MEMORY, 0, 0);
        r.limit = (uint32_t)c->size;
        r.flags = VALUE_NULLABLE;
        r.id = fresh_id(v);
        if (c->proto->ret == RET_DYNPTR_MEM_OR_NULL)
            r.ref = c->dynptr_ref;
        break;
    case RET_RECORD_OR_NULL:
        r = value_pointer(V_RECORD, 0, 0);
        r.limit = (uint32_t)c->size;
        r.flags = VALUE_NULLABLE | VALUE_OWNED;
        r.id = fresh_id(v);
        if (!acquire(v, &r.ref))
            return false;
        break;
    case RET_SOCKET_OR_NULL:
    case RET_SOCK_COMMON_OR_NULL:
    case RET_TCP_SOCK_OR_NULL:
        r = value_pointer(V_OBJECT,
                          c->proto->ret == RET_SOCKET_OR_NULL        ? CONTRACT_SOCK
                          : c->proto->ret == RET_SOCK_COMMON_OR_NULL ? CONTRACT_SOCK_COMMON
                                                                     : CONTRACT_TCP_SOCK,
                          0);
        r.flags = VALUE_NULLABLE;
        r.id = fresh_id(v);
        if (c->proto->flags & HELPER_ACQUIRES) {
            r.flags |= VALUE_OWNED;
            if (!acquire(v, &r.ref))
                return false;
        } else {
            /* a view of the socket it was made from, as long as that is held */
            for (unsigned i = 0; i < HELPER_ARGS; i++)
                if (c->args[i].kind == V_OBJECT && c->args[i].ref)
                    r.ref = c->args[i].ref;
        }
        break;
    case RET_BTF_ID:
    case RET_BTF_ID_OR_NULL:
        r = value_pointer(V_BTF, 0, 0);
        if (c->proto->ret == RET_BTF_ID_OR_NULL) {
            r.flags = VALUE_NULLABLE;
            r.id = fresh_id(v);
        }
        break;
    default: return refuse(v, REASON_UNKNOWN_HELPER, "bpf_%s returns what is not known here", c->proto->name);
    }
    set_reg(v, 0, &r, 0);
    return true;
}

static void clobber(struct verifier *v)
{
    struct value none = value_none();
    for (unsigned r = 0; r <= 5; r++) {
        v->now.regs[r] = none;
        v->now.reg_node[r] = NODE_NONE;
        v->now.reg_deps[r] = 0;
    }
}

/* Rounds that a callback may run: what bounds the loop. */
static uint64_t rounds(struct verifier *v, const struct call *c)
{
    if (is(c, "loop")) {
        mark_precise(v, c->deps[0]);
        return c->args[0].n.u32max > MAX_LOOPS ? MAX_LOOPS : c->args[0].n.u32max;
    }
    if (is(c, "find_vma"))
        return 1;
    if (is(c, "for_each_map_elem")) {
        uint64_t entries = v->image->maps[c->map].max_entries;
        return c->inner ? UINT32_MAX
                        : entries; /* Linux visits each bucket once, and what is added there meanwhile not */
    }
    return 128 * 1024; /* user_ringbuf_drain: BPF_MAX_USER_RINGBUF_SAMPLES */
}

static bool gather(struct verifier *v, const struct insn *insn, struct call *c)
{
    memset(c, 0, sizeof *c);
    c->proto = v->input->helpers[insn->imm];
    c->map = c->callback = IMAGE_NO_INDEX;
    if (!c->proto) {
        int32_t id = v->image->helpers[insn->imm].id;
        const char *name = contract_program_helper_name(v->image->personality, v->image->prog_type, id);
        if (name)
            return refuse(v, REASON_UNKNOWN_HELPER, "programs of type %s may not call bpf_%s (helper %d)",
                          v->contract->name, name, id);
        return refuse(v, REASON_UNKNOWN_HELPER, "there is no helper %d", id);
    }
    if (c->proto->flags & HELPER_MIGHT_SLEEP) {
        if (!(v->image->prog_flags & PROG_FLAG_SLEEPABLE))
            return refuse(v, REASON_SLEEPS, "bpf_%s may sleep, and this program may not", c->proto->name);
        v->result->sleeps = true;
    }
    if (v->now.g.lock_map && !is(c, "spin_unlock"))
        return refuse(v, REASON_LOCK, "bpf_%s is called while a spin lock is held", c->proto->name);
    for (unsigned i = 0; i < HELPER_ARGS && c->proto->args[i] != ARG_NONE; i++)
        if (!check_argument(v, c, i))
            return false;
    if (c->proto->args[0] == ARG_TIMER && c->map != IMAGE_NO_INDEX && c->map != c->args[0].index)
        return refuse(v, REASON_TIMER, "the timer lies in a value of another map");
    if (is(c, "dynptr_from_mem") && c->args[0].kind != V_MAP_VALUE) /* other memory may be gone before it is */
        return refuse(v, REASON_DYNPTR, "argument 1 of bpf_dynptr_from_mem must be memory of a map value");
    return true;
}

/* A new frame with its registers empty but for what the caller sets; the caller's r1 to r9 are kept. */
static bool enter(struct verifier *v, uint32_t func, uint32_t callback, bool keep_arguments)
{
    struct state *now = &v->now;
    if (now->depth == FRAMES)
        return refuse(v, REASON_CALL_DEPTH, "calls are nested more than %d deep", FRAMES);
    for (uint32_t f = 0; f < now->depth; f++)
        if (now->frames[f].func == func)
            return refuse(v, REASON_RECURSION, "function '%s' is called while it runs",
                          v->image->funcs[func].name ? v->image->funcs[func].name : "");
    struct frame *caller = top_frame(v), *callee = &now->frames[now->depth];
    uint32_t live = v->flow[v->insn + 1].live;
    for (unsigned r = 1; r <= SAVED_REGS; r++) {
        bool keep = r >= 6 ? keep_arguments || live >> r & 1 : keep_arguments;
        caller->saved[r - 1] = keep ? node_make(v, &now->regs[r]) : NODE_NONE;
        caller->saved_deps[r - 1] = keep ? now->reg_deps[r] : 0;
    }
    callee->func = func;
    callee->callsite = v->insn;
    callee->callback = callback;
    callee->slots = 0;
    callee->written = UINT64_MAX;
    now->depth++;
    return true;
}

static void clear_from(struct verifier *v, unsigned first)
{
    struct value none = value_none();
    for (unsigned r = 0; r < 10; r++)
        if (r == 0 || r >= first) {
            v->now.regs[r] = none;
            v->now.reg_node[r] = NODE_NONE;
            v->now.reg_deps[r] = 0;
        }
}

/* A tail call in a function came off: another program ran in the function's place and returned to its caller. */
static bool tail_called(struct verifier *v)
{
    struct value any = value_number(scalar_any);
    memory_packet_changed(v);
    set_reg(v, 0, &any, 0);
    return call_exit(v) == FLOW_JUMPED;
}

/* The callback of the call at v->insn runs once more; or its tail call comes off. */
bool call_enter_callback(struct verifier *v)
{
    const struct insn *insn = &v->image->insns[v->insn];
    struct call c;
    struct value r1 = value_none(), r2 = value_none(), r3 = value_none(), r4 = value_none();
    uint32_t kind = CALLBACK_LOOP;
    unsigned set;
    if (!gather(v, insn, &c))
        return false;
    if (c.proto->flags & HELPER_TAIL_CALL)
        return tail_called(v);
    struct value context = c.callback_context < HELPER_ARGS ? c.args[c.callback_context] : value_none();
    if (is(&c, "loop")) {
        uint64_t most = rounds(v, &c);
        r1 = value_number(scalar_urange(0, most ? most - 1 : 0));
        r2 = context;
        set = 3;
    } else if (is(&c, "for_each_map_elem")) {
        kind = CALLBACK_EACH;
        r1 = c.args[0];
        r2 = value_pointer(V_MAP_KEY, c.map, 0);
        r3 = value_pointer(V_MAP_VALUE, c.map, 0);
        r3.id = fresh_id(v);
        r4 = context;
        set = 5;
    } else if (is(&c, "user_ringbuf_drain")) {
        kind = CALLBACK_DRAIN;
        r1 = value_pointer(V_DYNPTR, 0, 0);
        r1.limit = 1;
        r2 = context;
        set = 3;
    } else if (is(&c, "find_vma")) {
        kind = CALLBACK_FIND;
        r1 = r2 = value_pointer(V_BTF, 0, 0);
        r3 = context;
        set = 4;
    } else {
        return refuse(v, REASON_CALLBACK, "what bpf_%s calls back with is not known here", c.proto->name);
    }
    if (!enter(v, c.callback, kind, true))
        return false;
    set_reg(v, 1, &r1, 0);
    set_reg(v, 2, &r2, set == 3 ? c.deps[c.callback_context] : 0);
    set_reg(v, 3, &r3, 0);
    set_reg(v, 4, &r4, 0);
    clear_from(v, set);
    v->insn = v->image->funcs[c.callback].insn;
    return true;
}

static bool note_async(struct verifier *v, const struct call *c)
{
    uint32_t entry = c->callback << 12 | (c->args[0].kind == V_MAP_VALUE ? c->args[0].index : 0);
    for (uint32_t i = 0; i < v->async_count; i++)
        if (v->asynchronous[i] == entry)
            return true;
    if (v->async_count == sizeof v->asynchronous / sizeof *v->asynchronous)
        return refuse(v, REASON_CALLBACK, "the program sets too many different timer callbacks");
    v->asynchronous[v->async_count++] = entry;
    return true;
}

enum flow_result call_helper(struct verifier *v, const struct insn *insn)
{
    struct call c;
    if (!gather(v, insn, &c))
        return FLOW_ERROR;
    if (c.proto->max_irql < v->result->max_irql)
        v->result->max_irql = c.proto->max_irql;
    if (c.callback != IMAGE_NO_INDEX && c.proto->flags & HELPER_ASYNC) {
        if (!note_async(v, &c))
            return FLOW_ERROR;
    } else if (c.callback != IMAGE_NO_INDEX) {
        uint64_t most = rounds(v, &c);
        if (v->path_depth && v->path[v->path_depth - 1]->insn == v->insn && v->path[v->path_depth - 1]->general)
            v->path[v->path_depth - 1]->iterations = most + 1;
        v->branches++;
        if (most && v->replay) {
            if (replay_taken(v))
                return call_enter_callback(v) ? FLOW_JUMPED : FLOW_ERROR;
        } else if (most && !push_pending(v)) {
            return FLOW_ERROR;
        }
    }
    if (c.proto->ret == RET_NEVER || c.proto->flags & HELPER_TAIL_CALL) {
        v->result->tail_calls = true;
        v->functions[v->now.frames[0].func].changes_packet = true; /* of a function that is verified on its own */
        if (!nothing_held(v, "when a tail call would leave the program"))
            return FLOW_ERROR;
        if (v->now.depth > 1) {
            v->branches++;
            if (v->replay && replay_taken(v))
                return call_enter_callback(v) ? FLOW_JUMPED : FLOW_ERROR;
            if (!v->replay && !push_pending(v))
                return FLOW_ERROR;
        }
    }
    write_arguments(v, &c);
    if (c.new_dynptr) {
        uint32_t ref = fresh_id(v);
        bool owned = is(&c, "ringbuf_reserve_dynptr");
        if (owned && !acquire(v, &ref))
            return FLOW_ERROR;
        dynptr_put(v, &c, owned ? 2 : 1, ref, owned);
    }
    if (is(&c, "ringbuf_submit_dynptr") || is(&c, "ringbuf_discard_dynptr")) {
        if (c.dynptr_kind != 2) {
            (void)refuse(v, REASON_DYNPTR, "bpf_%s wants a dynptr of a ring buffer", c.proto->name);
            return FLOW_ERROR;
        }
        c.released = c.dynptr_ref;
    }
    if (c.released && !release(v, &c, c.released))
        return FLOW_ERROR;
    if (c.proto->flags & HELPER_CHANGES_PACKET) {
        v->result->changes_packet = true;
        memory_packet_changed(v);
    }
    clobber(v);
    if (!give_result(v, &c))
        return FLOW_ERROR;
    v->insn++;
    return FLOW_NEXT;
}

/* ---- functions of the program ---- */

bool call_signature(struct verifier *v, uint32_t func, struct signature *out)
{
    const struct btf *btf = v->input->btf;
    const struct image_func *f = &v->image->funcs[func];
    static const char *const contexts[] = {
        "__sk_buff",    "xdp_md",      "bpf_sock_addr",       "bpf_sock_ops",
        "sk_msg_md",    "bpf_sock",    "bpf_perf_event_data", "bpf_raw_tracepoint_args",
        "bpf_sysctl",   "bpf_sockopt", "bpf_cgroup_dev_ctx",  "sk_reuseport_md",
        "bpf_sk_lookup"};
    if (!btf || f->linkage != IMAGE_GLOBAL || !f->btf_type || f->btf_type >= btf_type_count(btf) ||
        func == v->input->func)
        return false;
    struct btf_type_view type = btf_type(btf, f->btf_type);
    if (type.kind != BTF_KIND_FUNC || type.size_or_type >= btf_type_count(btf))
        return false;
    struct btf_type_view proto = btf_type(btf, type.size_or_type);
    if (proto.kind != BTF_KIND_FUNC_PROTO || proto.vlen > HELPER_ARGS)
        return false;
    uint32_t result = btf_skip_modifiers(btf, proto.size_or_type);
    enum btf_kind result_kind = result ? btf_type(btf, result).kind : BTF_KIND_VOID;
    if (result_kind != BTF_KIND_INT && result_kind != BTF_KIND_ENUM && result_kind != BTF_KIND_ENUM64)
        return false;
    out->count = proto.vlen;
    for (uint32_t i = 0; i < proto.vlen; i++) {
        uint32_t id = load_le32(proto.extra + 8 * i + 4), pointed;
        struct btf_type_view view, target;
        if (id >= btf_type_count(btf))
            return false;
        id = btf_skip_modifiers(btf, id);
        view = btf_type(btf, id);
        if (view.kind == BTF_KIND_INT || view.kind == BTF_KIND_ENUM || view.kind == BTF_KIND_ENUM64) {
            out->kind[i] = V_NUMBER;
            continue;
        }
        if (view.kind != BTF_KIND_PTR)
            return false;
        pointed = btf_skip_modifiers(btf, view.size_or_type);
        target = btf_type(btf, pointed);
        out->kind[i] = V_MEMORY;
        for (size_t n = 0; n < sizeof contexts / sizeof *contexts; n++)
            if (target.kind == BTF_KIND_STRUCT && !strcmp(target.name, contexts[n]))
                out->kind[i] = V_CONTEXT;
        if (out->kind[i] == V_MEMORY &&
            (!pointed ||
             (target.kind != BTF_KIND_STRUCT && target.kind != BTF_KIND_UNION && target.kind != BTF_KIND_INT &&
              target.kind != BTF_KIND_ENUM && target.kind != BTF_KIND_ARRAY) ||
             btf_sizeof(btf, pointed, &out->size[i]) || !out->size[i] ||
             (target.kind == BTF_KIND_STRUCT && !strncmp(target.name, "bpf_", 4))))
            return false;
    }
    return true;
}

static bool call_global(struct verifier *v, uint32_t func, const struct signature *signature)
{
    const char *name = v->image->funcs[func].name;
    struct value any = value_number(scalar_any);
    char who[80];
    if (v->now.g.lock_map)
        return refuse(v, REASON_LOCK, "a global function is called while a spin lock is held");
    for (unsigned i = 0; i < signature->count; i++) {
        const struct value *a = &v->now.regs[i + 1];
        struct text text;
        text_init(&text, who, sizeof who);
        text_format(&text, "argument %u of %s()", i + 1, name ? name : "");
        if (a->kind == V_NONE)
            return refuse(v, REASON_UNINIT_REGISTER, "%s (r%u) was never written", who, i + 1);
        if (signature->kind[i] == V_NUMBER) {
            if (a->kind != V_NUMBER)
                return refuse(v, REASON_GLOBAL_ARGUMENT, "%s must be a number", who);
        } else if (signature->kind[i] == V_CONTEXT) {
            if (a->kind != V_CONTEXT || !unmoved(a))
                return refuse(v, REASON_GLOBAL_ARGUMENT, "%s must be the context", who);
        } else if (!value_is_null(a)) {
            struct value p = *a;
            p.flags &= (uint8_t)~VALUE_NULLABLE; /* the function asks */
            if (!memory_range(v, who, &p, 0, signature->size[i], true, true))
                return false;
            memory_written(v, &p, signature->size[i]);
        }
    }
    if (v->functions[func].changes_packet)
        memory_packet_changed(v);
    v->distance =
        v->distance + v->functions[func].worst < v->distance ? UINT64_MAX : v->distance + v->functions[func].worst;
    clobber(v);
    set_reg(v, 0, &any, 0);
    v->insn++;
    return true;
}

enum flow_result call_local(struct verifier *v, uint32_t target)
{
    uint32_t func = v->func_of[target];
    struct signature signature;
    if (v->functions[func].alone && call_signature(v, func, &signature))
        return call_global(v, func, &signature) ? FLOW_NEXT : FLOW_ERROR;
    if (!enter(v, func, CALLBACK_NONE, false))
        return FLOW_ERROR;
    clear_from(v, 6);
    v->insn = target;
    return FLOW_JUMPED;
}

static bool check_return(struct verifier *v)
{
    struct value *r0 = &v->now.regs[0];
    struct return_range range;
    if (!nothing_held(v, "at the end of the program"))
        return false;
    if (r0->kind == V_NONE)
        return refuse(v, REASON_UNINIT_REGISTER, "r0, the return value, was never written");
    if (v->root != ROOT_PROGRAM) {
        if (r0->kind != V_NUMBER)
            return refuse(v, REASON_RETURN_POINTER, "a function that is verified on its own must return a number");
        if (v->root == ROOT_ASYNC && (r0->n.umin || r0->n.umax)) {
            mark_precise(v, v->now.reg_deps[0]);
            return refuse(v, REASON_RETURN_RANGE, "a timer's callback must return 0");
        }
        mark_precise(v, v->root == ROOT_ASYNC ? v->now.reg_deps[0] : 0);
        return true;
    }
    if (value_is_pointer(r0)) {
        if (!(v->input->flags & VERIFY_POINTER_LEAKS))
            return refuse(v, REASON_RETURN_POINTER, "the program returns an address");
    }
    if (!contract_return_range(v->contract, v->image->personality, v->image->attach_type, &range))
        return true;
    if (value_is_pointer(r0))
        return refuse(v, REASON_RETURN_POINTER, "the program returns an address");
    mark_precise(v, v->now.reg_deps[0]);
    if (r0->n.s32min < range.lowest || r0->n.s32max > range.highest) {
        if (r0->n.s32min == r0->n.s32max)
            return refuse(v, REASON_RETURN_RANGE, "the program returns %d; programs of type %s return %d to %d",
                          r0->n.s32min, v->contract->name, range.lowest, range.highest);
        return refuse(v, REASON_RETURN_RANGE, "the program may return %d to %d; programs of type %s return %d to %d",
                      r0->n.s32min, r0->n.s32max, v->contract->name, range.lowest, range.highest);
    }
    return true;
}

enum flow_result call_exit(struct verifier *v)
{
    struct state *now = &v->now;
    if (now->depth == 1)
        return check_return(v) ? FLOW_END : FLOW_ERROR;
    struct frame *callee = top_frame(v), *caller = callee - 1;
    struct value *r0 = &now->regs[0];
    uint32_t callsite = callee->callsite;
    if (callee->callback) {
        if (r0->kind != V_NUMBER) {
            (void)refuse(v, r0->kind == V_NONE ? REASON_UNINIT_REGISTER : REASON_CALLBACK,
                         "a callback must return 0 or 1");
            return FLOW_ERROR;
        }
        mark_precise(v, now->reg_deps[0]);
        if (r0->n.umax > 1) {
            (void)refuse(v, REASON_RETURN_RANGE, "a callback must return 0 to go on or 1 to stop");
            return FLOW_ERROR;
        }
        struct value none = value_none();
        set_reg(v, 0, &none, 0);
    } else if (r0->kind == V_STACK && r0->index + 1u == now->depth) {
        (void)refuse(v, REASON_RETURN_POINTER, "a function returns the address of its own stack");
        return FLOW_ERROR;
    }
    for (unsigned r = 1; r <= SAVED_REGS; r++) {
        now->reg_node[r] = caller->saved[r - 1];
        now->regs[r] = *node_value(v, caller->saved[r - 1]);
        now->reg_deps[r] = caller->saved_deps[r - 1];
    }
    v->insn = callee->callback ? callsite : callsite + 1;
    now->depth--;
    return FLOW_JUMPED;
}
