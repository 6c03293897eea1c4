/* SPDX-License-Identifier: MIT
 *
 * Every map of an object.
 *
 * .maps: a variable there is a map, and its type is its definition.  A member's *type* carries the attribute:
 *   __uint(max_entries, 64)     int (*max_entries)[64]        the number is the array's length
 *   __ulong(map_extra, 5)       enum { unique = 5 } map_extra  the number is the only enumerator's
 *   __type(key, struct flow)    struct flow *key               size and BTF type
 *   __array(values, struct …)   struct … *values[]             inner map, or a function prototype in a prog array
 * "maps", "maps/NAME": arrays of C structs of several makers, told apart by their size (legacy()).
 * .data*, .bss*, .rodata*, .kconfig: an array map of one value, the whole section.
 */
#include "elf/elf_impl.h"

enum { GLOBAL_MAX = 1 << 30 };

static enum result new_map(struct reader *reader, const char *name, struct map_spec **out)
{
    if (reader->map_count == IMAGE_MAX_MAPS)
        return elf_bad(reader, "more than %u maps", (unsigned)IMAGE_MAX_MAPS);
    if (reader->map_count == reader->map_capacity) {
        uint32_t capacity = reader->map_capacity ? reader->map_capacity * 4 : 16;
        struct map_spec *maps = arena_array(reader->arena, capacity, sizeof *maps);
        if (!maps)
            return RESULT_NO_MEMORY;
        if (reader->map_count)
            memcpy(maps, reader->maps, reader->map_count * sizeof *maps);
        reader->maps = maps;
        reader->map_capacity = capacity;
    }
    struct map_spec *map = &reader->maps[reader->map_count++];
    size_t length = strlen(name);
    map->name = length < IMAGE_NAME ? name : arena_text(reader->arena, name, IMAGE_NAME - 1);
    if (!map->name)
        return RESULT_NO_MEMORY;
    map->inner = IMAGE_NO_INDEX;
    map->personality = reader->out->personality;
    *out = map;
    return RESULT_OK;
}

static bool map_kind(const struct reader *reader, uint64_t number, uint32_t *kind)
{
    if (number == 0 || number > UINT32_MAX)
        return false;
    *kind = reader->out->personality == PERSONALITY_EFW ? contract_map_kind(PERSONALITY_EFW, (uint32_t)number)
                                                        : (uint32_t)number;
    return *kind != 0;
}

static bool holds_maps(uint32_t kind)
{
    return kind == MAP_KIND_ARRAY_OF_MAPS || kind == MAP_KIND_HASH_OF_MAPS;
}

