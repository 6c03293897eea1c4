/* SPDX-License-Identifier: MIT
 *
 * Who is running, and random bytes.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>
#include "platform/os.h"

uint64_t os_current_pid_tgid(void)
{
    return (uint64_t)getpid() << 32 | (uint32_t)gettid();
}

uint64_t os_current_uid_gid(void)
{
    return (uint64_t)getgid() << 32 | (uint32_t)getuid();
}

void os_current_comm(char out[16])
{
    memset(out, 0, 16);
    prctl(PR_GET_NAME, out);
}

void os_random(void *out, size_t size)
{
    for (size_t got = 0; got < size;) {
        ssize_t n = getrandom((uint8_t *)out + got, size - got, 0);
        bug_if(n < 0 && errno != EINTR);
        if (n > 0)
            got += (size_t)n;
    }
}
