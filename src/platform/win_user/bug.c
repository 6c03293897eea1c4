/* SPDX-License-Identifier: MIT
 *
 * Our own mistakes end the process, after one line that says where.
 */
#include <stdio.h>
#include <stdlib.h>
#include "platform/os.h"

void os_bug(const char *condition, const char *file, int line)
{
    fprintf(stderr, "winbpf: bug at %s:%d: %s\n", file, line, condition);
    fflush(stderr);
    abort();
}
