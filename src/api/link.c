/* SPDX-License-Identifier: MIT
 *
 * Links: an owned descriptor, and the place it is pinned at.  Closing the last descriptor of an unpinned link detaches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "api/object_impl.h"
#include "bpf/bpf.h"

struct bpf_link {
    int fd;
    char *pin_path;
    bool disconnected;
};

struct bpf_link *api_link(int fd)
{
    struct bpf_link *link = calloc(1, sizeof *link);
    if (!link) {
        api_close(fd);
        return api_null(ENOMEM);
    }
    link->fd = fd;
    return link;
}

struct bpf_link *bpf_program__attach_xdp(const struct bpf_program *prog, int ifindex)
{
    if (prog->fd < 0) {
        api_warn("program '%s': not loaded, cannot be attached\n", bpf_program__name(prog));
        return api_null(EINVAL);
    }
    int fd = bpf_link_create(prog->fd, ifindex, BPF_XDP, NULL);
    if (fd < 0) {
        api_warn("program '%s': failed to attach to interface %d: %s\n", bpf_program__name(prog), ifindex,
                 errno == ENODEV ? "not a joined interface" : api_strerror(errno));
        return api_null(-fd);
    }
    return api_link(fd);
}

struct bpf_link *bpf_program__attach(const struct bpf_program *prog)
{
    return api_null(EOPNOTSUPP); /* no section names its target here */
}

struct bpf_link *bpf_link__open(const char *path)
{
    int fd = bpf_obj_get(path);
    if (fd < 0)
        return api_null(-fd);
    struct bpf_link *link = api_link(fd);
    if (!link)
        return NULL;
    link->pin_path = strdup(path);
    if (!link->pin_path) {
        bpf_link__destroy(link);
        return api_null(ENOMEM);
    }
    return link;
}

int bpf_link__fd(const struct bpf_link *link)
{
    return link->fd;
}

const char *bpf_link__pin_path(const struct bpf_link *link)
{
    return link->pin_path;
}

int bpf_link__pin(struct bpf_link *link, const char *path)
{
    if (link->pin_path)
        return api_fail(EBUSY);
    char *copy = strdup(path);
    if (!copy)
        return api_fail(ENOMEM);
    int result = bpf_obj_pin(link->fd, path);
    if (result) {
        free(copy);
        return api_fail(-result);
    }
    link->pin_path = copy;
    return 0;
}

int bpf_link__unpin(struct bpf_link *link)
{
    if (!link->pin_path)
        return api_fail(EINVAL);
    int result = api_unpin(link->pin_path);
    if (!result) {
        free(link->pin_path);
        link->pin_path = NULL;
    }
    return result;
}

int bpf_link__update_program(struct bpf_link *link, struct bpf_program *prog)
{
    int fd = bpf_program__fd(prog);
    return fd < 0 ? api_fail(EINVAL) : bpf_link_update(link->fd, fd, NULL);
}

void bpf_link__disconnect(struct bpf_link *link)
{
    link->disconnected = true;
}

int bpf_link__detach(struct bpf_link *link)
{
    return bpf_link_detach(link->fd);
}

int bpf_link__destroy(struct bpf_link *link)
{
    if (!link || libbpf_get_error(link))
        return 0;
    /* Disconnected: the attachment outlives this structure, so its descriptor stays open with the process. */
    if (!link->disconnected || link->pin_path)
        api_close(link->fd);
    free(link->pin_path);
    free(link);
    return 0;
}

static const char *const link_types[] = {
    [BPF_LINK_TYPE_UNSPEC] = "unspec",
    [BPF_LINK_TYPE_RAW_TRACEPOINT] = "raw_tracepoint",
    [BPF_LINK_TYPE_TRACING] = "tracing",
    [BPF_LINK_TYPE_CGROUP] = "cgroup",
    [BPF_LINK_TYPE_ITER] = "iter",
    [BPF_LINK_TYPE_NETNS] = "netns",
    [BPF_LINK_TYPE_XDP] = "xdp",
    [BPF_LINK_TYPE_PERF_EVENT] = "perf_event",
    [BPF_LINK_TYPE_KPROBE_MULTI] = "kprobe_multi",
    [BPF_LINK_TYPE_STRUCT_OPS] = "struct_ops",
    [BPF_LINK_TYPE_NETFILTER] = "netfilter",
    [BPF_LINK_TYPE_TCX] = "tcx",
    [BPF_LINK_TYPE_UPROBE_MULTI] = "uprobe_multi",
    [BPF_LINK_TYPE_NETKIT] = "netkit",
};

const char *libbpf_bpf_link_type_str(enum bpf_link_type t)
{
    return (size_t)t < sizeof link_types / sizeof *link_types ? link_types[t] : NULL;
}

