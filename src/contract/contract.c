/* SPDX-License-Identifier: MIT
 *
 * Names and numbers, looked up in the tables beside this file.  The tables are searched from front to back: they are
 * asked when a program is loaded or listed, never when it runs.
 */
#include <string.h>
#include "contract/fields.h"

struct helper_row {
    uint32_t type; /* 0: a helper of every program */
    int32_t id;
    const char *name;
};

static const struct helper_row linux_helpers[] = {
#define LINUX(id, name) {0, id, #name},
#include "contract/helpers.def"
};

static const struct helper_row efw_helpers[] = {
#define EFW(id, name)               {0, id, #name},
#define EFW_PROGRAM(type, id, name) {type, id, #name},
#include "contract/helpers.def"
};

struct type_row {
    uint32_t number;
    const char *name;
};

static const struct type_row linux_types[] = {
#define LINUX_TYPE(number, name) {number, #name},
#include "contract/kinds.def"
};

static const struct type_row efw_types[] = {
#define EFW_TYPE(number, name) {number, #name},
#include "contract/kinds.def"
};

static const struct {
    uint32_t number[PERSONALITIES];
    const char *name;
} map_kinds[] = {
#define MAP_KIND(linux_number, efw_number, name) {{linux_number, efw_number}, #name},
#include "contract/kinds.def"
};

#define SLEEPABLE PROG_FLAG_SLEEPABLE
#define FRAGS     PROG_FLAG_XDP_FRAGS
static const struct section_contract sections[] = {
#define BOTH(name, linux_type, linux_attach, efw_type, efw_attach)                                                     \
    {name, PERSONALITY_LINUX, linux_type, linux_attach, false, 0},                                                     \
        {name, PERSONALITY_EFW, efw_type, efw_attach, false, 0},
#define LINUX(name, type, attach, flags) {name, PERSONALITY_LINUX, type, attach, true, flags},
#define HERE(name, type, attach)         {name, PERSONALITY_LINUX, type, attach, false, 0},
#define EFW(name, type, attach)          {name, PERSONALITY_EFW, type, attach, true, 0},
#include "contract/sections.def"
};

static size_t matches(const struct section_contract *row, const char *section)
{
    size_t length = strlen(row->prefix);
    bool open = row->prefix[length - 1] == '/';
    char after;

    length -= open;
    if (strncmp(section, row->prefix, length))
        return 0;
    after = section[length];
    if (after && !(after == '/' && (open || row->personality == PERSONALITY_EFW)) &&
        !(after == '_' && row->personality == PERSONALITY_EFW))
        return 0;
    return length;
}

const struct section_contract *contract_section(enum personality personality, const char *section)
{
    const struct section_contract *best = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < COUNT(sections); i++) {
        size_t length = sections[i].personality == personality ? matches(&sections[i], section) : 0;

        if (length > longest) {
            longest = length;
            best = &sections[i];
        }
    }
    return best;
}

/* How many characters to add, drop or change until `a` is `b` (Levenshtein 1966), for names of up to 31; more for
 * longer ones. */
