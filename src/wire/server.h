/* SPDX-License-Identifier: MIT
 *
 * The server's side of the wire: a message in, the answer in its place.
 */
#ifndef WINBPF_WIRE_SERVER_H
#define WINBPF_WIRE_SERVER_H

#include "core/client.h"
#include "wire/wire.h"

/* Whether the sender of the message being served has given it up; `cancelled` may be NULL: never. */
struct wire_patience {
    bool (*cancelled)(void *self);
    void *self;
};

/* Does what a message of `size` bytes asks for, on behalf of `client` (one of client_table_create), and writes the
 * answer over its beginning; *answer is the answer's length.  Fails, with nothing done, when the message is malformed;
 * a command's own failure is in the answer.  Any number of messages of one client may be served at once.  Controls that
 * need the platform (RING_MAP, RING_UNMAP, WAIT) answer RESULT_NOT_SUPPORTED here; the entry point serves them itself.
 */
enum result wire_serve(struct client *client, const struct wire_patience *patience, void *message, size_t size,
                       size_t *answer);

#endif
