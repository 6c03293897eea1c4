/* SPDX-License-Identifier: MIT
 *
 * The AF_PACKET provider on veth pairs in a network namespace of this process's own: nothing outside notices, and
 * nothing is left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bpf/bpf.h"
#include "bpf/libbpf.h"
#include "check.h"
#include "winbpf/winbpf.h"

static bool in_namespace;

/* outer0 <-> in0 = program = in1 <-> outer1 */
static bool make_links(void)
{
    if (in_namespace)
        return true;
    if (unshare(CLONE_NEWNET))
        return false;
    in_namespace = true;
    return system(
               "set -e; for n in 0 1; do ip link add outer$n type veth peer name in$n; done 2>/dev/null;"
               "for d in all default outer0 outer1 in0 in1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done;"
               "for i in outer0 outer1 in0 in1; do ip link set $i up; done") == 0;
}

static int open_port(const char *name)
{
    struct sockaddr_ll place = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    CHECK(bind(fd, (struct sockaddr *)&place, sizeof place) == 0);
    return fd;
}

static void send_frame(int fd, uint8_t mark, size_t size)
{
    uint8_t frame[1514] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, mark};
    CHECK_EQ(send(fd, frame, size, 0), size);
}

/* The mark of the next frame of ours, -1 after `ms` without one. */
static int take_mark(int fd, int ms)
{
    uint8_t frame[2048];
    struct pollfd ready = {fd, POLLIN, 0};
    while (poll(&ready, 1, ms) > 0) {
        ssize_t size = recv(fd, frame, sizeof frame, 0);
        if (size >= 15 && frame[12] == 0x88 && frame[13] == 0xb5)
            return frame[14];
    }
    return -1;
}

/* Programs are loaded unverified (WINBPF_UNSAFE): then the program may err. */
static bool unverified(void)
{
    return getenv("WINBPF_UNSAFE") != NULL;
}

/* Returns what the frame's 15th byte says: a verdict for every frame. */
static int load_program(void)
{
    struct bpf_insn insns[] = {
        {.code = 0x61, .dst_reg = 2, .src_reg = 1, .off = 0}, /* r2 = data */
        {.code = 0x61, .dst_reg = 3, .src_reg = 1, .off = 4}, /* r3 = data_end */
        {.code = 0xbf, .dst_reg = 4, .src_reg = 2},
        {.code = 0x07, .dst_reg = 4, .imm = 15},
        {.code = 0xb7, .dst_reg = 0, .imm = 2},
        {.code = 0x2d, .dst_reg = 4, .src_reg = 3, .off = 3},  /* short: PASS */
        {.code = 0x71, .dst_reg = 0, .src_reg = 2, .off = 14}, /* r0 = mark */
        {.code = 0x55, .dst_reg = 0, .off = 1, .imm = 9},      /* 9: reads past the end, a fault */
        {.code = 0x71, .dst_reg = 0, .src_reg = 2, .off = 5000},
        {.code = 0x95},
    };
    if (!unverified()) { /* 9: no verdict */
        CHECK_EQ(bpf_prog_load(BPF_PROG_TYPE_XDP, "mark", "MIT", insns, sizeof insns / sizeof *insns, NULL), -EACCES);
        insns[8] = insns[4];
        insns[8].imm = 88;
    }
    return bpf_prog_load(BPF_PROG_TYPE_XDP, "mark", "MIT", insns, sizeof insns / sizeof *insns, NULL);
}

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
    return 0;
}

