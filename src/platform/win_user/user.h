/* SPDX-License-Identifier: MIT
 *
 * The system's declarations, for this folder only.  Oldest system: Windows 10 1607 and Server 2016.
 */
#ifndef WINBPF_PLATFORM_WIN_USER_H
#define WINBPF_PLATFORM_WIN_USER_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include "platform/os.h"

#endif
