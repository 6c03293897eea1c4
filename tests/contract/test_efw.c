/* SPDX-License-Identifier: MIT
 *
 * efW's contexts in the tables against the headers that its programs include: every member of a struct can be loaded,
 * whole and where it lies, what lies between members cannot, and only what a hook lets a program change can be stored
 * to.
 */
#include "check.h"
#include "contract/contract.h"
#include "ebpf/ebpf_nethooks.h"

struct member {
    const char *name;
    uint32_t offset, size;
    bool array, stored;
};

#define MEMBER(type, member, array, stored)                                                                            \
    {                                                                                                                  \
#member, offsetof(type, member), sizeof(((type *)0)->member), array, stored                                    \
    }

static void check_members(uint32_t type, uint32_t attach, uint32_t size, const struct member *members, uint32_t count)
{
    const struct program_contract *program = contract_program(PERSONALITY_EFW, type);
    const struct context_layout *layout;
    bool covered[128] = {false};

    REQUIRE(program && size <= sizeof covered);
    layout = contract_context(program, PERSONALITY_EFW, attach);
    CHECK_EQ(layout->size, size);
    for (uint32_t i = 0; i < count; i++) {
        const struct member *member = &members[i];
        uint32_t step = member->array ? 4 : member->size;

        for (uint32_t at = member->offset; at < member->offset + member->size; at += step) {
            if (!contract_field(layout, (int32_t)at, step, false) ||
                !!contract_field(layout, (int32_t)at, step, true) != member->stored) {
                printf("%s.%s at %u\n", program->name, member->name, at);
                check_failures++;
            }
        }
        for (uint32_t at = member->offset; at < member->offset + member->size; at++)
            covered[at] = true;
    }
    for (uint32_t at = 0; at < size; at++)
        CHECK(covered[at] ||
              (!contract_field(layout, (int32_t)at, 1, false) && !contract_field(layout, (int32_t)at, 1, true)));
}

#define CHECK_MEMBERS(type, attach, context, members)                                                                  \
    check_members(type, attach, sizeof(context), members, sizeof(members) / sizeof((members)[0]))

TEST(xdp)
{
    static const struct member members[] = {
        MEMBER(xdp_md_t, data, false, false),
        MEMBER(xdp_md_t, data_end, false, false),
        MEMBER(xdp_md_t, data_meta, false, false),
        MEMBER(xdp_md_t, ingress_ifindex, false, false),
    };

    CHECK_MEMBERS(1, 1, xdp_md_t, members);
}

TEST(bind)
{
    static const struct member members[] = {
        MEMBER(bind_md_t, app_id_start, false, false),
        MEMBER(bind_md_t, app_id_end, false, false),
        MEMBER(bind_md_t, process_id, false, false),
        MEMBER(bind_md_t, socket_address, true, true),
        MEMBER(bind_md_t, socket_address_length, false, true),
        MEMBER(bind_md_t, operation, false, false),
        MEMBER(bind_md_t, protocol, false, false),
    };

    CHECK_MEMBERS(2, 2, bind_md_t, members);
}

#define ADDR_MEMBERS(stored)                                                                                           \
    MEMBER(bpf_sock_addr_t, family, false, false), MEMBER(bpf_sock_addr_t, msg_src_ip4, false, false),                 \
        MEMBER(bpf_sock_addr_t, msg_src_ip6, true, false), MEMBER(bpf_sock_addr_t, msg_src_port, false, false),        \
        MEMBER(bpf_sock_addr_t, user_ip4, false, stored), MEMBER(bpf_sock_addr_t, user_ip6, true, stored),             \
        MEMBER(bpf_sock_addr_t, user_port, false, stored), MEMBER(bpf_sock_addr_t, protocol, false, false),            \
        MEMBER(bpf_sock_addr_t, compartment_id, false, false), MEMBER(bpf_sock_addr_t, interface_luid, false, false)

TEST(sock_addr)
{
    static const struct member members[] = {ADDR_MEMBERS(false)}, connect[] = {ADDR_MEMBERS(true)};

    for (uint32_t attach = 3; attach <= 17; attach++)
        if (attach == 3 || attach == 4)
            CHECK_MEMBERS(3, attach, bpf_sock_addr_t, connect);
        else
            CHECK_MEMBERS(3, attach, bpf_sock_addr_t, members);
}

TEST(sock_ops)
{
    static const struct member members[] = {
        MEMBER(bpf_sock_ops_t, op, false, false),
        MEMBER(bpf_sock_ops_t, family, false, false),
        MEMBER(bpf_sock_ops_t, local_ip4, false, false),
        MEMBER(bpf_sock_ops_t, local_ip6, true, false),
        MEMBER(bpf_sock_ops_t, local_port, false, false),
        MEMBER(bpf_sock_ops_t, remote_ip4, false, false),
        MEMBER(bpf_sock_ops_t, remote_ip6, true, false),
        MEMBER(bpf_sock_ops_t, remote_port, false, false),
        MEMBER(bpf_sock_ops_t, protocol, false, false),
        MEMBER(bpf_sock_ops_t, compartment_id, false, false),
        MEMBER(bpf_sock_ops_t, interface_luid, false, false),
    };

    CHECK_MEMBERS(4, 7, bpf_sock_ops_t, members);
}

/* Each program type's own helpers, under the numbers of the headers. */
TEST(helpers)
{
    static const struct {
        uint32_t type;
        int32_t id;
        const char *name;
        enum arg_kind args[4];
    } cases[] = {
        {1, BPF_FUNC_xdp_adjust_head, "xdp_adjust_head", {ARG_CONTEXT, ARG_ANYTHING}},
        {3, BPF_FUNC_sock_addr_get_current_pid_tgid, "sock_addr_get_current_pid_tgid", {ARG_CONTEXT}},
        {3,
         BPF_FUNC_sock_addr_set_redirect_context,
         "sock_addr_set_redirect_context",
         {ARG_CONTEXT, ARG_MEM, ARG_SIZE}},
        {3,
         BPF_FUNC_sock_addr_get_network_context,
         "sock_addr_get_network_context",
         {ARG_CONTEXT, ARG_MEM_UNINIT, ARG_SIZE}},
        {4, BPF_FUNC_sock_ops_get_flow_id, "sock_ops_get_flow_id", {ARG_CONTEXT}},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (uint32_t type = 1; type <= 6; type++) {
            const struct helper_proto *proto = contract_helper_proto(PERSONALITY_EFW, type, cases[i].id);

            if (type != cases[i].type) {
                CHECK(!proto || strcmp(proto->name, cases[i].name));
                continue;
            }
            REQUIRE(proto);
            CHECK_STR(proto->name, cases[i].name);
            CHECK(!memcmp(proto->args, cases[i].args, sizeof cases[i].args));
            CHECK_EQ(proto->flags, type == 1 ? HELPER_CHANGES_PACKET : 0);
        }
}

TEST_MAIN
