/* SPDX-License-Identifier: MIT
 *
 * The door bpf(): every command's way of working and of failing, pins, ids, logs, what is left after any of it.  One
 * source for each place where the core can be (fixture.h).
 */
#include "fixture.h"

TEST(elements)
{
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(4);
    REQUIRE(fd >= 0);
    uint32_t key = 7, next = 0;
    uint64_t value = 70, got = 0;
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), ENOENT);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_ANY), 0);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), 0);
    CHECK_EQ(got, 70);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_NOEXIST), EEXIST);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 77), EINVAL);
    CHECK_EQ(fixture_element(BPF_MAP_GET_NEXT_KEY, fd, NULL, &next, 0), 0);
    CHECK_EQ(next, 7);
    FAILS(fixture_element(BPF_MAP_GET_NEXT_KEY, fd, &key, &next, 0), ENOENT);
    for (key = 0; key < 3; key++)
        CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_ANY), 0);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, BPF_ANY), E2BIG);
    key = 7;
    got = 0;
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, fd, &key, &got, 0), 0);
    CHECK_EQ(got, 70);
    FAILS(fixture_element(BPF_MAP_DELETE_ELEM, fd, &key, NULL, 0), ENOENT);
    FAILS(fixture_element(BPF_MAP_DELETE_ELEM, fd, &key, NULL, 1), EINVAL);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 1), EINVAL);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, BPF_F_LOCK), EINVAL);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, NULL, &got, 0), EFAULT);
    key = 1;
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, NULL, 0), EFAULT);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, (void *)0xffff800000000000u, 0), EFAULT);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, 4000, &key, &got, 0), EBADF);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, -1, &key, &got, 0), EBADF);
    /* An attr that is longer than the command's, with something in it. */
    union bpf_attr attr = {.map_fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)&got};
    CHECK_EQ(fixture_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr), 0);
    ((uint8_t *)&attr)[40] = 1;
    FAILS(fixture_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr), EINVAL);
    uint8_t longer[1000] = {0};
    memcpy(longer, &attr, 32);
    CHECK_EQ(fixture_bpf(BPF_MAP_LOOKUP_ELEM, longer, sizeof longer), 0);
    longer[999] = 1;
    FAILS(fixture_bpf(BPF_MAP_LOOKUP_ELEM, longer, sizeof longer), E2BIG);
    FAILS(fixture_bpf(BPF_MAP_LOOKUP_ELEM, longer, 5000), E2BIG);
    FAILS(fixture_bpf(999, &attr, 32), EINVAL);
    FAILS(fixture_bpf(BPF_MAP_CREATE, NULL, 32), EFAULT);
    FAILS(fixture_bpf(BPF_MAP_CREATE, (void *)0x7ffffffff000, 32), EFAULT);
    fixture_close(fd);
    CHECK(fixture_stop());
}

TEST(map_create_errors)
{
    REQUIRE(fixture_start());
    union bpf_attr good = {.map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 4}, attr;
#define WRONG(change, error)                                                                                           \
    do {                                                                                                               \
        attr = good;                                                                                                   \
        change;                                                                                                        \
        FAILS(fixture_bpf(BPF_MAP_CREATE, &attr, sizeof attr), error);                                                 \
    } while (0)
    WRONG(attr.map_type = 999, EINVAL);
    WRONG(attr.map_type = BPF_MAP_TYPE_STRUCT_OPS, EINVAL); /* nobody registered it */
    WRONG(attr.max_entries = 0, EINVAL);
    WRONG(attr.map_flags = BPF_F_RDONLY | BPF_F_WRONLY, EINVAL);
    WRONG(strcpy(attr.map_name, "sp ace"), EINVAL);
    WRONG(memset(attr.map_name, 'a', 16), EINVAL);
    WRONG(attr.btf_key_type_id = 1, EINVAL);
    WRONG((attr.btf_value_type_id = 1, attr.btf_fd = 4000), EBADF);
    WRONG(attr.map_extra = 1, EINVAL);
    WRONG(attr.map_ifindex = 1, EINVAL);
    CHECK_EQ(fixture_count(OBJECT_MAP), 0);
    CHECK(fixture_stop());
}

