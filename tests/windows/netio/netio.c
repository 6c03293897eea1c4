/* SPDX-License-Identifier: MIT
 *
 * A netio.sys with the Network Module Registrar alone, which Wine's lacks, and its judge.  Rules, from the pages of the
 * routines: register at PASSIVE_LEVEL, wait below DISPATCH_LEVEL, the rest up to it; whoever deregisters waits before
 * it is unloaded; a client attaches inside its ClientAttachProvider callback, and that callback succeeds exactly when
 * it has; a detach that was answered STATUS_PENDING is completed once, any other never.  Cleanup callbacks come when
 * both sides are detached.
 *
 * Callbacks are called in the thread that registers, deregisters or completes, without the lock.
 */
#include "nmr.h"

/* The overlay kernel's, for this module alone. */
VOID NTAPI JudgeIrql(const char *api, ULONG highest, const void *caller);
VOID NTAPI JudgeViolation(const char *text, const void *caller);

#define CALLER __builtin_return_address(0)

enum { MODULES = 64, BINDINGS = 256 };
enum side { CLIENT, PROVIDER };
enum detach { ATTACHED, PENDING, DETACHED };

static struct module {
    int used, leaving;
    enum side side;
    union {
        PNPI_CLIENT_CHARACTERISTICS client;
        PNPI_PROVIDER_CHARACTERISTICS provider;
    };
    PVOID context;
    const void *caller;
} modules[MODULES];

static struct binding {
    int used, attached, going;
    struct module *module[2];
    PVOID context[2];
    enum detach detach[2];
} bindings[BINDINGS];

static volatile LONG lock_word;

static void pause(void)
{
    LARGE_INTEGER interval = {.QuadPart = -10000};
    KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

static void hold(void)
{
    while (InterlockedExchange(&lock_word, 1))
        ;
}

static void let_go(void)
{
    InterlockedExchange(&lock_word, 0);
}

static const NPI_REGISTRATION_INSTANCE *instance(const struct module *module)
{
    return module->side == CLIENT ? &module->client->ClientRegistrationInstance
                                  : &module->provider->ProviderRegistrationInstance;
}

static int same(const GUID *a, const GUID *b)
{
    const ULONG *x = (const ULONG *)a, *y = (const ULONG *)b;
    return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3];
}

static void bind(struct module *client, struct module *provider)
{
    struct binding *binding = NULL;
    hold();
    for (int i = 0; i < BINDINGS && !binding; i++)
        if (!bindings[i].used)
            binding = &bindings[i];
    if (binding)
        *binding = (struct binding){.used = 1, .module = {client, provider}};
    let_go();
    if (!binding)
        return;
    NTSTATUS status = client->client->ClientAttachProvider(binding, client->context,
                                                           &provider->provider->ProviderRegistrationInstance);
    if (NT_SUCCESS(status) != (binding->attached != 0))
        JudgeViolation(NT_SUCCESS(status) ? "ClientAttachProvider succeeded and did not attach"
                                          : "ClientAttachProvider failed and did attach",
                       (const void *)client->client->ClientAttachProvider);
    if (!binding->attached)
        binding->used = 0;
}

