/* SPDX-License-Identifier: MIT
 *
 * The door bpf() over the small world of fixture.h: every command's way of working and of failing, handles that are
 * real descriptors, pins, logs, what is left after any of it, and every allocation refused in turn.
 */
#include "fixture.h"

#define FAILS(call, error)                                                                                             \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK_EQ((call), -1);                                                                                          \
        CHECK_EQ(errno, error);                                                                                        \
    } while (0)

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
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, 0, &key, &got, 0), EINVAL);
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
    close(fd);
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
    WRONG(attr.map_type = BPF_MAP_TYPE_ARRAY, EINVAL); /* nobody registered it */
    WRONG(attr.max_entries = 0, EINVAL);
    WRONG(attr.map_flags = BPF_F_RDONLY | BPF_F_WRONLY, EINVAL);
    WRONG(strcpy(attr.map_name, "sp ace"), EINVAL);
    WRONG(memset(attr.map_name, 'a', 16), EINVAL);
    WRONG(attr.btf_key_type_id = 1, EINVAL);
    WRONG((attr.btf_value_type_id = 1, attr.btf_fd = 4000), EBADF);
    WRONG(attr.map_extra = 1, EINVAL);
    WRONG(attr.map_ifindex = 1, EINVAL);
    CHECK_EQ(object_count(OBJECT_MAP), 0);
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
    close(reader), close(writer), close(both);
    CHECK(fixture_stop());
}

TEST(handles_close_and_duplicate)
{
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(4), copy = dup(fd), other = fixture_map_fd(4);
    uint32_t key = 3;
    uint64_t value = 30, got;
    REQUIRE(fd >= 0 && copy >= 0 && other >= 0);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(object_count(OBJECT_MAP), 2);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), 0);
    /* Another object under the same number: no cache may remember the first. */
    CHECK_EQ(dup2(other, copy), copy);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), ENOENT);
    int null = open("/dev/null", O_RDWR);
    CHECK_EQ(dup2(null, copy), copy);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), EINVAL);
    int foreign[2];
    REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, foreign));
    CHECK_EQ(dup2(foreign[0], copy), copy);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), EINVAL);
    CHECK_EQ(dup2(fd, copy), copy);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), 0);
    close(fd);
    FAILS(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), EBADF);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, copy, &key, &got, 0), 0);
    /* A listing notices the last close at once. */
    close(copy);
    union bpf_attr attr = {.start_id = 0};
    CHECK_EQ(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), 0);
    CHECK_EQ(object_count(OBJECT_MAP), 1);
    CHECK_EQ(attr.next_id, 2);
    /* Without one the watcher does. */
    close(other);
    CHECK(fixture_settles(OBJECT_MAP, 0));
    close(null), close(foreign[0]), close(foreign[1]);
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
        close(fds[i]);
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_MAP), COUNT / 2);
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
        close(fds[i]);
    CHECK(fixture_stop());
}

static bool send_fd(int socket, int fd)
{
    char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &message, 0) == 1;
}

static int receive_fd(int socket)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd = -1;
    if (recvmsg(socket, &message, 0) == 1)
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

TEST(handles_travel)
{
    int pair[2];
    uint32_t key = 1;
    uint64_t value = 11, got = 0;
    REQUIRE(fixture_start());
    REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int fd = fixture_map_fd(4);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    CHECK(send_fd(pair[0], fd));
    close(fd); /* only the message holds it now */
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_MAP), 1);
    fd = receive_fd(pair[1]);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), 0);
    CHECK_EQ(got, 11);
    close(fd);
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_MAP), 0);
    close(pair[0]), close(pair[1]);
    CHECK(fixture_stop());
}

TEST(fork_child_has_no_core)
{
    uint32_t key = 1;
    uint64_t value = 5, got = 0;
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(4), status;
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        bool refused = fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0) == -1 && errno == EPERM;
        refused &= fixture_map_fd(4) == -1 && errno == EPERM;
        core_stop(); /* must neither hang nor touch the parent's */
        os_sleep_ns(50000000);
        _exit(refused ? 0 : 1);
    }
    close(fd);
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_MAP), 1); /* the child's copy keeps it, as a file's would */
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_MAP), 0);
    int again = fixture_map_fd(4);
    CHECK(again >= 0);
    close(again);
    CHECK(fixture_stop());
}

