/* SPDX-License-Identifier: MIT
 *
 * CPUs: the possible ones, as stock tools count them (sysfs), for they size per-CPU buffers by it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>
#include "platform/os.h"

enum { CPUS_MOST = 4096 };

/* The last number of a list such as "0-3,8-11", plus one; 0 when it cannot be read. */
static uint32_t possible(void)
{
    char text[256];
    int fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = 0;
    unsigned long last = 0;
    for (char *p = text; *p;) {
        if (*p < '0' || *p > '9') {
            p++;
            continue;
        }
        last = strtoul(p, &p, 10);
    }
    return last < CPUS_MOST ? (uint32_t)last + 1 : 0;
}

uint32_t os_cpu_count(void)
{
    static uint32_t count;
    uint32_t known = os_load(&count);
    if (likely(known))
        return known;
    known = possible();
    if (!known) {
        long configured = sysconf(_SC_NPROCESSORS_CONF);
        known = configured > 0 && configured < CPUS_MOST ? (uint32_t)configured : 1;
    }
    os_store(&count, known);
    return known;
}

uint32_t os_cpu_current(void)
{
    int cpu = sched_getcpu();
    return likely(cpu >= 0 && (uint32_t)cpu < os_cpu_count()) ? (uint32_t)cpu : 0;
}
