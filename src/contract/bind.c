/* SPDX-License-Identifier: MIT
 *
 * The bind hook: a socket is about to get, or gives up, a local address.  efW's bind_md_t is the real context, and both
 * personalities see it as it is; Linux has no such hook, so a program of its personality comes here under a number of
 * ours.  Verdicts: PERMIT (soft) 0, DENY 1, REDIRECT 2, PERMIT_HARD 3; any other value denies.
 */
#include "contract/contract.h"

enum { PERMIT_SOFT, DENY, REDIRECT, PERMIT_HARD };

#define SCALAR(name, offset, size, flags)                                                                              \
    {                                                                                                                  \
        name, FIELD_SCALAR, offset, size, offset, size, FIELD_READ | (flags), -1                                       \
    }

/* The address is what a redirecting program rewrites. */
static const struct context_field fields[] = {
    {"app_id_start", FIELD_MEMORY, 0, 8, 0, 8, FIELD_READ, 1},
    {"app_id_end", FIELD_MEMORY_END, 8, 8, 8, 8, FIELD_READ, -1},
    SCALAR("process_id", 16, 8, 0),
    {"socket_address", FIELD_BYTES, 24, 16, 24, 16, FIELD_READ | FIELD_WRITE, -1},
    SCALAR("socket_address_length", 40, 1, FIELD_WRITE),
    SCALAR("operation", 44, 4, 0),
    SCALAR("protocol", 48, 1, 0),
};

#define LAYOUT                                                                                                         \
    {                                                                                                                  \
        56, sizeof(fields) / sizeof(fields[0]), fields                                                                 \
    }
#define RETURNS                                                                                                        \
    {                                                                                                                  \
        {PERMIT_SOFT, PERMIT_HARD}, NULL, DENY                                                                         \
    }

const struct program_contract contract_bind = {
    .name = "bind",
    .guid = GUID_BYTES(0x608c517cu, 0x6c52, 0x4a26, 0xb6, 0x77, 0xbb, 0x1c, 0x34, 0x42, 0x5a, 0xdf),
    .type = {[PERSONALITY_LINUX] = LINUX_TYPE_BIND, [PERSONALITY_EFW] = 2},
    .context = {LAYOUT, LAYOUT},
    .returns = {RETURNS, RETURNS},
    .real_size = 56,
    .flags = CONTRACT_ANY_RETURN,
};