TEST(access_and_freeze)
{
    REQUIRE(fixture_start());
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 4};
    uint32_t key = 1;
    uint64_t value = 2;
    attr.map_flags = BPF_F_RDONLY;
    int reader = fixture_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
    attr.map_flags = BPF_F_WRONLY;
    int writer = fixture_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
    attr.map_flags = 0;
    int both = fixture_bpf(BPF_MAP_CREATE, &attr, sizeof attr);
    REQUIRE(reader >= 0 && writer >= 0 && both >= 0);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, reader, &key, &value, 0), EPERM);
    FAILS(fixture_element(BPF_MAP_DELETE_ELEM, reader, &key, NULL, 0), EPERM);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, reader, &key, &value, 0), ENOENT);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, writer, &key, &value, 0), 0);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, writer, &key, &value, 0), EPERM);
    FAILS(fixture_element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, writer, &key, &value, 0), EPERM);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, both, &key, &value, 0), 0);
    union bpf_attr freeze = {.map_fd = (uint32_t)both};
    CHECK_EQ(fixture_bpf(BPF_MAP_FREEZE, &freeze, sizeof freeze), 0);
    FAILS(fixture_bpf(BPF_MAP_FREEZE, &freeze, sizeof freeze), EPERM);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, both, &key, &value, 0), EPERM);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, both, &key, &value, 0), 0);
    freeze.map_fd = (uint32_t)reader;
    FAILS(fixture_bpf(BPF_MAP_FREEZE, &freeze, sizeof freeze), EPERM);
    fixture_close(reader), fixture_close(writer), fixture_close(both);
    CHECK(fixture_stop());
}

TEST(many_handles)
{
    enum { COUNT = 200 };
    int fds[COUNT];
    uint64_t value, got = 0;
    REQUIRE(fixture_start());
    for (uint32_t i = 0; i < COUNT; i++) {
        fds[i] = fixture_map_fd(2);
        value = i;
        CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fds[i], &i, &value, 0), 0);
    }
    for (uint32_t i = 0; i < COUNT; i += 2)
        fixture_close(fds[i]);
    fixture_sweep();
    CHECK_EQ(fixture_count(OBJECT_MAP), COUNT / 2);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 1; i < COUNT; i += 2) {
            CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fds[i], &i, &got, 0), 0);
            CHECK_EQ(got, i);
        }
    for (uint32_t i = 0; i < COUNT; i += 2)
        CHECK((fds[i] = fixture_map_fd(2)) >= 0);
    for (uint32_t i = 1; i < COUNT; i += 2) {
        CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fds[i], &i, &got, 0), 0);
        CHECK_EQ(got, i);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        fixture_close(fds[i]);
    CHECK(fixture_stop());
}

TEST(ids)
{
    REQUIRE(fixture_start());
    int a = fixture_map_fd(1), b = fixture_map_fd(1), c = fixture_map_fd(1);
    union bpf_attr attr = {.start_id = 0};
    CHECK_EQ(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), 0);
    CHECK_EQ(attr.next_id, 1);
    fixture_close(b);
    attr = (union bpf_attr){.start_id = 1};
    CHECK_EQ(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), 0);
    CHECK_EQ(attr.next_id, 3);
    attr = (union bpf_attr){.start_id = 3};
    FAILS(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), ENOENT);
    attr = (union bpf_attr){.start_id = 0x7fffffff};
    FAILS(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), EINVAL);
    attr = (union bpf_attr){.map_id = 3};
    int again = fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr);
    CHECK(again >= 0);
    attr = (union bpf_attr){.map_id = 2};
    FAILS(fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr), ENOENT);
    attr = (union bpf_attr){.map_id = 0};
    FAILS(fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr), ENOENT);
    attr = (union bpf_attr){.prog_id = 1};
    FAILS(fixture_bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr), ENOENT);
    int d = fixture_map_fd(1);
    attr = (union bpf_attr){.start_id = 3};
    CHECK_EQ(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), 0);
    CHECK_EQ(attr.next_id, 4); /* 2 is not given again */
    attr = (union bpf_attr){.map_id = 3};
    fixture_close(c);
    fixture_close(again);
    FAILS(fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr), ENOENT);
    fixture_close(a), fixture_close(d);
    CHECK(fixture_stop());
}

static int pin(uint32_t command, const char *path, int fd)
{
    union bpf_attr attr = {.pathname = (uintptr_t)path, .bpf_fd = fd > 0 ? (uint32_t)fd : 0};
    return fixture_bpf(command, &attr, sizeof attr);
}