TEST(ids)
{
    REQUIRE(fixture_start());
    int a = fixture_map_fd(1), b = fixture_map_fd(1), c = fixture_map_fd(1);
    union bpf_attr attr = {.start_id = 0};
    CHECK_EQ(fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr), 0);
    CHECK_EQ(attr.next_id, 1);
    close(b);
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
    close(c);
    close(again);
    FAILS(fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr), ENOENT);
    close(a), close(d);
    CHECK(fixture_stop());
}

static int pin(uint32_t command, const char *path, int fd)
{
    union bpf_attr attr = {.pathname = (uintptr_t)path, .bpf_fd = fd > 0 ? (uint32_t)fd : 0};
    return fixture_bpf(command, &attr, sizeof attr);
}

TEST(pins)
{
    char longest[300] = "/sys/fs/bpf/", next[PIN_PATH_SIZE];
    enum object_kind kind;
    uint32_t id, key = 1;
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
    close(fd);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/nothing", 0), ENOENT);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/folder", 0), EACCES);
    FAILS(pin(BPF_OBJ_GET, "/sys/fs/bpf/folder/a", 3), EINVAL);
    fd = pin(BPF_OBJ_GET, "/sys/fs/bpf/folder/a", 0);
    CHECK_EQ(fixture_element(BPF_MAP_LOOKUP_ELEM, fd, &key, &got, 0), 0);
    CHECK_EQ(got, 12);
    close(fd);
    union bpf_attr attr = {.pathname = (uintptr_t) "/sys/fs/bpf/folder/a", .file_flags = BPF_F_RDONLY};
    fd = fixture_bpf(BPF_OBJ_GET, &attr, sizeof attr);
    FAILS(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), EPERM);
    close(fd);
    CHECK_EQ(pin_next("", next, &kind, &id), RESULT_OK);
    CHECK_STR(next, "/sys/fs/bpf/folder/a");
    CHECK_EQ(kind, OBJECT_MAP);
    CHECK_EQ(id, 1);
    CHECK_EQ(pin_next(next, next, &kind, &id), RESULT_OK);
    CHECK_STR(next, longest);
    CHECK_EQ(pin_next(next, next, &kind, &id), RESULT_NOT_FOUND);
    CHECK_EQ(pin_remove("/sys/fs/bpf/folder/a"), RESULT_OK);
    CHECK_EQ(pin_remove("/sys/fs/bpf/folder/a"), RESULT_NOT_FOUND);
    CHECK_EQ(object_count(OBJECT_MAP), 1);
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
    struct insn far[] = {insn_make(0x05, 0, 0, 100, 0), insn_make(0x95, 0, 0, 0, 0)};
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
    FAILS(load(far, 2, NULL), EINVAL);
    CHECK(log_text[0]);
    FAILS(load(unknown, 2, NULL), EINVAL);
    CHECK(strstr(log_text, "unknown func"));
    FAILS(load(printk, 2, NULL), EINVAL);
    CHECK(strstr(log_text, "GPL"));
    FAILS(load(bad_map, 3, NULL), EBADF);
    bad_map[0].imm = 0;
    FAILS(load(bad_map, 3, NULL), EINVAL);
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
    CHECK_EQ(object_count(OBJECT_PROG), 0);
    int fd = load(printk, 2, gpl);
    CHECK(fd >= 0);
    CHECK_STR(log_text, "");
    close(fd), close(map);
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
    CHECK_EQ(info.run_cnt, 6);
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
    close(map);
    CHECK_EQ(object_count(OBJECT_MAP), 1); /* the program holds it */
    close(prog);
    CHECK(fixture_settles(OBJECT_PROG, 0));
    for (int i = 0; i < 100 && object_count(OBJECT_MAP); i++)
        epoch_synchronize();
    CHECK_EQ(object_count(OBJECT_MAP), 0);
    CHECK(fixture_stop());
}

TEST(links)
{
    REQUIRE(fixture_start());
    int prog = fixture_prog_fd(1, -1), other = fixture_prog_fd(2, -1), map = fixture_map_fd(1);
    union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t)prog, .target_ifindex = 1, .attach_type = BPF_XDP}},
                   bad;
    int link = fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr);
    REQUIRE(link >= 0);
    CHECK_EQ(os_load(&fixture_attached), 1);
