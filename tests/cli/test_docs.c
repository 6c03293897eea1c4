/* SPDX-License-Identifier: MIT
 *
 * What the documents say is so: commands that README.md and each --help show are run as they stand, in a folder with
 * the files they speak of, and links, presets and scripts that documents name are there.
 */
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"

static char build[4096], folder[64], text[1 << 18];

static bool shell(const char *command)
{
    char line[16384];
    snprintf(line, sizeof line,
             "cd %s && PATH=%s/bin:$PATH; tcpdump() { cat capture.pcap; }; { %s\n} >log 2>&1 || { cat log; exit 1; }",
             folder, build, command);
    return system(line) == 0;
}

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    char command[16384];
    if (state)
        return state > 0;
    ssize_t length = readlink("/proc/self/exe", build, sizeof build - 1);
    build[length > 0 ? length : 0] = 0;
    for (int up = 0; up < 2; up++)
        *strrchr(build, '/') = 0;
    snprintf(folder, sizeof folder, "/tmp/winbpf-docs-%d", (int)getpid());
    snprintf(command, sizeof command,
             "mkdir -p %s/build && ln -s $PWD/include $PWD/examples %s && ln -s %s %s/build/linux &&"
             "%s/tests/gen_capture flow 10 53 80 >%s/capture.pcap &&"
             "clang -O2 -g -target bpf -Iinclude -c examples/droppacket.bpf.c -o %s/droppacket.o",
             folder, folder, build, folder, build, folder, folder);
    state = system(command) == 0 ? 1 : -1;
    return state > 0;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[got] = 0;
    if (file)
        fclose(file);
    return text;
}

/* Runs every line of `text` that begins with `indent` and one of the programs; how many there were. */
static int run_lines(const char *indent)
{
    static const char *const programs[] = {"clang ", "winbpf ", "tcpdump ", "build/linux/bin/winbpf "};
    int count = 0;
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end ? (*end = 0, 1) : 0;
        if (strncmp(line, indent, strlen(indent)))
            continue;
        line += strlen(indent);
        for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
            if (strncmp(line, programs[i], strlen(programs[i])))
                continue;
            count++;
            if (!shell(line)) {
                printf("%s: fails\n", line);
                check_failures++;
            }
        }
    }
    return count;
}

TEST(readme)
{
    if (!ready())
        SKIP("no clang");
    read_text("README.md");
    CHECK(run_lines("    ") >= 2);
    CHECK(shell("[ $(build/linux/tests/gen_capture count <passed.pcap) = 40 ]"));
}

TEST(verify_manual)
{
    if (!ready())
        SKIP("no clang");
    read_text("docs/VERIFY.md");
    CHECK(run_lines("    ") >= 9);
    CHECK(shell("winbpf verify wrong.o | grep -q 'error.V0203.' && grep -q data-block droppacket.html"));
    /* the diagnostic that the manual shows is the one that is given */
    char command[8192];
    snprintf(command, sizeof command,
             "sed -n '/^error/,/^```/p' %s/docs/VERIFY.md | grep -v '^```' >shown;"
             "winbpf verify wrong.o | sed 's#--> .*/#--> #' | grep -v '^$' >given; diff shown given",
             getcwd(text, sizeof text));
    CHECK(shell(command));
}

TEST(help)
{
    static const char *const verbs[] = {"run", "verify", "explain", "sections", "disasm"};
    if (!ready())
        SKIP("no clang");
    CHECK(shell("winbpf --help"));
    char path[128];
    snprintf(path, sizeof path, "%s/log", folder);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        char command[64];
        snprintf(command, sizeof command, "winbpf %s --help && echo", verbs[i]);
        CHECK(shell("winbpf --help"));
        CHECK(strstr(read_text(path), verbs[i]) != NULL);
        CHECK(shell(command));
        char *examples = strstr(read_text(path), "\nExample");
        REQUIRE(examples != NULL);
        memmove(text, examples, strlen(examples) + 1);
        CHECK(run_lines("  ") >= 1);
    }
}

/* Every relative link, `cmake --preset NAME` and script at the beginning of a block's line. */
static void check_names(const char *document)
{
    char path[512], command[256];
    const char *slash = strrchr(document, '/');
    int base = slash ? (int)(slash - document) + 1 : 0;
    read_text(document);
    CHECK(*text != 0);
    for (char *link = text; (link = strstr(link, "](")); link++) {
        size_t length = strcspn(link + 2, ")#\n");
        if (!length || !strncmp(link + 2, "http", 4))
            continue;
        snprintf(path, sizeof path, "%.*s%.*s", base, document, (int)length, link + 2);
        if (access(path, F_OK)) {
            printf("%s: no file %s\n", document, path);
            check_failures++;
        }
    }
    for (char *preset = text; (preset = strstr(preset, "cmake --preset ")); preset++) {
        snprintf(command, sizeof command, "grep -q '\"name\": \"%.*s\"' CMakePresets.json",
                 (int)strspn(preset + 15, "abcdefghijklmnopqrstuvwxyz0123456789_-"), preset + 15);
        CHECK(system(command) == 0);
    }
    for (char *line = text; (line = strstr(line, "\n    ")); line++) {
        size_t length = strcspn(line + 5, " \n");
        snprintf(path, sizeof path, "%.*s", (int)length, line + 5);
        if ((!strncmp(path, "./", 2) || (length > 3 && !strcmp(path + length - 3, ".sh"))) && access(path, X_OK)) {
            printf("%s: no program %s\n", document, path);
            check_failures++;
        }
    }
}

TEST(names)
{
    DIR *docs = opendir("docs");
    REQUIRE(docs != NULL);
    check_names("README.md");
    for (struct dirent *entry; (entry = readdir(docs));) {
        char path[512];
        size_t length = strlen(entry->d_name);
        snprintf(path, sizeof path, "docs/%s", entry->d_name);
        if (length > 3 && !strcmp(entry->d_name + length - 3, ".md"))
            check_names(path);
    }
    closedir(docs);
}

__attribute__((destructor)) static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays\n", folder);
}

TEST_MAIN
