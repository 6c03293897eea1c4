/* SPDX-License-Identifier: MIT
 *
 * BTF: reading and checking.  Three passes, each linear in the input:
 *   1. shape: walk the records, so that every id has an offset and every record is whole;
 *   2. sense: judge each record by itself (kind, names, what it refers to);
 *   3. sizes: visit every type after those it contains by value.  A type met again on the way down contains itself,
 *      which is refused; so is a containment deeper than BTF_NESTING.  Pointers and prototypes end a containment.
 * Depths are kept per type, so the limit holds across visits, and the explicit stack has BTF_NESTING entries.
 * After that every accessor may trust ids, offsets and counts.
 */
#include "base/bytes.h"
#include "btf/btf_impl.h"

enum { BTF_MAGIC = 0xeb9f, HASHED_NAME = 64 };

bool btf_layout(struct bytes bytes, struct btf_layout *out, const char **reason)
{
    struct bytes body;
    if (bytes.size > BTF_MAX_SIZE) {
        *reason = "larger than 64 MiB";
        return false;
    }
    if (bytes.size < BTF_HEADER) {
        *reason = "shorter than its header";
        return false;
    }
    if (load_le16(bytes.data) != BTF_MAGIC) {
        *reason = load_le16(bytes.data) == 0x9feb ? "big-endian" : "wrong magic number";
        return false;
    }
    if (bytes.data[2] != 1 || bytes.data[3] != 0) {
        *reason = "unknown version or flags";
        return false;
    }
    uint32_t header = load_le32(bytes.data + 4);
    if (header < BTF_HEADER || !bytes_slice(bytes, header, bytes.size - (header < bytes.size ? header : 0), &body)) {
        *reason = "header length out of range";
        return false;
    }
    uint32_t type_offset = load_le32(bytes.data + 8), type_size = load_le32(bytes.data + 12);
    uint32_t string_offset = load_le32(bytes.data + 16), string_size = load_le32(bytes.data + 20);
    if (type_offset % 4 || !bytes_slice(body, type_offset, type_size, &out->types)) {
        *reason = "type section out of range";
        return false;
    }
    if (!bytes_slice(body, string_offset, string_size, &out->strings)) {
        *reason = "string section out of range";
        return false;
    }
    if ((uint64_t)type_offset + type_size > string_offset && (uint64_t)string_offset + string_size > type_offset &&
        type_size && string_size) {
        *reason = "type and string sections overlap";
        return false;
    }
    if (!string_size || out->strings.data[0] || out->strings.data[string_size - 1]) {
        *reason = "string section does not begin and end with a NUL";
        return false;
    }
    return true;
}

/* The bytes after the fixed part of a record; false for an unknown kind. */
static bool extra_size(uint32_t kind, uint32_t vlen, uint32_t *size)
{
    switch (kind) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG: *size = 0; return true;
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG: *size = 4; return true;
    case BTF_KIND_ARRAY: *size = 12; return true;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
    case BTF_KIND_DATASEC:
    case BTF_KIND_ENUM64: *size = vlen * 12; return true;
    case BTF_KIND_ENUM:
    case BTF_KIND_FUNC_PROTO: *size = vlen * 8; return true;
    default: return false;
    }
}

static const uint8_t *record(const struct btf *btf, uint32_t id)
{
    return btf->types.data + btf->offsets[id];
}

static uint32_t info_kind(uint32_t info)
{
    return info >> 24 & 0x1f;
}

static enum btf_kind kind_of(const struct btf *btf, uint32_t id)
{
    return id ? (enum btf_kind)info_kind(load_le32(record(btf, id) + 4)) : BTF_KIND_VOID;
}

struct btf_type_view btf_type(const struct btf *btf, uint32_t id)
{
    struct btf_type_view view = {.name = ""};
    if (id == 0)
        return view;
    const uint8_t *data = record(btf, id);
    uint32_t info = load_le32(data + 4);
    view.kind = (enum btf_kind)info_kind(info);
    view.name = (const char *)btf->strings.data + load_le32(data);
    view.vlen = info & 0xffff;
    view.kind_flag = info >> 31;
    view.size_or_type = load_le32(data + 8);
    view.extra = data + BTF_RECORD;
    return view;
}

