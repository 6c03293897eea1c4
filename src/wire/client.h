/* SPDX-License-Identifier: MIT
 *
 * The client's side of the wire: bpf() as a message.  It gathers the memory that a command means (wire.def), has the
 * message carried across by whatever the entry point has for it (a device, a pipe), and brings back what was written.
 *
 * How large a map's keys and values are is the server's knowledge; it is asked once for each handle (DESCRIBE) and
 * remembered until the handle is closed here.
 */
#ifndef WINBPF_WIRE_CLIENT_H
#define WINBPF_WIRE_CLIENT_H

#include "platform/os.h"
#include "wire/wire.h"

enum { WIRE_REMEMBERED = 256 };

struct wire_client {
    /* Carries the message (of head->size bytes) over and puts the answer in its place.  Fails where nothing was
     * answered; any number of threads may be in it. */
    enum result (*exchange)(void *self, struct wire_head *message);
    void *self;

    /* Private: what DESCRIBE said, by handle; `closes` counts what was forgotten. */
    struct os_spin_lock lock;
    uint64_t closes;
    struct wire_description {
        int handle;
        uint32_t kind; /* enum object_kind */
        uint64_t key_size, value_size;
        uint32_t map_kind, max_entries;
    } remembered[WIRE_REMEMBERED];
};

/* One command; `attr` is the caller's address, hostile as any.  `numbers` (enum personality_of_caller) says whose
 * numbers the attr speaks.  *known: does the server have such a command? */
enum result wire_command(struct wire_client *client, uint32_t numbers, uint32_t command, uint64_t attr, uint32_t size,
                         int64_t *value, bool *known);

/* A control without anything but its arguments, which may be NULL. */
enum result wire_control(struct wire_client *client, enum wire_kind kind, int handle, uint64_t argument[3],
                         int64_t *value);

/* Closes a handle and forgets what it was. */
enum result wire_close(struct wire_client *client, int handle);

/* What a handle is. */
enum result wire_describe(struct wire_client *client, int handle, struct wire_description *out);

#endif