TEST(pins)
{
    char longest[300] = "/sys/fs/bpf/", next[300];
    enum object_kind kind = OBJECT_KINDS;
    uint32_t key = 1;
    uint64_t value = 12, got = 0;
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(4);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    CHECK_EQ(pin(BPF_OBJ_PIN, "/sys/fs/bpf/folder/a", fd), 0);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf//folder/a/", fd), EEXIST);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/folder", fd), EEXIST);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/folder/a/b", fd), ENOTDIR);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/a.b", fd), EPERM);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/../a", fd), EPERM);
    FAILS(pin(BPF_OBJ_PIN, "", fd), ENOENT);
    FAILS(pin(BPF_OBJ_PIN, "relative", fd), EINVAL);
    FAILS(pin(BPF_OBJ_PIN, NULL, fd), EFAULT);
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/x", 4000), EINVAL);
    memset(longest + 12, 'x', 250);
    FAILS(pin(BPF_OBJ_PIN, longest, fd), ENAMETOOLONG);
    longest[255] = 0;
    CHECK_EQ(pin(BPF_OBJ_PIN, longest, fd), 0);
    fixture_close(fd);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/nothing", 0), ENOENT);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/folder", 0), EACCES);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/folder/a", 3), EINVAL);
    fd = pin(BPF_OBJ_GET, "/sys/fs/bpf/folder/a", 0);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), 0);
    CHECK_EQ(got, 12);
    fixture_close(fd);
    union bpf_attr attr = {.pathname = (uintptr_t) "/sys/fs/bpf/folder/a", .file_flags = BPF_F_RDONLY};
    fd = fixture_bpf(BPF_OBJ_GET, &attr, sizeof attr);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), EPERM);
    fixture_close(fd);
    CHECK_EQ(fixture_next_pin("", next, &kind), 0);
    CHECK_STR(next, "/sys/fs/bpf/folder/a");
    CHECK_EQ(kind, OBJECT_MAP);
    CHECK_EQ(fixture_next_pin(next, next, &kind), 0);
    CHECK_STR(next, longest);
    FAILS(fixture_next_pin(next, next, &kind), ENOENT);
    CHECK_EQ(fixture_unpin("/sys/fs/bpf/folder/a"), 0);
    FAILS(fixture_unpin("/sys/fs/bpf/folder/a"), ENOENT);
    CHECK_EQ(fixture_count(OBJECT_MAP), 1);
    CHECK(fixture_stop()); /* takes the other pin away */
}

static char log_text[512];

/* PROG_LOAD of `count` instructions with a log; changes to attr by `change`. */
static int load(const struct insn *insns, uint32_t count, void (*change)(union bpf_attr *attr))
{
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
                           .insn_cnt = count,
                           .insns = (uintptr_t)insns,
                           .license = (uintptr_t) "Proprietary",
                           .log_level = 1,
                           .log_buf = (uintptr_t)log_text,
                           .log_size = sizeof log_text};
    memset(log_text, 0, sizeof log_text);
    if (change)
        change(&attr);
    return fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
}

static void bad_flags(union bpf_attr *attr)
{
    attr->prog_flags = 1u << 31;
}
static void bad_type(union bpf_attr *attr)
{
    attr->prog_type = 31;
}
static void bad_insns(union bpf_attr *attr)
{
    attr->insns = 8;
}
static void wild_insns(union bpf_attr *attr) /* an address that a process could have, with nothing there */
{
    attr->insns = 0x123456780000;
}
static void bad_license(union bpf_attr *attr)
{
    attr->license = 0;
}
static void gpl(union bpf_attr *attr)
{
    attr->license = (uintptr_t) "GPL";
}
static void bad_name(union bpf_attr *attr)
{
    strcpy(attr->prog_name, "a-b");
}
static void bad_level(union bpf_attr *attr)
{
    attr->log_level = 16;
}
static void no_level(union bpf_attr *attr)
{
    attr->log_level = 0;
}
static void no_size(union bpf_attr *attr)
{
    attr->log_size = 0;
}
static void small_log(union bpf_attr *attr)
{
    attr->log_size = 8;
}
static void small_fixed_log(union bpf_attr *attr)
{
    attr->log_size = 8;
    attr->log_level = 1 | 8;
}
static void bad_log(union bpf_attr *attr)
{
    attr->log_buf = 8;
}
static void bad_btf(union bpf_attr *attr)
{
    attr->prog_btf_fd = 4000;
}
static void infos_without_btf(union bpf_attr *attr)
{
    attr->func_info_cnt = 1;
    attr->func_info_rec_size = 8;
}