/* Pass 1.  Called twice: first to count (offsets NULL), then to fill in. */
static bool walk(struct bytes types, uint32_t *offsets, uint32_t *count, const struct diag *diag)
{
    size_t at = 0;
    uint32_t id = 1, extra;
    while (at < types.size) {
        if (types.size - at < BTF_RECORD) {
            diag_error(diag, "BTF: type %u: cut short", id);
            return false;
        }
        uint32_t info = load_le32(types.data + at + 4);
        if (!extra_size(info_kind(info), info & 0xffff, &extra)) {
            diag_error(diag, "BTF: type %u: unknown kind %u", id, info_kind(info));
            return false;
        }
        if (types.size - at - BTF_RECORD < extra) {
            diag_error(diag, "BTF: type %u: cut short", id);
            return false;
        }
        if (id >= BTF_MAX_TYPES) {
            diag_error(diag, "BTF: more than %u types", (unsigned)BTF_MAX_TYPES);
            return false;
        }
        if (offsets)
            offsets[id] = (uint32_t)at;
        id++;
        at += BTF_RECORD + extra;
    }
    *count = id;
    return true;
}

static bool bad(const struct diag *diag, const struct btf *btf, uint32_t id, const char *reason)
{
    uint32_t name = load_le32(record(btf, id));
    const char *text = name < btf->strings.size ? (const char *)btf->strings.data + name : "";
    diag_error(diag, "BTF: type %u%s%.64s%s: %s", id, *text ? " '" : "", text, *text ? "'" : "", reason);
    return false;
}

static bool good_name(const struct btf *btf, uint32_t offset)
{
    return offset < btf->strings.size;
}

static bool check_int(const struct btf *btf, uint32_t id, struct btf_type_view type, const struct diag *diag)
{
    uint32_t data = load_le32(type.extra), bits = data & 0xff, offset = data >> 16 & 0xff, encoding = data >> 24;
    uint32_t size = type.size_or_type;
    if (size != 1 && size != 2 && size != 4 && size != 8 && size != 16)
        return bad(diag, btf, id, "integer size is not 1, 2, 4, 8 or 16");
    if (bits > 128 || bits + offset > size * 8)
        return bad(diag, btf, id, "integer has more bits than its size");
    /* gcc 12 sets SIGNED and CHAR together. */
    if (data & 0xf000ff00u || encoding > 7)
        return bad(diag, btf, id, "unknown integer encoding");
    return true;
}