/* The number that a member's type spells. */
static bool member_number(const struct btf *btf, uint32_t type_id, uint64_t *out)
{
    struct btf_type_view type = btf_type(btf, btf_skip_modifiers(btf, type_id));
    if (type.kind == BTF_KIND_PTR) {
        uint32_t array = btf_skip_modifiers(btf, type.size_or_type);
        if (btf_type(btf, array).kind != BTF_KIND_ARRAY)
            return false;
        *out = btf_array_type(btf, array).count;
        return true;
    }
    if ((type.kind == BTF_KIND_ENUM || type.kind == BTF_KIND_ENUM64) && type.vlen == 1) {
        int64_t value;
        btf_enumerator(btf, btf_skip_modifiers(btf, type_id), 0, &value);
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

/* The type behind a member that is a pointer; 0 for none. */
static uint32_t member_type(const struct btf *btf, uint32_t type_id)
{
    struct btf_type_view type = btf_type(btf, btf_skip_modifiers(btf, type_id));
    return type.kind == BTF_KIND_PTR ? type.size_or_type : 0;
}

static enum result agree(struct reader *reader, const char *map, const char *field, uint64_t value, uint32_t *out)
{
    if (value > UINT32_MAX)
        return elf_bad(reader, "map '%s': %s is too large", map, field);
    if (*out && *out != value)
        return elf_bad(reader, "map '%s': %s is given twice, as %u and %u", map, field, *out, (uint32_t)value);
    *out = (uint32_t)value;
    return RESULT_OK;
}

static enum result define(struct reader *reader, uint32_t struct_id, uint32_t index, bool inner, uint64_t *values);

static enum result define_values(struct reader *reader, uint32_t type_id, uint32_t index, bool inner)
{
    const struct btf *btf = reader->btf;
    const char *name = reader->maps[index].name;
    uint32_t array = btf_skip_modifiers(btf, type_id), element = 0;
    if (btf_type(btf, array).kind == BTF_KIND_ARRAY)
        element = member_type(btf, btf_array_type(btf, array).type);
    element = btf_skip_modifiers(btf, element);
    enum btf_kind kind = btf_type(btf, element).kind;
    if (kind == BTF_KIND_FUNC_PROTO)
        return RESULT_OK;
    if (kind != BTF_KIND_STRUCT || inner)
        return elf_bad(reader, "map '%s': values is no array of pointers to maps or functions", name);
    struct map_spec *map;
    const char *inner_name = elf_text(reader, "%.100s.inner", name);
    enum result result = new_map(reader, inner_name, &map);
    if (result)
        return result;
    uint32_t at = reader->map_count - 1;
    reader->maps[index].inner = at;
    return define(reader, element, at, true, NULL);
}

static enum result define_member(struct reader *reader, struct btf_member_view member, uint32_t index, bool inner,
                                 uint64_t *values)
{
    const struct btf *btf = reader->btf;
    struct map_spec *map = &reader->maps[index];
    const char *field = member.name;
    uint64_t number = 0;
    uint32_t type, size;
    if (!strcmp(field, "key") || !strcmp(field, "value")) {
        bool key = field[0] == 'k';
        type = member_type(btf, member.type);
        if (!type || btf_sizeof(btf, type, &size))
            return elf_bad(reader, "map '%s': %s is no pointer to a type with a size", map->name, field);
        *(key ? &map->btf_key : &map->btf_value) = type;
        return agree(reader, map->name, key ? "key_size" : "value_size", size, key ? &map->key_size : &map->value_size);
    }
    if (!strcmp(field, "values")) {
        if (values)
            *values = member.bit_offset / 8;
        if (map->inner != IMAGE_NO_INDEX)
            return elf_bad(reader, "map '%s': values is given twice", map->name);
        return define_values(reader, member.type, index, inner);
    }
    bool known = member_number(btf, member.type, &number);
    uint32_t *place = !strcmp(field, "max_entries")  ? &map->max_entries
                      : !strcmp(field, "map_flags")  ? &map->flags
                      : !strcmp(field, "key_size")   ? &map->key_size
                      : !strcmp(field, "value_size") ? &map->value_size
                      : !strcmp(field, "numa_node")  ? &map->numa_node
                      : !strcmp(field, "pinning")    ? &map->pinning
                                                     : NULL;
    if (!place && strcmp(field, "type") && strcmp(field, "map_extra")) {
        if (reader->out->personality == PERSONALITY_LINUX)
            return elf_bad(reader, "map '%s': unknown field '%s'", map->name, field);
        diag_warning(reader->diag, "map '%s': unknown field '%s' ignored", map->name, field);
        return RESULT_OK;
    }
    if (!known)
        return elf_bad(reader, "map '%s': field '%s' is no number", map->name, field);
    if (place == &map->pinning && number > 1) {
        diag_warning(reader->diag, "map '%s': pinning %llu is not ours and ignored", map->name,
                     (unsigned long long)number);
        return RESULT_OK;
    }
    if (place)
        return agree(reader, map->name, field, number, place);
    if (field[0] == 'm')
        map->extra = number;
    else if (!map_kind(reader, number, &map->kind))
        return elf_bad(reader, "map '%s': unknown map type %llu", map->name, (unsigned long long)number);
    return RESULT_OK;
}

static enum result define(struct reader *reader, uint32_t struct_id, uint32_t index, bool inner, uint64_t *values)
{
    struct btf_type_view type = btf_type(reader->btf, struct_id);
    for (uint32_t i = 0; i < type.vlen; i++) {
        enum result result = define_member(reader, btf_member(reader->btf, struct_id, i), index, inner, values);
        if (result)
            return result;
    }
    struct map_spec *map = &reader->maps[index];
    if (!map->kind)
        return elf_bad(reader, "map '%s': has no type", map->name);
    if ((map->inner != IMAGE_NO_INDEX) != holds_maps(map->kind) && map->inner != IMAGE_NO_INDEX)
        return elf_bad(reader, "map '%s': holds maps, which its type cannot", map->name);
    if ((holds_maps(map->kind) || map->kind == MAP_KIND_PROG_ARRAY) && !map->value_size)
        map->value_size = 4;
    if (map->kind == MAP_KIND_PROG_ARRAY && !map->key_size)
        map->key_size = 4;
    return RESULT_OK;
}

static enum result read_btf_maps(struct reader *reader)
{
    const struct section *section = &reader->sections[reader->maps_section];
    uint32_t datasec = section->btf_type;
    if (!datasec)
        return elf_bad(reader, "section %u (.maps): no .BTF describes the maps; compile with -g", reader->maps_section);
    struct btf_type_view type = btf_type(reader->btf, datasec);
    for (uint32_t i = 0; i < type.vlen; i++) {
        struct btf_var_view entry = btf_datasec_var(reader->btf, datasec, i);
        struct btf_type_view var = btf_type(reader->btf, entry.type);
        uint32_t definition = btf_skip_modifiers(reader->btf, var.size_or_type);
        struct map_spec *map;
        if (var.kind != BTF_KIND_VAR || btf_type(reader->btf, definition).kind != BTF_KIND_STRUCT)
            return elf_bad(reader, "section %u (.maps): '%s' is no map definition", reader->maps_section, var.name);
        uint32_t index = reader->map_count;
        struct map_place *place = &reader->places[reader->place_count++];
        *place = (struct map_place){reader->maps_section, entry.offset, index, entry.size, UINT64_MAX};
        enum result result = new_map(reader, var.name, &map);
        if (!result)
            result = define(reader, definition, index, false, &place->values);
        if (result)
            return result;
    }
    return RESULT_OK;
}

static uint64_t place_key(const void *row)
{
    const struct map_place *place = row;
    return (uint64_t)place->section << 40 | (place->offset & 0xffffffffffull);
}

/* One C struct.  All begin with type, key_size, value_size, max_entries; `size` tells the rest:
 *   20  libbpf             flags
 *   28  kernel samples     flags, index of the inner map, NUMA node
 *   28  tc before 2017     flags, id, pinning
 *   36  tc                 flags, id, pinning, id of the inner map, slot in it
 *   32  efW                index of the inner map, pinning, id, id of the inner map
 * Both of 28 agree where it matters: an inner index means something in a map of maps only, a node with its flag only.
 */
struct legacy {
    uint32_t id, inner_id, inner_index;
    bool has_inner_index;
};

static enum result read_legacy(struct reader *reader, struct bytes data, const char *name, struct map_spec *map,
                               struct legacy *legacy)
{
    uint32_t words[9] = {0};
    bool efw = reader->out->personality == PERSONALITY_EFW;
    if (data.size < 16 || data.size % 4)
        return elf_bad(reader, "map '%s': definition of %zu bytes", name, data.size);
    for (size_t i = 0; i < 9 && 4 * i < data.size; i++)
        words[i] = load_le32(data.data + 4 * i);
    for (size_t i = 36; i < data.size; i++)
        if (data.data[i])
            return elf_bad(reader, "map '%s': definition has unknown fields that are not 0", name);
    if (!map_kind(reader, words[0], &map->kind))
        return elf_bad(reader, "map '%s': unknown map type %u", name, words[0]);
    map->key_size = words[1];
    map->value_size = words[2];
    map->max_entries = words[3];
    bool outer = holds_maps(map->kind);
    if (efw && data.size >= 32) {
        map->pinning = words[5] != 0;
        *legacy = (struct legacy){words[6], words[7], words[4], outer && !words[7]};
    } else {
        map->flags = words[4];
        if (data.size >= 36) {
            map->pinning = words[6] != 0;
            *legacy = (struct legacy){words[5], words[7], 0, false};
        } else {
            legacy->has_inner_index = outer;
            legacy->inner_index = words[5];
            if (map->flags & MAP_FLAG_NUMA_NODE)
                map->numa_node = words[6];
            else
                map->pinning = words[6] != 0;
            if (words[7])
                return elf_bad(reader, "map '%s': definition has unknown fields that are not 0", name);
        }
    }
    if (outer && !map->value_size)
        map->value_size = 4;
    return RESULT_OK;
}

static enum result read_legacy_maps(struct reader *reader)
{
    uint32_t first = reader->place_count, base = reader->map_count;
    for (uint32_t i = 1; i < reader->symbol_count; i++) {
        struct symbol symbol;
        if (!elf_symbol(reader, i, &symbol) || symbol.reserved || symbol.type == STT_SECTION || !*symbol.name ||
            reader->sections[symbol.section].role != ROLE_LEGACY_MAPS ||
            (symbol.type == STT_NOTYPE && symbol.bind == STB_LOCAL))
            continue;
        if (symbol.value >= reader->sections[symbol.section].data.size)
            return elf_bad(reader, "map '%s': lies outside its section", symbol.name);
        if (reader->place_count - first == IMAGE_MAX_MAPS)
            return elf_bad(reader, "more than %u maps", (unsigned)IMAGE_MAX_MAPS);
        /* `map` holds the symbol until the order is known. */
        reader->places[reader->place_count++] = (struct map_place){symbol.section, symbol.value, i, 0, UINT64_MAX};
    }
    uint32_t count = reader->place_count - first;
    if (!count)
        return RESULT_OK;
    struct map_place *places = reader->places + first;
    elf_sort(places, count, sizeof *places, place_key);
    struct legacy *extra = arena_array(reader->arena, count, sizeof *extra);
    if (!extra)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        struct symbol symbol;
        struct map_spec *map;
        struct bytes data = reader->sections[places[i].section].data;
        uint64_t end = i + 1 < count && places[i + 1].section == places[i].section ? places[i + 1].offset : data.size;
        if (!elf_symbol(reader, places[i].map, &symbol))
            continue; /* it was well-formed when it was collected */
        if (symbol.size && symbol.size < end - places[i].offset)
            end = places[i].offset + symbol.size;
        enum result result = new_map(reader, symbol.name, &map);
        if (!result && !bytes_slice(data, places[i].offset, end - places[i].offset, &data))
            result = elf_bad(reader, "map '%s': lies outside its section", symbol.name);
        if (!result)
            result = read_legacy(reader, data, symbol.name, map, &extra[i]);
        if (result)
            return result;
        places[i].map = base + i;
        places[i].size = data.size;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct map_spec *map = &reader->maps[base + i];
        if (!holds_maps(map->kind))
            continue;
        uint32_t inner = extra[i].has_inner_index ? extra[i].inner_index : IMAGE_NO_INDEX;
        for (uint32_t j = 0; extra[i].inner_id && inner == IMAGE_NO_INDEX && j < count; j++)
            if (extra[j].id == extra[i].inner_id && j != i)
                inner = j;
        if (inner >= count || inner == i || holds_maps(reader->maps[base + inner].kind))
            return elf_bad(reader, "map '%s': names no inner map", map->name);
        map->inner = base + inner;
    }
    return RESULT_OK;
}

/* Shared with the outside when a variable in it has external linkage, as libbpf decides it. */
static bool has_global(const struct reader *reader, uint32_t datasec)
{
    uint32_t count = datasec ? btf_type(reader->btf, datasec).vlen : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct btf_type_view var = btf_type(reader->btf, btf_datasec_var(reader->btf, datasec, i).type);
        if (var.kind == BTF_KIND_VAR && load_le32(var.extra) != 0)
            return true;
    }
    return false;
}