TEST(prog_load_errors)
{
    struct insn good[] = {insn_make(0xb7, 0, 0, 0, 2), insn_make(0x95, 0, 0, 0, 0)};
    struct insn broken[] = {insn_make(0xff, 0, 0, 0, 2), insn_make(0x95, 0, 0, 0, 0)};
    struct insn distant[] = {insn_make(0x05, 0, 0, 100, 0), insn_make(0x95, 0, 0, 0, 0)};
    struct insn unknown[] = {insn_make(0x85, 0, 0, 0, 12345), insn_make(0x95, 0, 0, 0, 0)};
    struct insn printk[] = {insn_make(0x85, 0, 0, 0, 6), insn_make(0x95, 0, 0, 0, 0)};
    struct insn bad_map[] = {insn_make(0x18, 1, 1, 0, 4000), insn_make(0, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    struct insn no_array[] = {insn_make(0x18, 1, 5, 0, 0), insn_make(0, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    struct insn value[] = {insn_make(0x18, 1, 2, 0, 0), insn_make(0, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    REQUIRE(fixture_start());
    int map = fixture_map_fd(1);
    FAILS(load(good, 0, NULL), E2BIG);
    FAILS(load(good, 1000001, NULL), E2BIG);
    FAILS(load(good, 2, bad_flags), EINVAL);
    FAILS(load(good, 2, bad_type), EINVAL);
    CHECK(strstr(log_text, "type 31"));
    FAILS(load(good, 2, bad_insns), EFAULT);
    FAILS(load(good, 2, wild_insns), EFAULT);
    FAILS(load(good, 2, bad_license), EFAULT);
    FAILS(load(good, 2, bad_name), EINVAL);
    FAILS(load(good, 2, bad_level), EINVAL);
    FAILS(load(good, 2, no_level), EINVAL);
    FAILS(load(good, 2, no_size), EINVAL);
    FAILS(load(good, 2, bad_btf), EBADF);
    FAILS(load(good, 2, infos_without_btf), EINVAL);
    FAILS(load(good, 1, NULL), EINVAL); /* runs off the end */
    CHECK(log_text[0]);
    FAILS(load(broken, 2, NULL), EINVAL);
    CHECK(log_text[0]);
    FAILS(load(broken, 2, bad_log), EFAULT);
    FAILS(load(distant, 2, NULL), EINVAL);
    CHECK(log_text[0]);
    FAILS(load(unknown, 2, NULL), EINVAL);
    CHECK(strstr(log_text, "unknown func"));
    FAILS(load(printk, 2, NULL), EINVAL);
    CHECK(strstr(log_text, "GPL"));
    FAILS(load(bad_map, 3, NULL), EBADF);
    int other = fixture_prog_fd(1, -1); /* a handle, but of a program */
    bad_map[0].imm = other;
    FAILS(load(bad_map, 3, NULL), EINVAL);
    fixture_close(other);
    CHECK(fixture_settles(OBJECT_PROG, 0));
    FAILS(load(no_array, 3, NULL), EPROTO);
    value[0].imm = map;
    FAILS(load(value, 3, NULL), EINVAL);
    CHECK(strstr(log_text, "no single value"));
    /* What comes out of a log that is too small: its end, or with FIXED its beginning. */
    FAILS(load(broken, 2, NULL), EINVAL);
    char whole[sizeof log_text];
    strcpy(whole, log_text);
    FAILS(load(broken, 2, small_log), ENOSPC);
    CHECK_STR(log_text, whole + strlen(whole) - 7);
    FAILS(load(broken, 2, small_fixed_log), ENOSPC);
    CHECK(strlen(log_text) == 7 && !strncmp(log_text, whole, 7));
    CHECK_EQ(fixture_count(OBJECT_PROG), 0);
    int fd = load(printk, 2, gpl);
    CHECK(fd >= 0);
    CHECK_STR(log_text, "");
    fixture_close(fd), fixture_close(map);
    CHECK(fixture_stop());
}

/* A program names a map by its place in an array of handles: the array goes with the command, as far as it is used. */
TEST(maps_by_place)
{
    REQUIRE(fixture_start());
    int first = fixture_map_fd(1), second = fixture_map_fd(1), fds[70];
    for (int i = 0; i < 70; i++)
        fds[i] = i == 69 ? second : first;
    struct insn insns[] = {insn_make(0x18, 1, 5, 0, 0), insn_make(0, 0, 0, 0, 0),    insn_make(0x18, 2, 5, 0, 69),
                           insn_make(0, 0, 0, 0, 0),    insn_make(0xb7, 0, 0, 0, 2), insn_make(0x95, 0, 0, 0, 0)};
    uint32_t ids[4] = {0};
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_XDP, .insn_cnt = 6, .insns = (uintptr_t)insns, .license = (uintptr_t) "GPL"};
    attr.fd_array = (uintptr_t)fds;
    int prog = fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr);
    REQUIRE(prog >= 0);
    struct bpf_prog_info info = {.nr_map_ids = 4, .map_ids = (uintptr_t)ids};
    union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)prog, .info_len = sizeof info, .info = (uintptr_t)&info}};
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.nr_map_ids, 2);
    CHECK(ids[0] == 1 && ids[1] == 2);
    fds[69] = 4000;
    FAILS(fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr), EBADF);
    attr.fd_array = 8;
    FAILS(fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr), EFAULT);
    fixture_close(first), fixture_close(second), fixture_close(prog);
    CHECK(fixture_settles(OBJECT_PROG, 0));
    CHECK(fixture_stop());
}