/* Pass 2: a record by itself. */
static bool check_type(const struct btf *btf, uint32_t id, const struct diag *diag)
{
    const uint8_t *data = record(btf, id);
    if (!good_name(btf, load_le32(data)))
        return bad(diag, btf, id, "name out of range");
    struct btf_type_view type = btf_type(btf, id);
    bool named = *type.name, refers = false;
    if (type.vlen && extra_size(type.kind, 0, &(uint32_t){0}) &&
        !(type.kind == BTF_KIND_STRUCT || type.kind == BTF_KIND_UNION || type.kind == BTF_KIND_ENUM ||
          type.kind == BTF_KIND_ENUM64 || type.kind == BTF_KIND_FUNC_PROTO || type.kind == BTF_KIND_DATASEC ||
          type.kind == BTF_KIND_FUNC))
        return bad(diag, btf, id, "vlen is not 0");
    switch (type.kind) {
    case BTF_KIND_INT:
        if (!check_int(btf, id, type, diag))
            return false;
        break;
    case BTF_KIND_PTR:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
        if (named)
            return bad(diag, btf, id, "has a name");
        refers = true;
        break;
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_TYPE_TAG:
        if (!named)
            return bad(diag, btf, id, "has no name");
        refers = true;
        break;
    case BTF_KIND_FWD:
        if (!named)
            return bad(diag, btf, id, "has no name");
        break;
    case BTF_KIND_ARRAY:
        if (named || type.size_or_type)
            return bad(diag, btf, id, "array has a name or a size");
        if (load_le32(type.extra) >= btf->count || load_le32(type.extra + 4) >= btf->count)
            return bad(diag, btf, id, "refers to a type that does not exist");
        break;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        for (uint32_t i = 0; i < type.vlen; i++) {
            if (!good_name(btf, load_le32(type.extra + 12 * i)))
                return bad(diag, btf, id, "member name out of range");
            if (load_le32(type.extra + 12 * i + 4) >= btf->count)
                return bad(diag, btf, id, "member of a type that does not exist");
        }
        break;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
        if (type.size_or_type != 1 && type.size_or_type != 2 && type.size_or_type != 4 && type.size_or_type != 8)
            return bad(diag, btf, id, "enumeration size is not 1, 2, 4 or 8");
        for (uint32_t i = 0, step = type.kind == BTF_KIND_ENUM ? 8 : 12; i < type.vlen; i++) {
            uint32_t name = load_le32(type.extra + step * i);
            if (!good_name(btf, name) || !btf->strings.data[name])
                return bad(diag, btf, id, "enumerator without a name");
        }
        break;
    case BTF_KIND_FUNC:
        if (!named)
            return bad(diag, btf, id, "has no name");
        if (type.vlen > 2)
            return bad(diag, btf, id, "unknown linkage");
        if (type.size_or_type >= btf->count || kind_of(btf, type.size_or_type) != BTF_KIND_FUNC_PROTO)
            return bad(diag, btf, id, "function without a prototype");
        break;
    case BTF_KIND_FUNC_PROTO:
        if (named)
            return bad(diag, btf, id, "has a name");
        refers = true;
        for (uint32_t i = 0; i < type.vlen; i++)
            if (!good_name(btf, load_le32(type.extra + 8 * i)) || load_le32(type.extra + 8 * i + 4) >= btf->count)
                return bad(diag, btf, id, "parameter's name or type out of range");
        break;
    case BTF_KIND_VAR:
        if (!named)
            return bad(diag, btf, id, "has no name");
        if (load_le32(type.extra) > 2)
            return bad(diag, btf, id, "unknown linkage");
        refers = true;
        break;
    case BTF_KIND_DATASEC: {
        if (!named)
            return bad(diag, btf, id, "has no name");
        for (uint32_t i = 0; i < type.vlen; i++) {
            uint32_t var = load_le32(type.extra + 12 * i), offset = load_le32(type.extra + 12 * i + 4);
            uint32_t size = load_le32(type.extra + 12 * i + 8);
            if (var >= btf->count || (kind_of(btf, var) != BTF_KIND_VAR && kind_of(btf, var) != BTF_KIND_FUNC))
                return bad(diag, btf, id, "section holds what is no variable");
            if (type.size_or_type && !range_within(offset, size, type.size_or_type))
                return bad(diag, btf, id, "variable outside its section");
        }
        break;
    }
    case BTF_KIND_FLOAT:
        if (type.size_or_type != 2 && type.size_or_type != 4 && type.size_or_type != 8 && type.size_or_type != 12 &&
            type.size_or_type != 16)
            return bad(diag, btf, id, "floating-point size is not 2, 4, 8, 12 or 16");
        break;
    case BTF_KIND_DECL_TAG: {
        if (!named)
            return bad(diag, btf, id, "has no name");
        refers = true;
        if (type.size_or_type >= btf->count)
            break;
        struct btf_type_view to = btf_type(btf, type.size_or_type);
        int32_t component = (int32_t)load_le32(type.extra);
        if (component < -1)
            return bad(diag, btf, id, "component out of range");
        if (component >= 0 && to.kind == BTF_KIND_FUNC) {
            if (to.size_or_type >= btf->count)
                return bad(diag, btf, id, "refers to a type that does not exist");
            to = btf_type(btf, to.size_or_type);
        }
        if (component >= 0 && (uint32_t)component >= to.vlen)
            return bad(diag, btf, id, "component out of range");
        break;
    }
    default: return bad(diag, btf, id, "unknown kind");
    }
    if (refers && type.size_or_type >= btf->count)
        return bad(diag, btf, id, "refers to a type that does not exist");
    return true;
}

