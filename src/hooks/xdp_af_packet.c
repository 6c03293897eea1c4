/* SPDX-License-Identifier: MIT
 *
 * The XDP provider of Linux user mode (xdp_af_packet.h).  Each joined interface is a *port*: a packet socket, a buffer
 * and one worker that takes frames in, completes what the sender left to its card (offload.h), runs the attached
 * program and sends the frame where the verdict says.  Works on whatever Ethernet-like interface takes raw frames:
 * veth, tap, real cards (whose own stack still sees a copy of what comes in: give such an interface no address).
 *
 * Concurrency.  `ports_lock` guards the table of ports and the joining and leaving; workers never take it.  A port's
 * link is an atomic pointer that a worker reads inside an epoch section, so detach is: clear it, wait for the epoch.
 * A worker sends on its partner's socket too; leaving stops both workers before either socket is closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/if_packet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include "core/epoch.h"
#include "hooks/offload.h"
#include "hooks/xdp.h"
#include "hooks/xdp_af_packet.h"
#include "platform/os.h"

enum {
    FRAME_MAX = 65536 + 64, /* a train of segments */
    BUFFER = XDP_HEADROOM + FRAME_MAX + XDP_TAILROOM,
    SOCKET_BUFFER = 16 << 20, /* bytes of frames that may wait for us */
    BURST = 64,               /* frames between looks at the stop signal */
    SEND_PATIENCE_MS = 100,
    FLAG_SKB_MODE = 2,
    FLAG_DRV_MODE = 4, /* of XDP_FLAGS_*: both mean this provider */
};

#define TAG OS_TAG('x', 'd', 'p', 'p')

/* Before each frame on a socket with PACKET_VNET_HDR (Linux's struct virtio_net_hdr). */
struct vnet_header {
    uint8_t flags, gso_type;
    uint16_t header_length, gso_size, checksum_start, checksum_offset;
};
enum { VNET_NEEDS_CHECKSUM = 1, GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4, GSO_UDP_L4 = 5, GSO_ECN = 0x80 };

struct port {
    uint32_t ifindex;
    int socket, stop; /* stop: an eventfd */
    struct port *partner, *next;
    struct os_thread *worker;
    struct link *link;
    uint8_t *buffer, *segment;
    struct xdp_counts counts; /* written by the worker alone, read with os_load */
};

static struct port *ports; /* under ports_lock */
static struct os_lock ports_lock;
static bool started;

static void (*fault_listener)(void *self, uint32_t ifindex, const struct code_fault *fault);
static void *fault_self;

static void add(uint64_t *counter)
{
    os_store(counter, os_load(counter) + 1);
}

static struct port *find(uint32_t ifindex)
{
    for (struct port *port = ports; port; port = port->next) {
        if (port->ifindex == ifindex)
            return port;
    }
    return NULL;
}

