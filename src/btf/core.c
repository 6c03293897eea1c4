/* SPDX-License-Identifier: MIT
 *
 * CO-RE: one relocation record, resolved.  A record names a type of the program's BTF and a path into it, "0:1:3":
 * the first number indexes the pointer, each further one a member of a structure or an element of an array.
 *
 *   1. The local path is walked to a *spec*: the bit offset it reaches, its type, and the steps that carry meaning in
 *      another layout: names of members and indices of elements (anonymous members are seen through).
 *   2. Candidates are the target's types of the same kind and name, flavors (___x) taken off.
 *   3. Each candidate is walked by the steps.  One that lacks a step, or whose type at a step is incompatible, is out.
 *   4. What is left must agree on the answer; two that differ are an error, for nothing says which was meant.
 *
 * Recursion: only through anonymous members and through pairs of types that must match; both carry a depth of at most
 * DEPTH_MAX.  Matching visits at most MATCH_STEPS pairs, so wide hostile types cannot stall it.
 */
#include "btf/btf_impl.h"

enum { PATH_MAX = 64, DEPTH_MAX = 32, MATCH_STEPS = 100000, CANDIDATES_MAX = 4096 };

struct step {
    const char *name; /* NULL: an element */
    uint32_t type;    /* where the step is taken: structure, or element type for an index */
    uint32_t index;
};

struct spec {
    const struct btf *btf;
    uint32_t root;
    struct step steps[PATH_MAX];
    uint32_t length;
    uint32_t numbers[PATH_MAX]; /* the path as it stands */
    uint32_t count;
    uint64_t bits;      /* offset reached */
    uint32_t type;      /* reached; for enumerators the enumeration */
    uint32_t bit_size;  /* of a bit field, else 0 */
    int64_t enumerator; /* value */
};

static bool is_composite(enum btf_kind kind)
{
    return kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION;
}

static bool is_enum(enum btf_kind kind)
{
    return kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
}

static bool about_field(uint32_t kind)
{
    return kind <= BTF_CORE_FIELD_RSHIFT;
}

static bool about_enum(uint32_t kind)
{
    return kind == BTF_CORE_ENUM_EXISTS || kind == BTF_CORE_ENUM_VALUE;
}

static bool parse_path(const char *text, struct spec *spec)
{
    spec->count = 0;
    for (;;) {
        uint64_t number = 0;
        if (*text < '0' || *text > '9' || spec->count == PATH_MAX)
            return false;
        for (; *text >= '0' && *text <= '9'; text++)
            if ((number = number * 10 + (uint64_t)(*text - '0')) > UINT32_MAX)
                return false;
        spec->numbers[spec->count++] = (uint32_t)number;
        if (!*text)
            return true;
        if (*text++ != ':')
            return false;
    }
}

static uint64_t size_of(const struct btf *btf, uint32_t id)
{
    uint32_t size;
    return btf_sizeof(btf, id, &size) ? 0 : size;
}

/* An array that stands last in a structure and has no or one element may be read past its end. */
static bool open_ended(const struct btf *btf, const struct spec *spec, uint32_t count)
{
    if (spec->length == 0 || count > 1 || !spec->steps[spec->length - 1].name)
        return false;
    const struct step *step = &spec->steps[spec->length - 1];
    return step->index + 1 == btf_type(btf, step->type).vlen;
}

