/* SPDX-License-Identifier: MIT
 *
 * The plug-in speaks the suite's protocol: memory as an argument, instructions or an object on standard input, r0 in
 * hex on standard output, errors on standard error and exit status 1.
 */
#include <unistd.h>
#include "check.h"

static char plugin[4096];

/* Finds the plug-in beside this program. */
static bool find_plugin(void)
{
    ssize_t length = readlink("/proc/self/exe", plugin, sizeof(plugin) - 64);
    char *slash;

    if (length <= 0)
        return false;
    plugin[length] = 0;
    for (int up = 0; up < 2; up++) {
        slash = strrchr(plugin, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    strcat(plugin, "/bin/bpf_conformance_plugin");
    return access(plugin, X_OK) == 0;
}

/* Runs `before | plug-in arguments`; returns its exit status and what it printed, errors without their text. */
static int run(const char *before, const char *arguments, char output[256])
{
    char command[12000];
    FILE *pipe;
    size_t length;
    int status;

    snprintf(command, sizeof(command), "%s | %s %s 2>/dev/null", before, plugin, arguments);
    pipe = popen(command, "r");
    if (!pipe)
        return -1;
    length = fread(output, 1, 255, pipe);
    output[length] = 0;
    status = pclose(pipe);
    return status == -1 || status & 0xff ? -1 : status >> 8;
}

static const char *const engines[] = {"", "--engine interp ", "--engine checked ", "--engine jit "};

TEST(protocol)
{
    static const struct {
        const char *input, *memory, *output;
        int status;
    } cases[] = {
        {"b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00", "", "2a\n", 0},
        {"b70000002a000000 9500000000000000", "", "2a\n", 0},
        {"b7 00 00 00 ff ff ff ff 95 00 00 00 00 00 00 00", "", "ffffffffffffffff\n", 0},
        {"71 10 01 00 00 00 00 00 95 00 00 00 00 00 00 00", "'aa BB cc'", "bb\n", 0},
        {"71 10 01 00 00 00 00 00 95 00 00 00 00 00 00 00", "aabbcc", "bb\n", 0},
        {"bf 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00", "aabbcc", "3\n", 0},
        {"bf 20 00 00 00 00 00 00 95 00 00 00 00 00 00 00", "", "0\n", 0},
        /* helper 5 with 0 ends the program, with -1 it does not */
        {"b7 01 00 00 00 00 00 00 85 00 00 00 05 00 00 00 b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00", "", "0\n",
         0},
        {"b7 01 00 00 ff ff ff ff 85 00 00 00 05 00 00 00 b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00", "", "2\n",
         0},
        {"b7 00 00 00 2a 00 00 00", "", "", 1},                         /* runs off its end */
        {"b7 00 00 00 2a 00 00", "", "", 1},                            /* half an instruction */
        {"b7 00 00 00 2a 00 00 0g", "", "", 1},                         /* not hex */
        {"", "", "", 1},                                                /* nothing */
        {"85 00 00 00 63 00 00 00 95 00 00 00 00 00 00 00", "", "", 1}, /* no such helper */
        /* a call to address 5: stopped by the checked interpreter, a signal in the others */
        {"b7 02 00 00 05 00 00 00 8d 02 00 00 00 00 00 00 95 00 00 00 00 00 00 00", "", "", 1},
        {"95 00 00 00 00 00 00 00", "xx", "", 1},             /* memory is not hex */
        {"95 00 00 00 00 00 00 00", "--engine other", "", 1}, /* no such engine */
        {"95 00 00 00 00 00 00 00", "--elf", "", 1},          /* not an object */
    };

    REQUIRE(find_plugin());
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
            char before[1000], arguments[200], output[256];

            snprintf(before, sizeof(before), "echo '%s'", cases[i].input);
            snprintf(arguments, sizeof(arguments), "%s%s", engines[e], cases[i].memory);
            CHECK_EQ(run(before, arguments, output), cases[i].status);
            CHECK_STR(output, cases[i].output);
        }
    }
}

TEST(object_files)
{
    char folder[] = "/tmp/winbpf-plugin-XXXXXX", command[1000], output[256];

    REQUIRE(find_plugin());
    if (system("command -v clang-16 >/dev/null"))
        SKIP("clang-16 is not installed");
    REQUIRE(mkdtemp(folder));
    snprintf(command, sizeof(command),
             "printf 'static __attribute__((noinline)) int f(int x) { return x * x; }\\n"
             "int run(unsigned char *p, long n) { return f(p[0]) + f(p[n - 1]); }\\n' >%s/a.c && "
             "clang-16 -target bpf -O2 -c %s/a.c -o %s/a.o",
             folder, folder, folder);
    CHECK_EQ(system(command), 0);
    snprintf(command, sizeof(command), "od -An -v -tx1 %s/a.o | tr -d '\\n'", folder);
    for (unsigned e = 0; e < sizeof(engines) / sizeof(engines[0]); e++) {
        char arguments[100];

        snprintf(arguments, sizeof(arguments), "%s--elf '03 ff 04'", engines[e]);
        CHECK_EQ(run(command, arguments, output), 0);
        CHECK_STR(output, "19\n");
    }
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK_EQ(system(command), 0);
}

TEST_MAIN
