/* SPDX-License-Identifier: MIT
 *
 * Drops UDP packets to the ports in the map `ports`, counts them there per port, and reports each through the ring
 * buffer `events`.  Everything else passes.
 *
 *     clang -O2 -g -target bpf -I include -c examples/droppacket.bpf.c -o droppacket.o
 *     winbpf run droppacket.o --pcap capture.pcap
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "droppacket.h"

/* Key: UDP port to drop, host order.  Value: packets dropped so far. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, __u16);
    __type(value, __u64);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 64 * 1024);
} events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, TOTALS);
    __type(key, __u32);
    __type(value, __u64);
} totals SEC(".maps");

/* With no port listed by anyone, this one is dropped: 0 for none.  A loader may change it before loading. */
const volatile __u16 always_drop = 0;

static __always_inline void count(__u32 which)
{
    __u64 *total = bpf_map_lookup_elem(&totals, &which);
    if (total)
        __sync_fetch_and_add(total, 1);
}

static __noinline void report(const struct iphdr *ip, const struct udphdr *udp, __u16 port, __u32 length)
{
    struct drop_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
    if (!event) {
        count(TOTAL_EVENTS_LOST);
        return;
    }
    event->source = ip->saddr;
    event->destination = ip->daddr;
    event->source_port = bpf_ntohs(udp->source);
    event->port = port;
    event->length = length;
    bpf_ringbuf_submit(event, 0);
}

SEC("xdp")
int droppacket(struct xdp_md *context)
{
    void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
    struct ethhdr *ethernet = data;
    struct iphdr *ip = (void *)(ethernet + 1);

    count(TOTAL_SEEN);
    if ((void *)(ip + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
        return XDP_PASS;
    if (ip->ihl < 5 || ip->frag_off & bpf_htons(0x1fff)) /* a later fragment has no UDP header */
        return XDP_PASS;

    struct udphdr *udp = (void *)ip + ip->ihl * 4;
    if ((void *)(udp + 1) > end)
        return XDP_PASS;
    count(TOTAL_UDP);

    __u16 port = bpf_ntohs(udp->dest);
    __u64 *dropped = bpf_map_lookup_elem(&ports, &port);
    if (!dropped && (!always_drop || port != always_drop))
        return XDP_PASS;
    if (dropped)
        __sync_fetch_and_add(dropped, 1);
    count(TOTAL_DROPPED);
    report(ip, udp, port, end - data);
    return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
