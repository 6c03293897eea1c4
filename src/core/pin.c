/* SPDX-License-Identifier: MIT
 *
 * The tree is a list sorted by canonical path: pins are tens, not millions, and a folder is just what several paths
 * begin with.
 */
#include <string.h>
#include "base/list.h"
#include "core/pin.h"
#include "platform/os.h"

enum { TAG = OS_TAG('p', 'i', 'n', 's') };

struct pin {
    struct list entry;
    struct object *object;
    char path[PIN_PATH_SIZE];
};

static struct os_lock lock;
static struct list pins; /* sorted by path */

static enum result canonical(const char *path, char out[PIN_PATH_SIZE])
{
    size_t length = 0;
    if (path[0] != '/')
        return path[0] ? RESULT_INVALID : RESULT_NOT_FOUND;
    for (const char *c = path; *c; c++) {
        if (*c == '.')
            return RESULT_NOT_PERMITTED;
        if (*c == '/' && (c[1] == '/' || !c[1]))
            continue;
        if (length == PIN_PATH_SIZE - 1)
            return RESULT_NAME_TOO_LONG;
        out[length++] = *c;
    }
    out[length] = 0;
    return length ? RESULT_OK : RESULT_EXISTS; /* the root */
}

/* Is `path` inside the folder `folder`? */
static bool inside(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return !strncmp(path, folder, length) && path[length] == '/';
}

enum result pin_create(const char *path, struct object *object)
{
    struct pin *pin = os_alloc(sizeof *pin, TAG);
    if (!pin)
        return RESULT_NO_MEMORY;
    enum result result = canonical(path, pin->path);
    if (result)
        goto fail;
    os_lock_acquire(&lock);
    struct list *place = &pins;
    list_for_each (node, &pins) {
        struct pin *other = container_of(node, struct pin, entry);
        int order = strcmp(other->path, pin->path);
        if (order == 0 || inside(other->path, pin->path))
            result = RESULT_EXISTS;
        else if (inside(pin->path, other->path))
            result = RESULT_NOT_FOLDER;
        if (order > 0 && place == &pins)
            place = node;
    }
    if (!result) {
        object_get(object, REF_PIN);
        pin->object = object;
        list_insert(place, &pin->entry);
    }
    os_lock_release(&lock);
    if (!result)
        return RESULT_OK;
fail:
    os_free(pin, sizeof *pin, TAG);
    return result;
}

enum result pin_find(const char *path, struct object **object)
{
    char name[PIN_PATH_SIZE];
    enum result result = canonical(path, name);
    if (result)
        return result == RESULT_EXISTS ? RESULT_ACCESS : result;
    result = RESULT_NOT_FOUND;
    os_lock_acquire(&lock);
    list_for_each (node, &pins) {
        struct pin *pin = container_of(node, struct pin, entry);
        if (!strcmp(pin->path, name)) {
            object_get(pin->object, REF_LOOKUP);
            *object = pin->object;
            result = RESULT_OK;
            break;
        }
        if (inside(pin->path, name))
            result = RESULT_ACCESS;
    }
    os_lock_release(&lock);
    return result;
}

enum result pin_remove(const char *path)
{
    char name[PIN_PATH_SIZE];
    struct pin *found = NULL;
    enum result result = canonical(path, name);
    if (result)
        return result == RESULT_EXISTS ? RESULT_NOT_PERMITTED : result;
    os_lock_acquire(&lock);
    list_for_each (node, &pins) {
        struct pin *pin = container_of(node, struct pin, entry);
        if (!strcmp(pin->path, name))
            found = pin;
    }
    if (found)
        list_remove(&found->entry);
    os_lock_release(&lock);
    if (!found)
        return RESULT_NOT_FOUND;
    object_put(found->object, REF_PIN);
    os_free(found, sizeof *found, TAG);
    return RESULT_OK;
}

enum result pin_next(const char *path, char *next, enum object_kind *kind, uint32_t *id)
{
    enum result result = RESULT_NOT_FOUND;
    os_lock_acquire(&lock);
    list_for_each (node, &pins) {
        struct pin *pin = container_of(node, struct pin, entry);
        if (strcmp(pin->path, path) > 0) {
            memcpy(next, pin->path, PIN_PATH_SIZE);
            *kind = pin->object->kind;
            *id = pin->object->id;
            result = RESULT_OK;
            break;
        }
    }
    os_lock_release(&lock);
    return result;
}

enum result pin_start(void)
{
    os_lock_init(&lock);
    list_init(&pins);
    return RESULT_OK;
}

void pin_stop(void)
{
    while (!list_empty(&pins)) {
        struct pin *pin = container_of(pins.next, struct pin, entry);
        list_remove(&pin->entry);
        object_put(pin->object, REF_PIN);
        os_free(pin, sizeof *pin, TAG);
    }
    os_lock_destroy(&lock);
}
