/* SPDX-License-Identifier: MIT
 *
 * The table of families.
 */
#include "helpers/helpers.h"

const struct helper_family helper_families[] = {
    {map_helpers, 0},      {ringbuf_helpers, 0}, {time_helpers, 0},  {system_helpers, 0},
    {checksum_helpers, 0}, {string_helpers, 0},  {trace_helpers, 0}, {NULL, 0},
};