static bool walk_local(struct spec *spec, uint32_t kind)
{
    const struct btf *btf = spec->btf;
    uint32_t id = btf_skip_modifiers(btf, spec->root);
    spec->type = id;
    if (!about_field(kind) && !about_enum(kind))
        return spec->count == 1 && spec->numbers[0] == 0;
    if (about_enum(kind)) {
        struct btf_type_view type = btf_type(btf, id);
        if (!is_enum(type.kind) || spec->count != 1 || spec->numbers[0] >= type.vlen)
            return false;
        spec->steps[0] =
            (struct step){btf_enumerator(btf, id, spec->numbers[0], &spec->enumerator), id, spec->numbers[0]};
        spec->length = 1;
        return true;
    }
    spec->steps[spec->length++] = (struct step){NULL, id, spec->numbers[0]};
    spec->bits = spec->numbers[0] * size_of(btf, id) * 8;
    for (uint32_t i = 1; i < spec->count; i++) {
        uint32_t number = spec->numbers[i];
        id = btf_skip_modifiers(btf, spec->type);
        struct btf_type_view type = btf_type(btf, id);
        spec->bit_size = 0;
        if (is_composite(type.kind)) {
            if (number >= type.vlen)
                return false;
            struct btf_member_view member = btf_member(btf, id, number);
            if (*member.name)
                spec->steps[spec->length++] = (struct step){member.name, id, number};
            spec->bits += member.bit_offset;
            spec->bit_size = member.bit_size;
            spec->type = member.type;
        } else if (type.kind == BTF_KIND_ARRAY) {
            struct btf_array_view array = btf_array_type(btf, id);
            if (number >= array.count && !open_ended(btf, spec, array.count))
                return false;
            spec->steps[spec->length++] = (struct step){NULL, array.type, number};
            spec->bits += number * size_of(btf, array.type) * 8;
            spec->type = array.type;
        } else
            return false;
    }
    return true;
}

static bool same_essential(const char *a, const char *b)
{
    size_t length = btf_essential_length(a);
    return length == btf_essential_length(b) && !memcmp(a, b, length);
}

/* May a field of type `b` in the target stand for one of type `a`?  Looks at shape, not at size. */
static bool field_compatible(const struct btf *local, uint32_t a, const struct btf *target, uint32_t b)
{
    for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
        a = btf_skip_modifiers(local, a);
        b = btf_skip_modifiers(target, b);
        struct btf_type_view x = btf_type(local, a), y = btf_type(target, b);
        if (is_composite(x.kind) && is_composite(y.kind))
            return true;
        if (is_enum(x.kind) && is_enum(y.kind))
            return !*x.name || !*y.name || same_essential(x.name, y.name);
        if (x.kind != y.kind)
            return false;
        switch (x.kind) {
        case BTF_KIND_FLOAT:
        case BTF_KIND_PTR:
        case BTF_KIND_INT: return true;
        case BTF_KIND_FWD: return same_essential(x.name, y.name);
        case BTF_KIND_ARRAY:
            a = btf_array_type(local, a).type;
            b = btf_array_type(target, b).type;
            break;
        default: return false;
        }
    }
    return false;
}

/* Finds a member by name, through anonymous ones.  1 found, 0 not here, -1 found and incompatible. */
static int find_member(const struct btf *local, struct btf_member_view wanted, struct spec *spec, uint32_t id,
                       unsigned depth, unsigned *budget)
{
    struct btf_type_view type = btf_type(spec->btf, id);
    for (uint32_t i = 0; i < type.vlen; i++) {
        struct btf_member_view member = btf_member(spec->btf, id, i);
        if (!*budget || depth > DEPTH_MAX)
            return 0;
        --*budget;
        if (!*member.name) {
            uint32_t inner = btf_skip_modifiers(spec->btf, member.type);
            if (!is_composite(btf_type(spec->btf, inner).kind))
                continue;
            uint64_t bits = spec->bits;
            spec->bits += member.bit_offset;
            int found = find_member(local, wanted, spec, inner, depth + 1, budget);
            if (found)
                return found;
            spec->bits = bits;
        } else if (!strcmp(member.name, wanted.name)) {
            if (!field_compatible(local, wanted.type, spec->btf, member.type))
                return -1;
            spec->steps[spec->length++] = (struct step){member.name, id, i};
            spec->bits += member.bit_offset;
            spec->bit_size = member.bit_size;
            spec->type = member.type;
            return 1;
        }
    }
    return 0;
}

