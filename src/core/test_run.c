/* SPDX-License-Identifier: MIT
 *
 * Batches of test runs.  Between two of them the CPU and the epoch are let go, and the client may have given up.
 */
#include "core/hook.h"
#include "platform/os.h"

enum { BATCH_MOST = 256, BATCH_NS = 1000000 };

static void leave(struct test_batches *batches)
{
    uint64_t took = os_time_monotonic() - batches->begin;
    epoch_leave_cpu(&batches->state);
    batches->inside = false;
    batches->spent += took;
    batches->done += batches->size;
    batches->next = took > BATCH_NS ? 1 : batches->size < BATCH_MOST / 2 ? batches->size * 2 : BATCH_MOST;
}

bool test_batch_enter(struct test_batches *batches)
{
    struct client *client = batches->run->client;
    uint32_t repeat = batches->run->repeat ? batches->run->repeat : 1;
    if (batches->inside)
        leave(batches);
    if (batches->done == repeat)
        return false;
    if (client && client->ops->cancelled && client->ops->cancelled(client)) {
        batches->cancelled = true;
        return false;
    }
    batches->size = batches->next ? batches->next : 1;
    if (batches->size > repeat - batches->done)
        batches->size = repeat - batches->done;
    batches->cpu = epoch_enter_cpu(&batches->state);
    batches->inside = true;
    batches->begin = os_time_monotonic();
    return true;
}

enum result test_batches_end(struct test_batches *batches)
{
    if (batches->cancelled)
        return RESULT_INTERRUPTED;
    batches->run->duration = (uint32_t)(batches->spent / batches->done);
    return RESULT_OK;
}
