/* SPDX-License-Identifier: MIT
 *
 * One vocabulary for the operating system: memory, locks, atomics, time, CPUs, threads.  The stateful rooms (core,
 * maps, helpers, hooks) know nothing else; each platform folder implements it (linux/, win_user/, win_kernel/: the
 * last with WINBPF_KERNEL defined). Names carry context: os_lock may sleep (PASSIVE_LEVEL), os_spin_lock raises to
 * DISPATCH_LEVEL and must not.
 */
#ifndef WINBPF_PLATFORM_OS_H
#define WINBPF_PLATFORM_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/annotate.h"
#include "base/arena.h"
#include "base/bug.h"
#include "base/executable.h"
#include "base/result.h"
#include "platform/atomic.h"
#include "platform/spin.h"

/* Memory.  Tags are four characters and name the owner in leak reports ("map ", "prog"). os_alloc gives zeroed memory,
 * 16-byte aligned, non-paged in a kernel; NULL when there is none.  os_free takes the size that was asked for. */
#define OS_TAG(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
_IRQL_requires_max_(DISPATCH_LEVEL)
void *os_alloc(size_t size, uint32_t tag);
_IRQL_requires_max_(DISPATCH_LEVEL)
void os_free(void *memory, size_t size, uint32_t tag);
/* Cache-line (64 byte) aligned, for per-CPU data and map values; large requests are page-backed and lazily touched. */
void *os_alloc_aligned(size_t size, uint32_t tag);
void os_free_aligned(void *memory, size_t size, uint32_t tag);
extern const struct allocator os_allocator; /* the same, for arenas */
extern const struct executable os_executable;

/* Failure dial for tests: the n-th allocation from now (1-based) and no other fails; 0: none.  os_alloc_count() counts
 * allocations since the last os_alloc_fail(); live bytes and blocks show leaks. */
void os_alloc_fail(uint64_t nth);
uint64_t os_alloc_count(void);
void os_alloc_live(uint64_t *blocks, uint64_t *bytes);

/* Pages that user space may map: a file (memfd) on Linux, a section on Windows. */
struct os_shared;
/* `size` bytes, a multiple of os_page_size().  Zeroed. */
enum result os_shared_create(size_t size, struct os_shared **out);
void os_shared_destroy(struct os_shared *shared);
/* The kernel's or core's own mapping.  Ring buffers: data pages from `twice_from` to the end are mapped twice in a row.
 */
enum result os_shared_map(struct os_shared *shared, size_t twice_from, void **out);
/* A client's mapping of [offset, offset + length), `writable` or read-only; the in-process form of mmap on a map fd. */
enum result os_shared_map_client(struct os_shared *shared, size_t offset, size_t length, bool writable, void **out);
void os_shared_unmap(void *memory, size_t length);
size_t os_page_size(void);

/* Locks. */
struct os_lock {
    void *opaque[8];
};
void os_lock_init(struct os_lock *lock);
void os_lock_destroy(struct os_lock *lock);
_IRQL_requires_max_(PASSIVE_LEVEL)
void os_lock_acquire(struct os_lock *lock);
void os_lock_release(struct os_lock *lock);
/* struct os_spin_lock, os_spin_acquire(), os_spin_release(): platform/spin.h, inline. */

/* Time, nanoseconds.  Monotonic excludes suspend (ktime_get_ns), boot includes it. */
uint64_t os_time_monotonic(void);
uint64_t os_time_boot(void);
uint64_t os_time_coarse(void);

/* CPUs: numbers 0 … os_cpu_count() - 1, possible ones (constant for the life of the process). */
uint32_t os_cpu_count(void);
uint32_t os_cpu_current(void);

void os_random(void *out, size_t size);

#ifdef WINBPF_KERNEL
/* Stays on this CPU, at DISPATCH_LEVEL, until os_cpu_unpin(); returns what to go back to. */
_IRQL_requires_max_(DISPATCH_LEVEL)
os_irql os_cpu_pin(void);
void os_cpu_unpin(os_irql before);
/* At PASSIVE_LEVEL or APC_LEVEL, where one may wait? */
bool os_may_wait(void);
/* Names the running thread, for comparison only. */
uintptr_t os_thread_self(void);
#endif

/* A variable of each thread's own (user mode only), at a fixed place so that reading it costs one instruction. */
#if defined(__GNUC__) && !defined(_WIN32)
#define OS_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define OS_THREAD_LOCAL _Thread_local
#endif

/* Threads and waiting (PASSIVE_LEVEL). */
struct os_thread;
enum result os_thread_start(void (*body)(void *), void *argument, struct os_thread **out);
void os_thread_join(struct os_thread *thread);
void os_sleep_ns(uint64_t ns);
void os_yield(void);

/* An auto-reset event: wait returns true once per set (sets may coalesce), false after `timeout_ns` (UINT64_MAX:
 * never). */
struct os_event;
enum result os_event_create(struct os_event **out);
void os_event_destroy(struct os_event *event);
_IRQL_requires_max_(DISPATCH_LEVEL)
void os_event_set(struct os_event *event);
bool os_event_wait(struct os_event *event, uint64_t timeout_ns);
/* Linux: an eventfd that polls readable after a set (ring buffer epoll); -1 elsewhere. */
int os_event_fd(struct os_event *event);

/* Reads from an address that may be anything, as a program's %s argument.  False, with `to` undefined, where there is
 * no such memory. */
bool os_probe_read(void *to, uint64_t from, size_t size);

/* Who is running: for helpers and listings. */
uint64_t os_current_pid_tgid(void); /* tgid << 32 | pid */
uint64_t os_current_uid_gid(void);  /* gid << 32 | uid */
void os_current_comm(char out[16]);

#endif
