/* SPDX-License-Identifier: MIT
 *
 * Start and stop, in order and in reverse.
 *
 * Stopping lets go from the outside in: handles, then pins; links detach as they go; what they held follows, through
 * the epochs.  ENABLE_STATS is a handle whose being open means that run times are wanted.
 */
#include "base/list.h"
#include "core/command.h"
#include "core/epoch.h"
#include "core/link.h"
#include "core/pin.h"
#include "core/prog_impl.h"
#include "core/registry.h"
#include "platform/handle.h"
#include "platform/os.h"

enum result core_start(const struct core_options *options)
{
    enum result result = epoch_start();
    if (result)
        return result;
    if ((result = pin_start()))
        goto stop_epochs;
    if ((result = link_start()))
        goto stop_pins;
    if ((result = prog_start(options)))
        goto stop_links;
    return RESULT_OK;
stop_links:
    link_stop();
stop_pins:
    pin_stop();
stop_epochs:
    epoch_stop();
    return result;
}

void core_stop(void)
{
    if (os_forked())
        return; /* everything here is the parent's */
    os_handles_stop();
    pin_stop();
    epoch_synchronize();
    epoch_stop();
    prog_stop();
    link_stop();
    object_stop();
    registry_clear();
}

struct stats {
    struct object object; /* first */
    struct epoch_entry retired;
};

enum { TAG_STATS = OS_TAG('s', 't', 'a', 't') };

static void stats_reclaim(struct epoch_entry *entry)
{
    struct stats *stats = container_of(entry, struct stats, retired);
    os_free(stats, sizeof *stats, TAG_STATS);
}

static void stats_destroy(struct object *object)
{
    prog_time_runs(-1);
    epoch_retire(&container_of(object, struct stats, object)->retired, stats_reclaim);
}

enum result command_enable_stats(const struct command *command, union bpf_attr *attr, int64_t *value)
{
    if (attr->enable_stats.type != BPF_STATS_RUN_TIME)
        return RESULT_INVALID;
    struct stats *stats = os_alloc(sizeof *stats, TAG_STATS);
    if (!stats)
        return RESULT_NO_MEMORY;
    object_init(&stats->object, OBJECT_STATS, stats_destroy);
    prog_time_runs(1);
    return command_give(command, &stats->object, REF_CREATOR, 0, value);
}
