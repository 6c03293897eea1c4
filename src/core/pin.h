/* SPDX-License-Identifier: MIT
 *
 * Pins: names under which objects stay reachable after their handles are closed.  The tree is in memory and lives as
 * long as the core; folders exist by being mentioned.
 *
 * Paths are absolute, of at most 255 characters; repeated and trailing slashes do not count.  A component with a dot is
 * refused (RESULT_NOT_PERMITTED), as bpffs does.  Windows spellings ("BPF:\a\b") are turned into this form by its API.
 */
#ifndef WINBPF_CORE_PIN_H
#define WINBPF_CORE_PIN_H

#include <stddef.h>
#include "core/object.h"

enum { PIN_PATH_SIZE = 256 };

/* Takes a reference, REF_PIN.  RESULT_EXISTS where the name is taken (or is a folder of another pin). */
enum result pin_create(const char *path, struct object *object);
/* The object with a REF_LOOKUP reference. RESULT_NOT_FOUND; RESULT_ACCESS for a folder. */
enum result pin_find(const char *path, struct object **object);
enum result pin_remove(const char *path);
/* The pin after `path` in the order of bytes; path "" for the first.  RESULT_NOT_FOUND after the last.  `next` has
 * PIN_PATH_SIZE bytes; *kind and *id tell what is pinned. */
enum result pin_next(const char *path, char *next, enum object_kind *kind, uint32_t *id);

enum result pin_start(void);
void pin_stop(void);

#endif
