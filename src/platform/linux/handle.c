/* SPDX-License-Identifier: MIT
 *
 * Handles as socket pairs.  The application has one end; its inode number names the handle, and stays the same through
 * dup(), SCM_RIGHTS and fork().  Our end is in an epoll set that reports hang-ups alone.  A thread, started with the
 * first handle, waits for them; os_handles_sweep() asks at once.  Both do the work under one lock, so that after a
 * sweep every close that came before has taken effect.
 *
 * Finding a handle takes one system call, for only the kernel knows what a descriptor number means now.  fstat() tells
 * exactly but costs twice a null system call.  So the first 63 handles alive get a number of their own (the *tag*),
 * stored where the kernel keeps it for us with the open file: the signal number of F_SETSIG, unused as long as nobody
 * asks for O_ASYNC.  A descriptor that once was identified by inode is remembered with its handle; asking for the tag
 * (F_GETSIG, the price of a null system call) shows that it still is the one.  Measured side by side: fstat 270 ns,
 * getsockopt(SO_COOKIE) 236, F_GETSIG 129, getppid 128.
 *
 * Readers take no lock.  Records (struct handle) are type-stable: reused, never freed before os_handles_stop(), and a
 * reader checks the record's name again after reading it.  A chain may change under a reader and hide a record from it;
 * so a miss is repeated under the lock.
 *
 * A fork()ed child shares our sockets and epoll set with its parent: it closes its copies and refuses everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "platform/handle.h"
#include "platform/os.h"

/* Below LOWEST are the standard streams, which a host may have closed, and bpf()'s 0 that says "none". */
enum { LOWEST = 3 };
enum { BUCKETS = 1024, REMEMBERED = 4096, TAGS = 64, TAG = OS_TAG('h', 'n', 'd', 'l') };

struct handle {
    uint64_t inode; /* of the application's end; 0: not in use */
    void *owner;
    uint32_t flags;
    int tag; /* 0: none */
    int peer;
    void (*closed)(void *owner);
    struct handle *next;     /* of the chain, or of the free list */
    struct handle *next_all; /* of every record ever made */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handle *buckets[BUCKETS];
static struct handle *remembered[REMEMBERED]; /* by descriptor */
static struct handle *free_records, *all_records;
static bool tag_used[TAGS];
static uint64_t device; /* st_dev of sockets */
static int watch = -1, stop_event = -1;
static struct os_thread *watcher;
static bool stopping, fork_known;
static bool forked;

static struct handle **bucket(uint64_t inode)
{
    return &buckets[inode % BUCKETS];
}

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork_parent(void)
{
    pthread_mutex_unlock(&lock);
}

static void after_fork_child(void)
{
    if (watch >= 0) {
        forked = true;
        close(watch);
        close(stop_event);
        for (struct handle *h = all_records; h; h = h->next_all)
            if (h->inode)
                close(h->peer);
    }
    pthread_mutex_unlock(&lock);
}

bool os_forked(void)
{
    return forked;
}

/* Under the lock.  The record leaves the chain and is free. */
static void drop(struct handle *h)
{
    struct handle **link = bucket(h->inode);
    while (*link != h)
        link = &(*link)->next;
    os_store_release(link, h->next);
    os_store_release(&h->inode, 0);
    tag_used[h->tag] = false;
    os_store_release(&h->tag, 0);
    epoll_ctl(watch, EPOLL_CTL_DEL, h->peer, NULL);
    close(h->peer);
    void *owner = h->owner;
    void (*closed)(void *) = h->closed;
    os_store(&h->next, free_records);
    free_records = h;
    closed(owner);
}

static void sweep_locked(void)
{
    struct epoll_event events[32];
    int count;
    do {
        count = epoll_wait(watch, events, 32, 0);
        int dropped = 0;
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                drop(events[i].data.ptr);
                dropped++;
            }
        }
        if (!dropped)
            break;
    } while (count == 32);
}

void os_handles_sweep(void)
{
    if (forked || os_load(&watch) < 0)
        return;
    pthread_mutex_lock(&lock);
    if (watch >= 0)
        sweep_locked();
    pthread_mutex_unlock(&lock);
}

