/* SPDX-License-Identifier: MIT
 *
 * The contract tables: numbers and names as both worlds have them, where the rows of one table can be held against
 * another source they are.
 */
#include "check.h"
#include "contract/contract.h"
#include "helpers/helpers.h"
#include "hooks/xdp.h"

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

/* What holds for every layout: fields inside the context, pointer fields with a partner; where a hook keeps the context
 * elsewhere than the program sees it, fields in order and apart as well. */
static void check_layout(const struct program_contract *program, const struct context_layout *layout)
{
    bool mapped = !(program->flags & CONTRACT_VERIFY_ONLY);
    uint32_t end = 0;

    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct context_field *field = &layout->fields[i];

        CHECK(field->name && field->size > 0);
        CHECK(!mapped || field->offset >= end);
        end = field->offset + field->size;
        CHECK(end <= layout->size);
        CHECK(field->real_offset + field->real_size <= program->real_size);
        CHECK(mapped || (field->real_offset == field->offset && field->real_size == field->size));
        CHECK(field->flags & (FIELD_READ | FIELD_WRITE));
        switch (field->kind) {
        case FIELD_PACKET:
        case FIELD_PACKET_META:
        case FIELD_MEMORY:
            REQUIRE(field->partner >= 0 && (uint32_t)field->partner < layout->field_count);
            CHECK_EQ(layout->fields[field->partner].kind, field->kind == FIELD_PACKET   ? FIELD_PACKET_END
                                                          : field->kind == FIELD_MEMORY ? FIELD_MEMORY_END
                                                                                        : FIELD_PACKET);
            CHECK(!mapped || field->real_size == 8);
            CHECK_EQ(field->flags, FIELD_READ);
            break;
        case FIELD_SCALAR:
            CHECK_EQ(field->size, field->real_size);
            CHECK_EQ(field->partner, -1);
            break;
        case FIELD_BYTES: CHECK_EQ(field->partner, -1); break;
        default:
            CHECK_EQ(field->partner, -1);
            CHECK_EQ(field->flags, FIELD_READ);
            break;
        }
    }
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
    CHECK(!contract_program(PERSONALITY_LINUX, 0) && !contract_program(PERSONALITY_LINUX, 33));
    CHECK(!contract_program(PERSONALITY_EFW, 0) && !contract_program(PERSONALITY_EFW, 7));
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

/* Every type that has a name has a contract of that name, alone of its number. */
TEST(every_program)
{
    unsigned count = 0;

    for (int personality = 0; personality < PERSONALITIES; personality++)
        for (uint32_t type = 1; type < 11000; type++) {
            const char *name = contract_program_type_name(personality, type);
            const struct program_contract *program = contract_program(personality, type);

            CHECK_EQ(name != NULL, program != NULL);
            if (!program)
                continue;
            CHECK_STR(program->name, name);
            CHECK_EQ(program->type[personality], type);
            CHECK(program->context[personality].field_count > 0 || !strcmp(name, "ext"));
            check_layout(program, &program->context[personality]);
            for (uint32_t i = 0; i < program->attach_contexts_count; i++) {
                const struct attach_context *row = &program->attach_contexts[i];

                check_layout(program, &row->layout);
                CHECK_EQ(row->layout.size, program->context[row->personality].size);
                CHECK(contract_context(program, row->personality, row->attach_type) == &row->layout);
                /* What the type shows to all, each attach type shows. */
                for (int32_t offset = 0; offset < (int32_t)row->layout.size; offset++)
                    for (unsigned access = 0; access < 8; access++)
                        CHECK(!contract_field(&program->context[row->personality], offset, 1u << access / 2,
                                              access & 1) ||
                              contract_field(&row->layout, offset, 1u << access / 2, access & 1));
            }
            CHECK(contract_context(program, personality, 9999) == &program->context[personality]);
            count++;
        }
    CHECK_EQ(count, 33 + 7);
}