TEST(program_runs_and_tells)
{
    REQUIRE(fixture_start());
    int map = fixture_map_fd(4), prog = fixture_prog_fd(2, map);
    uint8_t in[20] = "0123456789abcdefghi", out[20] = {0};
    union bpf_attr attr = {.test = {.prog_fd = (uint32_t)prog,
                                    .data_in = (uintptr_t)in,
                                    .data_size_in = sizeof in,
                                    .data_out = (uintptr_t)out,
                                    .data_size_out = sizeof out,
                                    .repeat = 3}};
    REQUIRE(map >= 0 && prog >= 0);
    CHECK_EQ(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), 0);
    CHECK_EQ(attr.test.retval, 2);
    CHECK_EQ(attr.test.data_size_out, 20);
    CHECK(!memcmp(in, out, sizeof in));
    attr.test.data_size_out = 4;
    memset(out, 0, sizeof out);
    FAILS(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), ENOSPC);
    CHECK_EQ(attr.test.data_size_out, 20);
    CHECK(!memcmp(out, "0123\0", 5));
    attr.test.data_size_out = 0; /* of old: the caller knows that there is room */
    CHECK_EQ(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), 0);
    CHECK(!memcmp(in, out, sizeof in));
    attr.test.data_size_in = 5;
    FAILS(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), EINVAL);
    attr.test.data_size_in = 20;
    attr.test.ctx_size_in = 4;
    FAILS(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), EINVAL);
    attr.test.ctx_size_in = 0;
    attr.test.data_in = 8;
    FAILS(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), EFAULT);
    attr.test.prog_fd = (uint32_t)map;
    FAILS(fixture_bpf(BPF_PROG_TEST_RUN, &attr, sizeof attr), EINVAL);

    struct bpf_prog_info info = {0};
    struct insn xlated[8];
    uint32_t ids[2] = {0};
    info.xlated_prog_insns = (uintptr_t)xlated;
    info.xlated_prog_len = sizeof xlated;
    info.map_ids = (uintptr_t)ids;
    info.nr_map_ids = 2;
    union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)prog, .info_len = sizeof info, .info = (uintptr_t)&info}};
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(ask.info.info_len, sizeof info);
    CHECK_EQ(info.type, BPF_PROG_TYPE_XDP);
    CHECK_EQ(info.id, 1);
    CHECK_STR(info.name, "prog");
    CHECK_EQ(info.xlated_prog_len, 32);
    CHECK_EQ(xlated[0].imm, 2);
    CHECK_EQ(xlated[1].imm, 1); /* the map's id */
    CHECK_EQ(insn_src(&xlated[1]), 1);
    CHECK_EQ(info.nr_map_ids, 1);
    CHECK_EQ(ids[0], 1);
    CHECK_EQ(info.gpl_compatible, 1);
    CHECK_EQ(info.run_cnt, 9);
    CHECK(info.load_time != 0);
    uint8_t longer[sizeof info + 8] = {0};
    ask.info.info = (uintptr_t)longer;
    ask.info.info_len = sizeof longer;
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(ask.info.info_len, sizeof info);
    memset(longer, 0, sizeof longer);
    longer[sizeof info + 1] = 1;
    ask.info.info_len = sizeof longer;
    FAILS(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), E2BIG);
    memset(longer, 0xee, sizeof longer);
    memset(longer, 0, 8);
    ask.info.info_len = 8; /* only type and id */
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(longer[0], 6);
    CHECK_EQ(longer[8], 0xee);
    fixture_close(map);
    CHECK_EQ(fixture_count(OBJECT_MAP), 1); /* the program holds it */
    fixture_close(prog);
    CHECK(fixture_settles(OBJECT_PROG, 0));
    CHECK(fixture_settles(OBJECT_MAP, 0));
    CHECK(fixture_stop());
}

