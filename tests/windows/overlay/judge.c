/* SPDX-License-Identifier: MIT
 *
 * The judge's desk: the shared counters, the log C:\judge.log (one line a violation or crash, addresses as
 * image+offset so that a symbolizer can name the source line), and the vectored handler that notes a driver's crash
 * with the driver addresses on its stack before Wine ends the process.
 */
#include <stdarg.h>
#include "overlay.h"

struct judge *judge;
static struct judge spare;
static ULONG tls_irql, tls_regions, tls_attached;
static HANDLE log_file;
static volatile LONG log_lock;

static void *wine_kernel(void)
{
    static void *module;
    if (!module)
        module = GetModuleHandleW(L"wkrnl.dll");
    return module;
}

static void put_line(const char *text, ULONG length)
{
    ULONG written;
    while (InterlockedExchange(&log_lock, 1))
        Sleep(0);
    if (!log_file)
        log_file = CreateFileW(L"C:\\judge.log", 4 /* FILE_APPEND_DATA */, 7, NULL, 4 /* OPEN_ALWAYS */, 0x80, NULL);
    WriteFile(log_file, text, length, &written, NULL);
    InterlockedExchange(&log_lock, 0);
}

static int (*format_into)(char *, SIZE_T, const char *, va_list);

static void log_line(const char *format, ...)
{
    char line[512];
    va_list arguments;
    if (!format_into)
        format_into = (int (*)(char *, SIZE_T, const char *, va_list))wine_routine("_vsnprintf");
    va_start(arguments, format);
    int length = format_into(line, sizeof line - 2, format, arguments);
    va_end(arguments);
    if (length < 0 || length > (int)sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    put_line(line, (ULONG)length);
}

void *wine_routine(const char *name)
{
    void *routine = wine_kernel() ? GetProcAddress(wine_kernel(), name) : NULL;
    if (!routine) {
        put_line("overlay: wkrnl.dll lacks ", 25);
        ULONG length = 0;
        while (name[length])
            length++;
        put_line(name, length);
        put_line("\n", 1);
        *(volatile int *)0 = 0;
    }
    return routine;
}

int driver_of(const void *address, void **base, const wchar_t **name)
{
    static const char marker[] = "Wine builtin DLL";
    void *image = NULL;
    if (!RtlPcToFileHeader((void *)(ULONG_PTR)address, &image) || !image)
        return 0;
    if (image == wine_kernel() || image == GetModuleHandleW(L"ntoskrnl.exe"))
        return 0;
    const char *place = (const char *)image + 0x40;
    int builtin = 1;
    for (int i = 0; i < 16; i++)
        builtin &= place[i] == marker[i];
    if (builtin)
        return 0;
    *base = image;
    if (name) { /* the export-less .sys names itself nowhere: walk the loader's list */
        *name = L"driver";
        const char *peb = (const char *)__readgsqword(0x60);
        PLIST_ENTRY head = (PLIST_ENTRY)(*(char *const *)(peb + 0x18) + 0x10); /* PEB->Ldr->InLoadOrderModuleList */
        for (PLIST_ENTRY at = head->Flink; at != head; at = at->Flink)
            if (*(void **)((char *)at + 0x30) == image)
                *name = ((UNICODE_STRING *)((char *)at + 0x58))->Buffer;
    }
    return 1;
}

int watched(const void *caller)
{
    void *image = NULL, *base;
    if (RtlPcToFileHeader((void *)(ULONG_PTR)caller, &image) &&
        (image == wine_kernel() || image == GetModuleHandleW(L"ntoskrnl.exe")))
        return 1;
    return driver_of(caller, &base, NULL);
}

void violation(const void *caller, const char *format, ...)
{
    char text[400];
    void *base = NULL;
    const wchar_t *name = L"?";
    va_list arguments;
    if (!format_into)
        format_into = (int (*)(char *, SIZE_T, const char *, va_list))wine_routine("_vsnprintf");
    va_start(arguments, format);
    int length = format_into(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    text[length < 0 || length > (int)sizeof text - 1 ? (int)sizeof text - 1 : length] = 0;
    InterlockedIncrement64(&judge->violations);
    if (driver_of(caller, &base, &name))
        log_line("%ls+0x%llx: %s", name, (unsigned long long)((char *)caller - (char *)base), text);
    else
        log_line("overlay: %s", text);
}

KIRQL irql_now(void)
{
    return (KIRQL)(ULONG_PTR)TlsGetValue(tls_irql);
}

void irql_set(KIRQL irql)
{
    TlsSetValue(tls_irql, (void *)(ULONG_PTR)irql);
}

ULONG regions_now(void)
{
    return (ULONG)(ULONG_PTR)TlsGetValue(tls_regions);
}

void regions_set(ULONG count)
{
    TlsSetValue(tls_regions, (void *)(ULONG_PTR)count);
}

ULONG attached_now(void)
{
    return (ULONG)(ULONG_PTR)TlsGetValue(tls_attached);
}

void attached_set(ULONG process)
{
    TlsSetValue(tls_attached, (void *)(ULONG_PTR)process);
}

void require_irql(const char *api, KIRQL highest, const void *caller)
{
    KIRQL now = irql_now();
    if (now > highest && watched(caller))
        violation(caller, "%s called at IRQL %u, allowed up to %u", api, now, highest);
}

int allocation_fails(const void *caller)
{
    if (!watched(caller))
        return 0;
    InterlockedIncrement64(&judge->allocations);
    if (judge->fail_at > 0 && InterlockedDecrement64(&judge->fail_at) == 0) {
        InterlockedIncrement64(&judge->injected);
        return 1;
    }
    return 0;
}

struct exception_pointers {
    EXCEPTION_RECORD *record;
    CONTEXT *context;
};

/* Notes faults whose instruction, or whose caller, is a driver.  Wine resolves some faults itself (privileged
 * instructions), so only the two kinds that are always ours to answer for are taken. */
static LONG __stdcall on_exception(void *pointers)
{
    static volatile LONG noted;
    struct exception_pointers *fault = pointers;
    ULONG code = fault->record->ExceptionCode;
    void *base;
    const wchar_t *name;
    int ours = 0;
    if (code != STATUS_ACCESS_VIOLATION && code != STATUS_ILLEGAL_INSTRUCTION && code != STATUS_STACK_OVERFLOW &&
        code != 0xc0000409)
        return 0;
    void **stack = (void **)fault->context->Rsp;
    if (driver_of((void *)fault->context->Rip, &base, &name))
        ours = 1;
    else
        for (int i = 0; i < 64 && !ours; i++)
            ours = driver_of(stack[i], &base, &name);
    if (!ours || InterlockedIncrement(&noted) > 4)
        return 0;
    InterlockedIncrement64(&judge->crashes);
    log_line("crash: exception 0x%08lx, %s 0x%llx", code,
             fault->record->NumberParameters > 1 && fault->record->ExceptionInformation[0] ? "writing" : "reading",
             (unsigned long long)(fault->record->NumberParameters > 1 ? fault->record->ExceptionInformation[1] : 0));
    if (driver_of((void *)fault->context->Rip, &base, &name))
        log_line("%ls+0x%llx: crash: here", name, (unsigned long long)(fault->context->Rip - (ULONG_PTR)base));
    for (int i = 0, shown = 0; i < 256 && shown < 12; i++)
        if (driver_of(stack[i], &base, &name)) {
            log_line("%ls+0x%llx: crash: on the stack", name, (unsigned long long)((char *)stack[i] - (char *)base));
            shown++;
        }
    return 0; /* EXCEPTION_CONTINUE_SEARCH */
}

BOOLEAN __stdcall DllMain(void *instance, ULONG reason, void *reserved);
BOOLEAN __stdcall DllMain(void *instance, ULONG reason, void *reserved)
{
    if (reason == 1) {
        HANDLE section = CreateFileMappingW((HANDLE)-1, NULL, 4, 0, sizeof *judge, JUDGE_SECTION);
        judge = section ? MapViewOfFile(section, 6, 0, 0, 0) : NULL;
        if (!judge)
            judge = &spare;
        judge->magic = JUDGE_MAGIC;
        tls_irql = TlsAlloc();
        tls_regions = TlsAlloc();
        tls_attached = TlsAlloc();
        AddVectoredExceptionHandler(1, on_exception);
    }
    return TRUE;
}
