/* SPDX-License-Identifier: MIT
 *
 * The log in the grammar of the Linux kernel's verifier, for people and tools that read that one.
 *
 *   log    = function state {line} [refusal] statistics
 *   line   = [source] insn [state] | "from N to N:" state | "N: safe"
 *   source = "; TEXT @ FILE:LINE"
 *   insn   = "N: (OPCODE) TEXT", its state on the same line from column 40 on, the registers that it names alone
 *   state  = "; R0=VALUE … fp-8=VALUE", "N: R1=ctx() R10=fp0" at a function's start
 *
 * Level 1 shows the path to a refusal, level 2 all that is walked, level 4 the statistics.  What our verifier knows and
 * Linux's has no word for (distances between values) is not shown; a refusal has Linux's sentence first, where it
 * has one, then ours with its code.
 */
#include <string.h>
#include "isa/isa.h"
#include "verify/state.h"

enum { LINE = 1536, ALIGN = 40 };

static void put(const struct verify_log *log, const char *text, size_t length)
{
    if (length)
        log->write(log->self, text, length);
}

static void put_text(const struct verify_log *log, const char *buffer, const struct text *text)
{
    put(log, buffer, text->length < text->capacity ? text->length : text->capacity - 1);
}

/* Text of the object's: one line, and nothing that a terminal would act on. */
static void add_clean(struct text *out, const char *from)
{
    while (*from == ' ' || *from == '\t')
        from++;
    for (; *from; from++)
        text_char(out, (unsigned char)*from < 0x20 || *from == 0x7f ? '?' : *from);
}

/* ---- values ---- */

struct bound {
    const char *name;
    int64_t value;
    bool is_signed, omit;
};

static void add_number(struct text *out, int64_t n, bool is_signed)
{
    if (is_signed ? n >= INT16_MIN && n <= INT16_MAX : (uint64_t)n <= UINT16_MAX)
        text_format(out, "%lld", (long long)n);
    else
        text_format(out, "0x%llx", (unsigned long long)n);
}

static void add_bounds(struct text *out, const struct scalar *n, const char *separator)
{
    struct bound bounds[] = {
        {"smin", n->smin, true, n->smin == INT64_MIN},       {"smax", n->smax, true, n->smax == INT64_MAX},
        {"umin", (int64_t)n->umin, false, n->umin == 0},     {"umax", (int64_t)n->umax, false, n->umax == UINT64_MAX},
        {"smin32", n->s32min, true, n->s32min == INT32_MIN}, {"smax32", n->s32max, true, n->s32max == INT32_MAX},
        {"umin32", n->u32min, false, n->u32min == 0},        {"umax32", n->u32max, false, n->u32max == UINT32_MAX},
    };
    enum { BOUNDS = sizeof bounds / sizeof *bounds };
    for (unsigned i = 0; i < BOUNDS; i++) {
        if (bounds[i].omit)
            continue;
        text_format(out, "%s%s=", separator, bounds[i].name);
        for (unsigned k = i + 1; k < BOUNDS; k++)
            if (!bounds[k].omit && bounds[k].value == bounds[i].value) {
                text_format(out, "%s=", bounds[k].name);
                bounds[k].omit = true;
            }
        add_number(out, bounds[i].value, bounds[i].is_signed);
        separator = ",";
    }
    if (n->bits.mask != UINT64_MAX)
        text_format(out, "%svar_off=(0x%llx; 0x%llx)", separator, (unsigned long long)n->bits.value,
                    (unsigned long long)n->bits.mask);
}

static const char *kind_name(const struct value *value)
{
    static const char *const regions[REGIONS] = {"pkt", "pkt_meta", "mem"};
    static const char *const objects[CONTRACT_OBJECTS] = {"sock_common", "sock", "tcp_sock", "flow_keys"};
    static const char *const kinds[V_KINDS] = {
        [V_CONTEXT] = "ctx",      [V_PACKET_END] = "pkt_end", [V_MAP] = "map_ptr", [V_MAP_VALUE] = "map_value",
        [V_MAP_KEY] = "map_key",  [V_MEMORY] = "mem",         [V_CODE] = "func",   [V_RECORD] = "ringbuf_mem",
        [V_BTF] = "trusted_ptr_", [V_DYNPTR] = "dynptr_ptr",  [V_ITER] = "iter"};
    if (value->kind == V_PACKET)
        return regions[value->index % REGIONS];
    if (value->kind == V_OBJECT && value->index < CONTRACT_OBJECTS)
        return objects[value->index];
    return value->kind < V_KINDS && kinds[value->kind] ? kinds[value->kind] : "scalar";
}