static bool send_frame(const struct port *port, const uint8_t *data, size_t size)
{
    struct vnet_header header = {0};
    struct iovec parts[2] = {{&header, sizeof header}, {(void *)(uintptr_t)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    for (int attempt = 0; attempt < 50; attempt++) {
        if (sendmsg(port->socket, &message, MSG_DONTWAIT) >= 0)
            return true;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != ENOBUFS)
            return false;
        struct pollfd ready = {port->socket, POLLOUT, 0};
        poll(&ready, 1, errno == EAGAIN ? SEND_PATIENCE_MS : 1);
        if (attempt)
            os_sleep_ns(1000000);
    }
    return false;
}

/* Runs whatever program is attached; its verdict, PASS without one. */
static enum xdp_verdict judge(struct port *port, struct xdp_frame *frame)
{
    struct epoch_state state;
    struct code_fault fault = {0};
    enum xdp_verdict verdict = XDP_VERDICT_PASS;
    uint32_t cpu = epoch_enter_cpu(&state);
    struct link *link = os_load_acquire(&port->link);
    struct prog *prog = link ? os_load_acquire(&link->prog) : NULL;
    if (prog)
        verdict = xdp_run(prog, cpu, frame, &fault);
    epoch_leave_cpu(&state);
    if (fault.kind != FAULT_NONE) {
        add(&port->counts.faults);
        void (*listener)(void *, uint32_t, const struct code_fault *) = os_load_acquire(&fault_listener);
        if (listener)
            listener(fault_self, port->ifindex, &fault);
    }
    return verdict;
}

/* A complete frame of `size` bytes at `buffer` + XDP_HEADROOM. */
static void take(struct port *port, uint8_t *buffer, size_t size)
{
    struct xdp_frame frame;
    const struct port *out = port->partner;
    uint64_t *counter = &port->counts.passed;
    add(&port->counts.received);
    xdp_frame_init(&frame, buffer, BUFFER, XDP_HEADROOM, size);
    frame.context.ingress_ifindex = port->ifindex;
    switch (judge(port, &frame)) {
    case XDP_VERDICT_PASS: break;
    case XDP_VERDICT_DROP: add(&port->counts.dropped); return;
    case XDP_VERDICT_TX:
        out = port;
        counter = &port->counts.returned;
        break;
    case XDP_VERDICT_REDIRECT:
        out = frame.redirect == port->ifindex ? port : frame.redirect == port->partner->ifindex ? port->partner : NULL;
        counter = &port->counts.redirected;
        break;
    default: add(&port->counts.aborted); return;
    }
    if (!out || !send_frame(out, frame.context.data, (size_t)(frame.context.data_end - frame.context.data)))
        counter = &port->counts.lost;
    add(counter);
}

static void take_segment(void *self, size_t size)
{
    struct port *port = self;
    take(port, port->segment, size);
}

/* A VLAN tag that the kernel took out of the frame goes back in. */
static bool restore_tag(struct msghdr *message, uint8_t *data, size_t *size)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        struct tpacket_auxdata aux;
        if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA ||
            part->cmsg_len < CMSG_LEN(sizeof aux))
            continue;
        memcpy(&aux, CMSG_DATA(part), sizeof aux);
        if (!(aux.tp_status & TP_STATUS_VLAN_VALID) || *size < 12 || *size + 4 > FRAME_MAX)
            continue;
        uint16_t type = aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
        memmove(data + 16, data + 12, *size - 12);
        data[12] = (uint8_t)(type >> 8), data[13] = (uint8_t)type;
        data[14] = (uint8_t)(aux.tp_vlan_tci >> 8), data[15] = (uint8_t)aux.tp_vlan_tci;
        *size += 4;
        return true;
    }
    return false;
}

static struct offload offload_of(const struct vnet_header *header, bool tagged)
{
    struct offload offload = {
        .needs_checksum = header->flags & VNET_NEEDS_CHECKSUM,
        .checksum_start = (uint16_t)(header->checksum_start + (tagged ? 4 : 0)),
        .checksum_offset = header->checksum_offset,
        .segment = header->gso_size,
    };
    switch (header->gso_type & ~GSO_ECN) {
    case GSO_NONE: offload.train = TRAIN_NONE; break;
    case GSO_TCPV4: offload.train = TRAIN_TCP4; break;
    case GSO_TCPV6: offload.train = TRAIN_TCP6; break;
    case GSO_UDP_L4: offload.train = TRAIN_UDP; break;
    default: offload.train = TRAIN_OTHER; break;
    }
    return offload;
}

/* One frame from the socket.  False when none is waiting. */
static bool receive(struct port *port)
{
    uint8_t *data = port->buffer + XDP_HEADROOM;
    struct vnet_header header = {0};
    struct sockaddr_ll from = {0};
    union {
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct cmsghdr align;
    } control;
    struct iovec parts[2] = {{&header, sizeof header}, {data, FRAME_MAX - 4}};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t got = recvmsg(port->socket, &message, MSG_DONTWAIT);
    if (got < 0)
        return errno == EINTR;
    if (from.sll_pkttype == PACKET_OUTGOING)
        return true;
    if ((size_t)got < sizeof header + XDP_FRAME_MINIMUM || message.msg_flags & MSG_TRUNC) {
        add(&port->counts.lost);
        return true;
    }
    size_t size = (size_t)got - sizeof header;
    struct offload offload = offload_of(&header, restore_tag(&message, data, &size));
    if (offload.train != TRAIN_NONE) {
        if (!offload_segments(data, size, &offload, port->segment + XDP_HEADROOM, FRAME_MAX, take_segment, port))
            add(&port->counts.lost);
    } else if (offload.needs_checksum && !offload_checksum(data, size, &offload)) {
        add(&port->counts.lost);
    } else {
        take(port, port->buffer, size);
    }
    return true;
}