static enum result global_map(struct reader *reader, const char *name, uint32_t datasec, uint64_t size,
                              struct bytes contents, bool read_only)
{
    struct map_spec *map;
    if (size > GLOBAL_MAX)
        return elf_bad(reader, "section '%s': more than 1 GiB of global data", name);
    enum result result = new_map(reader, name, &map);
    if (result)
        return result;
    map->kind = MAP_KIND_ARRAY;
    map->key_size = 4;
    map->value_size = (uint32_t)size;
    map->max_entries = 1;
    map->flags = (read_only ? MAP_FLAG_RDONLY_PROG : 0) | (has_global(reader, datasec) ? MAP_FLAG_MMAPABLE : 0);
    map->frozen = read_only;
    map->contents = contents;
    map->btf_value = datasec;
    return RESULT_OK;
}

/* A pointer in data has no meaning in a map's value: what the file holds in its place stays, and is told. */
static enum result warn_pointers(struct reader *reader, uint32_t section)
{
    struct relocation *rows;
    uint32_t count = 0;
    if (!reader->sections[section].relocations)
        return RESULT_OK;
    enum result result = elf_relocations(reader, section, &rows, &count);
    if (!result && count)
        diag_warning(reader->diag, "section %u (%s): holds %u addresses, the first at 0x%llx; they are left as stored",
                     section, reader->sections[section].name, count, (unsigned long long)rows[0].offset);
    return result;
}