static void add_value(const struct verifier *v, const struct value *value, struct text *out)
{
    const char *separator = "";
    int64_t off = (int64_t)value->off + (scalar_is_const(&value->n) ? (int64_t)value->n.umin : 0);
    if (value->kind == V_NUMBER) {
        if (scalar_is_const(&value->n)) {
            add_number(out, value->n.smin, true);
            return;
        }
        text_string(out, "scalar(");
        add_bounds(out, &value->n, "");
        text_char(out, ')');
        return;
    }
    if (value->kind == V_STACK) {
        text_format(out, "fp%lld", (long long)off);
        if (value->index + 1u != v->now.depth)
            text_format(out, "[%u]", value->index);
        return;
    }
    text_format(out, "%s%s(", kind_name(value), value->flags & VALUE_NULLABLE ? "_or_null" : "");
    if (value->id && !(value->id & 0x80000000u)) {
        text_format(out, "id=%u", value->id);
        separator = ",";
    }
    if (value->ref) {
        text_format(out, "%sref_obj_id=%u", separator, value->ref);
        separator = ",";
    }
    if (value->kind == V_MAP || value->kind == V_MAP_VALUE || value->kind == V_MAP_KEY) {
        const struct map_spec *map = &v->image->maps[value->index];
        text_format(out, "%smap=", separator);
        add_clean(out, map->name ? map->name : "");
        text_format(out, ",ks=%u,vs=%u", map->key_size, map->value_size);
        separator = ",";
    }
    if (off) {
        text_format(out, "%soff=%lld", separator, (long long)off);
        separator = ",";
    }
    if (value->kind == V_PACKET) {
        text_format(out, "%sr=%u", separator, value->limit);
        separator = ",";
    }
    if (value->kind == V_MEMORY || value->kind == V_RECORD) {
        text_format(out, "%ssz=%u", separator, value->limit);
        separator = ",";
    }
    if (!scalar_is_const(&value->n))
        add_bounds(out, &value->n, separator);
    text_char(out, ')');
}

static void add_register(const struct verifier *v, unsigned r, struct text *out)
{
    if (r == 10) {
        text_string(out, " R10=fp0");
    } else if (v->now.regs[r].kind != V_NONE) {
        text_format(out, " R%u=", r);
        add_value(v, &v->now.regs[r], out);
    }
}

static void add_slot(const struct verifier *v, uint32_t s, node_t node, struct text *out)
{
    char bytes[9] = "????????"; /* the highest address first */
    if (node == NODE_NONE)
        return;
    text_format(out, " fp-%u=", 8 * (s + 1));
    if (node != NODE_MIXED && !(node & NODE_SPLIT)) {
        const struct value *value = node_value(v, node);
        if (value->kind != V_NUMBER || scalar_is_const(&value->n) || !scalar_is_any(&value->n)) {
            add_value(v, value, out);
            return;
        }
        memset(bytes, 'm', 8);
    } else if (node & NODE_SPLIT) {
        const struct split *split = node_split(v, node);
        for (unsigned i = 0; i < 8; i++)
            for (unsigned b = 0; b < split->size[i] && i + b < 8; b++)
                bytes[7 - i - b] = value_is_null(node_value(v, split->piece[i])) ? '0' : 'm';
    }
    text_string(out, bytes);
}

static void add_state(const struct verifier *v, uint32_t regs, uint64_t slots, struct text *out)
{
    const struct frame *frame = &v->now.frames[v->now.depth - 1];
    if (v->now.depth > 1)
        text_format(out, " frame%u:", v->now.depth - 1);
    for (unsigned r = 0; r <= 10; r++)
        if (regs >> r & 1)
            add_register(v, r, out);
    for (uint32_t s = 0; s < frame->slots; s++)
        if (slots >> s & 1)
            add_slot(v, s, frame->slot[s], out);
    if (v->now.g.ref_count) {
        text_string(out, " refs=");
        for (uint32_t i = 0; i < v->now.g.ref_count; i++)
            text_format(out, "%s%u", i ? "," : "", v->now.g.refs[i].id);
    }
}

/* ---- lines ---- */

struct names {
    const struct verifier *v;
    char helper[72];
};

static const char *helper_name(void *self, int32_t id)
{
    struct names *n = self;
    struct text text;
    const char *name = contract_program_helper_name(n->v->image->personality, n->v->image->prog_type, id);
    text_init(&text, n->helper, sizeof n->helper);
    text_format(&text, "bpf_%s", name ? name : "unspec");
    return n->helper;
}

static void end_line(struct verifier *v)
{
    if (v->logged)
        put(v->input->log, "\n", 1);
    v->logged = 0;
}

/* "23: R0=…" on a line of its own. */
static void state_line(struct verifier *v, const char *head)
{
    char line[LINE];
    struct text text;
    end_line(v);
    text_init(&text, line, sizeof line - 1);
    text_string(&text, head);
    add_state(v, 0x7ff, UINT64_MAX, &text);
    put_text(v->input->log, line, &text);
    put(v->input->log, "\n", 1);
}

