/* SPDX-License-Identifier: MIT
 *
 * The Network Module Registrar's interface, as its documentation has it (netioddk.h, which mingw-w64 lacks): providers
 * and clients of a network programming interface (NPI) register and are attached to each other.
 */
#ifndef WINBPF_TESTS_WINDOWS_NMR_H
#define WINBPF_TESTS_WINDOWS_NMR_H

#include <ntifs.h>

typedef GUID NPIID, *PNPIID;
typedef struct {
    USHORT Length;
    ULONG Type; /* 1: Guid */
    union {
        GUID Guid;
        LUID IfLuid;
    };
} NPI_MODULEID, *PNPI_MODULEID;
typedef struct {
    USHORT Version, Size;
    PNPIID NpiId;
    PNPI_MODULEID ModuleId;
    ULONG Number;
    const VOID *NpiSpecificCharacteristics;
} NPI_REGISTRATION_INSTANCE, *PNPI_REGISTRATION_INSTANCE;

typedef struct {
    USHORT Version, Length;
    NTSTATUS(NTAPI *ClientAttachProvider)
    (HANDLE binding, PVOID client_context, PNPI_REGISTRATION_INSTANCE provider);
    NTSTATUS(NTAPI *ClientDetachProvider)(PVOID client_binding_context);
    VOID(NTAPI *ClientCleanupBindingContext)(PVOID client_binding_context);
    NPI_REGISTRATION_INSTANCE ClientRegistrationInstance;
} NPI_CLIENT_CHARACTERISTICS, *PNPI_CLIENT_CHARACTERISTICS;

typedef struct {
    USHORT Version, Length;
    NTSTATUS(NTAPI *ProviderAttachClient)
    (HANDLE binding, PVOID provider_context, PNPI_REGISTRATION_INSTANCE client, PVOID client_binding_context,
     const VOID *client_dispatch, PVOID *provider_binding_context, const VOID **provider_dispatch);
    NTSTATUS(NTAPI *ProviderDetachClient)(PVOID provider_binding_context);
    VOID(NTAPI *ProviderCleanupBindingContext)(PVOID provider_binding_context);
    NPI_REGISTRATION_INSTANCE ProviderRegistrationInstance;
} NPI_PROVIDER_CHARACTERISTICS, *PNPI_PROVIDER_CHARACTERISTICS;

NTSTATUS NTAPI NmrRegisterClient(PNPI_CLIENT_CHARACTERISTICS client, PVOID context, PHANDLE handle);
NTSTATUS NTAPI NmrDeregisterClient(HANDLE handle);
NTSTATUS NTAPI NmrWaitForClientDeregisterComplete(HANDLE handle);
NTSTATUS NTAPI NmrClientAttachProvider(HANDLE binding, PVOID client_binding_context, const VOID *client_dispatch,
                                       PVOID *provider_binding_context, const VOID **provider_dispatch);
VOID NTAPI NmrClientDetachProviderComplete(HANDLE binding);
NTSTATUS NTAPI NmrRegisterProvider(PNPI_PROVIDER_CHARACTERISTICS provider, PVOID context, PHANDLE handle);
NTSTATUS NTAPI NmrDeregisterProvider(HANDLE handle);
NTSTATUS NTAPI NmrWaitForProviderDeregisterComplete(HANDLE handle);
VOID NTAPI NmrProviderDetachClientComplete(HANDLE binding);

#endif
