/* SPDX-License-Identifier: MIT
 *
 * Fuzzes bpf(): a sequence of commands whose attrs are the input's bytes.  The client is a table (core/handle_table.c)
 * whose memory is one page that holds the rest of the input, so addresses and handles in attrs are small numbers that
 * often mean something.  Whatever comes, nothing may be left over at the end.
 *
 *   input: repeated { command: 1 byte; size: 1 byte; attr: size bytes }, from the end of the page backwards not used
 */
#include "core/small.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAGE = 4096 };

static uint8_t page[PAGE];

static enum result page_read(void *self, void *to, uint64_t from, size_t size)
{
    if (from > PAGE || size > PAGE - from)
        return RESULT_FAULT;
    memcpy(to, page + from, size);
    return RESULT_OK;
}

static enum result page_write(void *self, uint64_t to, const void *from, size_t size)
{
    if (to > PAGE || size > PAGE - to)
        return RESULT_FAULT;
    memcpy(page + to, from, size);
    return RESULT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_memory memory = {page_read, page_write, NULL};
    struct client *client;
    uint64_t blocks, bytes;
    int64_t value;
    memset(page, 0, sizeof page);
    if (size)
        memcpy(page, data, size < PAGE ? size : PAGE);
    if (!fixture_start() || client_table_create(&memory, true, &client))
        abort();
    for (size_t at = 0, commands = 0; at + 2 <= size && commands < 32; commands++) {
        uint8_t command = data[at], length = data[at + 1];
        /* A caller may repeat a test run four thousand million times; a fuzzer has no time for that. */
        if (command == BPF_PROG_TEST_RUN && at + 2 + offsetof(union bpf_attr, test.repeat) + 4 <= PAGE)
            memset(page + at + 2 + offsetof(union bpf_attr, test.repeat) + 1, 0, 3);
        if (command == 255)
            client_table_close(client, length);
        else
            core_command(client, command, at + 2, length, &value);
        at += 2 + (command == 255 ? 0 : length);
    }
    client_table_destroy(client);
    core_stop();
    os_alloc_live(&blocks, &bytes);
    if (blocks || bytes || fixture_attached)
        abort();
    return 0;
}
