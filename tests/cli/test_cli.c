/* SPDX-License-Identifier: MIT
 *
 * The command line from outside: exit statuses, one line for each error, counts that add up.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "cli/outside.h"

static char generator[4200];

static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
    char command[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    if (state)
        return state > 0;
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    *strrchr(self, '/') = 0;
    snprintf(generator, sizeof generator, "%s/gen_capture", self);
    *strrchr(self, '/') = 0;
    snprintf(winbpf, sizeof winbpf, "%s/bin/winbpf", self);
    snprintf(folder, sizeof folder, "/tmp/winbpf-cli-%d", (int)getpid());
    mkdir(folder, 0700);
    state = shell("clang -O2 -g -target bpf -I include -c examples/droppacket.bpf.c -o %s/drop.o 2>/dev/null &&"
                  "clang -O2 -g -target bpf -I include -c tests/api/features.bpf.c -o %s/features.o && cd %s &&"
                  "'%s' flow 10 53 80 >flow.pcap && '%s' random 1 500 >random.pcap &&"
                  "head -c 1000 flow.pcap >cut.pcap && head -c 30 flow.pcap >cut_header.pcap && : >empty.pcap",
                  folder, folder, folder, generator, generator)
                ? 1
                : -1;
    return state > 0;
}

#define READY()                                                                                                        \
    if (!ready())                                                                                                      \
    SKIP("no clang")

TEST(usage)
{
    READY();
    CHECK_EQ(run(""), 2);
    CHECK_EQ(run("--help"), 0);
    CHECK(strstr(out, "Example") != NULL);
    CHECK_EQ(run("--version"), 0);
    CHECK(!strncmp(out, "winbpf 0", 8));
    CHECK_EQ(run("run --help"), 0);
    CHECK(strstr(out, "Examples:") != NULL);
    CHECK_EQ(run("frobnicate"), 2);
    CHECK(one_line());
    CHECK_EQ(run("run"), 2);
    CHECK_EQ(run("run drop.o"), 2);
    CHECK_EQ(run("run drop.o --pcap"), 2);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --nonsense"), 2);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --personality martian"), 2);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --map ports"), 2);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --map nomap:1=1"), 2);
    CHECK_EQ(run("disasm drop.o --syntax intel"), 2);
    CHECK_EQ(run("run features.o --pcap flow.pcap"), 2); /* which of two? */
    CHECK(strstr(err, "entry") && strstr(err, "tail"));
}

TEST(counts)
{
    READY();
    CHECK_EQ(run("run drop.o --pcap flow.pcap --map ports:53=0 --out passed.pcap"), 0);
    CHECK_STR(err, "");
    CHECK(strstr(out, "40 packets\n") != NULL);
    CHECK(strstr(out, "XDP_DROP      10\n") != NULL);
    CHECK(strstr(out, "XDP_PASS      30\n") != NULL);
    CHECK(strstr(out, "map ports (hash):\n  53: 10\n") != NULL);
    CHECK(shell("test $('%s' count <%s/passed.pcap) = 30", generator, folder));
    CHECK(shell("cd %s && '%s' run drop.o --pcap - --out - --map ports:53=0 <flow.pcap >piped.pcap 2>/dev/null &&"
                "cmp piped.pcap passed.pcap",
                folder, winbpf));
    CHECK_EQ(run("run drop.o --pcap flow.pcap --map ports:53=0 --json"), 0);
    CHECK(out[0] == '{' && strchr(out, '\n') == out + strlen(out) - 1);
    CHECK(strstr(out, "\"XDP_DROP\":10,") != NULL);
    CHECK(strstr(out, "\"ports\":[{\"key\":\"3500\",\"value\":\"0a00000000000000\"}]") != NULL);
    CHECK_EQ(run("run drop.o --pcap random.pcap --map ports:53=0"), 0);
    CHECK_EQ(run("run features.o --program entry --pcap flow.pcap"), 0);
    CHECK(strstr(out, "packet 1: trace: hit 10\n") != NULL);
    CHECK(strstr(out, "packet 40: event in ring: ") != NULL);
    CHECK(strstr(out, "XDP_TX        31\n") != NULL);
}

