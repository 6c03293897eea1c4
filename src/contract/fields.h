/* SPDX-License-Identifier: MIT
 *
 * How the tables of fields in this room are written.  Every row is of a layout that is its own provider's: what the
 * program sees lies where the provider keeps it.  Rows may overlap, and an access is allowed if any row allows it: that
 * says exactly which parts of a field Linux lets a program load.
 */
#ifndef WINBPF_CONTRACT_FIELDS_H
#define WINBPF_CONTRACT_FIELDS_H

#include "contract/contract.h"

/* Where a field lies: an offset and a size; or those of a member of a struct. */
#define AT(offset, size) offset, size
#define OF(type, member) AT(offsetof(struct type, member), sizeof(((struct type *)0)->member))

#define ROW(name, kind, place, flags, partner)                                                                         \
    {                                                                                                                  \
        name, kind, place, place, flags, partner                                                                       \
    }

/* A number that is loaded whole; of which any aligned part may be loaded; of which loads must begin at its start (four
 * bytes). */
#define WHOLE_AT(name, offset, size) ROW(name, FIELD_SCALAR, AT(offset, size), FIELD_READ, -1)
#define WHOLE(type, member)          ROW(#member, FIELD_SCALAR, OF(type, member), FIELD_READ, -1)
#define PARTS(type, member)          ROW(#member, FIELD_SCALAR, OF(type, member), FIELD_READ | FIELD_NARROW, -1)
#define START(type, member)                                                                                            \
    WHOLE(type, member), WHOLE_AT(#member, offsetof(struct type, member), 2),                                          \
        WHOLE_AT(#member, offsetof(struct type, member), 1)
/* Stored to, whole; loaded and stored to, whole. */
#define STORE(type, member)      ROW(#member, FIELD_SCALAR, OF(type, member), FIELD_WRITE, -1)
#define READ_WRITE(type, member) ROW(#member, FIELD_SCALAR, OF(type, member), FIELD_READ | FIELD_WRITE, -1)
/* Four words, each on its own. */
#define EACH(row, type, member) row(type, member[0]), row(type, member[1]), row(type, member[2]), row(type, member[3])
/* An area of which any aligned part may be loaded, and one of which any part may be stored to. */
#define AREA(name, offset, size)       ROW(name, FIELD_SCALAR, AT(offset, size), FIELD_READ | FIELD_NARROW, -1)
#define STORE_AREA(name, offset, size) ROW(name, FIELD_BYTES, AT(offset, size), FIELD_WRITE, -1)
/* A pointer. */
#define POINTER(kind, type, member, partner) ROW(#member, kind, OF(type, member), FIELD_READ, partner)

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define LAYOUT(bytes, rows)                                                                                            \
    {                                                                                                                  \
        bytes, COUNT(rows), rows                                                                                       \
    }

#define RANGE(lowest, highest)                                                                                         \
    {                                                                                                                  \
        {                                                                                                              \
            lowest, highest                                                                                            \
        }                                                                                                              \
    }

/* A program type of Linux that no hook here runs. */
#define VERIFIED(label, number, bytes, rows, range, more)                                                              \
    .name = label, .type = {[PERSONALITY_LINUX] = number}, .context = {[PERSONALITY_LINUX] = LAYOUT(bytes, rows)},     \
    .returns = {[PERSONALITY_LINUX] = range}, .real_size = bytes, .flags = CONTRACT_VERIFY_ONLY | (more)
#define ANYTHING(label, number, bytes, rows, more)                                                                     \
    VERIFIED(label, number, bytes, rows, RANGE(INT32_MIN, INT32_MAX), CONTRACT_ANY_RETURN | (more))

/* The tables, each ended by a contract without a name. */
extern const struct program_contract contracts_packet[], contracts_socket[], contracts_system[], contracts_efw[];

#endif
