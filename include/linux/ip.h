/* SPDX-License-Identifier: MIT
 *
 * The IPv4 header (RFC 791).
 */
#ifndef _LINUX_IP_H
#define _LINUX_IP_H

#include <linux/types.h>

#define IPVERSION         4
#define MAXTTL            255
#define IPDEFTTL          64
#define IPTOS_TOS_MASK    0x1E
#define IPTOS_TOS(tos)    ((tos)&IPTOS_TOS_MASK)
#define IPTOS_LOWDELAY    0x10
#define IPTOS_THROUGHPUT  0x08
#define IPTOS_RELIABILITY 0x04
#define IPTOS_MINCOST     0x02

#ifndef __NETINET_IP_H /* the C library's has the same structure */
struct iphdr {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    __u8 ihl : 4, version : 4;
#else
    __u8 version : 4, ihl : 4;
#endif
    __u8 tos;
    __be16 tot_len;
    __be16 id;
    __be16 frag_off;
    __u8 ttl;
    __u8 protocol;
    __sum16 check;
    union {
        struct {
            __be32 saddr;
            __be32 daddr;
        };
        struct {
            __be32 saddr;
            __be32 daddr;
        } addrs;
    };
};
#endif

#endif
