/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the wire's server over the whole core, as the driver has it: the input is a file of messages
 * (wire_messages.h) of one client.  A malformed message is refused untouched; any other gets an answer that stays
 * inside its OUT segments and leaves the rest as it was; and nothing is left over when the client goes.
 */
#include "compose.h"
#include "core/client.h"
#include "fuzz/wire_messages.h"
#include "platform/os.h"
#include "wire/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum result no_read(void *self, void *to, uint64_t from, size_t size)
{
    return RESULT_FAULT;
}

static enum result no_write(void *self, uint64_t to, const void *from, size_t size)
{
    return RESULT_FAULT;
}

static void serve(void *self, uint8_t *message, size_t size)
{
    static const struct wire_patience patience = {NULL, NULL};
    size_t answer = 0;
    uint8_t *sent = malloc(size ? size : 1);
    if (!sent)
        abort();
    memcpy(sent, message, size);
    bool formed = !wire_check(message, size);
    enum result result = wire_serve(self, &patience, message, size, &answer);
    if (formed != (result == RESULT_OK))
        abort();
    if (!formed && memcmp(sent, message, size))
        abort();
    if (formed && (answer > size || answer != wire_answer_size(sent) || !wire_answer_allowed(sent, message, size) ||
                   memcmp(sent + answer, message + answer, size - answer)))
        abort();
    free(sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct core_options options = {.engine = &engine_checked};
    static const struct client_memory memory = {no_read, no_write, NULL};
    struct client *client;
    uint64_t blocks, bytes;
    if (compose_start(&options) || client_table_create(&memory, true, &client))
        abort();
    wire_messages(data, size, serve, client);
    client_table_destroy(client);
    compose_stop();
    os_alloc_live(&blocks, &bytes);
    if (blocks || bytes)
        abort();
    return 0;
}
