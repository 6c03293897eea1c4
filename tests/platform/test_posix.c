/* SPDX-License-Identifier: MIT
 *
 * What the platform is on Linux alone: handles that are descriptors, events that poll, POSIX identities.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"
#include "platform/handle.h"
#include "platform/os.h"

static bool nothing_live(void)
{
    uint64_t blocks, bytes;
    os_alloc_live(&blocks, &bytes);
    return !blocks && !bytes;
}

TEST(events_poll)
{
    struct os_event *event;
    REQUIRE(!os_event_create(&event));
    struct pollfd wait = {os_event_fd(event), POLLIN, 0};
    CHECK_EQ(poll(&wait, 1, 0), 0);
    os_event_set(event);
    CHECK_EQ(poll(&wait, 1, 0), 1);
    CHECK(os_event_wait(event, 0));
    CHECK_EQ(poll(&wait, 1, 0), 0);
    os_event_destroy(event);
    CHECK(nothing_live());
}

TEST(identity)
{
    CHECK(os_cpu_count() >= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
    CHECK_EQ(os_current_pid_tgid() >> 32, getpid());
    CHECK_EQ((uint32_t)os_current_uid_gid(), getuid());
}

static void *told[4];
static unsigned told_count;

static void closed(void *owner)
{
    told[os_fetch_add(&told_count, 1) % 4] = owner;
}

TEST(handles)
{
    int owner, fd, foreign[2];
    void *found;
    uint32_t flags;
    REQUIRE(!os_handle_create(&owner, 5, closed, &fd));
    CHECK_EQ(os_handle_find(fd, &found, &flags), RESULT_OK);
    CHECK(found == &owner && flags == 5);
    int copy = fcntl(fd, F_DUPFD, 5000); /* beyond the descriptors that are remembered */
    if (copy >= 0) {
        CHECK_EQ(os_handle_find(copy, &found, &flags), RESULT_OK);
        close(copy);
    }
    CHECK_EQ(os_handle_find(-1, &found, &flags), RESULT_BAD_HANDLE);
    CHECK_EQ(os_handle_find(3999, &found, &flags), RESULT_BAD_HANDLE);
    CHECK_EQ(os_handle_find(0, &found, &flags), RESULT_INVALID);
    REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, foreign));
    CHECK_EQ(os_handle_find(foreign[0], &found, &flags), RESULT_INVALID);
    /* What a client does to its end hurts nobody: writing into it, and even tampering with the tag. */
    CHECK_EQ(send(fd, "x", 1, MSG_NOSIGNAL), -1);
    fcntl(fd, F_SETSIG, 33);
    CHECK_EQ(os_handle_find(fd, &found, &flags), RESULT_OK);
    CHECK(found == &owner);
    os_handles_sweep();
    CHECK_EQ(os_load(&told_count), 0);
    close(fd);
    os_handles_sweep();
    CHECK_EQ(os_load(&told_count), 1);
    CHECK(told[0] == &owner);
    CHECK(os_handle_find(fd, &found, &flags) != RESULT_OK);
    REQUIRE(!os_handle_create(&owner, 0, closed, &fd));
    os_handles_stop();
    CHECK_EQ(os_load(&told_count), 2);
    CHECK_EQ(os_handle_find(fd, &found, &flags), RESULT_INVALID); /* still open, nobody's */
    close(fd), close(foreign[0]), close(foreign[1]);
    CHECK(nothing_live());
}

TEST_MAIN