void log_begin(struct verifier *v)
{
    char head[64];
    struct text text;
    text_init(&text, head, sizeof head);
    if (v->root != ROOT_PROGRAM) {
        const char *name = v->image->funcs[v->now.frames[0].func].name;
        char line[IMAGE_NAME + 64];
        struct text start;
        text_init(&start, line, sizeof line - 1);
        text_string(&start, v->root == ROOT_GLOBAL ? "Validating " : "Validating callback ");
        add_clean(&start, name ? name : "");
        text_format(&start, "() func#%u...\n", v->now.frames[0].func);
        put_text(v->input->log, line, &start);
    }
    text_format(&text, "%u:", v->insn);
    state_line(v, head);
}

void log_from(struct verifier *v, uint32_t from)
{
    char head[64];
    struct text text;
    end_line(v);
    text_init(&text, head, sizeof head);
    text_format(&text, "\nfrom %u to %u:", from, v->insn);
    state_line(v, head);
}

void log_safe(struct verifier *v)
{
    char line[32];
    struct text text;
    end_line(v);
    text_init(&text, line, sizeof line);
    text_format(&text, "%u: safe\n", v->insn);
    put_text(v->input->log, line, &text);
}

void log_insn(struct verifier *v)
{
    struct names self = {v, ""};
    const struct isa_names names = {helper_name, NULL, NULL, &self};
    struct verify_place place, before;
    char line[LINE], code[512];
    struct text text, part;
    end_line(v);
    text_init(&text, line, sizeof line - 1);
    if (verify_place(v->image, v->insn, &place) && *place.source &&
        (!v->insn || !verify_place(v->image, v->insn - 1, &before) || before.line != place.line ||
         before.file != place.file)) {
        const char *slash = strrchr(place.file, '/');
        text_string(&text, "; ");
        add_clean(&text, place.source);
        text_string(&text, " @ ");
        add_clean(&text, slash ? slash + 1 : place.file);
        text_format(&text, ":%u\n", place.line);
        put_text(v->input->log, line, &text);
        text_init(&text, line, sizeof line - 1);
    }
    text_init(&part, code, sizeof code);
    struct insn slots[2] = {v->image->insns[v->insn], {0}};
    if (insn_is_lddw(&slots[0]))
        slots[1] = v->image->insns[v->insn + 1];
    else if (slots[0].code == 0x85 && insn_src(&slots[0]) == CALL_SRC_HELPER)
        slots[0].imm = v->image->helpers[slots[0].imm].id;
    if (insn_is_lddw(&slots[0]) && insn_src(&slots[0]) != LDDW_SRC_IMM) /* an address: Linux does not show it either */
        text_format(&part, "r%u = 0x0", insn_dst(&slots[0]));
    else
        (void)isa_disassemble(slots, 2, 0, ISA_SYNTAX_KERNEL, &names, &part);
    text_format(&text, "%u: (%02x) ", v->insn, slots[0].code);
    add_clean(&text, code);
    put_text(v->input->log, line, &text);
    v->logged = (uint32_t)(text.length < sizeof line ? text.length : sizeof line);
}

void log_effect(struct verifier *v, uint32_t at)
{
    const struct insn *insn = &v->image->insns[at];
    uint8_t class = insn->code & 7;
    uint32_t regs = 0, dst = 1u << insn_dst(insn), src = 1u << insn_src(insn);
    uint64_t slots = 0;
    char line[LINE];
    struct text text;
    if (v->now.depth > 1 && v->image->funcs[top_frame(v)->func].insn == v->insn && insn->code == 0x85 &&
        v->insn != at + 1) {
        char head[64];
        text_init(&text, head, sizeof head);
        text_format(&text, "callee at %u:", v->insn);
        state_line(v, head);
        return;
    }
    switch (class) {
    case 0: regs = insn->code == 0x18 ? dst : 1; break;
    case 1: regs = dst | src; break;
    case 2:
    case 3:
        regs = dst | (class == 3 ? src : 0);
        slots = insn_dst(insn) == 10 && insn->off < 0 && insn->off >= -8 * SLOTS ? 1ull << (-insn->off - 1) / 8 : 0;
        break;
    case 5:
    case 6:
        if (insn->code == 0x85 || insn->code == 0x8d)
            regs = 1;
        else if (insn->code != 0x05 && insn->code != 0x06 && insn->code != 0x95 && insn->code != 0xe5)
            regs = dst | (insn->code & 8 ? src : 0);
        break;
    default: regs = dst | (insn->code & 8 && (insn->code & 0xf0) != 0xd0 ? src : 0); break;
    }
    text_init(&text, line, sizeof line - 1);
    add_state(v, regs, slots, &text);
    if (text.length) {
        uint32_t column = v->logged < ALIGN - 2 ? ALIGN - 2 : v->logged + 1;
        for (uint32_t i = v->logged; i < column; i++)
            put(v->input->log, " ", 1);
        put(v->input->log, ";", 1);
        put_text(v->input->log, line, &text);
    }
    end_line(v);
}

