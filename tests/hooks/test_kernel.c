/* SPDX-License-Identifier: MIT
 *
 * XDP here and in the Linux kernel: xdp_script.c, built against the system's libbpf and against ours, must tell the
 * same story line by line; and so must ours with each way that programs run here: unverified in the checked
 * interpreter, lowered in the plain one, lowered as machine code.  The objects are Debian's xdp-filter programs
 * (libxdp1) and the sample objects of the shared folder.
 */
#include <glob.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

enum { NOT_PERMITTED = 4, PACKETS = 3000 };

static char folder[4096];

static const char *const ways[] = {"WINBPF_JIT=1", "WINBPF_JIT=0", "WINBPF_UNSAFE=1"};
enum { WAYS = 3, JIT = 0, CHECKED = 2 };

static FILE *start(const char *way, const char *program, const char *arguments)
{
    char command[8192];
    snprintf(command, sizeof command, "%s '%s/%s' %s 2>/dev/null", way, folder, program, arguments);
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
static int compare(const char *way, const char *arguments)
{
    char theirs[4096], ours[4096];
    int lines = 0, differences = 0;
    FILE *kernel = start("", "xdp_script_kernel", arguments), *own = start(way, "xdp_script", arguments);
    if (!kernel || !own)
        return 0;
    for (;;) {
        char *a = fgets(theirs, sizeof theirs, kernel), *b = fgets(ours, sizeof ours, own);
        if (!a && !b)
            break;
        if (!a || !b || strcmp(theirs, ours)) {
            if (differences++ < 5)
                printf("%s %s:\n  kernel: %s  ours:   %s", way, arguments, a ? theirs : "(end)\n",
                       b ? ours : "(end)\n");
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
    for (int w = 0; w < WAYS; w++) {
        int lines = compare(ways[w], "rules");
        if (lines < 0)
            SKIP("bpf() is not permitted here");
        CHECK(lines > 150);
    }
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
        int lines = compare(ways[i % WAYS], arguments);
        if (lines < 0) {
            globfree(&objects);
            SKIP("bpf() is not permitted here");
        }
        CHECK(lines > PACKETS);
    }
    globfree(&objects);
}

/* Whole output, in memory that the caller frees; NULL on failure. */
static char *story(const char *way, const char *program, const char *arguments)
{
    enum { MOST = 1 << 20 };
    char *text = calloc(1, MOST);
    FILE *from = start(way, program, arguments);
    if (from && text && fread(text, 1, MOST - 1, from) == MOST - 1)
        printf("%s: too much output\n", arguments);
    if (from)
        pclose(from);
    return text;
}

static bool is_loaded(const char *text)
{
    return text && *text && strncmp(text, "load:", 5) != 0;
}

/* Programs whose results are their own: random numbers, and addresses or unwritten stack given to user space. */
static bool is_arbitrary(const char *path)
{
    static const char *const names[] = {"packet_access.o", "byteswap.o", "twostackvars.o", "exposeptr.o"};
    const char *name = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

/* The first line in which two stories differ. */
static void print_difference(const char *path, const char *way, const char *a, const char *b)
{
    size_t at = 0;
    while (a[at] && a[at] == b[at])
        at++;
    while (at && a[at - 1] != '\n')
        at--;
    printf("%s: %.*s\n  with %s: %.*s\n", path, (int)strcspn(a + at, "\n"), a + at, way, (int)strcspn(b + at, "\n"),
           b + at);
}

/* What the verifier accepts runs alike lowered and not, interpreted and compiled, here and in the kernel; what it
 * refuses is not run. */
TEST(samples)
{
    const char *shared = getenv("WINBPF_SHARED");
    char pattern[4096];
    glob_t objects;
    unsigned compared = 0, with_kernel = 0, refused = 0;
    (void)there("xdp_script");
    snprintf(pattern, sizeof pattern, "%s/corpus/samples/{build/*,*/*xdp*}.o", shared ? shared : "../shared");
    if (glob(pattern, GLOB_BRACE, NULL, &objects))
        SKIP("no sample objects: set WINBPF_SHARED");
    for (size_t i = 0; i < objects.gl_pathc; i++) {
        const char *path = objects.gl_pathv[i];
        char arguments[4200];
        if (is_arbitrary(path))
            continue;
        snprintf(arguments, sizeof arguments, "filter '%s' 300", path);
        char *jit = story(ways[JIT], "xdp_script", arguments);
        char *checked = story(ways[CHECKED], "xdp_script", arguments);
        refused += is_loaded(checked) && !is_loaded(jit);
        CHECK(!is_loaded(jit) || is_loaded(checked));
        if (is_loaded(jit)) {
            char *interp = story(ways[1], "xdp_script", arguments);
            char *kernel = story("", "xdp_script_kernel", arguments);
            compared++;
            with_kernel += is_loaded(kernel);
            const char *const others[] = {checked, interp, is_loaded(kernel) ? kernel : jit};
            const char *const names[] = {"the checked interpreter", "the plain interpreter", "the kernel"};
            for (int o = 0; o < 3; o++) {
                bool same = others[o] && !strcmp(jit, others[o]);
                if (!same)
                    print_difference(path, names[o], jit, others[o] ? others[o] : "");
                CHECK(same);
            }
            free(interp);
            free(kernel);
        }
        free(jit);
        free(checked);
    }
    printf("%zu sample objects: %u run alike in three ways, %u of them as in the kernel; %u refused\n",
           objects.gl_pathc, compared, with_kernel, refused);
    CHECK(compared >= 15 && refused >= 3);
    globfree(&objects);
}

TEST_MAIN
