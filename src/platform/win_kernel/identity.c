/* SPDX-License-Identifier: MIT
 *
 * Who is running, and random bytes.
 *
 * The system's generator may be asked at PASSIVE_LEVEL only (BCryptGenRandom with BCRYPT_USE_SYSTEM_PREFERRED_RNG), and
 * programs ask at DISPATCH_LEVEL.  So it gives a key once, and what we hand out is ChaCha20 (RFC 8439) under that key:
 * every request takes block numbers of its own from one counter, without a lock.
 */
#include <string.h>
#include "platform/win_kernel/kernel.h"

NTSTATUS NTAPI BCryptGenRandom(PVOID algorithm, PUCHAR buffer, ULONG size, ULONG flags);
enum { USE_SYSTEM_PREFERRED_RNG = 2, BLOCK = 64 };

static uint32_t key[8];
static uint64_t next_block;

enum result kernel_random_start(void);
enum result kernel_random_start(void)
{
    return kernel_result(BCryptGenRandom(NULL, (PUCHAR)key, sizeof key, USE_SYSTEM_PREFERRED_RNG));
}

static uint32_t rotate(uint32_t v, int n)
{
    return v << n | v >> (32 - n);
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b], s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d], s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(uint64_t number, uint32_t out[16])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(start + 4, key, sizeof key);
    start[12] = (uint32_t)number;
    start[13] = (uint32_t)(number >> 32);
    memcpy(out, start, BLOCK);
    for (int i = 0; i < 10; i++) {
        for (int c = 0; c < 4; c++)
            quarter(out, c, 4 + c, 8 + c, 12 + c);
        for (int c = 0; c < 4; c++)
            quarter(out, c, 4 + (c + 1) % 4, 8 + (c + 2) % 4, 12 + (c + 3) % 4);
    }
    for (int i = 0; i < 16; i++)
        out[i] += start[i];
}

void os_random(void *out, size_t size)
{
    uint32_t bytes[16];
    uint64_t number = os_fetch_add(&next_block, (size + BLOCK - 1) / BLOCK);
    for (size_t done = 0; done < size; done += BLOCK) {
        block(number++, bytes);
        memcpy((uint8_t *)out + done, bytes, size - done < BLOCK ? size - done : BLOCK);
    }
}

/* PsGetCurrentProcessId, PsGetCurrentThreadId, IRQL: <= DISPATCH_LEVEL.  A program that runs for a packet sees whom it
 * interrupted, as on Linux. */
uint64_t os_current_pid_tgid(void)
{
    return (uint64_t)(ULONG_PTR)PsGetCurrentProcessId() << 32 | (uint32_t)(ULONG_PTR)PsGetCurrentThreadId();
}

/* Windows identities are no numbers. */
uint64_t os_current_uid_gid(void)
{
    return 0;
}

/* No documented routine names a process at DISPATCH_LEVEL. */
void os_current_comm(char out[16])
{
    memset(out, 0, 16);
}
