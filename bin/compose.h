/* SPDX-License-Identifier: MIT
 *
 * The system put together: the core with every map kind, helper family and hook there is.
 */
#ifndef WINBPF_BIN_COMPOSE_H
#define WINBPF_BIN_COMPOSE_H

#include "core/core.h"

/* Once.  compose_stop() undoes it; the system may be started again afterwards. */
enum result compose_start(const struct core_options *options);
void compose_stop(void);

#endif