static void watch_body(void *argument)
{
    int set = *(int *)argument; /* constant while we run */
    for (;;) {
        struct epoll_event event;
        int count = epoll_wait(set, &event, 1, -1);
        if (count < 0 && errno != EINTR)
            return;
        if (os_load_acquire(&stopping))
            return;
        os_handles_sweep();
    }
}

static enum result start_locked(void)
{
    if (!fork_known) {
        if (pthread_atfork(before_fork, after_fork_parent, after_fork_child))
            return RESULT_NO_MEMORY;
        fork_known = true;
    }
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return RESULT_NO_MEMORY;
    stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_event < 0)
        goto fail_set;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(set, EPOLL_CTL_ADD, stop_event, &event))
        goto fail_event;
    os_store(&stopping, false);
    os_store(&watch, set);
    if (os_thread_start(watch_body, &watch, &watcher))
        goto fail_watch;
    return RESULT_OK;
fail_watch:
    os_store(&watch, -1);
fail_event:
    close(stop_event);
    stop_event = -1;
fail_set:
    close(set);
    return RESULT_NO_MEMORY;
}

static struct handle *record_take(void)
{
    struct handle *h = free_records;
    if (h) {
        free_records = h->next;
        return h;
    }
    h = os_alloc(sizeof *h, TAG);
    if (h) {
        h->next_all = all_records;
        all_records = h;
    }
    return h;
}

static void give_tag(struct handle *h, int fd)
{
    int tag = 1;
    while (tag < TAGS && tag_used[tag])
        tag++;
    if (tag == TAGS || fcntl(fd, F_SETSIG, tag))
        return;
    tag_used[tag] = true;
    os_store(&h->tag, tag);
}

enum result os_handle_create(void *owner, uint32_t flags, void (*closed)(void *owner), int *handle)
{
    int ends[2];
    struct stat stat;
    struct handle *h;
    enum result result = RESULT_NO_MEMORY;
    if (forked)
        return RESULT_NOT_PERMITTED;
    pthread_mutex_lock(&lock);
    if (watch < 0 && (result = start_locked()))
        goto fail_lock;
    result = RESULT_NO_MEMORY;
    if (!(h = record_take()))
        goto fail_lock;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
        result = errno == EMFILE || errno == ENFILE ? RESULT_TOO_MANY_HANDLES : RESULT_NO_MEMORY;
        goto fail_record;
    }
    struct epoll_event event = {.events = 0, .data.ptr = h};
    for (int end = 0; end < 2; end++) {
        int low = ends[end];
        if (low >= LOWEST)
            continue;
        ends[end] = fcntl(low, F_DUPFD_CLOEXEC, LOWEST);
        if (ends[end] < 0) {
            ends[end] = low;
            result = RESULT_TOO_MANY_HANDLES;
            goto fail_ends;
        }
        close(low);
    }
    if (fstat(ends[0], &stat) || shutdown(ends[1], SHUT_RD) || epoll_ctl(watch, EPOLL_CTL_ADD, ends[1], &event))
        goto fail_ends;
    os_store(&device, stat.st_dev);
    give_tag(h, ends[0]);
    h->peer = ends[1];
    h->closed = closed;
    os_store(&h->flags, flags);
    os_store(&h->owner, owner);
    os_store(&h->next, *bucket(stat.st_ino));
    os_store_release(&h->inode, stat.st_ino);
    os_store_release(bucket(stat.st_ino), h);
    if (ends[0] < REMEMBERED)
        os_store_release(&remembered[ends[0]], h);
    pthread_mutex_unlock(&lock);
    *handle = ends[0];
    return RESULT_OK;
fail_ends:
    close(ends[0]);
    close(ends[1]);
fail_record:
    os_store(&h->next, free_records);
    free_records = h;
fail_lock:
    pthread_mutex_unlock(&lock);
    return result;
}

