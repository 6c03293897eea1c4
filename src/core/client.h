/* SPDX-License-Identifier: MIT
 *
 * Who issues a command: its handles and its memory.  The core reaches both only through here, so one core serves a
 * process (handles are real file descriptors, memory is its own), a daemon and a driver (a handle table, and the bytes
 * that a message carried).  All of a client's memory is hostile: it is copied once and then only the copy is used.
 */
#ifndef WINBPF_CORE_CLIENT_H
#define WINBPF_CORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/annotate.h"
#include "base/result.h"
#include "core/object.h"

struct client;

struct client_ops {
    /* Gives the client a handle to `object` (takes its own REF_HANDLE reference).  `flags`: BPF_F_RDONLY/WRONLY. */
    enum result (*handle_open)(struct client *client, struct object *object, uint32_t flags, int *handle);
    /* The object behind a handle, unreferenced: valid until the epoch ends.  Else as handle_get. */
    _Requires_epoch_held_
    enum result (*handle_peek)(struct client *client, int handle, struct object **object, uint32_t *flags);
    /* The object behind a handle with a REF_LOOKUP reference, and its access flags.  RESULT_BAD_HANDLE for a handle
     * that is none at all, RESULT_INVALID for one of another making. */
    enum result (*handle_get)(struct client *client, int handle, struct object **object, uint32_t *flags);
    /* Copies between the client's memory and ours.  RESULT_FAULT where it has no such memory. */
    enum result (*read)(struct client *client, void *to, uint64_t from, size_t size);
    enum result (*write)(struct client *client, uint64_t to, const void *from, size_t size);
    /* Has whoever sent the running command given it up?  Commands that may be long ask now and then.  NULL: never. */
    bool (*cancelled)(struct client *client);
};

struct client {
    const struct client_ops *ops;
    enum personality_of_caller { CALLER_LINUX, CALLER_EFW } numbers; /* whose numbers its attrs speak */
    bool privileged;                                                 /* root, administrator */
    bool direct; /* its memory is ours: element commands touch it without asking the system first */
};
/* The embedded client of a process: its memory is our own, its handles are the system's (platform/handle.h).  In a
 * child made by fork() every command answers RESULT_NOT_PERMITTED: the child has the handles, not the objects. */
struct client *client_process(void);

/* A client with a table of small handles from 1 on, as a daemon or driver keeps one for each connection.  `memory` says
 * how to reach what the client sent; its context is `self`. */
struct client_memory {
    enum result (*read)(void *self, void *to, uint64_t from, size_t size);
    enum result (*write)(void *self, uint64_t to, const void *from, size_t size);
    void *self;
};
enum result client_table_create(const struct client_memory *memory, bool privileged, struct client **out);
/* RESULT_BAD_HANDLE for one that is not open. */
enum result client_table_close(struct client *client, int handle);
/* A second handle to the same object. */
enum result client_table_duplicate(struct client *client, int handle, int *duplicate);
/* Closes every handle.  No command of this client is running. */
void client_table_destroy(struct client *client);
#endif
