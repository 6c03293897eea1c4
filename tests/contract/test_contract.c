/* SPDX-License-Identifier: MIT
 *
 * The contract tables: numbers and names as both worlds have them, where the rows of one table can be held against
 * another source they are.
 */
#include "check.h"
#include "contract/contract.h"

static const struct section_contract *linux_section(const char *name)
{
    return contract_section(PERSONALITY_LINUX, name);
}

static const struct section_contract *efw_section(const char *name)
{
    return contract_section(PERSONALITY_EFW, name);
}

TEST(linux_sections)
{
    static const struct {
        const char *name;
        uint32_t type, attach, flags;
    } cases[] = {
        {"xdp", 6, 37, 0},
        {"xdp.frags", 6, 37, PROG_FLAG_XDP_FRAGS},
        {"xdp.frags/devmap", 6, 33, PROG_FLAG_XDP_FRAGS},
        {"xdp/cpumap", 6, 35, 0},
        {"tc", 3, 0, 0},
        {"tcx/ingress", 3, 46, 0},
        {"action", 4, 0, 0},
        {"kprobe/do_unlinkat", 2, 0, 0},
        {"kprobe", 2, 0, 0},
        {"kprobe.multi/tcp_*", 2, 42, 0},
        {"uprobe.s/libc.so.6:malloc", 2, 0, PROG_FLAG_SLEEPABLE},
        {"tp/sched/sched_switch", 5, 0, 0},
        {"tracepoint/syscalls/sys_enter_openat", 5, 0, 0},
        {"raw_tp/sys_enter", 17, 0, 0},
        {"raw_tp.w/x", 24, 0, 0},
        {"fentry/x", 26, 24, 0},
        {"fexit.s/x", 26, 25, PROG_FLAG_SLEEPABLE},
        {"lsm/file_open", 29, 27, 0},
        {"iter.s/task", 26, 28, PROG_FLAG_SLEEPABLE},
        {"cgroup_skb/egress", 8, 1, 0},
        {"cgroup/skb", 8, 0, 0},
        {"cgroup/connect6", 18, 11, 0},
        {"cgroup/getsockname_unix", 18, 53, 0},
        {"sk_skb/stream_parser", 14, 4, 0},
        {"struct_ops.s/init", 27, 0, PROG_FLAG_SLEEPABLE},
        {"syscall", 31, 0, PROG_FLAG_SLEEPABLE},
        {"netfilter", 32, 45, 0},
        {"bind", LINUX_TYPE_BIND, LINUX_TYPE_BIND, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct section_contract *row = linux_section(cases[i].name);

        if (!row)
            printf("no row for %s\n", cases[i].name);
        REQUIRE(row);
        CHECK_EQ(row->prog_type, cases[i].type);
        CHECK_EQ(row->attach_type, cases[i].attach);
        CHECK_EQ(row->prog_flags, cases[i].flags);
        CHECK_EQ(row->personality, PERSONALITY_LINUX);
    }
    /* Whole names are whole; a prefix ends at its slash. */
    CHECK(!linux_section("xdp_drop") && !linux_section("xdp/drop") && !linux_section("xdpx") && !linux_section(""));
    CHECK(!linux_section("kprobed/x") && !linux_section("classifier/x") && !linux_section(".text"));
    CHECK(!linux_section("process") && !linux_section("cgroup/listen4"));
}

TEST(efw_sections)
{
    static const struct {
        const char *name;
        uint32_t type, attach;
        bool efw_only;
    } cases[] = {
        {"xdp", 1, 1, false},
        {"xdp_prog", 1, 1, false},
        {"bind", 2, 2, true},
        {"bind/monitor", 2, 2, true},
        {"cgroup/connect4", 3, 3, false},
        {"cgroup/connect6/x", 3, 4, false},
        {"cgroup/recv_accept4", 3, 5, true},
        {"cgroup/recv_accept6", 3, 6, true},
        {"sockops", 4, 7, false},
        {"sample_ext", 999, 8, true},
        {"netevent", 5, 10, true},
        {"process", 6, 11, true},
        {"cgroup/connect_authorization4", 3, 12, true},
        {"cgroup/bind4", 3, 14, false},
        {"cgroup/listen6", 3, 17, true},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct section_contract *row = efw_section(cases[i].name);

        if (!row)
            printf("no row for %s\n", cases[i].name);
        REQUIRE(row);
        CHECK_EQ(row->prog_type, cases[i].type);
        CHECK_EQ(row->attach_type, cases[i].attach);
        CHECK_EQ(contract_section_is_efw(cases[i].name), cases[i].efw_only);
    }
    CHECK(!efw_section("kprobe/x") && !efw_section("binder") && !efw_section("tc"));
    CHECK(!contract_section_is_efw("kprobe/x") && !contract_section_is_efw("processor"));
    CHECK(!contract_section_is_efw(".text") && !contract_section_is_efw("maps"));
}

TEST(did_you_mean)
{
    CHECK_STR(contract_section_nearest(PERSONALITY_LINUX, "xpd")->prefix, "xdp");
    CHECK_STR(contract_section_nearest(PERSONALITY_LINUX, "clasifier")->prefix, "classifier");
    CHECK_STR(contract_section_nearest(PERSONALITY_LINUX, "xdp_drop_everything")->prefix, "xdp");
    CHECK_STR(contract_section_nearest(PERSONALITY_EFW, "cgroup/recvaccept4")->prefix, "cgroup/recv_accept4");
    CHECK(!contract_section_nearest(PERSONALITY_LINUX, "something else entirely"));
    CHECK(!contract_section_nearest(PERSONALITY_LINUX, ""));
}

TEST(names)
{
    CHECK_STR(contract_program_type_name(PERSONALITY_LINUX, 6), "xdp");
    CHECK_STR(contract_program_type_name(PERSONALITY_LINUX, 3), "sched_cls");
    CHECK_STR(contract_program_type_name(PERSONALITY_LINUX, 32), "netfilter");
    CHECK_STR(contract_program_type_name(PERSONALITY_LINUX, 0), "unspec");
    CHECK(!contract_program_type_name(PERSONALITY_LINUX, 33));
    CHECK_STR(contract_program_type_name(PERSONALITY_EFW, 1), "xdp");
    CHECK_STR(contract_program_type_name(PERSONALITY_EFW, 999), "sample");
    CHECK(!contract_program_type_name(PERSONALITY_EFW, 7));

    CHECK_STR(contract_map_kind_name(1), "hash");
    CHECK_STR(contract_map_kind_name(19), "cgroup_storage");
    CHECK_STR(contract_map_kind_name(35), "rhash");
    CHECK(!contract_map_kind_name(0) && !contract_map_kind_name(36));

    CHECK_STR(contract_helper_name(PERSONALITY_LINUX, 1), "map_lookup_elem");
    CHECK_STR(contract_helper_name(PERSONALITY_LINUX, 211), "cgrp_storage_delete");
    CHECK(!contract_helper_name(PERSONALITY_LINUX, 0) && !contract_helper_name(PERSONALITY_LINUX, 212));
    CHECK(!contract_helper_name(PERSONALITY_LINUX, -1));
    CHECK_STR(contract_helper_name(PERSONALITY_EFW, 11), "ringbuf_output");
    CHECK_STR(contract_helper_name(PERSONALITY_EFW, 35), "redirect_map");
    CHECK(!contract_helper_name(PERSONALITY_EFW, 65536) && !contract_helper_name(PERSONALITY_EFW, 36));
    CHECK_STR(contract_program_helper_name(PERSONALITY_EFW, 1, 65536), "xdp_adjust_head");
    CHECK_STR(contract_program_helper_name(PERSONALITY_EFW, 4, 65536), "sock_ops_get_flow_id");
    CHECK_STR(contract_program_helper_name(PERSONALITY_EFW, 4, 5), "tail_call");
}

TEST(map_kinds)
{
    static const uint32_t linux_of_efw[] = {0, 1, 2, 3, 5, 6, 13, 12, 9, 11, 22, 10, 23, 27, 4, 0, 17, 0};

    for (uint32_t i = 0; i < sizeof(linux_of_efw) / sizeof(linux_of_efw[0]); i++)
        CHECK_EQ(contract_map_kind(PERSONALITY_EFW, i), linux_of_efw[i]);
    for (uint32_t i = 0; i < 40; i++)
        CHECK_EQ(contract_map_kind(PERSONALITY_LINUX, i), i <= 35 ? i : 0);
}

/* What holds for every layout: fields in order and apart, inside the context; pointer fields with a partner. */
static void check_layout(const struct program_contract *program, const struct context_layout *layout)
{
    uint32_t end = 0;

    CHECK(layout->field_count > 0);
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *field = &layout->fields[i];

        CHECK(field->offset >= end);
        end = field->offset + field->size;
        CHECK(field->real_offset + field->real_size <= program->real_size);
        CHECK(field->flags & FIELD_READ);
        switch (field->kind) {
        case FIELD_PACKET:
        case FIELD_PACKET_META:
        case FIELD_MEMORY:
            REQUIRE(field->partner >= 0 && (uint32_t)field->partner < layout->field_count);
            CHECK_EQ(layout->fields[field->partner].kind, field->kind == FIELD_PACKET   ? FIELD_PACKET_END
                                                          : field->kind == FIELD_MEMORY ? FIELD_MEMORY_END
                                                                                        : FIELD_PACKET);
            CHECK_EQ(field->real_size, 8);
            break;
        case FIELD_SCALAR:
            CHECK_EQ(field->size, field->real_size);
            CHECK_EQ(field->partner, -1);
            break;
        default: CHECK_EQ(field->partner, -1); break;
        }
    }
    CHECK(end <= layout->size);
}