/* The record's content if it still is the one that `inode` names. */
static bool read_record(struct handle *h, uint64_t inode, void **owner, uint32_t *flags)
{
    if (os_load_acquire(&h->inode) != inode)
        return false;
    *owner = os_load_acquire(&h->owner);
    *flags = os_load_acquire(&h->flags);
    return os_load_acquire(&h->inode) == inode;
}

static struct handle *search(uint64_t inode, void **owner, uint32_t *flags)
{
    unsigned steps = 0; /* a chain that changes under us can lead in a circle */
    for (struct handle *h = os_load_acquire(bucket(inode)); h && steps < 64; h = os_load_acquire(&h->next), steps++)
        if (read_record(h, inode, owner, flags))
            return h;
    return NULL;
}

static NOINLINE enum result find_slowly(int handle, void **owner, uint32_t *flags)
{
    struct stat stat;
    if (forked)
        return RESULT_NOT_PERMITTED;
    /* Straight to the kernel: this asks what a number means and uses no file, so it may race with close() by right,
     * which ThreadSanitizer, watching the C library's fstat(), would not believe. */
    if (syscall(SYS_fstat, handle, &stat))
        return RESULT_BAD_HANDLE;
    if (!S_ISSOCK(stat.st_mode) || stat.st_dev != os_load(&device))
        return RESULT_INVALID;
    struct handle *h = search(stat.st_ino, owner, flags);
    if (!h) {
        pthread_mutex_lock(&lock);
        for (h = *bucket(stat.st_ino); h && !read_record(h, stat.st_ino, owner, flags);)
            h = h->next;
        pthread_mutex_unlock(&lock);
        if (!h)
            return RESULT_INVALID;
    }
    if (handle < REMEMBERED)
        os_store_release(&remembered[handle], h);
    return RESULT_OK;
}

enum result os_handle_find(int handle, void **owner, uint32_t *flags)
{
    if (likely((unsigned)handle < REMEMBERED)) {
        struct handle *h = os_load_acquire(&remembered[handle]);
        int tag;
        uint64_t inode;
        if (h && (tag = os_load_acquire(&h->tag)) && (inode = os_load_acquire(&h->inode)) && !forked &&
            fcntl(handle, F_GETSIG) == tag && os_load_acquire(&h->tag) == tag && read_record(h, inode, owner, flags))
            return RESULT_OK;
    }
    return find_slowly(handle, owner, flags);
}

void os_handles_stop(void)
{
    uint64_t one = 1;
    if (forked || watch < 0)
        return;
    os_store_release(&stopping, true);
    ssize_t written = write(stop_event, &one, sizeof one);
    (void)written;
    os_thread_join(watcher);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (buckets[i])
            drop(buckets[i]);
    close(watch);
    close(stop_event);
    os_store(&watch, -1);
    stop_event = -1;
    memset(remembered, 0, sizeof remembered);
    while (all_records) {
        struct handle *h = all_records;
        all_records = h->next_all;
        os_free(h, sizeof *h, TAG);
    }
    free_records = NULL;
    pthread_mutex_unlock(&lock);
}

enum result os_memory_read(void *to, uint64_t from, size_t size)
{
    if (!size)
        return RESULT_OK;
    if (!os_memory_plausible(from, size))
        return RESULT_FAULT;
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got == (ssize_t)size)
        return RESULT_OK;
    if (got >= 0 || (errno != EPERM && errno != ENOSYS))
        return RESULT_FAULT;
    memcpy(to, remote.iov_base, size); /* a sandbox without the call: the address is trusted */
    return RESULT_OK;
}

enum result os_memory_write(uint64_t to, const void *from, size_t size)
{
    if (!size)
        return RESULT_OK;
    if (!os_memory_plausible(to, size))
        return RESULT_FAULT;
    struct iovec local = {(void *)(uintptr_t)from, size}, remote = {(void *)(uintptr_t)to, size};
    ssize_t put = process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
    if (put == (ssize_t)size)
        return RESULT_OK;
    if (put >= 0 || (errno != EPERM && errno != ENOSYS))
        return RESULT_FAULT;
    memcpy(remote.iov_base, from, size);
    return RESULT_OK;
}
