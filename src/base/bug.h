/* SPDX-License-Identifier: MIT
 *
 * bug_if(): our own mistakes.  In a process it prints the place and aborts; the driver turns it into a bugcheck.
 * It stays on in release builds: a security product prefers a stop to a guess.  Never for input from outside.
 */
#ifndef WINBPF_BASE_BUG_H
#define WINBPF_BASE_BUG_H

/* Supplied by the platform (src/platform/linux/bug.c, ...).  Does not return. */
#if defined(__GNUC__)
__attribute__((noreturn, cold))
#endif
void os_bug(const char *condition, const char *file, int line);

#define bug_if(condition) ((condition) ? os_bug(#condition, __FILE__, __LINE__) : (void)0)

#endif
