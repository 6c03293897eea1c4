/* SPDX-License-Identifier: MIT
 *
 * What has been registered with the core: map kinds, helper families, hooks.  Filled while starting, constant while
 * commands run, emptied by core_stop().  Registering more than there is room for, or a kind twice, is a bug.
 */
#ifndef WINBPF_CORE_REGISTRY_H
#define WINBPF_CORE_REGISTRY_H

void registry_clear(void);

#endif