#define WRONG_LINK(change, error)                                                                                      \
    do {                                                                                                               \
        bad = attr;                                                                                                    \
        change;                                                                                                        \
        FAILS(fixture_bpf(BPF_LINK_CREATE, &bad, sizeof bad), error);                                                  \
    } while (0)
    WRONG_LINK(bad.link_create.target_ifindex = 2, EBUSY);
    WRONG_LINK(bad.link_create.target_ifindex = 3, ENODEV);
    WRONG_LINK(bad.link_create.attach_type = 1, EINVAL);
    WRONG_LINK(bad.link_create.attach_type = 9999, EINVAL);
    WRONG_LINK(bad.link_create.prog_fd = (uint32_t)map, EINVAL);
    WRONG_LINK(bad.link_create.prog_fd = 4000, EBADF);
    CHECK_EQ(os_load(&fixture_attached), 1);
    struct bpf_link_info info = {0};
    union bpf_attr ask = {.info = {.bpf_fd = (uint32_t)link, .info_len = sizeof info, .info = (uintptr_t)&info}};
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.type, BPF_LINK_TYPE_XDP);
    CHECK_EQ(info.prog_id, 1);
    CHECK_EQ(info.xdp.ifindex, 1);
    union bpf_attr update = {.link_update = {.link_fd = (uint32_t)link, .new_prog_fd = (uint32_t)other}};
    CHECK_EQ(fixture_bpf(BPF_LINK_UPDATE, &update, sizeof update), 0);
    CHECK_EQ(fixture_bpf(BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof ask), 0);
    CHECK_EQ(info.prog_id, 2);
    update.link_update.old_prog_fd = (uint32_t)prog;
    FAILS(fixture_bpf(BPF_LINK_UPDATE, &update, sizeof update), EINVAL);
    update.link_update.flags = BPF_F_REPLACE;
    FAILS(fixture_bpf(BPF_LINK_UPDATE, &update, sizeof update), EPERM);
    update.link_update.old_prog_fd = (uint32_t)other;
    update.link_update.new_prog_fd = (uint32_t)prog;
    CHECK_EQ(fixture_bpf(BPF_LINK_UPDATE, &update, sizeof update), 0);
    union bpf_attr detach = {.link_detach = {.link_fd = (uint32_t)link}};
    CHECK_EQ(fixture_bpf(BPF_LINK_DETACH, &detach, sizeof detach), 0);
    CHECK_EQ(os_load(&fixture_attached), 0);
    CHECK_EQ(fixture_bpf(BPF_LINK_DETACH, &detach, sizeof detach), 0);
    update.link_update.flags = update.link_update.old_prog_fd = 0;
    FAILS(fixture_bpf(BPF_LINK_UPDATE, &update, sizeof update), ENOLINK);
    close(link);
    /* A link whose handle is closed detaches without anybody asking. */
    link = fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr);
    CHECK_EQ(os_load(&fixture_attached), 1);
    close(link);
    CHECK(fixture_settles(OBJECT_LINK, 0));
    CHECK(fixture_detaches()); /* the watcher lets go of the id first, then of the hook */
    /* A pinned one stays. */
    link = fixture_bpf(BPF_LINK_CREATE, &attr, sizeof attr);
    CHECK_EQ(pin(BPF_OBJ_PIN, "/sys/fs/bpf/link", link), 0);
    close(link), close(prog), close(other), close(map);
    os_handles_sweep();
    CHECK_EQ(os_load(&fixture_attached), 1);
    CHECK(fixture_stop());
    CHECK_EQ(os_load(&fixture_attached), 0);
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
    CHECK_EQ(object_count(OBJECT_MAP), 1);
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
    close(fd);
    os_handles_sweep();
    CHECK_EQ(object_count(OBJECT_BTF), 1); /* the map's */
    close(typed);
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
    close(fd), close(prog);
    CHECK(fixture_stop());
}

/* The other kind of client: a table of small handles, and memory that arrives in messages. */
static uint8_t remote[256];

static enum result remote_read(void *self, void *to, uint64_t from, size_t size)
{
    if (from > sizeof remote || size > sizeof remote - from)
        return RESULT_FAULT;
    memcpy(to, remote + from, size);
    return RESULT_OK;
}

static enum result remote_write(void *self, uint64_t to, const void *from, size_t size)
{
    if (to > sizeof remote || size > sizeof remote - to)
        return RESULT_FAULT;
    memcpy(remote + to, from, size);
    return RESULT_OK;
}