/* Linux's own words, where tools look for them. */
static void linux_words(const struct verifier *v, struct text *text)
{
    const struct insn *insn = &v->image->insns[v->insn];
    uint8_t class = insn->code & 7;
    unsigned reg = class == 1 ? insn_src(insn) : insn_dst(insn);
    static const uint8_t widths[4] = {4, 2, 1, 8};
    unsigned size = widths[insn->code >> 3 & 3];
    bool access = class >= 1 && class <= 3;
    const struct value *value = reg < 10 ? &v->now.regs[reg] : NULL;
    switch (v->reason) {
    case REASON_UNINIT_REGISTER:
        if (class >= 4 && class != 5 && class != 6 && insn->code & 8 && v->now.regs[insn_src(insn) % 10].kind == V_NONE)
            reg = insn_src(insn);
        if (insn->code == 0x95)
            reg = 0;
        for (unsigned r = 1; insn->code == 0x85 && r <= 5; r++)
            if (v->blamed >> r & 1)
                reg = r;
        text_format(text, "R%u !read_ok\n", reg);
        break;
    case REASON_NULL_POINTER:
    case REASON_NOT_POINTER:
    case REASON_OPAQUE_POINTER:
        if (access && value)
            text_format(text, "R%u invalid mem access '%s%s'\n", reg, kind_name(value),
                        value->flags & VALUE_NULLABLE ? "_or_null" : "");
        break;
    case REASON_PACKET_BOUNDS:
        if (access && value)
            text_format(text,
                        "invalid access to packet, off=%d size=%u, R%u(id=%u,off=%d,r=%u)\n"
                        "R%u offset is outside of the packet\n",
                        value->off + insn->off, size, reg, value->id, value->off, value->limit, reg);
        break;
    case REASON_MAP_VALUE_BOUNDS:
        if (access && value)
            text_format(text, "invalid access to map value, value_size=%u off=%lld size=%u\n",
                        v->image->maps[value->index].value_size,
                        (long long)(value->off + insn->off + (int64_t)value->n.smax), size);
        break;
    case REASON_STACK_BOUNDS:
        if (access)
            text_format(text, "invalid %s stack R%u off=%d size=%u\n", class == 1 ? "read from" : "write to", reg,
                        insn->off + (value ? value->off : 0), size);
        break;
    case REASON_CONTEXT_BOUNDS:
        if (access)
            text_format(text, "invalid bpf_context access off=%d size=%u\n", insn->off, size);
        break;
    case REASON_REFERENCE_LEAK:
        for (uint32_t i = 0; i < v->now.g.ref_count; i++)
            text_format(text, "Unreleased reference id=%u alloc_insn=%u\n", v->now.g.refs[i].id, v->now.g.refs[i].insn);
        break;
    case REASON_LOOP: text_format(text, "infinite loop detected at insn %u\n", v->insn); break;
    case REASON_RECURSION: text_format(text, "recursive call from insn %u\n", v->insn); break;
    default: break;
    }
}

void log_refusal(struct verifier *v)
{
    char line[LINE];
    struct text text;
    end_line(v);
    text_init(&text, line, sizeof line - 1);
    linux_words(v, &text);
    text_format(&text, "%s: ", verify_reason_code(v->reason));
    add_clean(&text, v->message);
    text_char(&text, '\n');
    put_text(v->input->log, line, &text);
}

void verify_log_end(const struct verify_log *log, const struct verify_result *r, uint64_t microseconds)
{
    char line[512];
    struct text text;
    text_init(&text, line, sizeof line);
    if (r->verdict == VERIFY_TOO_COMPLEX || r->verdict == VERIFY_TOO_LONG)
        text_format(&text, "BPF program is too large. Processed %llu insn\n%s: %s\n", (unsigned long long)r->steps,
                    verify_reason_code(r->reason), r->message);
    if (log->level & VERIFY_LOG_STATS)
        text_format(&text, "verification time %llu usec\nstack depth %u\n", (unsigned long long)microseconds,
                    r->stack_depth);
    text_format(&text,
                "processed %llu insns (limit %d) max_states_per_insn %u total_states %u peak_states %u mark_read 0\n",
                (unsigned long long)r->steps, VERIFY_STEPS, r->most_states, r->states, r->states);
    put_text(log, line, &text);
}
