/* SPDX-License-Identifier: MIT
 *
 * Who is running, and random bytes.
 */
#include <string.h>
#include "platform/win_user/user.h"
#include <bcrypt.h>

uint64_t os_current_pid_tgid(void)
{
    return (uint64_t)GetCurrentProcessId() << 32 | GetCurrentThreadId();
}

/* Windows identities are no numbers. */
uint64_t os_current_uid_gid(void)
{
    return 0;
}

void os_current_comm(char out[16])
{
    char path[MAX_PATH];
    DWORD length = GetModuleFileNameA(NULL, path, sizeof path - 1);
    path[length] = 0;
    const char *slash = strrchr(path, '\\'), *name = slash ? slash + 1 : path;
    size_t size = strlen(name);
    memset(out, 0, 16);
    memcpy(out, name, size < 15 ? size : 15);
}

void os_random(void *out, size_t size)
{
    for (uint8_t *to = out; size;) {
        ULONG part = size < (1u << 30) ? (ULONG)size : 1u << 30;
        bug_if(BCryptGenRandom(NULL, to, part, BCRYPT_USE_SYSTEM_PREFERRED_RNG));
        to += part;
        size -= part;
    }
}
