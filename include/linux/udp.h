/* SPDX-License-Identifier: MIT
 *
 * The UDP header (RFC 768).
 */
#ifndef _LINUX_UDP_H
#define _LINUX_UDP_H

#include <linux/types.h>

#ifndef __NETINET_UDP_H /* the C library's has the same structure */
struct udphdr {
    __be16 source;
    __be16 dest;
    __be16 len;
    __sum16 check;
};
#endif

#endif
