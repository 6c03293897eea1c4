/* SPDX-License-Identifier: MIT
 *
 * One lock serialises attaching, detaching and updating: they are rare and providers may sleep in them.  Invocations
 * take no lock; they read link->prog inside an epoch section, and the old program's memory outlives that section.
 */
#include <string.h>
#include "base/list.h"
#include "core/link.h"
#include "platform/os.h"

enum { TAG = OS_TAG('l', 'i', 'n', 'k') };

static struct os_lock lock;

static void reclaim(struct epoch_entry *entry)
{
    struct link *link = container_of(entry, struct link, retired);
    if (link->prog)
        object_put(&link->prog->object, REF_LINK_PROG);
    os_free(link, sizeof *link, TAG);
}

static void destroy(struct object *object)
{
    struct link *link = container_of(object, struct link, object);
    link_detach(link);
    epoch_retire(&link->retired, reclaim);
}

enum result link_create(struct prog *prog, uint32_t attach_type, uint32_t target, uint32_t flags, struct link **out)
{
    const struct hook_ops *hook = prog->hook;
    if (attach_type > 63 || !(hook->attach_types >> attach_type & 1) || !hook->attach)
        return RESULT_INVALID;
    struct link *link = os_alloc(sizeof *link, TAG);
    if (!link)
        return RESULT_NO_MEMORY;
    object_init(&link->object, OBJECT_LINK, destroy);
    link->hook = hook;
    link->attach_type = attach_type;
    link->target = target;
    link->prog = prog;
    object_get(&prog->object, REF_LINK_PROG);
    os_lock_acquire(&lock);
    enum result result = hook->attach(link, target, flags);
    link->attached = !result;
    os_lock_release(&lock);
    if (!result)
        result = object_publish(&link->object);
    if (result) {
        object_put(&link->object, REF_CREATOR);
        return result;
    }
    *out = link;
    return RESULT_OK;
}

enum result link_detach(struct link *link)
{
    os_lock_acquire(&lock);
    if (link->attached) {
        link->hook->detach(link);
        link->attached = false;
    }
    os_lock_release(&lock);
    return RESULT_OK;
}

enum result link_update(struct link *link, struct prog *prog, struct prog *expected)
{
    enum result result = RESULT_OK;
    struct prog *old = NULL;
    if (prog->hook != link->hook)
        return RESULT_INVALID;
    os_lock_acquire(&lock);
    if (!link->attached) {
        result = RESULT_NO_LINK;
    } else if (expected && link->prog != expected) {
        result = RESULT_NOT_PERMITTED;
    } else if (link->prog != prog) {
        object_get(&prog->object, REF_LINK_PROG);
        old = link->prog;
        os_store_release(&link->prog, prog);
    }
    os_lock_release(&lock);
    if (old)
        object_put(&old->object, REF_LINK_PROG);
    return result;
}

uint32_t link_prog_id(struct link *link)
{
    os_lock_acquire(&lock);
    uint32_t id = link->prog ? link->prog->object.id : 0;
    os_lock_release(&lock);
    return id;
}

enum result link_start(void)
{
    os_lock_init(&lock);
    return RESULT_OK;
}

void link_stop(void)
{
    os_lock_destroy(&lock);
}
