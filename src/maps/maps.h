/* SPDX-License-Identifier: MIT
 *
 * The kinds of maps.  Each is one file that ends in one `const struct map_ops`; the entry point registers this table
 * with the core (map_register).
 */
#ifndef WINBPF_MAPS_MAPS_H
#define WINBPF_MAPS_MAPS_H

#include "core/map.h"

extern const struct map_ops map_array, map_percpu_array, map_hash, map_percpu_hash, map_prog_array, map_ringbuf;

/* All of them, ended by NULL. */
extern const struct map_ops *const map_kinds[];

#endif