/* int, and an array map's worth of it: the smallest BTF with a use. */
static const struct {
    struct btf_header_ {
        uint16_t magic;
        uint8_t version, flags;
        uint32_t hdr_len, type_off, type_len, str_off, str_len;
    } header;
    uint32_t types[4 + 4 + 3];
    char strings[16];
} small_btf = {{0xeb9f, 1, 0, 24, 0, 44, 44, 16},
               {1, 1u << 24, 4, 32, /* INT "int" */
                1, 1u << 24, 8, 64, /* INT "int", 8 bytes */
                5, 12u << 24, 1},   /* FUNC "main" of a type that is none: refused when it is read */
               "\0int\0main"};

TEST(btf)
{
    char text[256] = "";
    struct {
        struct btf_header_ header;
        uint32_t types[8];
        char strings[16];
    } good;
    REQUIRE(fixture_start());
    memcpy(&good.header, &small_btf.header, sizeof good.header);
    good.header.type_len = good.header.str_off = 32;
    memcpy(good.types, small_btf.types, 32);
    memcpy(good.strings, small_btf.strings, 16);
    union bpf_attr attr = {.btf = (uintptr_t)&good, .btf_size = sizeof good};
    int fd = fixture_bpf(BPF_BTF_LOAD, &attr, sizeof attr);
    REQUIRE(fd >= 0);
    uint8_t back[sizeof good + 10];
    struct bpf_btf_info info = {.btf = (uintptr_t)back, .btf_size = sizeof back};
    union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)fd, .info_len = sizeof info, .info = (uintptr_t)&info}};
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.btf_size, sizeof good);
    CHECK_EQ(info.id, 1);
    CHECK(!memcmp(back, &good, sizeof good));
    FAILS(pin(BPF_OBJ_PIN, "/sys/fs/bpf/btf", fd), EINVAL);
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_HASH,
                          .key_size = 4,
                          .value_size = 8,
                          .max_entries = 4,
                          .btf_fd = (uint32_t)fd,
                          .btf_key_type_id = 1,
                          .btf_value_type_id = 2};
    int typed = fixture_bpf(BPF_MAP_CREATE, &map, sizeof map);
    CHECK(typed >= 0);
    struct bpf_map_info map_info = {0};
    union bpf_attr ask_map = {
        .info = {.bpf_fd = (uint32_t)typed, .info_len = sizeof map_info, .info = (uintptr_t)&map_info}};
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask_map, sizeof ask_map), 0);
    CHECK_EQ(map_info.btf_id, 1);
    CHECK_EQ(map_info.btf_key_type_id, 1);
    CHECK_EQ(map_info.btf_value_type_id, 2);
    CHECK_EQ(map_info.max_entries, 4);
    map.btf_value_type_id = 1; /* 4 bytes */
    FAILS(fixture_bpf(BPF_MAP_CREATE, &map, sizeof map), EINVAL);
    map.btf_fd = (uint32_t)typed; /* a handle, but of a map */
    FAILS(fixture_bpf(BPF_MAP_CREATE, &map, sizeof map), EINVAL);
    CHECK_EQ(fixture_count(OBJECT_MAP), 1);
    map.btf_fd = (uint32_t)fd;
    map.btf_value_type_id = 77;
    FAILS(fixture_bpf(BPF_MAP_CREATE, &map, sizeof map), EINVAL);
    attr.btf = (uintptr_t)&small_btf;
    attr.btf_size = sizeof small_btf;
    attr.btf_log_buf = (uintptr_t)text;
    attr.btf_log_size = sizeof text;
    attr.btf_log_level = 1;
    FAILS(fixture_bpf(BPF_BTF_LOAD, &attr, sizeof attr), EINVAL);
    CHECK(text[0]);
    CHECK_EQ(attr.btf_log_true_size, strlen(text) + 1);
    attr.btf_size = 0;
    FAILS(fixture_bpf(BPF_BTF_LOAD, &attr, sizeof attr), EINVAL);
    attr.btf_size = 17 << 20;
    FAILS(fixture_bpf(BPF_BTF_LOAD, &attr, sizeof attr), E2BIG);
    fixture_close(fd);
    fixture_sweep();
    CHECK_EQ(fixture_count(OBJECT_BTF), 1); /* the map's */
    fixture_close(typed);
    CHECK(fixture_stop());
}

