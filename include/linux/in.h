/* SPDX-License-Identifier: MIT
 *
 * IPv4: protocol numbers and addresses.  An application gets its C library's; a BPF program these.
 */
#ifndef _LINUX_IN_H
#define _LINUX_IN_H

#include <linux/types.h>

#if !defined(__bpf__) && !defined(__BPF__) && defined(__has_include)
#if __has_include(<netinet/in.h>)
#include <netinet/in.h>
#define _WINBPF_IN_FROM_LIBC
#endif
#endif

#ifndef _WINBPF_IN_FROM_LIBC
enum {
    IPPROTO_IP = 0,
    IPPROTO_ICMP = 1,
    IPPROTO_IGMP = 2,
    IPPROTO_IPIP = 4,
    IPPROTO_TCP = 6,
    IPPROTO_EGP = 8,
    IPPROTO_PUP = 12,
    IPPROTO_UDP = 17,
    IPPROTO_IDP = 22,
    IPPROTO_TP = 29,
    IPPROTO_DCCP = 33,
    IPPROTO_IPV6 = 41,
    IPPROTO_RSVP = 46,
    IPPROTO_GRE = 47,
    IPPROTO_ESP = 50,
    IPPROTO_AH = 51,
    IPPROTO_MTP = 92,
    IPPROTO_BEETPH = 94,
    IPPROTO_ENCAP = 98,
    IPPROTO_PIM = 103,
    IPPROTO_COMP = 108,
    IPPROTO_L2TP = 115,
    IPPROTO_SCTP = 132,
    IPPROTO_UDPLITE = 136,
    IPPROTO_MPLS = 137,
    IPPROTO_ETHERNET = 143,
    IPPROTO_RAW = 255,
    IPPROTO_SMC = 256,
    IPPROTO_MPTCP = 262,
    IPPROTO_MAX
};

struct in_addr {
    __be32 s_addr;
};

struct sockaddr_in {
    __u16 sin_family;
    __be16 sin_port;
    struct in_addr sin_addr;
    unsigned char sin_zero[8];
};

#define INADDR_ANY       ((unsigned)0x00000000)
#define INADDR_BROADCAST ((unsigned)0xffffffff)
#define INADDR_NONE      ((unsigned)0xffffffff)
#define INADDR_LOOPBACK  0x7f000001
#endif

#endif