static NTSTATUS add(enum side side, PVOID characteristics, PVOID context, PHANDLE handle, const void *caller)
{
    struct module *module = NULL;
    hold();
    for (int i = 0; i < MODULES && !module; i++)
        if (!modules[i].used)
            module = &modules[i];
    if (module) {
        *module = (struct module){.used = 1, .side = side, .context = context, .caller = caller};
        module->client = characteristics;
    }
    let_go();
    if (!module)
        return STATUS_INSUFFICIENT_RESOURCES;
    *handle = module;
    for (int i = 0; i < MODULES; i++) {
        struct module *other = &modules[i];
        if (other->used && !other->leaving && other->side != side &&
            same(instance(other)->NpiId, instance(module)->NpiId))
            bind(side == CLIENT ? module : other, side == CLIENT ? other : module);
    }
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI NmrRegisterClient(PNPI_CLIENT_CHARACTERISTICS client, PVOID context, PHANDLE handle)
{
    JudgeIrql("NmrRegisterClient", PASSIVE_LEVEL, CALLER);
    return add(CLIENT, client, context, handle, CALLER);
}

NTSTATUS NTAPI NmrRegisterProvider(PNPI_PROVIDER_CHARACTERISTICS provider, PVOID context, PHANDLE handle)
{
    JudgeIrql("NmrRegisterProvider", PASSIVE_LEVEL, CALLER);
    return add(PROVIDER, provider, context, handle, CALLER);
}

NTSTATUS NTAPI NmrClientAttachProvider(HANDLE handle, PVOID client_binding_context, const VOID *client_dispatch,
                                       PVOID *provider_binding_context, const VOID **provider_dispatch)
{
    struct binding *binding = handle;
    PNPI_PROVIDER_CHARACTERISTICS provider = binding->module[PROVIDER]->provider;
    JudgeIrql("NmrClientAttachProvider", PASSIVE_LEVEL, CALLER);
    if (!binding->used || binding->attached) {
        JudgeViolation("NmrClientAttachProvider of a binding that is attached or gone", CALLER);
        return STATUS_INVALID_PARAMETER;
    }
    NTSTATUS status = provider->ProviderAttachClient(
        binding, binding->module[PROVIDER]->context, &binding->module[CLIENT]->client->ClientRegistrationInstance,
        client_binding_context, client_dispatch, provider_binding_context, provider_dispatch);
    if (NT_SUCCESS(status)) {
        binding->context[CLIENT] = client_binding_context;
        binding->context[PROVIDER] = *provider_binding_context;
        binding->attached = 1;
    }
    return status;
}

/* Both sides may call this at once; one of them ends the binding. */
static void detached(struct binding *binding, enum side side)
{
    hold();
    binding->detach[side] = DETACHED;
    int last = binding->detach[!side] == DETACHED;
    let_go();
    if (!last)
        return;
    if (binding->module[CLIENT]->client->ClientCleanupBindingContext)
        binding->module[CLIENT]->client->ClientCleanupBindingContext(binding->context[CLIENT]);
    if (binding->module[PROVIDER]->provider->ProviderCleanupBindingContext)
        binding->module[PROVIDER]->provider->ProviderCleanupBindingContext(binding->context[PROVIDER]);
    binding->used = 0;
}

static void detach(struct binding *binding)
{
    binding->detach[CLIENT] = binding->detach[PROVIDER] = PENDING; /* a callback may complete before it returns */
    NTSTATUS provider = binding->module[PROVIDER]->provider->ProviderDetachClient(binding->context[PROVIDER]);
    if (provider != STATUS_PENDING)
        detached(binding, PROVIDER);
    NTSTATUS client = binding->module[CLIENT]->client->ClientDetachProvider(binding->context[CLIENT]);
    if (client != STATUS_PENDING)
        detached(binding, CLIENT);
}

static void complete(struct binding *binding, enum side side, const void *caller)
{
    if (!binding->used || binding->detach[side] != PENDING) {
        JudgeViolation("a detach is completed that is not pending", caller);
        return;
    }
    detached(binding, side);
}

VOID NTAPI NmrClientDetachProviderComplete(HANDLE binding)
{
    JudgeIrql("NmrClientDetachProviderComplete", DISPATCH_LEVEL, CALLER);
    complete(binding, CLIENT, CALLER);
}

VOID NTAPI NmrProviderDetachClientComplete(HANDLE binding)
{
    JudgeIrql("NmrProviderDetachClientComplete", DISPATCH_LEVEL, CALLER);
    complete(binding, PROVIDER, CALLER);
}

static NTSTATUS leave(struct module *module, enum side side, const void *caller)
{
    if (!module->used || module->side != side || module->leaving) {
        JudgeViolation("a module is deregistered that is not registered", caller);
        return STATUS_INVALID_PARAMETER;
    }
    module->leaving = 1;
    for (int i = 0; i < BINDINGS; i++) {
        hold();
        struct binding *binding = &bindings[i];
        int ours = binding->used && binding->attached && !binding->going && binding->module[side] == module;
        binding->going |= ours;
        let_go();
        if (ours)
            detach(binding);
    }
    return STATUS_PENDING;
}

NTSTATUS NTAPI NmrDeregisterClient(HANDLE handle)
{
    JudgeIrql("NmrDeregisterClient", DISPATCH_LEVEL, CALLER);
    return leave(handle, CLIENT, CALLER);
}

NTSTATUS NTAPI NmrDeregisterProvider(HANDLE handle)
{
    JudgeIrql("NmrDeregisterProvider", DISPATCH_LEVEL, CALLER);
    return leave(handle, PROVIDER, CALLER);
}

static NTSTATUS wait(struct module *module, enum side side, const void *caller)
{
    if (!module->used || module->side != side || !module->leaving)
        return STATUS_INVALID_PARAMETER;
    for (int tries = 0;; tries++) {
        int left = 0;
        for (int i = 0; i < BINDINGS; i++)
            left |= bindings[i].used && bindings[i].module[side] == module;
        if (!left)
            break;
        if (tries == 10000)
            JudgeViolation("a module waits for a detach that is not completed", caller);
        pause();
    }
    module->used = 0;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI NmrWaitForClientDeregisterComplete(HANDLE handle)
{
    JudgeIrql("NmrWaitForClientDeregisterComplete", APC_LEVEL, CALLER);
    return wait(handle, CLIENT, CALLER);
}

NTSTATUS NTAPI NmrWaitForProviderDeregisterComplete(HANDLE handle)
{
    JudgeIrql("NmrWaitForProviderDeregisterComplete", APC_LEVEL, CALLER);
    return wait(handle, PROVIDER, CALLER);
}

/* For the overlay, when a driver is unloaded: who registered the n-th module that is there; NULL after the last. */
const void *NTAPI NetioRegistration(ULONG n);
const void *NTAPI NetioRegistration(ULONG n)
{
    for (int i = 0; i < MODULES; i++)
        if (modules[i].used && !n--)
            return modules[i].caller;
    return NULL;
}

BOOLEAN __stdcall DllMain(void *instance, ULONG reason, void *reserved);
BOOLEAN __stdcall DllMain(void *instance, ULONG reason, void *reserved)
{
    return TRUE;
}
