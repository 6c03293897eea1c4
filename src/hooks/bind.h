/* SPDX-License-Identifier: MIT
 *
 * The bind hook: programs that see a socket being given a local address, or giving it up, and permit, deny or redirect
 * it.  The context is efW's bind_md_t in both personalities; a test run brings the application's name as data.
 */
#ifndef WINBPF_HOOKS_BIND_H
#define WINBPF_HOOKS_BIND_H

#include <stdint.h>

/* The provider's context (contract_bind). */
struct bind_context {
    uint8_t *app_id_start, *app_id_end;
    uint64_t process_id;
    uint8_t socket_address[16];
    uint8_t socket_address_length;
    uint8_t reserved[3];
    uint32_t operation; /* 0 bind, 1 after bind, 2 unbind */
    uint8_t protocol;
    uint8_t reserved2[7];
};

enum bind_verdict { BIND_VERDICT_PERMIT, BIND_VERDICT_DENY, BIND_VERDICT_REDIRECT, BIND_VERDICT_PERMIT_HARD };

#endif
