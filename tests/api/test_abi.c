/* SPDX-License-Identifier: MIT
 *
 * include/linux lays its structures out as Linux does, include/bpf as libbpf does, and both keep company with a C
 * library's headers.
 */
#include <netinet/in.h>
#include <net/ethernet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/types.h>
#include <linux/udp.h>
#include "bpf/bpf.h"
#include "bpf/libbpf.h"
#include "check.h"

static unsigned checked;

#define SIZE(type, bytes)                                                                                              \
    CHECK_EQ(sizeof(type), bytes);                                                                                     \
    checked++;
#define FIELD(type, field, offset)                                                                                     \
    CHECK_EQ(offsetof(type, field), offset);                                                                           \
    checked++;
#define VALUE(name, value)                                                                                             \
    CHECK_EQ(name, value);                                                                                             \
    checked++;

TEST(layout)
{
#include "api/abi_layout.inc"
    CHECK(checked > 1000);
}

#define WIDTH(type, field, bytes)                                                                                      \
    CHECK_EQ(sizeof(((type *)NULL)->field), bytes);                                                                    \
    checked++;

TEST(library_layout)
{
    checked = 0;
#include "api/library_layout.inc"
    CHECK(checked > 150);
    printf("%u sizes, offsets and numbers of the library's\n", checked);
}

TEST(protocols)
{
    CHECK_EQ(sizeof(struct ethhdr), 14);
    CHECK_EQ(sizeof(struct iphdr), 20);
    CHECK_EQ(sizeof(struct ipv6hdr), 40);
    CHECK_EQ(sizeof(struct tcphdr), 20);
    CHECK_EQ(sizeof(struct udphdr), 8);
    CHECK_EQ(sizeof(struct icmphdr), 8);
    CHECK_EQ(sizeof(struct icmp6hdr), 8);
    CHECK_EQ(sizeof(struct btf_header), 32);
    CHECK_EQ(sizeof(struct btf_type), 12);
    struct tcphdr tcp;
    memset(&tcp, 0, sizeof tcp);
    tcp.syn = 1, tcp.doff = 5;
    CHECK_EQ(((uint8_t *)&tcp)[12], 0x50);
    CHECK_EQ(((uint8_t *)&tcp)[13], 0x02);
    struct iphdr ip;
    memset(&ip, 0, sizeof ip);
    ip.version = 4, ip.ihl = 5;
    CHECK_EQ(*(uint8_t *)&ip, 0x45);
}

TEST_MAIN
