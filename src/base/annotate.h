/* SPDX-License-Identifier: MIT
 *
 * The SAL words that shared code uses to state its calling context.  They mean something to Microsoft's analyser in
 * the Windows build and vanish everywhere else.  _Requires_epoch_held_ is ours: the caller is inside
 * epoch_enter/epoch_leave (core/epoch.h), so what it gets stays allocated until it leaves.
 */
#ifndef WINBPF_BASE_ANNOTATE_H
#define WINBPF_BASE_ANNOTATE_H

#ifndef _IRQL_requires_max_
#define _IRQL_requires_max_(level)
#endif
#ifndef _IRQL_requires_
#define _IRQL_requires_(level)
#endif
#ifndef _Must_inspect_result_
#if defined(__GNUC__)
#define _Must_inspect_result_ __attribute__((warn_unused_result))
#else
#define _Must_inspect_result_
#endif
#endif
#define _Requires_epoch_held_

/* printf-style checking where the compiler offers it; `f` and `a` are 1-based parameter positions. */
#if defined(__MINGW32__) && !defined(__clang__)
#define WINBPF_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#elif defined(__GNUC__)
#define WINBPF_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define WINBPF_PRINTF(f, a)
#endif

#if defined(__GNUC__)
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define NOINLINE      __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define likely(x)     (x)
#define unlikely(x)   (x)
#define NOINLINE      __declspec(noinline)
#define ALWAYS_INLINE __forceinline
#endif

#endif