static const char *const attach_types[] = {
    [BPF_CGROUP_INET_INGRESS] = "cgroup_inet_ingress",
    [BPF_CGROUP_INET_EGRESS] = "cgroup_inet_egress",
    [BPF_CGROUP_INET_SOCK_CREATE] = "cgroup_inet_sock_create",
    [BPF_CGROUP_SOCK_OPS] = "cgroup_sock_ops",
    [BPF_SK_SKB_STREAM_PARSER] = "sk_skb_stream_parser",
    [BPF_SK_SKB_STREAM_VERDICT] = "sk_skb_stream_verdict",
    [BPF_CGROUP_DEVICE] = "cgroup_device",
    [BPF_SK_MSG_VERDICT] = "sk_msg_verdict",
    [BPF_CGROUP_INET4_BIND] = "cgroup_inet4_bind",
    [BPF_CGROUP_INET6_BIND] = "cgroup_inet6_bind",
    [BPF_CGROUP_INET4_CONNECT] = "cgroup_inet4_connect",
    [BPF_CGROUP_INET6_CONNECT] = "cgroup_inet6_connect",
    [BPF_CGROUP_INET4_POST_BIND] = "cgroup_inet4_post_bind",
    [BPF_CGROUP_INET6_POST_BIND] = "cgroup_inet6_post_bind",
    [BPF_CGROUP_UDP4_SENDMSG] = "cgroup_udp4_sendmsg",
    [BPF_CGROUP_UDP6_SENDMSG] = "cgroup_udp6_sendmsg",
    [BPF_LIRC_MODE2] = "lirc_mode2",
    [BPF_FLOW_DISSECTOR] = "flow_dissector",
    [BPF_CGROUP_SYSCTL] = "cgroup_sysctl",
    [BPF_CGROUP_UDP4_RECVMSG] = "cgroup_udp4_recvmsg",
    [BPF_CGROUP_UDP6_RECVMSG] = "cgroup_udp6_recvmsg",
    [BPF_CGROUP_GETSOCKOPT] = "cgroup_getsockopt",
    [BPF_CGROUP_SETSOCKOPT] = "cgroup_setsockopt",
    [BPF_TRACE_RAW_TP] = "trace_raw_tp",
    [BPF_TRACE_FENTRY] = "trace_fentry",
    [BPF_TRACE_FEXIT] = "trace_fexit",
    [BPF_MODIFY_RETURN] = "modify_return",
    [BPF_LSM_MAC] = "lsm_mac",
    [BPF_TRACE_ITER] = "trace_iter",
    [BPF_CGROUP_INET4_GETPEERNAME] = "cgroup_inet4_getpeername",
    [BPF_CGROUP_INET6_GETPEERNAME] = "cgroup_inet6_getpeername",
    [BPF_CGROUP_INET4_GETSOCKNAME] = "cgroup_inet4_getsockname",
    [BPF_CGROUP_INET6_GETSOCKNAME] = "cgroup_inet6_getsockname",
    [BPF_XDP_DEVMAP] = "xdp_devmap",
    [BPF_CGROUP_INET_SOCK_RELEASE] = "cgroup_inet_sock_release",
    [BPF_XDP_CPUMAP] = "xdp_cpumap",
    [BPF_SK_LOOKUP] = "sk_lookup",
    [BPF_XDP] = "xdp",
    [BPF_SK_SKB_VERDICT] = "sk_skb_verdict",
    [BPF_SK_REUSEPORT_SELECT] = "sk_reuseport_select",
    [BPF_SK_REUSEPORT_SELECT_OR_MIGRATE] = "sk_reuseport_select_or_migrate",
    [BPF_PERF_EVENT] = "perf_event",
    [BPF_TRACE_KPROBE_MULTI] = "trace_kprobe_multi",
    [BPF_LSM_CGROUP] = "lsm_cgroup",
    [BPF_STRUCT_OPS] = "struct_ops",
    [BPF_NETFILTER] = "netfilter",
    [BPF_TCX_INGRESS] = "tcx_ingress",
    [BPF_TCX_EGRESS] = "tcx_egress",
    [BPF_TRACE_UPROBE_MULTI] = "trace_uprobe_multi",
    [BPF_CGROUP_UNIX_CONNECT] = "cgroup_unix_connect",
    [BPF_CGROUP_UNIX_SENDMSG] = "cgroup_unix_sendmsg",
    [BPF_CGROUP_UNIX_RECVMSG] = "cgroup_unix_recvmsg",
    [BPF_CGROUP_UNIX_GETPEERNAME] = "cgroup_unix_getpeername",
    [BPF_CGROUP_UNIX_GETSOCKNAME] = "cgroup_unix_getsockname",
    [BPF_NETKIT_PRIMARY] = "netkit_primary",
    [BPF_NETKIT_PEER] = "netkit_peer",
    [BPF_TRACE_KPROBE_SESSION] = "trace_kprobe_session",
    [BPF_TRACE_UPROBE_SESSION] = "trace_uprobe_session",
    [BPF_TRACE_FSESSION] = "trace_fsession",
    [BPF_TRACE_FENTRY_MULTI] = "trace_fentry_multi",
    [BPF_TRACE_FEXIT_MULTI] = "trace_fexit_multi",
    [BPF_TRACE_FSESSION_MULTI] = "trace_fsession_multi",
};

const char *libbpf_bpf_attach_type_str(enum bpf_attach_type t)
{
    return (size_t)t < sizeof attach_types / sizeof *attach_types ? attach_types[t] : NULL;
}