TEST(run_statistics)
{
    REQUIRE(fixture_start());
    int prog = fixture_prog_fd(2, -1);
    uint8_t in[20] = {0};
    struct bpf_prog_info info = {0};
    union bpf_attr run = {.test = {.prog_fd = (uint32_t)prog,
                                   .data_in = (uintptr_t)in,
                                   .data_size_in = 20,
                                   .repeat = 1000}},
                   ask = {.info = {.bpf_fd = (uint32_t)prog, .info_len = sizeof info, .info = (uintptr_t)&info}},
                   stats = {.enable_stats = {.type = 7}};
    CHECK_EQ(fixture_bpf(BPF_PROG_TEST_RUN, &run, sizeof run), 0);
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.run_cnt, 1000);
    CHECK_EQ(info.run_time_ns, 0);
    FAILS(fixture_bpf(BPF_ENABLE_STATS, &stats, sizeof stats), EINVAL);
    stats.enable_stats.type = BPF_STATS_RUN_TIME;
    int fd = fixture_bpf(BPF_ENABLE_STATS, &stats, sizeof stats);
    CHECK(fd >= 0);
    CHECK_EQ(fixture_bpf(BPF_PROG_TEST_RUN, &run, sizeof run), 0);
    memset(&info, 0, sizeof info);
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.run_cnt, 2000);
    CHECK(info.run_time_ns > 0);
    fixture_close(fd), fixture_close(prog);
    CHECK(fixture_stop());
}

/* Commands from many threads on shared maps; closes race with lookups. */
static uint32_t quit;
static int shared_fds[4];

static void beat(void *argument)
{
    uint32_t x = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    while (!os_load(&quit)) {
        uint64_t value = x;
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        uint32_t key = x % 6;
        int *fd = &shared_fds[x / 64 % 4], number = os_load(fd);
        switch (x / 256 % 16) {
        case 0: {
            int fresh = fixture_map_fd(4);
            if (fresh >= 0)
                fixture_close(os_exchange(fd, fresh));
            break;
        }
        case 1: {
            union bpf_attr attr = {.start_id = 0};
            fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr);
            attr = (union bpf_attr){.map_id = attr.next_id};
            int found = fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr);
            if (found >= 0)
                fixture_close(found);
            break;
        }
        case 2: fixture_element(BPF_MAP_DELETE_ELEM, number, &key, NULL, 0); break;
        case 3:
        case 4:
        case 5:
        case 6: fixture_element(BPF_MAP_UPDATE_ELEM, number, &key, &value, 0); break;
        case 7: {
            int prog = fixture_prog_fd(1, number);
            if (prog >= 0)
                fixture_close(prog);
            break;
        }
        default: fixture_element(BPF_MAP_LOOKUP_ELEM, number, &key, &value, 0); break;
        }
    }
}

TEST(threads)
{
    struct os_thread *threads[4];
    const char *effort = getenv("WINBPF_EFFORT");
    quit = 0;
    REQUIRE(fixture_start());
    for (int i = 0; i < 4; i++)
        shared_fds[i] = fixture_map_fd(4);
    for (uintptr_t i = 0; i < 4; i++)
        REQUIRE(!os_thread_start(beat, (void *)(i + 1), &threads[i]));
    os_sleep_ns(effort && !strcmp(effort, "long") ? 20000000000u : 1000000000u);
    os_store(&quit, 1);
    for (int i = 0; i < 4; i++)
        os_thread_join(threads[i]);
    for (int i = 0; i < 4; i++)
        fixture_close(shared_fds[i]);
    CHECK(fixture_stop());
}

