/* SPDX-License-Identifier: MIT
 *
 * Links: an owned descriptor, and the place it is pinned at.  Closing the last descriptor of an unpinned link detaches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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
        close(fd);
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
                 errno == ENODEV ? "not a joined interface" : strerror(errno));
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
        close(link->fd);
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
