/* SPDX-License-Identifier: MIT
 *
 * Objects: programs, maps, links, BTF.  An object lives while anyone holds a reference; every reference has a reason,
 * counted apart in debug builds so that a leak names its culprit.  It has an id (per kind, from 1, never reused before
 * wrap) from object_publish() until its last reference goes; lookups by id never revive a dying object.
 */
#ifndef WINBPF_CORE_OBJECT_H
#define WINBPF_CORE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/result.h"
#include "platform/atomic.h"

enum object_kind { OBJECT_PROG, OBJECT_MAP, OBJECT_LINK, OBJECT_BTF, OBJECT_STATS, OBJECT_KINDS };

enum object_reason {
    REF_CREATOR, /* the command that makes it */
    REF_HANDLE,  /* a client's file descriptor */
    REF_PIN,
    REF_LOOKUP,   /* by id or fd, for the length of a command */
    REF_PROG_MAP, /* a program's map */
    REF_LINK_PROG,
    REF_MAP_MAP,  /* an inner map in its outer one; a template */
    REF_MAP_PROG, /* a program in a prog array */
    REF_BTF,      /* BTF of a program or map */
    REF_RUN,      /* a test run */
    REF_REASONS
};

struct object {
    enum object_kind kind;
    uint32_t id; /* 0 until published */
    uint32_t references;
    uint32_t reachable;                         /* handles and pins among them */
    void (*destroy)(struct object *object);     /* last reference gone; may defer through epoch_retire */
    void (*unreachable)(struct object *object); /* the last handle or pin is gone; may be NULL */
#ifdef WINBPF_DEBUG
    uint32_t reasons[REF_REASONS];
#endif
};

/* Starts at one reference, REF_CREATOR, unpublished. */
void object_init(struct object *object, enum object_kind kind, void (*destroy)(struct object *));
/* Gives it an id and makes it findable. */
enum result object_publish(struct object *object);
/* The caller holds a reference already. */
void object_get(struct object *object, enum object_reason reason);
/* For an object whose memory is known to be there (an epoch) though its references may all be gone: false then. */
bool object_get_unless_dying(struct object *object, enum object_reason reason);
void object_put(struct object *object, enum object_reason reason);
/* The object with this id, referenced with REF_LOOKUP, or NULL. */
struct object *object_find(enum object_kind kind, uint32_t id);
/* Smallest id in use above `id`; 0 for none. */
uint32_t object_next_id(enum object_kind kind, uint32_t id);
/* References for one reason; 0 for all reasons in builds that do not count them (WINBPF_DEBUG). */
uint32_t object_reason_count(const struct object *object, enum object_reason reason);
/* The name of a reason, for leak reports. */
const char *object_reason_name(enum object_reason reason);
/* Forgets the tables; every object must be gone.  Part of core_stop(). */
void object_stop(void);
/* How many are alive and published, for tests. */
uint32_t object_count(enum object_kind kind);

#endif