/* A hook that has no target here says so, and the program is not held by it. */
TEST(links_need_a_target)
{
    REQUIRE(fixture_start());
    int prog = fixture_prog_fd(1, -1), map = fixture_map_fd(1);
    union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)prog, .target_ifindex = 1, .attach_type = BPF_XDP}};
    FAILS(fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr), ENODEV);
    attr.link_create.attach_type = 9999;
    FAILS(fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr), EINVAL);
    attr.link_create.prog_fd = (uint32_t)map;
    FAILS(fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr), EINVAL);
    CHECK_EQ(fixture_count(OBJECT_LINK), 0);
    fixture_close(prog), fixture_close(map);
    CHECK(fixture_settles(OBJECT_PROG, 0));
    CHECK(fixture_stop());
}

/* A duplicate is the same object, and keeps it when the first is closed; the number is then free. */
TEST(duplicates)
{
    uint32_t key = 3;
    uint64_t value = 30, got = 0;
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(4), copy = fixture_dup(fd);
    REQUIRE(fd > 0 && copy > 0 && copy != fd);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    CHECK_EQ(fixture_close(fd), 0);
    FAILS(fixture_close(fd), EBADF);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), EBADF);
    FAILS(fixture_dup(fd), EBADF);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), 0);
    CHECK_EQ(got, 30);
    /* Another kind of object under the number that was the map's: nothing may remember the map. */
    int prog = fixture_prog_fd(1, -1);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, prog, &key, &got, 0), EINVAL);
    int larger = fixture_map(BPF_MAP_TYPE_HASH, 4, 64, 4, 0);
    uint8_t wide[64] = {1}, wide_got[64] = {0};
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, larger, &key, wide, 0), 0);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, larger, &key, wide_got, 0), 0);
    CHECK(!memcmp(wide, wide_got, sizeof wide));
    fixture_close(copy), fixture_close(prog), fixture_close(larger);
    CHECK(fixture_settles(OBJECT_MAP, 0));
    CHECK(fixture_stop());
}

/* Readers look while a writer replaces and removes: memory that a reader is looking at is not given back, so every word
 * is one that was written into this map (of which value is not said: elements are used again, as on Linux). */
enum { WORDS = 32 };
#define WORD(n) (0x5742504600000000u | (uint32_t)(n))
static int racing_map;
static uint32_t foreign, seen;

static void replace(void *argument)
{
    uint64_t value[WORDS];
    for (uint64_t n = 0; !os_load(&quit); n++) {
        uint32_t key = (uint32_t)n % 3;
        for (int i = 0; i < WORDS; i++)
            value[i] = WORD(n);
        if (n % 7 == 0)
            fixture_element(BPF_MAP_DELETE_ELEM, racing_map, &key, NULL, 0);
        else
            fixture_element(BPF_MAP_UPDATE_ELEM, racing_map, &key, value, 0);
    }
}

static void look(void *argument)
{
    uint64_t value[WORDS];
    for (uint32_t n = 0; !os_load(&quit); n++) {
        uint32_t key = n % 3;
        if (fixture_element(BPF_MAP_LOOKUP_ELEM, racing_map, &key, value, 0))
            continue;
        os_fetch_add(&seen, 1);
        for (int i = 0; i < WORDS; i++)
            if (value[i] >> 32 != WORD(0) >> 32)
                os_fetch_add(&foreign, 1);
    }
}

TEST(epochs_keep_what_is_read)
{
    struct os_thread *threads[3];
    REQUIRE(fixture_start());
    os_store(&quit, 0);
    racing_map = fixture_map(BPF_MAP_TYPE_HASH, 4, WORDS * 8, 3, BPF_F_NO_PREALLOC);
    REQUIRE(racing_map >= 0);
    REQUIRE(!os_thread_start(replace, NULL, &threads[0]));
    REQUIRE(!os_thread_start(look, NULL, &threads[1]));
    REQUIRE(!os_thread_start(look, NULL, &threads[2]));
    os_sleep_ns(500000000);
    os_store(&quit, 1);
    for (int i = 0; i < 3; i++)
        os_thread_join(threads[i]);
    CHECK(seen > 10);
    CHECK_EQ(foreign, 0);
    fixture_close(racing_map);
    CHECK(fixture_stop());
}

int main(int argc, char **argv)
{
    static const struct fixture_exception exceptions[] = {{NULL, 0, NULL}};
    return fixture_main(argc, argv, exceptions);
}