TEST(programs)
{
    static const uint8_t xdp_guid[16] = {0x85, 0x2a, 0x83, 0xf1, 0xd5, 0x85, 0xb0, 0x45,
                                         0x98, 0xa0, 0x70, 0x69, 0xd6, 0x30, 0x13, 0xb0};
    const struct return_map *efw = &contract_xdp.returns[PERSONALITY_EFW];

    CHECK(contract_program(PERSONALITY_LINUX, 6) == &contract_xdp);
    CHECK(contract_program(PERSONALITY_EFW, 1) == &contract_xdp);
    CHECK(contract_program(PERSONALITY_EFW, 2) == &contract_bind);
    CHECK(contract_program(PERSONALITY_LINUX, LINUX_TYPE_BIND) == &contract_bind);
    CHECK(!contract_program(PERSONALITY_LINUX, 0) && !contract_program(PERSONALITY_LINUX, 2));
    CHECK(!memcmp(contract_xdp.guid.bytes, xdp_guid, 16));
    for (int personality = 0; personality < PERSONALITIES; personality++) {
        check_layout(&contract_xdp, &contract_xdp.context[personality]);
        check_layout(&contract_bind, &contract_bind.context[personality]);
    }
    CHECK_EQ(contract_xdp.context[PERSONALITY_LINUX].size, 24);
    CHECK_EQ(contract_xdp.context[PERSONALITY_EFW].size, 32);
    CHECK_EQ(contract_bind.context[PERSONALITY_EFW].size, 56);
    /* efW: PASS 1, DROP 2, TX 3; the hook: DROP 1, PASS 2, TX 3 */
    CHECK_EQ(efw->range.lowest, 1);
    CHECK_EQ(efw->range.highest, 3);
    CHECK_EQ(efw->real[0], 2);
    CHECK_EQ(efw->real[1], 1);
    CHECK_EQ(efw->real[2], 3);
    CHECK_EQ(efw->otherwise, 1);
    CHECK_EQ(contract_xdp.returns[PERSONALITY_LINUX].otherwise, 0);
}

TEST_MAIN