TEST(unreadable)
{
    READY();
    CHECK_EQ(run("run nothing.o --pcap flow.pcap"), 3);
    CHECK(one_line());
    CHECK_EQ(run("run drop.o --pcap nothing.pcap"), 3);
    CHECK(one_line());
    CHECK_EQ(run("run drop.o --pcap drop.o"), 3);
    CHECK_STR(err, "winbpf: drop.o: header: not a pcap capture\n");
    CHECK_EQ(run("run drop.o --pcap empty.pcap"), 3);
    CHECK_EQ(run("run drop.o --pcap cut_header.pcap"), 3);
    CHECK_STR(err, "winbpf: cut_header.pcap: record 1: the file ends inside its header\n");
    CHECK_EQ(run("run drop.o --pcap cut.pcap"), 3);
    CHECK(one_line() && strstr(err, "ends inside its"));
    CHECK(strstr(out, "10 packets\n") != NULL); /* what was there was run */
    CHECK_EQ(run("run flow.pcap --pcap flow.pcap"), 3);
    CHECK(one_line());
    CHECK_EQ(run("sections flow.pcap"), 3);
    CHECK(one_line());
    CHECK_EQ(run("disasm nothing.o"), 3);
    CHECK_EQ(run("run . --pcap flow.pcap"), 3);
}

TEST(rejected)
{
    READY();
    CHECK_EQ(run("run drop.o --program nobody --pcap flow.pcap"), 1);
    CHECK_STR(err, "winbpf: drop.o: no program 'nobody'\n");
    CHECK_EQ(run("disasm drop.o --program nobody"), 1);
    CHECK(shell("cd %s && cat >bad.c <<'X'\n"
                "struct md { unsigned data, end; };\n"
                "__attribute__((section(\"xdp\"))) int bad(struct md *c) { return *(int *)(long)(c->end + 100); }\n"
                "X\n"
                "clang -O2 -target bpf -c bad.c -o bad.o",
                folder));
    CHECK_EQ(run("run bad.o --pcap flow.pcap"), 1);
    CHECK(one_line() && strstr(err, "bad.o: program 'bad': rejected: insn ") && !*out);
    CHECK_EQ(run("run bad.o --pcap flow.pcap --unsafe"), 1);
    CHECK(strstr(err, "bad.o: program 'bad': packet 1: instruction ") != NULL);
    CHECK(strstr(out, "program 'bad' was not verified, it ran in the checked interpreter\n") != NULL);
    CHECK(strstr(out, "40 packets, 40 stopped by a fault") != NULL);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --json"), 0);
    CHECK(strstr(out, "\"verified\":true,\"engine\":\"jit\",") != NULL);
    CHECK_EQ(run("run drop.o --pcap flow.pcap --json --unsafe"), 0);
    CHECK(strstr(out, "\"verified\":false,\"engine\":\"checked\",") != NULL);
}

TEST(cut_short_and_formats)
{
    READY();
    /* Two packets, captured 34 and 10 of 74 bytes, nanoseconds, big-endian. */
    CHECK(shell(
        "cd %s && { printf '\\241\\262\\074\\115\\0\\2\\0\\4\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\377\\377\\0\\0\\0\\1';"
        "printf '\\0\\0\\0\\1\\0\\0\\0\\2\\0\\0\\0\\042\\0\\0\\0\\112'; tail -c +41 flow.pcap | head -c 34;"
        "printf '\\0\\0\\0\\1\\0\\0\\0\\2\\0\\0\\0\\012\\0\\0\\0\\112'; tail -c +41 flow.pcap | head -c 10; }"
        ">big.pcap",
        folder));
    CHECK_EQ(run("run drop.o --pcap big.pcap --map ports:53=0"), 0);
    CHECK(strstr(out, "2 packets, 2 of them cut short in the capture, 1 too short for Ethernet and not run\n") != NULL);
    CHECK(strstr(out, "XDP_PASS      1\n") != NULL); /* its UDP header was cut off */
    CHECK(shell("cd %s && printf '\\012\\015\\015\\012aaaaaaaaaaaaaaaaaaaaaaaaaaaa' >new.pcapng", folder));
    CHECK_EQ(run("run drop.o --pcap new.pcapng"), 3);
    CHECK(one_line() && strstr(err, "pcapng"));
}

TEST(listings)
{
    READY();
    CHECK_EQ(run("sections features.o"), 0);
    CHECK(strstr(out, "prog_array") && strstr(out, "optional") && strstr(out, "license GPL"));
    static const char *const syntaxes[] = {"kernel", "llvm", "rfc"};
    for (int i = 0; i < 3; i++) {
        char arguments[64];
        snprintf(arguments, sizeof arguments, "disasm drop.o --syntax %s", syntaxes[i]);
        CHECK_EQ(run(arguments), 0);
        CHECK(strstr(out, i == 2 ? "%r" : "r0 = ") != NULL);
        CHECK(strlen(out) > 2000);
    }
    CHECK_EQ(run("disasm features.o --program tail"), 0);
    CHECK(!strstr(out, "entry:"));
    CHECK(shell("rm -r %s", folder));
}

TEST_MAIN
