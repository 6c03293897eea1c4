/* SPDX-License-Identifier: MIT
 *
 * Reading where there may be nothing: the kernel copies from our own process, and says so instead of faulting.
 */
#include <sys/uio.h>
#include <unistd.h>
#include "platform/os.h"

bool os_probe_read(void *to, uint64_t from, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}