TEST(verdicts)
{
    if (!make_links())
        SKIP("no network namespace of our own (root is needed)");
    libbpf_set_print(silent);
    unsigned in0 = if_nametoindex("in0"), in1 = if_nametoindex("in1");
    CHECK_EQ(winbpf_xdp_join(in0, 99999), -ENODEV);
    CHECK_EQ(winbpf_xdp_join(in0, in0), -EINVAL);
    REQUIRE(winbpf_xdp_join(in0, in1) == 0);
    CHECK_EQ(winbpf_xdp_join(in1, in0), -EBUSY);
    int outer0 = open_port("outer0"), outer1 = open_port("outer1");

    send_frame(outer0, 2, 60); /* without a program frames pass, both ways */
    CHECK_EQ(take_mark(outer1, 2000), 2);
    send_frame(outer1, 1, 1514);
    CHECK_EQ(take_mark(outer0, 2000), 1);

    int prog = load_program();
    REQUIRE(prog >= 0);
    CHECK_EQ(bpf_link_create(prog, 99999, BPF_XDP, NULL), -ENODEV);
    int link = bpf_link_create(prog, (int)in0, BPF_XDP, NULL);
    REQUIRE(link >= 0);
    CHECK_EQ(bpf_link_create(prog, (int)in0, BPF_XDP, NULL), -EBUSY);
    send_frame(outer0, 1, 60);  /* DROP */
    send_frame(outer0, 0, 60);  /* ABORTED */
    send_frame(outer0, 9, 60);  /* a fault */
    send_frame(outer0, 77, 60); /* no verdict */
    send_frame(outer0, 2, 60);  /* PASS */
    send_frame(outer0, 3, 60);  /* TX */
    CHECK_EQ(take_mark(outer1, 2000), 2);
    CHECK_EQ(take_mark(outer0, 2000), 3);
    CHECK_EQ(take_mark(outer1, 50), -1);
    send_frame(outer1, 1, 60); /* the other way has no program */
    CHECK_EQ(take_mark(outer0, 2000), 1);

    struct winbpf_xdp_counts counts;
    CHECK_EQ(winbpf_xdp_counts(in0, &counts, sizeof counts), 0);
    CHECK_EQ(counts.received, 7);
    CHECK_EQ(counts.passed, 2);
    CHECK_EQ(counts.dropped, 1);
    CHECK_EQ(counts.aborted, 3);
    CHECK_EQ(counts.returned, 1);
    CHECK_EQ(counts.faults, unverified());
    CHECK_EQ(counts.lost, 0);

    close(link); /* last reference: detached */
    int again = -1;
    for (int i = 0; i < 100 && again < 0; i++, usleep(10000))
        again = bpf_link_create(prog, (int)in0, BPF_XDP, NULL);
    CHECK(again >= 0);
    CHECK_EQ(bpf_link_detach(again), 0);
    send_frame(outer0, 1, 60);
    CHECK_EQ(take_mark(outer1, 2000), 1);
    CHECK_EQ(winbpf_xdp_leave(in0, in1), 0);
    CHECK_EQ(winbpf_xdp_leave(in0, in1), -ENODEV);
    send_frame(outer0, 2, 60);
    CHECK_EQ(take_mark(outer1, 50), -1);
    close(again);
    close(prog);
    close(outer0);
    close(outer1);
}

/* The kernel takes VLAN tags out of what it receives, on our side too; they are back when the frame goes on. */
TEST(vlan_tag)
{
    if (!make_links())
        SKIP("no network namespace of our own (root is needed)");
    unsigned in0 = if_nametoindex("in0"), in1 = if_nametoindex("in1");
    REQUIRE(winbpf_xdp_join(in0, in1) == 0);
    int tagged = open_port("outer0"), outer1 = open_port("outer1"), one = 1;
    uint8_t sent[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0x60, 7, 0x88, 0xb5, 42};
    setsockopt(outer1, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
    CHECK_EQ(send(tagged, sent, sizeof sent, 0), sizeof sent);
    uint8_t frame[2048];
    char control[256];
    bool seen = false;
    struct pollfd ready = {outer1, POLLIN, 0};
    while (!seen && poll(&ready, 1, 2000) > 0) {
        struct iovec part = {frame, sizeof frame};
        struct msghdr message = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(outer1, &message, 0);
        int tag = frame[12] == 0x81 && frame[13] == 0 ? (frame[14] << 8 | frame[15]) & 0xfff : -1;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
            struct tpacket_auxdata aux;
            memcpy(&aux, CMSG_DATA(c), sizeof aux);
            if (c->cmsg_type == PACKET_AUXDATA && aux.tp_status & TP_STATUS_VLAN_VALID)
                tag = aux.tp_vlan_tci & 0xfff;
        }
        if (size >= 56 && tag == 7) {
            seen = true;
            CHECK_EQ(frame[size == 60 ? 18 : 14], 42);
        }
    }
    CHECK(seen);
    CHECK_EQ(winbpf_xdp_leave(in0, in1), 0);
    close(tagged);
    close(outer1);
}

/* Leaving while frames fly, attaching and detaching under load: nothing hangs, nothing is counted twice. */
TEST(churn)
{
    if (!make_links())
        SKIP("no network namespace of our own (root is needed)");
    unsigned in0 = if_nametoindex("in0"), in1 = if_nametoindex("in1");
    int prog = load_program();
    REQUIRE(prog >= 0);
    int outer0 = open_port("outer0");
    for (int round = 0; round < 5; round++) {
        REQUIRE(winbpf_xdp_join(in0, in1) == 0);
        for (int i = 0; i < 200; i++) {
            send_frame(outer0, (uint8_t)(i % 4), 60);
            if (i % 50 == 10) {
                int link = bpf_link_create(prog, (int)(i % 100 == 10 ? in0 : in1), BPF_XDP, NULL);
                CHECK(link >= 0);
                CHECK_EQ(bpf_link_detach(link), 0);
                close(link);
            }
        }
        struct winbpf_xdp_counts c;
        CHECK_EQ(winbpf_xdp_counts(in0, &c, sizeof c), 0);
        CHECK_EQ(winbpf_xdp_leave(in0, in1), 0);
    }
    close(outer0);
    close(prog);
}

TEST_MAIN
