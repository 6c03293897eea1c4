/* SPDX-License-Identifier: MIT
 *
 * What all engines share.
 */
#include "engine/engine.h"

#ifdef WINBPF_MUTANTS
struct engine_mutant engine_mutant;
#endif