TEST(return_ranges)
{
    static const struct {
        enum personality personality;
        uint32_t type, attach;
        bool any;
        int32_t lowest, highest;
    } cases[] = {
        {PERSONALITY_LINUX, 6, 37, true, 0, 0},       {PERSONALITY_LINUX, 8, 0, false, 0, 1},
        {PERSONALITY_LINUX, 8, 1, false, 0, 3},       {PERSONALITY_LINUX, 18, 8, false, 0, 3},
        {PERSONALITY_LINUX, 18, 10, false, 0, 1},     {PERSONALITY_LINUX, 18, 19, false, 1, 1},
        {PERSONALITY_LINUX, 26, 24, false, 0, 0},     {PERSONALITY_LINUX, 26, 23, true, 0, 0},
        {PERSONALITY_LINUX, 29, 27, false, -4095, 0}, {PERSONALITY_LINUX, 29, 43, false, 0, 1},
        {PERSONALITY_LINUX, 2, 0, true, 0, 0},        {PERSONALITY_LINUX, 2, 56, false, 0, 1},
        {PERSONALITY_LINUX, 28, 0, true, 0, 0},       {PERSONALITY_EFW, 1, 1, true, 0, 0},
        {PERSONALITY_EFW, 3, 3, true, 0, 0},          {PERSONALITY_EFW, 2, 2, true, 0, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct return_range range;
        const struct program_contract *program = contract_program(cases[i].personality, cases[i].type);

        REQUIRE(program);
        CHECK_EQ(contract_return_range(program, cases[i].personality, cases[i].attach, &range), !cases[i].any);
        if (cases[i].any)
            continue;
        CHECK_EQ(range.lowest, cases[i].lowest);
        CHECK_EQ(range.highest, cases[i].highest);
    }
}

/* A prototype's own rules: arguments without gaps, a size behind each sized memory and nowhere else, sizes for memory
 * of fixed size. */
static void check_proto(const struct helper_proto *proto)
{
    bool over = false, map = false;

    for (unsigned i = 0; i < HELPER_ARGS; i++) {
        enum arg_kind kind = proto->args[i], before = i ? proto->args[i - 1] : ARG_NONE;
        bool sized = before == ARG_MEM || before == ARG_MEM_OR_NULL || before == ARG_MEM_UNINIT ||
                     before == ARG_MEM_UNINIT_OR_NULL;
        bool fixed = kind == ARG_FIXED_MEM || kind == ARG_FIXED_MEM_UNINIT;

        CHECK(!(over && kind != ARG_NONE));
        over |= kind == ARG_NONE;
        map |= kind == ARG_CONST_MAP;
        CHECK_EQ(sized, kind == ARG_SIZE || kind == ARG_SIZE_OR_ZERO);
        CHECK_EQ(fixed, proto->fixed_size[i] != 0);
        CHECK(map || (kind != ARG_MAP_KEY && kind != ARG_MAP_VALUE && kind != ARG_MAP_VALUE_UNINIT));
    }
    CHECK(map || (proto->ret != RET_MAP_VALUE && proto->ret != RET_MAP_VALUE_OR_NULL));
    CHECK(!!(proto->flags & HELPER_MIGHT_SLEEP) == (proto->max_irql == 0));
}

TEST(every_helper)
{
    unsigned count[PERSONALITIES] = {0};

    for (int personality = 0; personality < PERSONALITIES; personality++)
        for (uint32_t type = 1; type < 1000; type++)
            for (int32_t id = 0; id < 65600; id = id == 300 ? 65530 : id + 1) {
                const struct helper_proto *proto = contract_helper_proto(personality, type, id);

                if (!proto)
                    continue;
                count[personality]++;
                CHECK_EQ(proto->id[personality], id);
                CHECK_STR(proto->name, contract_program_helper_name(personality, type, id));
                check_proto(proto);
            }
    CHECK(count[PERSONALITY_LINUX] > 2500);
    CHECK_EQ(count[PERSONALITY_EFW], 7 * 35 + 14);
    /* No helper without a type that may call it. */
    for (int32_t id = 1; id <= 211; id++) {
        bool callable = false;
        for (uint32_t type = 1; type <= 32; type++)
            callable |= contract_helper_proto(PERSONALITY_LINUX, type, id) != NULL;
        if (!callable)
            printf("nobody may call %s\n", contract_helper_name(PERSONALITY_LINUX, id));
        CHECK(callable);
    }
    CHECK(!contract_helper_proto(PERSONALITY_LINUX, 6, 212) && !contract_helper_proto(PERSONALITY_LINUX, 33, 1));
    CHECK(!contract_helper_proto(PERSONALITY_LINUX, 6, -1) && !contract_helper_proto(PERSONALITY_LINUX, 0, 1));
    CHECK(contract_helper_proto(PERSONALITY_LINUX, LINUX_TYPE_BIND, 1));
    CHECK(!contract_helper_proto(PERSONALITY_LINUX, LINUX_TYPE_BIND, 44));
}

/* The prototype beside a body asks for what the table asks for: a number where the table takes anything, and only map
 * kinds that are here, are all that may differ. */
static void check_implemented(const struct helper_proto *here, enum personality personality, uint32_t type)
{
    const struct helper_proto *table = contract_helper_proto(personality, type, here->id[personality]);
    bool same;

    if (here->id[personality] < 0)
        return;
    if (!table)
        printf("no row for %s\n", here->name);
    REQUIRE(table);
    same = !strcmp(here->name, table->name) && here->ret == table->ret && here->flags == table->flags &&
           here->max_irql == table->max_irql && !memcmp(here->fixed_size, table->fixed_size, HELPER_ARGS) &&
           !(table->map_kinds && (here->map_kinds == 0 || here->map_kinds & ~table->map_kinds));
    for (unsigned i = 0; i < HELPER_ARGS; i++)
        same = same &&
               (here->args[i] == table->args[i] || (here->args[i] == ARG_SCALAR && table->args[i] == ARG_ANYTHING));
    if (!same)
        printf("%s differs from its row\n", here->name);
    CHECK(same);
}

TEST(implemented)
{
    static const uint32_t any_type[PERSONALITIES] = {6, 1};
    unsigned count = 0;

    for (int personality = 0; personality < PERSONALITIES; personality++) {
        for (const struct helper_family *family = helper_families; family->helpers; family++)
            for (const struct helper *helper = family->helpers; helper->proto.name; helper++, count++)
                check_implemented(&helper->proto, personality, any_type[personality]);
        for (const struct helper *helper = xdp_helpers; helper->proto.name; helper++, count++)
            check_implemented(&helper->proto, personality, any_type[personality]);
    }
    CHECK(count > 60);
}

TEST_MAIN
