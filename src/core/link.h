/* SPDX-License-Identifier: MIT
 *
 * Links: what keeps a program attached.  A link holds its program and the hook's provider; detaching leaves it in
 * place, defunct, until its last reference goes.
 */
#ifndef WINBPF_CORE_LINK_H
#define WINBPF_CORE_LINK_H

#include "core/hook.h"

/* Attaches and publishes; *out holds REF_CREATOR.  RESULT_INVALID where the program's hook does not serve this attach
 * type. */
enum result link_create(struct prog *prog, uint32_t attach_type, uint32_t target, uint32_t flags, struct link **out);

/* After it returns no invocation through the link begins.  Detaching twice is harmless. */
enum result link_detach(struct link *link);

/* Puts `prog` in the place of the program; with `expected`, only in the place of that one (RESULT_NOT_PERMITTED). */
enum result link_update(struct link *link, struct prog *prog, struct prog *expected);

/* The id of its program, 0 for none. */
uint32_t link_prog_id(struct link *link);

enum result link_start(void);
void link_stop(void);

#endif
