/* SPDX-License-Identifier: MIT
 *
 * The table of kinds.
 */
#include "maps/maps.h"

const struct map_ops *const map_kinds[] = {
    &map_hash, &map_array, &map_prog_array, &map_percpu_hash, &map_percpu_array, &map_ringbuf, NULL,
};
