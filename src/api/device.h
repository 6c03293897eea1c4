/* SPDX-License-Identifier: MIT
 *
 * The driver's device, as this process has it open: the part of the library over a driver that is the system's own
 * (device_windows.c).
 */
#ifndef WINBPF_API_DEVICE_H
#define WINBPF_API_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/result.h"
#include "platform/os.h"
#include "wire/wire.h"

/* Makes the lock ready, once for all who call. */
void device_once(struct os_lock *lock);

/* Opens the device.  RESULT_NO_DEVICE where there is no driver, RESULT_ACCESS for those it does not let in. */
enum result device_open(void);
void device_close(void);

/* Carries one message; the calling thread waits for the answer.  When the process or the thread ends, the system
 * cancels the request. */
enum result device_exchange(void *self, struct wire_head *message);

/* What the caller finds as the thread's last error: nothing new, or that there is no such command. */
void device_error(bool known);

/* errno, in this library's C runtime and in the application's if that is another one. */
void device_set_errno(int error);

/* An auto-reset event that an application may wait for as well. */
struct device_event;
enum result device_event_create(struct device_event **out);
void device_event_destroy(struct device_event *event);
bool device_event_wait(struct device_event *event, int timeout_ms); /* negative: without end */
intptr_t device_event_handle(const struct device_event *event);

/* Has the event set whenever the map has something to read, until it is ended.  `handle` stays open meanwhile. */
struct device_wait;
enum result device_wait_begin(int handle, struct device_event *event, struct device_wait **out);
/* The same for an event of the application's own. */
enum result device_wait_begin_handle(int handle, intptr_t event, struct device_wait **out);
void device_wait_end(struct device_wait *wait);

#endif
