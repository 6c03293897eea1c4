/* SPDX-License-Identifier: MIT
 *
 * Threads, all signals blocked in them (a library's thread takes none of its host's), and events: an eventfd, so that
 * one object serves a waiting thread and an application's epoll.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "platform/os.h"

struct os_thread {
    pthread_t handle;
    void (*body)(void *);
    void *argument;
};

struct os_event {
    int fd;
};

enum { TAG_THREAD = OS_TAG('t', 'h', 'r', 'd'), TAG_EVENT = OS_TAG('e', 'v', 'n', 't') };

static void *entry(void *argument)
{
    struct os_thread *thread = argument;
    thread->body(thread->argument);
    return NULL;
}

enum result os_thread_start(void (*body)(void *), void *argument, struct os_thread **out)
{
    sigset_t all, before;
    struct os_thread *thread = os_alloc(sizeof *thread, TAG_THREAD);
    if (!thread)
        return RESULT_NO_MEMORY;
    thread->body = body;
    thread->argument = argument;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread->handle, NULL, entry, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        os_free(thread, sizeof *thread, TAG_THREAD);
        return RESULT_NO_MEMORY;
    }
    *out = thread;
    return RESULT_OK;
}

void os_thread_join(struct os_thread *thread)
{
    bug_if(pthread_join(thread->handle, NULL));
    os_free(thread, sizeof *thread, TAG_THREAD);
}

enum result os_event_create(struct os_event **out)
{
    struct os_event *event = os_alloc(sizeof *event, TAG_EVENT);
    if (!event)
        return RESULT_NO_MEMORY;
    event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event->fd < 0) {
        os_free(event, sizeof *event, TAG_EVENT);
        return RESULT_NO_MEMORY;
    }
    *out = event;
    return RESULT_OK;
}

void os_event_destroy(struct os_event *event)
{
    if (!event)
        return;
    close(event->fd);
    os_free(event, sizeof *event, TAG_EVENT);
}

void os_event_set(struct os_event *event)
{
    uint64_t one = 1;
    ssize_t written = write(event->fd, &one, sizeof one); /* EAGAIN: the counter is full, so the event is set */
    (void)written;
}

bool os_event_wait(struct os_event *event, uint64_t timeout_ns)
{
    uint64_t count;
    uint64_t until = timeout_ns == UINT64_MAX ? 0 : os_time_monotonic() + timeout_ns;
    for (;;) {
        if (read(event->fd, &count, sizeof count) == sizeof count)
            return true;
        struct pollfd wait = {event->fd, POLLIN, 0};
        struct timespec left, *limit = NULL;
        if (timeout_ns != UINT64_MAX) {
            uint64_t now = os_time_monotonic();
            if (now >= until)
                return false;
            left = (struct timespec){(time_t)((until - now) / 1000000000u), (long)((until - now) % 1000000000u)};
            limit = &left;
        }
        if (ppoll(&wait, 1, limit, NULL) < 0 && errno != EINTR)
            return false;
    }
}

int os_event_fd(struct os_event *event)
{
    return event->fd;
}