/* Two types that mean the same at the top level: their kinds agree, and what they point at or take does too. */
static bool compatible(const struct btf *local, uint32_t a, const struct btf *target, uint32_t b, unsigned depth,
                       unsigned *budget)
{
    for (;; depth++) {
        if (depth > DEPTH_MAX || !*budget)
            return false;
        --*budget;
        a = btf_skip_modifiers(local, a);
        b = btf_skip_modifiers(target, b);
        struct btf_type_view x = btf_type(local, a), y = btf_type(target, b);
        if (is_enum(x.kind) && is_enum(y.kind))
            return true;
        if (x.kind != y.kind)
            return false;
        switch (x.kind) {
        case BTF_KIND_VOID:
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
        case BTF_KIND_FWD:
        case BTF_KIND_INT: return x.kind != BTF_KIND_INT || !((load_le32(x.extra) | load_le32(y.extra)) >> 16 & 0xff);
        case BTF_KIND_PTR:
            a = x.size_or_type;
            b = y.size_or_type;
            break;
        case BTF_KIND_ARRAY:
            a = btf_array_type(local, a).type;
            b = btf_array_type(target, b).type;
            break;
        case BTF_KIND_FUNC_PROTO:
            if (x.vlen != y.vlen)
                return false;
            for (uint32_t i = 0; i < x.vlen; i++)
                if (!compatible(local, load_le32(x.extra + 8 * i + 4), target, load_le32(y.extra + 8 * i + 4),
                                depth + 1, budget))
                    return false;
            a = x.size_or_type;
            b = y.size_or_type;
            break;
        default: return false;
        }
    }
}

/* The strict relation of bpf_core_type_matches(): names, members and their types, enumerators.  Behind a pointer only
 * names and kinds count. */
static bool matches(const struct btf *local, uint32_t a, const struct btf *target, uint32_t b, bool behind,
                    unsigned depth, unsigned *budget)
{
    for (;; depth++) {
        if (depth > DEPTH_MAX || !*budget)
            return false;
        --*budget;
        a = btf_skip_modifiers(local, a);
        b = btf_skip_modifiers(target, b);
        struct btf_type_view x = btf_type(local, a), y = btf_type(target, b);
        if (!same_essential(x.name, y.name))
            return false;
        if (x.kind != y.kind) {
            bool forward = x.kind == BTF_KIND_FWD || y.kind == BTF_KIND_FWD;
            enum btf_kind full = x.kind == BTF_KIND_FWD ? y.kind : x.kind;
            bool wants_union = x.kind == BTF_KIND_FWD ? x.kind_flag : y.kind_flag;
            if (behind && forward && is_composite(full))
                return wants_union == (full == BTF_KIND_UNION);
            if (!is_enum(x.kind) || !is_enum(y.kind))
                return false;
        }
        switch (x.kind) {
        case BTF_KIND_VOID: return true;
        case BTF_KIND_FWD: return x.kind_flag == y.kind_flag;
        case BTF_KIND_INT:
            return size_of(local, a) == size_of(target, b) && btf_is_signed(local, a) == btf_is_signed(target, b);
        case BTF_KIND_FLOAT: return true;
        case BTF_KIND_ENUM:
        case BTF_KIND_ENUM64:
            if (behind)
                return true;
            for (uint32_t i = 0; i < x.vlen; i++) {
                int64_t value;
                const char *name = btf_enumerator(local, a, i, &value);
                bool found = false;
                for (uint32_t j = 0; j < y.vlen && !found && *budget; j++, --*budget)
                    found = same_essential(name, btf_enumerator(target, b, j, &value));
                if (!found)
                    return false;
            }
            return true;
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
            if (behind)
                return true;
            for (uint32_t i = 0; i < x.vlen; i++) {
                struct btf_member_view wanted = btf_member(local, a, i);
                bool found = false;
                for (uint32_t j = 0; j < y.vlen && !found && *budget; j++, --*budget) {
                    struct btf_member_view member = btf_member(target, b, j);
                    found = same_essential(wanted.name, member.name) &&
                            matches(local, wanted.type, target, member.type, behind, depth + 1, budget);
                }
                if (!found)
                    return false;
            }
            return true;
        case BTF_KIND_PTR:
            a = x.size_or_type;
            b = y.size_or_type;
            behind = true;
            break;
        case BTF_KIND_ARRAY:
            if (btf_array_type(local, a).count != btf_array_type(target, b).count)
                return false;
            a = btf_array_type(local, a).type;
            b = btf_array_type(target, b).type;
            break;
        case BTF_KIND_FUNC_PROTO:
            if (x.vlen != y.vlen)
                return false;
            for (uint32_t i = 0; i < x.vlen; i++)
                if (!matches(local, load_le32(x.extra + 8 * i + 4), target, load_le32(y.extra + 8 * i + 4), behind,
                             depth + 1, budget))
                    return false;
            a = x.size_or_type;
            b = y.size_or_type;
            break;
        default: return false;
        }
    }
}

