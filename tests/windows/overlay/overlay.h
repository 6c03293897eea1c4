/* SPDX-License-Identifier: MIT
 *
 * The overlay: an ntoskrnl.exe for Wine's driver process that implements what Wine lacks and judges the rest.  It
 * exports every name of Wine's own ntoskrnl (moved aside as wkrnl.dll): names in rules.def through a thunk that checks
 * the caller's IRQL, names defined here as shim_NAME in our version, all others as plain forwards.
 *
 * It encodes our reading of Windows' documentation; each rule cites the page of the routine it is about.
 */
#ifndef WINBPF_TESTS_OVERLAY_H
#define WINBPF_TESTS_OVERLAY_H

#include <ntifs.h>
#include "../judge.h"

/* The user-mode side that ntifs.h does not know: this "kernel" is a DLL in a process. */
#define WINBASE      __declspec(dllimport)
#define MEM_RELEASE_ 0x8000
WINBASE void *__stdcall VirtualAlloc(void *, SIZE_T, ULONG, ULONG);
WINBASE int __stdcall VirtualFree(void *, SIZE_T, ULONG);
WINBASE int __stdcall VirtualProtect(void *, SIZE_T, ULONG, ULONG *);
WINBASE void *__stdcall GetModuleHandleW(const wchar_t *);
WINBASE void *__stdcall GetProcAddress(void *, const char *);
WINBASE ULONG __stdcall GetCurrentThreadId(void);
WINBASE ULONG __stdcall TlsAlloc(void);
WINBASE void *__stdcall TlsGetValue(ULONG);
WINBASE int __stdcall TlsSetValue(ULONG, void *);
WINBASE void *__stdcall CreateFileMappingW(HANDLE, void *, ULONG, ULONG, ULONG, const wchar_t *);
WINBASE void *__stdcall MapViewOfFile(HANDLE, ULONG, ULONG, ULONG, SIZE_T);
WINBASE int __stdcall UnmapViewOfFile(const void *);
WINBASE HANDLE __stdcall CreateFileW(const wchar_t *, ULONG, ULONG, void *, ULONG, ULONG, HANDLE);
WINBASE int __stdcall WriteFile(HANDLE, const void *, ULONG, ULONG *, void *);
WINBASE int __stdcall CloseHandle(HANDLE);
WINBASE void __stdcall Sleep(ULONG);
WINBASE HANDLE __stdcall CreateThread(void *, SIZE_T, ULONG(__stdcall *)(void *), void *, ULONG, ULONG *);
WINBASE HANDLE __stdcall CreateEventW(void *, int, int, const wchar_t *);
WINBASE int __stdcall SetEvent(HANDLE);
WINBASE ULONG __stdcall WaitForSingleObject(HANDLE, ULONG);
WINBASE void *__stdcall AddVectoredExceptionHandler(ULONG, LONG(__stdcall *)(void *));
WINBASE int __stdcall QueryPerformanceCounter(LARGE_INTEGER *);
WINBASE int __stdcall QueryPerformanceFrequency(LARGE_INTEGER *);
WINBASE HANDLE __stdcall OpenProcess(ULONG, int, ULONG);
WINBASE int __stdcall DuplicateHandle(HANDLE, HANDLE, HANDLE, HANDLE *, ULONG, int, ULONG);
WINBASE HANDLE __stdcall GetCurrentProcess(void);
WINBASE void *__stdcall RtlPcToFileHeader(void *, void **);

extern struct judge *judge;

/* A routine of Wine's ntoskrnl; a missing one is a fault of the overlay and ends the process with a line. */
void *wine_routine(const char *name);

/* Is this address inside a watched driver?  The image base and the file name without folder in *base, *name. */
int driver_of(const void *address, void **base, const wchar_t **name);

/* Does a call that returns to this address count?  It does when a watched driver made it, also by a tail call from a
 * routine that Wine's kernel or the overlay called: neither of them calls the exports itself. */
int watched(const void *caller);

/* A rule was broken: one line "name+offset: text" in the log, and judge->violations. */
void violation(const void *caller, const char *format, ...);

/* The current thread's IRQL. */
KIRQL irql_now(void);
void irql_set(KIRQL irql);
/* A violation unless the IRQL is at most `highest`. */
void require_irql(const char *api, KIRQL highest, const void *caller);

/* Counts one allocation of a watched driver; true when it is the one to fail. */
int allocation_fails(const void *caller);

/* Pool for what the kernel allocates on a driver's behalf: counted as the caller's. */
void *pool_take(SIZE_T size, ULONG tag, const void *caller);
void pool_give(void *memory, const void *caller);

/* Called for every pool block before it goes: no queued DPC, timer or held lock may lie in it. */
void check_freed(const void *memory, SIZE_T size, const void *caller);
/* A driver has a handle more: until ZwClose, or a line at its unload. */
void handle_opened(HANDLE handle, const void *caller);

/* Before and after a routine of a driver: how much stack it took. */
void *stack_mark(void);
void stack_judge(void *mark, const void *routine);

/* Is a work item queued or running? */
int work_items_run(void);

/* Lines for what a driver left behind; called after its DriverUnload. */
void pool_report(void *base, const wchar_t *name);
void handles_report(void *base, const wchar_t *name);
void deferred_report(void *base, const wchar_t *name);
void memory_report(void *base);

/* Critical regions that the current thread is in: normal kernel APCs are disabled. */
ULONG regions_now(void);
void regions_set(ULONG count);
/* The process that the current thread is attached to, 0 for none. */
ULONG attached_now(void);
void attached_set(ULONG process);

#define CALLER __builtin_return_address(0)

#endif
