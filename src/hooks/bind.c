/* SPDX-License-Identifier: MIT
 *
 * The bind hook without its provider: test runs.  Data is the application's name, the context a bind_md_t whose two
 * pointers are ignored on the way in and zero on the way out.  What a program returned comes back as it is, but for one
 * that was stopped: 0 would read as a permission there, so that run says what the hook would do.
 */
#include "contract/contract.h"
#include "core/epoch.h"
#include "hooks/bind.h"
#include "hooks/hooks.h"
#include "platform/os.h"

_Static_assert(sizeof(struct bind_context) == 56, "bind_md_t is 56 bytes");

enum { POINTERS = 16 };

/* Context and header in one piece, as engines want them. */
struct bind_event {
    struct context_header header;
    struct bind_context context;
};

static enum result test_run(struct prog *prog, struct test_run *run)
{
    struct bind_event event;
    struct test_batches batches = {.run = run};
    uint64_t r0 = 0;
    if (run->flags || !run->context_in || run->context_in_size < sizeof event.context)
        return RESULT_INVALID;
    if (run->data_in_size > CONTRACT_REGION_MOST)
        return RESULT_TOO_BIG;
    for (uint32_t i = sizeof event.context; i < run->context_in_size; i++) {
        if (((const uint8_t *)run->context_in)[i])
            return RESULT_TOO_BIG;
    }
    uint8_t *data = os_alloc(run->data_in_size ? run->data_in_size : 1, OS_TAG('b', 'i', 'n', 'd'));
    if (!data)
        return RESULT_NO_MEMORY;
    if (run->data_in_size)
        memcpy(data, run->data_in, run->data_in_size);
    memset(&event, 0, sizeof event);
    memcpy((uint8_t *)&event.context + POINTERS, (const uint8_t *)run->context_in + POINTERS,
           sizeof event.context - POINTERS);
    event.context.app_id_start = data;
    event.context.app_id_end = data + run->data_in_size;

    while (test_batch_enter(&batches)) {
        for (uint32_t i = 0; i < batches.size; i++) {
            memset(&event.header, 0, sizeof event.header);
            event.header.cpu = batches.cpu;
            if (prog_run_raw(prog, batches.cpu, &event.context, &r0, NULL))
                r0 = BIND_VERDICT_DENY;
        }
    }
    run->retval = (uint32_t)r0;
    enum result result = test_batches_end(&batches);
    if (result) {
        os_free(data, run->data_in_size ? run->data_in_size : 1, OS_TAG('b', 'i', 'n', 'd'));
        return result;
    }
    if (run->data_out) {
        uint32_t room = run->data_out_size;
        memcpy(run->data_out, data, run->data_in_size < room ? run->data_in_size : room);
        if (run->data_in_size > room)
            result = RESULT_NO_SPACE;
    }
    run->data_out_size = run->data_in_size;
    if (run->context_out) {
        uint32_t room = run->context_out_size;
        event.context.app_id_start = event.context.app_id_end = NULL;
        memcpy(run->context_out, &event.context, sizeof event.context < room ? sizeof event.context : room);
        if (sizeof event.context > room)
            result = RESULT_NO_SPACE;
    }
    run->context_out_size = sizeof event.context;
    os_free(data, run->data_in_size ? run->data_in_size : 1, OS_TAG('b', 'i', 'n', 'd'));
    return result;
}

static enum result attach(struct link *link, uint32_t target, uint32_t flags)
{
    return RESULT_NOT_SUPPORTED; /* no provider on this platform */
}

static void detach(struct link *link) {}

const struct hook_ops hook_bind = {
    .contract = &contract_bind,
    .test_run = test_run,
    .attach = attach,
    .detach = detach,
};