enum result elf_read_maps(struct reader *reader)
{
    enum result result = RESULT_OK;
    uint64_t capacity = IMAGE_MAX_MAPS;
    if (reader->maps_section && reader->sections[reader->maps_section].btf_type)
        capacity += btf_type(reader->btf, reader->sections[reader->maps_section].btf_type).vlen;
    if (capacity > reader->symbol_count + (capacity - IMAGE_MAX_MAPS))
        capacity = reader->symbol_count + (capacity - IMAGE_MAX_MAPS);
    reader->places = arena_array(reader->arena, (size_t)capacity, sizeof *reader->places);
    reader->config_map = IMAGE_NO_INDEX;
    if (!reader->places)
        return RESULT_NO_MEMORY;
    if (reader->maps_section)
        result = read_btf_maps(reader);
    if (!result)
        result = read_legacy_maps(reader);
    for (uint32_t i = 1; !result && i < reader->section_count; i++) {
        struct section *section = &reader->sections[i];
        if (section->role < ROLE_DATA || !section->size)
            continue;
        result = warn_pointers(reader, i);
        if (result)
            break;
        section->map = reader->map_count;
        result = global_map(reader, section->name, section->btf_type, section->size, section->data,
                            section->role == ROLE_READ_ONLY);
    }
    if (!result && reader->config.size) {
        reader->config_map = reader->map_count;
        result = global_map(reader, ".kconfig", reader->config_type, reader->config.size, reader->config, true);
    }
    elf_sort(reader->places, reader->place_count, sizeof *reader->places, place_key);
    reader->out->maps = reader->maps;
    reader->out->map_count = reader->map_count;
    return result;
}