/* The type that `id` contains by value at step `step`, or 0 with *more false after the last. */
static uint32_t contained(const struct btf *btf, uint32_t id, uint32_t step, bool *more)
{
    struct btf_type_view type = btf_type(btf, id);
    *more = true;
    switch (type.kind) {
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_TYPE_TAG:
    case BTF_KIND_VAR:
        if (step == 0)
            return type.size_or_type;
        break;
    case BTF_KIND_ARRAY:
        if (step == 0)
            return load_le32(type.extra);
        break;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        if (step < type.vlen)
            return load_le32(type.extra + 12 * step + 4);
        break;
    default: break;
    }
    *more = false;
    return 0;
}

/* Size of `id` once those it contains have theirs; false when a member does not fit. */
static bool measure(const struct btf *btf, uint32_t id, const struct diag *diag)
{
    struct btf_type_view type = btf_type(btf, id);
    uint32_t size = BTF_UNSIZED;
    switch (type.kind) {
    case BTF_KIND_INT:
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
    case BTF_KIND_FLOAT:
    case BTF_KIND_DATASEC: size = type.size_or_type < BTF_OVERSIZED ? type.size_or_type : BTF_OVERSIZED; break;
    case BTF_KIND_PTR: size = 8; break;
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_TYPE_TAG:
    case BTF_KIND_VAR: size = btf->sizes[type.size_or_type]; break;
    case BTF_KIND_ARRAY: {
        uint32_t element = btf->sizes[load_le32(type.extra)], count = load_le32(type.extra + 8);
        if (element == BTF_UNSIZED)
            return bad(diag, btf, id, "array of elements without a size");
        uint64_t total = (uint64_t)element * count;
        size = element == BTF_OVERSIZED || total >= BTF_OVERSIZED ? BTF_OVERSIZED : (uint32_t)total;
        break;
    }
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
        size = type.size_or_type < BTF_OVERSIZED ? type.size_or_type : BTF_OVERSIZED;
        for (uint32_t i = 0; i < type.vlen; i++) {
            struct btf_member_view member = btf_member(btf, id, i);
            uint32_t bytes = btf->sizes[member.type];
            if (bytes == BTF_UNSIZED)
                return bad(diag, btf, id, "member without a size");
            uint64_t bits = member.bit_size ? member.bit_size : (uint64_t)bytes * 8;
            if (!member.bit_size && member.bit_offset % 8 && btf_type(btf, member.type).kind != BTF_KIND_INT)
                return bad(diag, btf, id, "member is not at a byte");
            if (member.bit_size > (uint64_t)bytes * 8 || member.bit_offset + bits > (uint64_t)size * 8)
                return bad(diag, btf, id, "member lies outside the structure");
        }
        break;
    default: break;
    }
    btf->sizes[id] = size;
    return true;
}

/* Pass 3. */
static bool measure_all(const struct btf *btf, uint8_t *depths, const struct diag *diag)
{
    enum { UNSEEN = 0, OPEN = 0xff };
    struct frame {
        uint32_t id, step;
        uint8_t below; /* greatest depth of what it contains */
    } stack[BTF_NESTING];
    btf->sizes[0] = BTF_UNSIZED;
    for (uint32_t root = 1; root < btf->count; root++) {
        if (depths[root] != UNSEEN)
            continue;
        unsigned top = 0;
        stack[0] = (struct frame){root, 0, 0};
        depths[root] = OPEN;
        for (;;) {
            struct frame *frame = &stack[top];
            bool more;
            uint32_t child = contained(btf, frame->id, frame->step, &more);
            if (more) {
                frame->step++;
                if (child == 0)
                    continue;
                if (depths[child] == OPEN)
                    return bad(diag, btf, child, "contains itself");
                if (depths[child] == UNSEEN) {
                    if (top + 1 == BTF_NESTING)
                        return bad(diag, btf, root, "nested too deeply");
                    depths[child] = OPEN;
                    stack[++top] = (struct frame){child, 0, 0};
                } else if (depths[child] > frame->below)
                    frame->below = depths[child];
                continue;
            }
            if (frame->below + 1 > BTF_NESTING)
                return bad(diag, btf, frame->id, "nested too deeply");
            if (!measure(btf, frame->id, diag))
                return false;
            uint8_t depth = (uint8_t)(frame->below + 1);
            depths[frame->id] = depth;
            if (top == 0)
                break;
            top--;
            if (depth > stack[top].below)
                stack[top].below = depth;
        }
    }
    return true;
}