/* Walks a candidate by the local steps.  True when it has them all. */
static bool walk_target(const struct spec *local, uint32_t kind, struct spec *spec, unsigned *budget)
{
    const struct btf *btf = spec->btf;
    uint32_t id = btf_skip_modifiers(btf, spec->root);
    spec->type = id;
    if (kind == BTF_CORE_TYPE_MATCHES)
        return matches(local->btf, local->root, btf, spec->root, false, 0, budget);
    if (!about_field(kind) && !about_enum(kind))
        return compatible(local->btf, local->root, btf, spec->root, 0, budget);
    if (about_enum(kind)) {
        struct btf_type_view type = btf_type(btf, id);
        if (!is_enum(type.kind))
            return false;
        for (uint32_t i = 0; i < type.vlen; i++)
            if (same_essential(local->steps[0].name, btf_enumerator(btf, id, i, &spec->enumerator)))
                return true;
        return false;
    }
    for (uint32_t i = 0; i < local->length; i++) {
        const struct step *step = &local->steps[i];
        if (step->name) {
            id = btf_skip_modifiers(btf, spec->type);
            struct btf_member_view wanted = btf_member(local->btf, step->type, step->index);
            spec->bit_size = 0;
            if (!is_composite(btf_type(btf, id).kind) || find_member(local->btf, wanted, spec, id, 0, budget) != 1)
                return false;
            continue;
        }
        uint32_t element = spec->type;
        if (i > 0) {
            id = btf_skip_modifiers(btf, spec->type);
            if (btf_type(btf, id).kind != BTF_KIND_ARRAY)
                return false;
            struct btf_array_view array = btf_array_type(btf, id);
            if (step->index >= array.count && !open_ended(btf, spec, array.count))
                return false;
            element = array.type;
        }
        spec->steps[spec->length++] = (struct step){NULL, element, step->index};
        spec->bits += step->index * size_of(btf, element) * 8;
        spec->bit_size = 0;
        spec->type = element;
    }
    return true;
}

struct answer {
    uint64_t value;
    uint32_t field_size; /* of the load, for FIELD_OFFSET */
    bool bit_field;
};

/* What the constant is for a spec that exists; false when it has none (a bit field no load can reach). */
static bool calculate(const struct spec *spec, uint32_t kind, struct answer *answer)
{
    const struct btf *btf = spec->btf;
    uint32_t id = btf_skip_modifiers(btf, spec->type);
    *answer = (struct answer){0, 0, false};
    switch (kind) {
    case BTF_CORE_TYPE_LOCAL:
    case BTF_CORE_TYPE_TARGET: answer->value = spec->root; return true;
    case BTF_CORE_TYPE_SIZE: answer->value = size_of(btf, spec->type); return true;
    case BTF_CORE_ENUM_VALUE: answer->value = (uint64_t)spec->enumerator; return true;
    case BTF_CORE_FIELD_EXISTS:
    case BTF_CORE_TYPE_EXISTS:
    case BTF_CORE_TYPE_MATCHES:
    case BTF_CORE_ENUM_EXISTS: answer->value = 1; return true;
    default: break;
    }
    /* An element reached by an index alone: only place and size mean something. */
    uint64_t bytes = size_of(btf, spec->type), offset = spec->bits / 8, bits = spec->bit_size;
    answer->bit_field = bits > 0;
    if (spec->count == 1 && kind != BTF_CORE_FIELD_OFFSET && kind != BTF_CORE_FIELD_SIZE)
        return false;
    if (bits) {
        if (!bytes || bytes > 8 || (bytes & (bytes - 1)))
            return false;
        offset = spec->bits / 8 / bytes * bytes;
        while (spec->bits + bits - offset * 8 > bytes * 8) {
            if (bytes >= 8)
                return false;
            bytes *= 2;
            offset = spec->bits / 8 / bytes * bytes;
        }
    } else {
        bits = bytes * 8;
        if (spec->bits % 8)
            return false;
    }
    switch (kind) {
    case BTF_CORE_FIELD_OFFSET:
        answer->value = offset;
        answer->field_size = answer->bit_field || bytes > 8 ? 0 : (uint32_t)bytes;
        return true;
    case BTF_CORE_FIELD_SIZE: answer->value = bytes; return true;
    case BTF_CORE_FIELD_SIGNED: answer->value = btf_is_signed(btf, id); return true;
    case BTF_CORE_FIELD_LSHIFT: answer->value = 64 - (bits + spec->bits - offset * 8); return bytes <= 8;
    case BTF_CORE_FIELD_RSHIFT: answer->value = 64 - bits; return bytes <= 8;
    default: return false;
    }
}

