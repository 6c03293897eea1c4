/* SPDX-License-Identifier: MIT
 *
 * Where a JIT's code lives: memory that is writable while code is put there and executable afterwards, never both
 * (W^X). The platform supplies one; a NULL pointer to it means that the platform refuses executable memory (HVCI).
 */
#ifndef WINBPF_BASE_EXECUTABLE_H
#define WINBPF_BASE_EXECUTABLE_H

#include <stddef.h>
#include "base/result.h"

struct executable {
    /* Writable memory of at least `size` bytes, page-aligned, or NULL. */
    void *(*alloc)(void *self, size_t size);
    /* Its first `data_size` bytes (a multiple of the page size) become read-only data, the rest read and execute. */
    enum result (*seal)(void *self, void *memory, size_t size, size_t data_size);
    void (*free)(void *self, void *memory, size_t size);
    void *self;
};

#endif