static size_t essential_within(const char *name, size_t length)
{
    for (size_t i = 1; i + 3 < length; i++)
        if (name[i] == '_' && name[i + 1] == '_' && name[i + 2] == '_' && name[i - 1] != '_' && name[i + 3] != '_')
            return i;
    return length;
}

size_t btf_essential_length(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = length; i-- > 4;)
        if (name[i - 1] == '_' && name[i - 2] == '_' && name[i - 3] == '_' && name[i] != '_' && name[i - 4] != '_')
            return i - 3;
    return length;
}

static uint32_t hash_name(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

/* How much of a name counts for its bucket: up to the first flavor separator, at most HASHED_NAME characters, so that
 * many references to one long string stay cheap and a name meets its flavors.  `length`: of the name, or a bound. */
static size_t hashed_length(const char *name, size_t length)
{
    if (length > 2 * HASHED_NAME)
        length = 2 * HASHED_NAME;
    const char *end = memchr(name, 0, length);
    length = essential_within(name, end ? (size_t)(end - name) : length);
    return length < HASHED_NAME ? length : HASHED_NAME;
}

static void index_names(struct btf *btf)
{
    for (uint32_t id = btf->count; id-- > 1;) {
        struct btf_type_view type = btf_type(btf, id);
        if (!*type.name)
            continue;
        uint32_t *bucket = &btf->buckets[hash_name(type.name, hashed_length(type.name, SIZE_MAX)) & btf->mask];
        btf->next[id] = *bucket;
        *bucket = id;
    }
}

enum result btf_open(struct bytes bytes, struct arena *arena, const struct diag *diag, struct btf **out)
{
    struct btf_layout layout;
    const char *reason;
    uint32_t count;
    if (!btf_layout(bytes, &layout, &reason)) {
        diag_error(diag, "BTF: %s", reason);
        return RESULT_INVALID;
    }
    if (!walk(layout.types, NULL, &count, diag))
        return RESULT_INVALID;
    uint32_t buckets = 16;
    while (buckets < count)
        buckets *= 2;
    struct btf *btf = arena_alloc(arena, sizeof *btf);
    if (!btf)
        return RESULT_NO_MEMORY;
    uint8_t *depths = arena_alloc(arena, count);
    btf->bytes = bytes;
    btf->types = layout.types;
    btf->strings = layout.strings;
    btf->count = count;
    btf->offsets = arena_array(arena, count, sizeof *btf->offsets);
    btf->sizes = arena_array(arena, count, sizeof *btf->sizes);
    btf->next = arena_array(arena, count, sizeof *btf->next);
    btf->buckets = arena_array(arena, buckets, sizeof *btf->buckets);
    btf->mask = buckets - 1;
    if (!depths || !btf->offsets || !btf->sizes || !btf->next || !btf->buckets)
        return RESULT_NO_MEMORY;
    if (!walk(layout.types, btf->offsets, &count, diag))
        return RESULT_INVALID;
    for (uint32_t id = 1; id < count; id++)
        if (!check_type(btf, id, diag))
            return RESULT_INVALID;
    if (!measure_all(btf, depths, diag))
        return RESULT_INVALID;
    index_names(btf);
    *out = btf;
    return RESULT_OK;
}

uint32_t btf_type_count(const struct btf *btf)
{
    return btf->count;
}

struct bytes btf_bytes(const struct btf *btf)
{
    return btf->bytes;
}

struct bytes btf_strings(const struct btf *btf)
{
    return btf->strings;
}

const char *btf_string(const struct btf *btf, uint32_t offset)
{
    return offset < btf->strings.size ? (const char *)btf->strings.data + offset : NULL;
}

uint32_t btf_type_offset(const struct btf *btf, uint32_t id)
{
    return (uint32_t)(btf->types.data - btf->bytes.data) + btf->offsets[id];
}

struct btf_member_view btf_member(const struct btf *btf, uint32_t struct_id, uint32_t index)
{
    struct btf_type_view type = btf_type(btf, struct_id);
    const uint8_t *data = type.extra + 12 * (size_t)index;
    uint32_t offset = load_le32(data + 8);
    struct btf_member_view member = {
        .name = (const char *)btf->strings.data + load_le32(data),
        .type = load_le32(data + 4),
        .bit_offset = type.kind_flag ? offset & 0xffffff : offset,
        .bit_size = type.kind_flag ? offset >> 24 : 0,
    };
    return member;
}

struct btf_var_view btf_datasec_var(const struct btf *btf, uint32_t datasec_id, uint32_t index)
{
    const uint8_t *data = btf_type(btf, datasec_id).extra + 12 * (size_t)index;
    struct btf_var_view var = {load_le32(data), load_le32(data + 4), load_le32(data + 8)};
    return var;
}

struct btf_array_view btf_array_type(const struct btf *btf, uint32_t array_id)
{
    const uint8_t *data = btf_type(btf, array_id).extra;
    struct btf_array_view array = {load_le32(data), load_le32(data + 4), load_le32(data + 8)};
    return array;
}

bool btf_is_signed(const struct btf *btf, uint32_t id)
{
    struct btf_type_view type = btf_type(btf, id);
    if (type.kind == BTF_KIND_INT)
        return load_le32(type.extra) >> 24 & 1;
    return (type.kind == BTF_KIND_ENUM || type.kind == BTF_KIND_ENUM64) && type.kind_flag;
}

const char *btf_enumerator(const struct btf *btf, uint32_t enum_id, uint32_t index, int64_t *value)
{
    struct btf_type_view type = btf_type(btf, enum_id);
    const uint8_t *data;
    if (type.kind == BTF_KIND_ENUM) {
        data = type.extra + 8 * (size_t)index;
        uint32_t low = load_le32(data + 4);
        *value = type.kind_flag ? (int64_t)(int32_t)low : (int64_t)low;
    } else {
        data = type.extra + 12 * (size_t)index;
        *value = (int64_t)load_le64(data + 4);
    }
    return (const char *)btf->strings.data + load_le32(data);
}

uint32_t btf_find(const struct btf *btf, enum btf_kind kind, const char *name)
{
    for (uint32_t id = btf->buckets[hash_name(name, hashed_length(name, SIZE_MAX)) & btf->mask]; id;
         id = btf->next[id]) {
        struct btf_type_view type = btf_type(btf, id);
        if (type.kind == kind && !strcmp(type.name, name))
            return id;
    }
    return 0;
}

uint32_t btf_find_essential(const struct btf *btf, const char *name, size_t length, uint32_t after)
{
    uint32_t id = after ? btf->next[after] : btf->buckets[hash_name(name, hashed_length(name, length)) & btf->mask];
    for (; id; id = btf->next[id]) {
        const char *other = btf_type(btf, id).name;
        if (!strncmp(other, name, length) && btf_essential_length(other) == length)
            return id;
    }
    return 0;
}

uint32_t btf_skip_modifiers(const struct btf *btf, uint32_t id)
{
    for (;;) {
        struct btf_type_view type = btf_type(btf, id);
        switch (type.kind) {
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_CONST:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG: id = type.size_or_type; break;
        default: return id;
        }
    }
}

enum result btf_sizeof(const struct btf *btf, uint32_t id, uint32_t *size)
{
    if (btf->sizes[id] == BTF_UNSIZED)
        return RESULT_INVALID;
    if (btf->sizes[id] == BTF_OVERSIZED)
        return RESULT_TOO_BIG;
    *size = btf->sizes[id];
    return RESULT_OK;
}
