/* SPDX-License-Identifier: MIT
 *
 * XDP here and in the Linux kernel: xdp_script.c, built against the system's libbpf and against ours, must tell the
 * same story line by line.  The objects are Debian's xdp-filter programs (libxdp1).
 */
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

enum { NOT_PERMITTED = 4, PACKETS = 3000 };

static char folder[4096];

static FILE *start(const char *program, const char *arguments)
{
    char command[8192];
    snprintf(command, sizeof command, "'%s/%s' %s", folder, program, arguments);
    return popen(command, "r");
}

static bool there(const char *program)
{
    char path[8192];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[length > 0 ? length : 0] = 0;
    if (strrchr(folder, '/'))
        *strrchr(folder, '/') = 0;
    snprintf(path, sizeof path, "%s/%s", folder, program);
    return access(path, X_OK) == 0;
}

/* Lines compared; -1: the kernel does not let us. */
static int compare(const char *arguments)
{
    char theirs[4096], ours[4096];
    int lines = 0, differences = 0;
    FILE *kernel = start("xdp_script_kernel", arguments), *own = start("xdp_script", arguments);
    if (!kernel || !own)
        return 0;
    for (;;) {
        char *a = fgets(theirs, sizeof theirs, kernel), *b = fgets(ours, sizeof ours, own);
        if (!a && !b)
            break;
        if (!a || !b || strcmp(theirs, ours)) {
            if (differences++ < 5)
                printf("%s:\n  kernel: %s  ours:   %s", arguments, a ? theirs : "(end)\n", b ? ours : "(end)\n");
        }
        lines++;
        if (!a || !b) { /* let the other one finish */
            while (fgets(theirs, sizeof theirs, a ? kernel : own))
                ;
            break;
        }
    }
    int kernel_status = pclose(kernel), own_status = pclose(own);
    if (WIFEXITED(kernel_status) && WEXITSTATUS(kernel_status) == NOT_PERMITTED)
        return -1;
    CHECK_EQ(kernel_status, 0);
    CHECK_EQ(own_status, 0);
    CHECK_EQ(differences, 0);
    return lines;
}

TEST(rules)
{
    if (!there("xdp_script_kernel"))
        SKIP("no libbpf-dev: nothing to ask the kernel with");
    int lines = compare("rules");
    if (lines < 0)
        SKIP("bpf() is not permitted here");
    CHECK(lines > 150);
}

TEST(filters)
{
    glob_t objects;
    if (!there("xdp_script_kernel"))
        SKIP("no libbpf-dev: nothing to ask the kernel with");
    if (glob("/usr/lib/*/bpf/xdpfilt_*.o", 0, NULL, &objects))
        SKIP("no libxdp1: no xdp-filter objects");
    CHECK(objects.gl_pathc >= 10);
    for (size_t i = 0; i < objects.gl_pathc; i++) {
        char arguments[4200];
        snprintf(arguments, sizeof arguments, "filter %s %d", objects.gl_pathv[i], PACKETS);
        int lines = compare(arguments);
        if (lines < 0) {
            globfree(&objects);
            SKIP("bpf() is not permitted here");
        }
        CHECK(lines > PACKETS);
    }
    globfree(&objects);
}

TEST_MAIN
