/* SPDX-License-Identifier: MIT
 *
 * What ebpf-for-windows' functions (ebpf.c) need of the library's connection to the driver.
 */
#ifndef WINBPF_API_OVER_WIRE_H
#define WINBPF_API_OVER_WIRE_H

#include "api/local.h"
#include "wire/client.h"

/* Ends the connection; the next call begins a new one. */
void over_wire_leave(void);

/* What a descriptor is. */
enum result over_wire_describe(int fd, struct wire_description *out);
enum result over_wire_close(int fd);
enum result over_wire_duplicate(int fd, int *copy);
/* A command whose attr is the library's own: no path is translated, the thread's last error stays. */
enum result over_wire_command(uint32_t command, union bpf_attr *attr, unsigned size, int64_t *value);
/* [offset, offset + length) of a map's pages. */
enum result over_wire_map(int fd, size_t offset, size_t length, bool writable, void **out);
enum result over_wire_unmap(const void *view);

/* A pin's name as the core has it, from either spelling: false where it is too long. */
bool over_wire_path(const char *from, char to[256]);

#endif
