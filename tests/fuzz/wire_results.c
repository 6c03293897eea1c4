/* SPDX-License-Identifier: MIT
 *
 * What the library answers to files of messages: a line "FILE NUMBER: RESULT VALUE" for each message, to be held
 * against what the driver answers (tests/windows/test_wire.c).   usage: wire_results FILE…
 */
#include <stdio.h>
#include "compose.h"
#include "core/client.h"
#include "fuzz/wire_messages.h"
#include "wire/server.h"

struct reading {
    struct client *client;
    const char *name;
    unsigned number;
};

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
    struct reading *run = self;
    const struct wire_head *head = (const struct wire_head *)message;
    size_t answer = 0;
    if (wire_serve(run->client, &patience, message, size, &answer))
        printf("%s %u: malformed\n", run->name, run->number++);
    else if (head->kind == WIRE_RING_MAP || head->kind == WIRE_RING_UNMAP || head->kind == WIRE_WAIT)
        printf("%s %u: the platform's\n", run->name, run->number++);
    else
        printf("%s %u: %d %lld\n", run->name, run->number++, head->result, head->result ? 0ll : (long long)head->value);
}

int main(int argc, char **argv)
{
    static const struct core_options options = {.engine = &engine_checked};
    static const struct client_memory memory = {no_read, no_write, NULL};
    static uint8_t data[1 << 20];
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        struct reading run = {NULL, slash ? slash + 1 : argv[i], 0};
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            fprintf(stderr, "wire_results: cannot read %s\n", argv[i]);
            return 1;
        }
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        if (compose_start(&options) || client_table_create(&memory, true, &run.client))
            return 1;
        wire_messages(data, size, serve, &run);
        client_table_destroy(run.client);
        compose_stop();
    }
    return 0;
}