static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 31 };
    unsigned row[LONGEST + 1];
    size_t m = strlen(a), n = strlen(b);

    if (m > LONGEST || n > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned least = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;

            diagonal = row[j];
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

const struct section_contract *contract_section_nearest(enum personality personality, const char *section)
{
    const struct section_contract *best = NULL;
    unsigned least = 4; /* four changes and more are another word */

    for (size_t i = 0; i < COUNT(sections); i++) {
        unsigned changes = sections[i].personality == personality ? distance(section, sections[i].prefix) : least;

        if (changes < least && changes < strlen(section)) {
            least = changes;
            best = &sections[i];
        }
    }
    /* "xdp_drop", as names were written before they had to be exact. */
    for (size_t i = 0; !best && i < COUNT(sections); i++)
        if (sections[i].personality == personality && !strncmp(section, sections[i].prefix, strlen(sections[i].prefix)))
            best = &sections[i];
    return best;
}

bool contract_section_is_efw(const char *section)
{
    const struct section_contract *row = contract_section(PERSONALITY_EFW, section);

    return row && row->decides;
}

const char *contract_program_type_name(enum personality personality, uint32_t type)
{
    const struct type_row *rows = personality == PERSONALITY_EFW ? efw_types : linux_types;
    size_t count = personality == PERSONALITY_EFW ? COUNT(efw_types) : COUNT(linux_types);

    for (size_t i = 0; i < count; i++)
        if (rows[i].number == type)
            return rows[i].name;
    return NULL;
}

const char *contract_map_kind_name(uint32_t kind)
{
    for (size_t i = 0; i < COUNT(map_kinds); i++)
        if (map_kinds[i].number[PERSONALITY_LINUX] == kind)
            return map_kinds[i].name;
    return NULL;
}

uint32_t contract_map_kind(enum personality personality, uint32_t number)
{
    for (size_t i = 0; number && i < COUNT(map_kinds); i++)
        if (map_kinds[i].number[personality] == number)
            return map_kinds[i].number[PERSONALITY_LINUX];
    return 0;
}

const char *contract_program_helper_name(enum personality personality, uint32_t type, int32_t id)
{
    const struct helper_row *rows = personality == PERSONALITY_EFW ? efw_helpers : linux_helpers;
    size_t count = personality == PERSONALITY_EFW ? COUNT(efw_helpers) : COUNT(linux_helpers);

    for (size_t i = 0; i < count; i++)
        if (rows[i].id == id && (rows[i].type == 0 || rows[i].type == type))
            return rows[i].name;
    return NULL;
}

const char *contract_helper_name(enum personality personality, int32_t id)
{
    return contract_program_helper_name(personality, 0, id);
}

int32_t contract_helper_id(enum personality personality, uint32_t type, const char *name)
{
    const struct helper_row *rows = personality == PERSONALITY_EFW ? efw_helpers : linux_helpers;
    size_t count = personality == PERSONALITY_EFW ? COUNT(efw_helpers) : COUNT(linux_helpers);

    if (strncmp(name, "bpf_", 4))
        return -1;
    for (size_t i = 0; i < count; i++)
        if ((rows[i].type == 0 || rows[i].type == type) && !strcmp(rows[i].name, name + 4))
            return rows[i].id;
    return -1;
}

const struct program_contract *contract_program(enum personality personality, uint32_t type)
{
    static const struct program_contract *const hooks[] = {&contract_xdp, &contract_bind};
    static const struct program_contract *const tables[] = {contracts_packet, contracts_socket, contracts_system,
                                                            contracts_efw};

    for (size_t i = 0; type && i < COUNT(hooks); i++)
        if (hooks[i]->type[personality] == type)
            return hooks[i];
    for (size_t i = 0; type && i < COUNT(tables); i++)
        for (const struct program_contract *contract = tables[i]; contract->name; contract++)
            if (contract->type[personality] == type)
                return contract;
    return NULL;
}

const struct context_layout *contract_context(const struct program_contract *contract, enum personality personality,
                                              uint32_t attach_type)
{
    for (uint32_t i = 0; i < contract->attach_contexts_count; i++) {
        const struct attach_context *row = &contract->attach_contexts[i];

        if (row->personality == personality && row->attach_type == attach_type)
            return &row->layout;
    }
    return &contract->context[personality];
}

const struct context_field *contract_field(const struct context_layout *layout, int32_t offset, uint32_t size,
                                           bool store)
{
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *field = &layout->fields[i];

        if (offset < field->offset || offset + (int32_t)size > field->offset + field->size)
            continue;
        if (!(field->flags & (store ? FIELD_WRITE : FIELD_READ)))
            continue;
        if (field->kind == FIELD_BYTES || (offset == field->offset && size == field->size))
            return field;
        if (field->kind == FIELD_SCALAR && field->flags & FIELD_NARROW && !store && offset % (int32_t)size == 0)
            return field;
    }
    return NULL;
}

bool contract_return_range(const struct program_contract *contract, enum personality personality, uint32_t attach_type,
                           struct return_range *range)
{
    for (uint32_t i = 0; i < contract->attach_returns_count; i++) {
        const struct attach_returns *row = &contract->attach_returns[i];

        if (row->personality == personality && row->attach_type == attach_type) {
            *range = row->range;
            return true;
        }
    }
    *range = contract->returns[personality].range;
    return !(contract->flags & CONTRACT_ANY_RETURN);
}
