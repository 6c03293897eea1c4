/* SPDX-License-Identifier: MIT
 *
 * Who may open the device: SYSTEM and Administrators, as "D:P(A;;GA;;;SY)(A;;GA;;;BA)" says.  IoCreateDeviceSecure is a
 * library routine of Microsoft's kit, not one of the system's; this does what its page describes, with the system's:
 * the list is put on the device object before the device can be opened (DO_DEVICE_INITIALIZING is still set), and
 * FILE_DEVICE_SECURE_OPEN makes it hold for every name below it.  (ObOpenObjectByPointer, ZwSetSecurityObject, Rtl*,
 * IRQL: PASSIVE_LEVEL.)
 */
#include "driver.h"

/* S-1-5-18 and S-1-5-32-544: revision, number of parts, authority, parts. */
static struct {
    UCHAR revision, count, authority[6];
    ULONG parts[2];
} system_sid = {SID_REVISION, 1, {0, 0, 0, 0, 0, 5}, {18}},
  administrators_sid = {SID_REVISION, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};

NTSTATUS device_protect(PDEVICE_OBJECT device)
{
    union {
        ACL acl;
        uint8_t room[256];
    } list;
    SECURITY_DESCRIPTOR descriptor;
    HANDLE handle;
    NTSTATUS status = RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    if (NT_SUCCESS(status))
        status = RtlCreateAcl(&list.acl, sizeof list, ACL_REVISION);
    if (NT_SUCCESS(status))
        status = RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, FILE_ALL_ACCESS, &system_sid);
    if (NT_SUCCESS(status))
        status = RtlAddAccessAllowedAce(&list.acl, ACL_REVISION, FILE_ALL_ACCESS, &administrators_sid);
    if (NT_SUCCESS(status))
        status = RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &list.acl, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    descriptor.Control |= SE_DACL_PROTECTED;
    status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode, &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    ZwClose(handle);
    return status;
}