/* The last definition that begins at or before `offset`; NULL for none. */
static const struct map_place *place_before(const struct reader *reader, uint32_t section, uint64_t offset)
{
    struct map_place wanted = {.section = section, .offset = offset};
    uint64_t key = place_key(&wanted);
    uint32_t low = 0, high = reader->place_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (place_key(&reader->places[middle]) <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low && reader->places[low - 1].section == section ? &reader->places[low - 1] : NULL;
}

uint32_t elf_map_at(const struct reader *reader, uint32_t section, uint64_t offset)
{
    const struct map_place *place = place_before(reader, section, offset);
    return place && place->offset == offset ? place->map : IMAGE_NO_INDEX;
}

enum result elf_read_inits(struct reader *reader)
{
    struct relocation *rows;
    uint32_t count, section = reader->maps_section;
    if (!section)
        return RESULT_OK;
    enum result result = elf_relocations(reader, section, &rows, &count);
    if (result)
        return result;
    struct bytes data = reader->sections[section].data;
    struct elf_map_init *inits = arena_array(reader->arena, count, sizeof *inits);
    if (!inits)
        return RESULT_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct map_place *place = place_before(reader, section, rows[i].offset);
        struct symbol symbol;
        uint64_t within = place ? rows[i].offset - place->offset : 0;
        if (!place || within >= place->size || place->values == UINT64_MAX || within < place->values ||
            (within - place->values) % 8 || !elf_symbol(reader, rows[i].symbol, &symbol) || symbol.reserved ||
            !range_within(rows[i].offset, 8, data.size))
            return elf_bad(reader, "section %u (.maps): relocation at 0x%llx belongs to no map's values", section,
                           (unsigned long long)rows[i].offset);
        const struct map_spec *map = &reader->maps[place->map];
        uint64_t target =
            symbol.value + (rows[i].has_addend ? (uint64_t)rows[i].addend : load_le64(data.data + rows[i].offset));
        struct elf_map_init *init = &inits[i];
        init->map = place->map;
        init->key = (uint32_t)((within - place->values) / 8);
        init->is_program = map->kind == MAP_KIND_PROG_ARRAY;
        init->target = IMAGE_NO_INDEX;
        if (init->is_program) {
            uint32_t function = elf_function_at(reader, symbol.section, target % 8 ? UINT64_MAX : target / 8);
            if (function != IMAGE_NO_INDEX)
                init->target = reader->program_of[function];
        } else if (holds_maps(map->kind))
            init->target = elf_map_at(reader, symbol.section, target);
        if (init->target == IMAGE_NO_INDEX)
            return elf_bad(reader, "map '%s': slot %u is initialised with '%s', which is no %s", map->name, init->key,
                           symbol.name, init->is_program ? "program" : "map it can hold");
    }
    reader->out->inits = inits;
    reader->out->init_count = count;
    return RESULT_OK;
}
