/* SPDX-License-Identifier: MIT
 *
 * Values and reasons in words.
 */
#include "verify/state.h"

static const struct {
    const char *code, *title;
} reasons[] = {
    {"V0000", "accepted"},
#define REASON(code, NAME, title) {"V" #code, title},
#include "verify/reasons.def"
};

const char *verify_reason_code(enum verify_reason reason)
{
    return (unsigned)reason < REASONS ? reasons[reason].code : "V????";
}

const char *verify_reason_title(enum verify_reason reason)
{
    return (unsigned)reason < REASONS ? reasons[reason].title : "unknown reason";
}

static void number_text(const struct scalar *n, struct text *out)
{
    if (scalar_is_const(n)) {
        if (n->smin < 0 || n->umin < 4096)
            text_format(out, "%lld", (long long)n->smin);
        else
            text_format(out, "0x%llx", (unsigned long long)n->umin);
    } else if (scalar_is_any(n)) {
        text_string(out, "any number");
    } else if (n->smin >= 0 || n->smin == INT64_MIN) {
        text_format(out, "%llu..%llu", (unsigned long long)n->umin, (unsigned long long)n->umax);
    } else {
        text_format(out, "%lld..%lld", (long long)n->smin, (long long)n->smax);
    }
}

void value_text(const struct verifier *v, const struct value *value, struct text *out)
{
    static const char *const kinds[V_KINDS] = {
        [V_NONE] = "uninitialized",     [V_CONTEXT] = "context",       [V_STACK] = "stack",
        [V_PACKET] = "packet",          [V_PACKET_END] = "packet end", [V_MAP] = "map",
        [V_MAP_VALUE] = "value of map", [V_MAP_KEY] = "key of map",    [V_MEMORY] = "memory",
        [V_RECORD] = "record",          [V_OBJECT] = "socket",         [V_CODE] = "function",
        [V_BTF] = "kernel object",      [V_DYNPTR] = "dynptr",         [V_ITER] = "iterator"};
    static const char *const regions[REGIONS] = {"packet", "packet metadata", "memory"};
    if (value->kind == V_NONE && value->index) {
        text_string(out, "different on different paths");
        return;
    }
    if (value->kind == V_NUMBER) {
        number_text(&value->n, out);
        return;
    }
    text_string(out, value->kind == V_PACKET ? regions[value->index % REGIONS] : kinds[value->kind]);
    if (value->kind == V_MAP || value->kind == V_MAP_VALUE || value->kind == V_MAP_KEY) {
        const char *name = v->image->maps[value->index].name;
        text_format(out, " '%s'", name && *name ? name : "?");
    } else if (value->kind == V_CODE) {
        const char *name = v->image->funcs[value->index].name;
        text_format(out, " %s", name && *name ? name : "?");
    } else if (value->kind == V_STACK && value->index + 1u != v->now.depth) {
        text_format(out, " of caller %u", value->index);
    }
    if (!scalar_is_const(&value->n)) {
        text_string(out, " + ");
        struct scalar by = scalar_const((uint64_t)(int64_t)value->off), at = scalar_alu(OP_ADD, true, &value->n, &by);
        number_text(&at, out);
    } else if (value->off || value->n.umin) {
        text_format(out, " %c %lld", (int64_t)value->n.umin + value->off < 0 ? '-' : '+',
                    (long long)((int64_t)value->n.umin + value->off < 0 ? -((int64_t)value->n.umin + value->off)
                                                                        : (int64_t)value->n.umin + value->off));
    }
    if (value->kind == V_PACKET && value->limit)
        text_format(out, " (%d bytes proven)", (int)value->limit - value->off);
    if (value->kind == V_MEMORY || value->kind == V_RECORD)
        text_format(out, " of %u bytes", value->limit);
    if (value->flags & VALUE_NULLABLE)
        text_string(out, ", or NULL");
}
