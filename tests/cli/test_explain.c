/* SPDX-License-Identifier: MIT
 *
 * What `winbpf explain` says is so: every reason that the verifier's sources can give has an explanation, and of its
 * two examples one is refused with exactly that code and the other accepted.
 */
#include <unistd.h>
#include "check.h"

static char build[4096], folder[64], root[4096], out[1 << 16];

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    char command[256];
    if (state)
        return state > 0;
    ssize_t length = readlink("/proc/self/exe", build, sizeof build - 1);
    build[length > 0 ? length : 0] = 0;
    for (int up = 0; up < 2; up++)
        *strrchr(build, '/') = 0;
    snprintf(folder, sizeof folder, "/tmp/winbpf-explain-%d", (int)getpid());
    snprintf(command, sizeof command, "mkdir -p %s && command -v clang >/dev/null", folder);
    state = getcwd(root, sizeof root) && system(command) == 0 ? 1 : -1;
    return state > 0;
}

/* The output of a command in the test's folder, its exit status in *status. */
static char *shell(const char *command, int *status)
{
    char line[16384];
    snprintf(line, sizeof line, "cd %s && PATH=%s/bin:$PATH; { %s\n} 2>&1", folder, build, command);
    FILE *pipe = popen(line, "r");
    size_t got = pipe ? fread(out, 1, sizeof out - 1, pipe) : 0;
    out[got] = 0;
    int ended = pipe ? pclose(pipe) : -1;
    if (status)
        *status = ended;
    return out;
}

/* Compiles and verifies one example; "" with *verdict and *code for the JSON document's. */
static bool example(const char *code, const char *which, char *verdict, char *found)
{
    char command[16384];
    int status;
    snprintf(command, sizeof command,
             "winbpf explain %s --%s >%s-%s.bpf.c &&"
             "clang -O2 -g -target bpf -I%s/include -c %s-%s.bpf.c -o %s-%s.o",
             code, which, code, which, root, code, which, code, which);
    shell(command, &status);
    if (status) {
        printf("%s, %s: does not compile: %s\n", code, which, out);
        return false;
    }
    snprintf(command, sizeof command, "timeout 60 winbpf verify $(winbpf explain %s --options --%s) %s-%s.o --json",
             code, which, code, which);
    shell(command, NULL);
    const char *at = strstr(out, "\"verdict\":\"");
    *verdict = *found = 0;
    if (!at || sscanf(at, "\"verdict\":\"%31[^\"]\"", verdict) != 1) {
        printf("%s, %s: no verdict: %s\n", code, which, out);
        return false;
    }
    at = strstr(out, "\"code\":\"");
    if (at)
        sscanf(at, "\"code\":\"%15[^\"]\"", found);
    return true;
}

TEST(examples)
{
    char codes[128][8];
    int count = 0, given = 0;
    if (!ready())
        SKIP("no clang");
    shell("winbpf explain", NULL);
    for (char *line = out; *line && count < 128; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : "") {
        char *end = strchr(line, '\n'), *later = strstr(line, "(not given by this version)");
        if (later && end && later > end)
            later = NULL;
        if (!later && sscanf(line, "%7s", codes[count]) == 1)
            count++;
    }
    CHECK(count >= 40);
    for (int i = 0; i < count; i++) {
        char verdict[32], code[16];
        bool fine = example(codes[i], "wrong", verdict, code);
        if (fine && strcmp(code, codes[i])) {
            printf("%s, wrong: %s %s\n", codes[i], verdict, code);
            fine = false;
        }
        CHECK(fine);
        given += fine;
        fine = example(codes[i], "right", verdict, code);
        if (fine && strcmp(verdict, "accept")) {
            printf("%s, right: %s %s\n", codes[i], verdict, code);
            fine = false;
        }
        CHECK(fine);
    }
    CHECK_EQ(given, count);
}

/* A reason that src/verify names somewhere can be given, so it needs words; one without words must be named nowhere,
 * or only where the reader has refused the program before. */
TEST(complete)
{
    static const char *const unreachable[] = {"V0410", "V0505", "V0602"};
    int status;
    if (!ready())
        SKIP("no clang");
    shell("winbpf explain | grep 'not given by this version' | cut -d' ' -f1", &status);
    CHECK_EQ(status, 0);
    char silent[1024];
    snprintf(silent, sizeof silent, "%.1000s", out);
    for (char *code = strtok(silent, "\n"); code; code = strtok(NULL, "\n")) {
        char command[16384];
        bool known = false;
        for (size_t i = 0; i < sizeof unreachable / sizeof *unreachable; i++)
            known |= !strcmp(code, unreachable[i]);
        if (known)
            continue;
        snprintf(command, sizeof command,
                 "name=$(sed -n 's/^REASON(%s, \\([A-Z_]*\\),.*/\\1/p' %s/src/verify/reasons.def);"
                 "[ -n \"$name\" ] && ! grep -qw REASON_$name %s/src/verify/*.c",
                 code + 1, root, root);
        shell(command, &status);
        if (status)
            printf("%s can be given and is not explained in bin/winbpf/explain.txt\n", code);
        CHECK_EQ(status, 0);
    }
}

TEST(usage)
{
    int status;
    if (!ready())
        SKIP("no clang");
    shell("winbpf explain V0203", &status);
    CHECK_EQ(status, 0);
    CHECK(strstr(out, "Refused:") && strstr(out, "Accepted:") && strstr(out, "What helps: "));
    shell("winbpf explain 0203", &status);
    CHECK_EQ(status, 0);
    CHECK(!strncmp(out, "V0203: ", 7));
    static const char *const wrong[] = {"V9999", "V02030", "''", "V0203 V0204", "--wrong", "--nonsense", "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char command[64];
        snprintf(command, sizeof command, "winbpf explain %s", wrong[i]);
        shell(command, &status);
        CHECK_EQ(status, 2 << 8);
        CHECK(!strncmp(out, "winbpf: ", 8) && strchr(out, '\n') == out + strlen(out) - 1);
    }
}

__attribute__((destructor)) static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays\n", folder);
}

TEST_MAIN