static bool asks_existence(uint32_t kind)
{
    return kind == BTF_CORE_FIELD_EXISTS || kind == BTF_CORE_TYPE_EXISTS || kind == BTF_CORE_TYPE_MATCHES ||
           kind == BTF_CORE_ENUM_EXISTS;
}

static bool is_candidate(enum btf_kind local, enum btf_kind target)
{
    return local == target || (is_enum(local) && is_enum(target));
}

static bool plain_unsigned(const struct spec *spec)
{
    uint32_t id = btf_skip_modifiers(spec->btf, spec->type);
    enum btf_kind kind = btf_type(spec->btf, id).kind;
    return kind == BTF_KIND_PTR || ((kind == BTF_KIND_INT || is_enum(kind)) && !btf_is_signed(spec->btf, id));
}

enum result btf_core_resolve(const struct btf *local, const struct btf_core_record *record, const struct btf *target,
                             struct arena *arena, const struct diag *diag, struct btf_core_result *out)
{
    const char *path = btf_string(local, record->access), *name = btf_type(local, record->type).name;
    uint32_t kind = record->kind, tried = 0;
    enum btf_kind root_kind = btf_type(local, record->type).kind;
    struct answer here, there = {0, 0, false}, found;
    struct spec specs[2], *spec = &specs[0], *other = &specs[1];
    (void)arena;
    memset(spec, 0, sizeof *spec);
    spec->btf = local;
    spec->root = record->type;
    if (!parse_path(path, spec) || !walk_local(spec, kind) || !calculate(spec, kind, &here)) {
        diag_error(diag, "type %u '%.64s': path \"%.64s\" of kind %u leads nowhere", record->type, name, path, kind);
        return RESULT_INVALID;
    }
    *out = (struct btf_core_result){.local = here.value, .check_local = !here.bit_field && !asks_existence(kind)};
    if (kind == BTF_CORE_FIELD_LSHIFT || kind == BTF_CORE_FIELD_RSHIFT || kind == BTF_CORE_FIELD_SIGNED)
        out->check_local = false;
    if (!target || kind == BTF_CORE_TYPE_LOCAL) {
        out->value = here.value;
        out->exists = true;
        return RESULT_OK;
    }
    if (!*name) {
        diag_error(diag, "type %u has no name to look for", record->type);
        return RESULT_INVALID;
    }
    size_t length = btf_essential_length(name);
    for (uint32_t id = 0; (id = btf_find_essential(target, name, length, id));) {
        unsigned budget = MATCH_STEPS;
        if (!is_candidate(root_kind, btf_type(target, id).kind))
            continue;
        if (++tried > CANDIDATES_MAX)
            break;
        memset(other, 0, sizeof *other);
        other->btf = target;
        other->root = id;
        other->count = spec->count;
        if (!walk_target(spec, kind, other, &budget) || !calculate(other, kind, &found))
            continue;
        if (out->exists && (found.value != there.value || found.field_size != there.field_size)) {
            diag_error(diag, "type '%.64s': the target has two that differ at \"%.64s\" (%llu and %llu)", name, path,
                       (unsigned long long)there.value, (unsigned long long)found.value);
            return RESULT_INVALID;
        }
        there = found;
        out->exists = true;
        if (kind == BTF_CORE_FIELD_OFFSET && here.field_size != found.field_size) {
            out->field_size = found.field_size;
            out->resizable = plain_unsigned(spec) && plain_unsigned(other);
        }
    }
    out->value = there.value;
    /* Of a type that is missing, size and id are 0, as libbpf answers; that a thing is missing is an answer too. */
    if (!out->exists && (asks_existence(kind) || kind == BTF_CORE_TYPE_SIZE || kind == BTF_CORE_TYPE_TARGET)) {
        out->exists = true;
        out->value = 0;
    }
    return RESULT_OK;
}