static void work(void *argument)
{
    struct port *port = argument;
    struct pollfd ready[2] = {{port->socket, POLLIN, 0}, {port->stop, POLLIN, 0}};
    unsigned patience = 1024; /* bursts */
    for (;;) {
        if (poll(ready, 2, -1) < 0)
            continue;
        if (ready[0].revents & POLLIN) {
            for (int i = 0; i < BURST && receive(port); i++)
                ;
        } else if (ready[0].revents) { /* the interface is down or gone; POLLERR stays until it is read */
            int error;
            socklen_t size = sizeof error;
            getsockopt(port->socket, SOL_SOCKET, SO_ERROR, &error, &size);
            struct pollfd stop = ready[1];
            poll(&stop, 1, 10);
        }
        /* Frames already waiting go first: whoever stops a join has seen its sender finish.  But a flood ends too. */
        if (ready[1].revents && (!(ready[0].revents & POLLIN) || !--patience))
            return;
    }
}

static enum result failed(void)
{
    switch (errno) {
    case EPERM: return RESULT_NOT_PERMITTED;
    case ENODEV:
    case ENXIO: return RESULT_NO_DEVICE;
    case ENOMEM:
    case ENOBUFS: return RESULT_NO_MEMORY;
    default: return RESULT_IO;
    }
}

static void port_destroy(struct port *port)
{
    if (!port)
        return;
    if (port->socket >= 0)
        close(port->socket);
    if (port->stop >= 0)
        close(port->stop);
    if (port->buffer)
        os_free(port->buffer, BUFFER, TAG);
    if (port->segment)
        os_free(port->segment, BUFFER, TAG);
    os_free(port, sizeof *port, TAG);
}

static bool set(int socket, int level, int name, int value)
{
    return setsockopt(socket, level, name, &value, sizeof value) == 0;
}

static enum result port_create(uint32_t ifindex, struct port **out)
{
    struct port *port = os_alloc(sizeof *port, TAG);
    if (!port)
        return RESULT_NO_MEMORY;
    port->ifindex = ifindex;
    port->stop = -1;
    port->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* hears nothing until it is bound */
    port->buffer = os_alloc(BUFFER, TAG);
    port->segment = os_alloc(BUFFER, TAG);
    struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)ifindex};
    struct packet_mreq everything = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};
    enum result result = RESULT_OK;
    if (!port->buffer || !port->segment)
        result = RESULT_NO_MEMORY;
    else if (port->socket < 0 || (port->stop = eventfd(0, EFD_CLOEXEC)) < 0 ||
             !set(port->socket, SOL_PACKET, PACKET_VNET_HDR, 1) || !set(port->socket, SOL_PACKET, PACKET_AUXDATA, 1))
        result = failed();
    if (!result) {
        set(port->socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1); /* older kernels: receive() sees to it */
        if (!set(port->socket, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER))
            set(port->socket, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
        if (setsockopt(port->socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &everything, sizeof everything) ||
            bind(port->socket, (struct sockaddr *)&place, sizeof place))
            result = failed();
    }
    if (result) {
        port_destroy(port);
        return result;
    }
    *out = port;
    return RESULT_OK;
}