TEST(table_client)
{
    struct client_memory memory = {remote_read, remote_write, NULL};
    struct client *client;
    int64_t value;
    int copy;
    REQUIRE(fixture_start());
    REQUIRE(!client_table_create(&memory, true, &client));
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 4};
    memcpy(remote, &attr, 72);
    CHECK_EQ(core_command(client, BPF_MAP_CREATE, 0, 72, &value), RESULT_OK);
    CHECK_EQ(value, 1);
    CHECK_EQ(core_command(client, BPF_MAP_CREATE, 0, 72, &value), RESULT_OK);
    CHECK_EQ(value, 2);
    struct {
        uint32_t fd, hole;
        uint64_t key, value, flags;
    } element = {1, 0, 100, 104, 0};
    memcpy(remote, &element, 32);
    memset(remote + 100, 5, 12);
    CHECK_EQ(core_command(client, BPF_MAP_UPDATE_ELEM, 0, 32, &value), RESULT_OK);
    element.value = 128;
    memcpy(remote, &element, 32);
    CHECK_EQ(core_command(client, BPF_MAP_LOOKUP_ELEM, 0, 32, &value), RESULT_OK);
    CHECK_EQ(remote[128], 5);
    element.value = 252; /* runs over the end */
    memcpy(remote, &element, 32);
    CHECK_EQ(core_command(client, BPF_MAP_LOOKUP_ELEM, 0, 32, &value), RESULT_FAULT);
    CHECK_EQ(core_command(client, BPF_MAP_LOOKUP_ELEM, 240, 32, &value), RESULT_FAULT);
    CHECK_EQ(client_table_duplicate(client, 1, &copy), RESULT_OK);
    CHECK_EQ(copy, 3);
    CHECK_EQ(client_table_close(client, 1), RESULT_OK);
    CHECK_EQ(client_table_close(client, 1), RESULT_BAD_HANDLE);
    CHECK_EQ(client_table_close(client, 0), RESULT_BAD_HANDLE);
    CHECK_EQ(client_table_close(client, 99), RESULT_BAD_HANDLE);
    CHECK_EQ(client_table_duplicate(client, 99, &copy), RESULT_BAD_HANDLE);
    CHECK_EQ(object_count(OBJECT_MAP), 2);
    CHECK_EQ(client_table_duplicate(client, 3, &copy), RESULT_OK);
    CHECK_EQ(copy, 1); /* the smallest free one */
    client_table_destroy(client);
    CHECK_EQ(object_count(OBJECT_MAP), 0);
    CHECK(fixture_stop());
}

#ifdef WINBPF_DEBUG
TEST(reasons)
{
    REQUIRE(fixture_start());
    int map = fixture_map_fd(1), prog = fixture_prog_fd(2, map);
    CHECK_EQ(pin(BPF_OBJ_PIN, "/sys/fs/bpf/m", map), 0);
    struct object *object = object_find(OBJECT_MAP, 1);
    REQUIRE(object);
    CHECK_EQ(object_reason_count(object, REF_HANDLE), 1);
    CHECK_EQ(object_reason_count(object, REF_PIN), 1);
    CHECK_EQ(object_reason_count(object, REF_PROG_MAP), 1);
    CHECK_EQ(object_reason_count(object, REF_LOOKUP), 1);
    CHECK_EQ(object_reason_count(object, REF_CREATOR), 0);
    CHECK_EQ(object->references, 4);
    object_put(object, REF_LOOKUP);
    close(map), close(prog);
    CHECK(fixture_stop());
}
#endif

