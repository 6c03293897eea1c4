/* SPDX-License-Identifier: MIT
 *
 * How the tables of fields in this room are written.  Every row is for a layout that is its own provider's: what the
 * program sees lies where the provider keeps it.  Rows may overlap, and an access is allowed if any row allows it: that
 * says exactly which parts of a field Linux lets a program load.
 */
#ifndef WINBPF_CONTRACT_FIELDS_H
#define WINBPF_CONTRACT_FIELDS_H

#include "contract/contract.h"

#define ROW(name, kind, offset, size, flags, partner)                                                                  \
    {                                                                                                                  \
        name, kind, offset, size, offset, size, flags, partner                                                         \
    }

/* Loaded whole. */
#define WHOLE(name, offset, size) ROW(name, FIELD_SCALAR, offset, size, FIELD_READ, -1)
/* Any aligned part of it may be loaded. */
#define PARTS(name, offset, size) ROW(name, FIELD_SCALAR, offset, size, FIELD_READ | FIELD_NARROW, -1)
/* Four bytes, loaded whole or from their start. */
#define START(name, offset) WHOLE(name, offset, 4), WHOLE(name, offset, 2), WHOLE(name, offset, 1)
/* Stored to, whole; and loaded and stored to, whole. */
#define STORE(name, offset, size) ROW(name, FIELD_SCALAR, offset, size, FIELD_WRITE, -1)
#define BOTH(name, offset, size)  ROW(name, FIELD_SCALAR, offset, size, FIELD_READ | FIELD_WRITE, -1)
/* Four u32, any aligned part of each. */
#define PARTS_IP6(name, offset)                                                                                        \
    PARTS(name, offset, 4), PARTS(name, (offset) + 4, 4), PARTS(name, (offset) + 8, 4), PARTS(name, (offset) + 12, 4)

#define LAYOUT(bytes, rows)                                                                                            \
    {                                                                                                                  \
        bytes, sizeof(rows) / sizeof((rows)[0]), rows                                                                  \
    }

#endif
