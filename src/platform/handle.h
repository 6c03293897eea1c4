/* SPDX-License-Identifier: MIT
 *
 * Handles that the operating system keeps for us, so that applications may close, duplicate, pass on and inherit them
 * with its own calls.  On Linux a handle is a file descriptor: one end of a socket pair whose other end we hold.  When
 * the last descriptor of the application's end is gone, wherever it had been sent, our end hangs up and the owner is
 * told.  Windows has the real thing (a file object's close).
 */
#ifndef WINBPF_PLATFORM_HANDLE_H
#define WINBPF_PLATFORM_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/result.h"

/* Makes a handle that stands for `owner`.  `closed` is called once, from any thread, after the last copy is closed (or
 * by os_handles_stop); it may sleep and must not call os_handle functions. */
enum result os_handle_create(void *owner, uint32_t flags, void (*closed)(void *owner), int *handle);

/* Whose it is.  RESULT_BAD_HANDLE: no open descriptor; RESULT_INVALID: one that is not ours; RESULT_NOT_PERMITTED: in a
 * child process that inherited it by fork (its copy of our state is stale).  The owner may be told of the close at any
 * moment: the caller keeps its memory valid by its own means (the core: an epoch). */
enum result os_handle_find(int handle, void **owner, uint32_t *flags);

/* Tells the owners of all handles that are closed by now, before it returns. */
void os_handles_sweep(void);

/* Closes our end of every handle and tells every owner.  Copies that are still open become handles of nobody. */
void os_handles_stop(void);

/* Are we a fork()ed child of the process that made the handles?  Nothing of ours works there: threads are gone. */
bool os_forked(void);

/* Copies to and from addresses that a caller gave.  RESULT_FAULT where there is no such memory. */
enum result os_memory_read(void *to, uint64_t from, size_t size);
enum result os_memory_write(uint64_t to, const void *from, size_t size);

/* Could [address, address + size) be a process's memory at all?  Not NULL's neighbourhood, not the kernel's half. */
static inline bool os_memory_plausible(uint64_t address, size_t size)
{
    return address >= 0x10000 && address < 0x0000800000000000u && size < 0x0000800000000000u - address;
}

#endif