/* A client's life: everything that allocates on the way of loading and of elements.  False where any step failed. */
static bool life(void)
{
    struct insn insns[] = {insn_make(0x18, 1, 1, 0, 0), insn_make(0, 0, 0, 0, 0), insn_make(0x85, 0, 0, 0, 1),
                           insn_make(0x95, 0, 0, 0, 0)};
    char text[64];
    uint8_t in[20] = {0}, out[20];
    bool good = false;
    int map = fixture_map_fd(4), prog = -1, link = -1, copy = -1;
    if (map < 0)
        goto done;
    for (uint32_t key = 0; key < 3; key++) {
        uint64_t value = key;
        if (fixture_element(BPF_MAP_UPDATE_ELEM, map, &key, &value, 0))
            goto done;
    }
    insns[0].imm = map;
    union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_XDP,
                           .insn_cnt = 4,
                           .insns = (uintptr_t)insns,
                           .license = (uintptr_t) "GPL",
                           .log_level = 1,
                           .log_buf = (uintptr_t)text,
                           .log_size = sizeof text};
    if ((prog = fixture_bpf(BPF_PROG_LOAD, &attr, sizeof attr)) < 0)
        goto done;
    union bpf_attr run = {.test = {.prog_fd = (uint32_t)prog,
                                   .data_in = (uintptr_t)in,
                                   .data_size_in = sizeof in,
                                   .data_out = (uintptr_t)out,
                                   .data_size_out = sizeof out}};
    if (fixture_bpf(BPF_PROG_TEST_RUN, &run, sizeof run))
        goto done;
    union bpf_attr attach = {.link_create = {.prog_fd = (uint32_t)prog, .target_ifindex = 1, .attach_type = BPF_XDP}};
    if ((link = fixture_bpf(BPF_LINK_CREATE, &attach, sizeof attach)) < 0 || pin(BPF_OBJ_PIN, "/sys/fs/bpf/p", prog) ||
        (copy = pin(BPF_OBJ_GET, "/sys/fs/bpf/p", 0)) < 0)
        goto done;
    good = true;
done:
    if (copy >= 0)
        close(copy);
    if (link >= 0)
        close(link);
    if (prog >= 0)
        close(prog);
    if (map >= 0)
        close(map);
    return good;
}

TEST(every_allocation_fails_once)
{
    REQUIRE(fixture_start());
    os_alloc_fail(0);
    CHECK(life());
    uint64_t allocations = os_alloc_count(), injected = 0, leaks = 0;
    CHECK(fixture_stop());
    for (uint64_t n = 1; n <= allocations; n++) {
        REQUIRE(fixture_start());
        os_alloc_fail(n);
        bool good = life();
        os_alloc_fail(0);
        injected += !good;
        os_handles_sweep();
        pin_remove("/sys/fs/bpf/p");
        epoch_synchronize();
        epoch_synchronize();
        leaks += object_count(OBJECT_MAP) || object_count(OBJECT_PROG) || object_count(OBJECT_LINK) || fixture_attached;
        CHECK(life()); /* and nothing is half made: the same works now */
        leaks += !fixture_stop();
    }
    printf("failures injected %llu = allocations counted %llu, leaks %llu\n", (unsigned long long)injected,
           (unsigned long long)allocations, (unsigned long long)leaks);
    CHECK_EQ(injected, allocations);
    CHECK(allocations > 15);
    CHECK_EQ(leaks, 0);
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
                close(os_exchange(fd, fresh));
            break;
        }
        case 1: {
            union bpf_attr attr = {.start_id = 0};
            fixture_bpf(BPF_MAP_GET_NEXT_ID, &attr, sizeof attr);
            attr = (union bpf_attr){.map_id = attr.next_id};
            int found = fixture_bpf(BPF_MAP_GET_FD_BY_ID, &attr, sizeof attr);
            if (found >= 0)
                close(found);
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
                close(prog);
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
        close(shared_fds[i]);
    CHECK(fixture_stop());
}

TEST(cost)
{
    uint32_t key = 1;
    uint64_t value = 2;
    REQUIRE(fixture_start());
    int fd = fixture_map_fd(1);
    CHECK_EQ(fixture_element(BPF_MAP_UPDATE_ELEM, fd, &key, &value, 0), 0);
    struct element {
        uint32_t fd, hole;
        uint64_t key, value, flags;
    } attr = {(uint32_t)fd, 0, (uintptr_t)&key, (uintptr_t)&value, 0};
    double best = 1e9, syscall_best = 1e9;
    for (int round = 0; round < 5; round++) {
        uint64_t begin = os_time_monotonic();
        for (int i = 0; i < 100000; i++) {
            int64_t out;
            core_command(client_process(), BPF_MAP_LOOKUP_ELEM, (uintptr_t)&attr, sizeof attr, &out);
        }
        uint64_t middle = os_time_monotonic();
        for (int i = 0; i < 100000; i++)
            syscall(SYS_getppid);
        uint64_t end = os_time_monotonic();
        best = (double)(middle - begin) / 100000 < best ? (double)(middle - begin) / 100000 : best;
        syscall_best = (double)(end - middle) / 100000 < syscall_best ? (double)(end - middle) / 100000 : syscall_best;
    }
    printf("MAP_LOOKUP_ELEM %.0f ns, of which a null system call is %.0f\n", best, syscall_best);
    close(fd);
    CHECK(fixture_stop());
}

TEST_MAIN