static void port_stop(struct port *port)
{
    uint64_t one = 1;
    if (!port->worker)
        return;
    while (write(port->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    os_thread_join(port->worker);
    port->worker = NULL;
}

enum result xdp_join(uint32_t ifindex_a, uint32_t ifindex_b)
{
    struct port *a = NULL, *b = NULL;
    enum result result = RESULT_OK;
    if (ifindex_a == ifindex_b || !started)
        return RESULT_INVALID;
    os_lock_acquire(&ports_lock);
    if (find(ifindex_a) || find(ifindex_b))
        result = RESULT_BUSY;
    if (!result)
        result = port_create(ifindex_a, &a);
    if (!result)
        result = port_create(ifindex_b, &b);
    if (!result) {
        a->partner = b, b->partner = a;
        result = os_thread_start(work, a, &a->worker);
    }
    if (!result)
        result = os_thread_start(work, b, &b->worker);
    if (!result) {
        a->next = b, b->next = ports;
        ports = a;
    } else {
        if (a)
            port_stop(a);
        port_destroy(a);
        port_destroy(b);
    }
    os_lock_release(&ports_lock);
    return result;
}

static void unlink_port(struct port *port)
{
    struct port **place = &ports;
    while (*place != port)
        place = &(*place)->next;
    *place = port->next;
}

static void leave(struct port *a)
{
    struct port *b = a->partner;
    port_stop(a);
    port_stop(b);
    unlink_port(a);
    unlink_port(b);
    port_destroy(a);
    port_destroy(b);
}

enum result xdp_leave(uint32_t ifindex_a, uint32_t ifindex_b)
{
    if (!started)
        return RESULT_NO_DEVICE;
    os_lock_acquire(&ports_lock);
    struct port *a = find(ifindex_a);
    enum result result = a && a->partner->ifindex == ifindex_b ? RESULT_OK : RESULT_NO_DEVICE;
    if (!result)
        leave(a);
    os_lock_release(&ports_lock);
    return result;
}

void xdp_leave_all(void)
{
    if (!started)
        return;
    os_lock_acquire(&ports_lock);
    while (ports)
        leave(ports);
    os_lock_release(&ports_lock);
}

enum result xdp_counts_read(uint32_t ifindex, struct xdp_counts *out)
{
    if (!started)
        return RESULT_NO_DEVICE;
    os_lock_acquire(&ports_lock);
    struct port *port = find(ifindex);
    if (port) {
        uint64_t *from = (uint64_t *)&port->counts, *to = (uint64_t *)out;
        for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
            to[i] = os_load(&from[i]);
    }
    os_lock_release(&ports_lock);
    return port ? RESULT_OK : RESULT_NO_DEVICE;
}

void xdp_fault_listen(void (*listener)(void *self, uint32_t ifindex, const struct code_fault *fault), void *self)
{
    fault_self = self;
    os_store_release(&fault_listener, listener);
}

static enum result provider_attach(struct link *link, uint32_t ifindex, uint32_t flags)
{
    enum result result = RESULT_OK;
    if (flags & ~(uint32_t)(FLAG_SKB_MODE | FLAG_DRV_MODE) || flags == (FLAG_SKB_MODE | FLAG_DRV_MODE))
        return RESULT_INVALID;
    os_lock_acquire(&ports_lock);
    struct port *port = find(ifindex);
    if (!port)
        result = RESULT_NO_DEVICE;
    else if (port->link)
        result = RESULT_BUSY;
    else
        os_store_release(&port->link, link);
    os_lock_release(&ports_lock);
    return result;
}

static void provider_detach(struct link *link)
{
    bool found = false;
    os_lock_acquire(&ports_lock);
    for (struct port *port = ports; port; port = port->next) {
        if (port->link == link) {
            os_store_release(&port->link, (struct link *)NULL);
            found = true;
        }
    }
    os_lock_release(&ports_lock);
    if (found)
        epoch_synchronize();
}

static enum result provider_check(uint32_t ifindex, uint32_t queue)
{
    char name[IF_NAMESIZE], path[sizeof "/sys/class/net//queues" + IF_NAMESIZE];
    uint32_t queues = 0;
    if (!if_indextoname(ifindex, name))
        return RESULT_NO_DEVICE;
    snprintf(path, sizeof path, "/sys/class/net/%s/queues", name);
    DIR *folder = opendir(path);
    if (folder) {
        for (struct dirent *entry; (entry = readdir(folder));)
            queues += !strncmp(entry->d_name, "rx-", 3);
        closedir(folder);
    }
    return queue < (queues ? queues : 1) ? RESULT_OK : RESULT_INVALID;
}

static const struct xdp_provider af_packet = {provider_attach, provider_detach, provider_check};

void xdp_af_packet_start(void)
{
    if (!started) {
        os_lock_init(&ports_lock);
        started = true;
    }
    xdp_provider_set(&af_packet);
}
