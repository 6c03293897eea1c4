/* SPDX-License-Identifier: MIT
 *
 * `winbpf verify` from outside: exit statuses, the diagnostic's parts, the JSON document's fields, comparisons with an
 * older one, program types, the kernel's log, invariants, and names that want to do harm.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"
#include "cli/outside.h"

static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
    char command[16384], line[17000];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    snprintf(line, sizeof line, "cd %s && { %s\n}", folder, command);
    return system(line) == 0;
}

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    char self[4096], root[4096];
    if (state)
        return state > 0;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    for (int up = 0; up < 2; up++)
        *strrchr(self, '/') = 0;
    snprintf(winbpf, sizeof winbpf, "%s/bin/winbpf", self);
    snprintf(folder, sizeof folder, "/tmp/winbpf-verify-%d", (int)getpid());
    mkdir(folder, 0700);
    if (!getcwd(root, sizeof root))
        return false;
    state = shell("cp '%s/tests/cli/bad.bpf.c' . && clang -O2 -g -target bpf -I '%s/include' -c bad.bpf.c -o bad.o &&"
                  "printf '__attribute__((section(\"xdp\"))) int prog(void *c) { return *(int *)8; }\\n' >nolines.c &&"
                  "clang -O2 -target bpf -c nolines.c -o nolines.o &&"
                  "clang -O2 -g -target bpf -I '%s/include' -c '%s/examples/droppacket.bpf.c' -o drop.o &&"
                  "printf 'int entry(void *c) { return 2; }\\nstatic int __attribute__((noinline,used)) local(void *c)"
                  " { return 1; }\\n' >text.c && clang -O2 -g -target bpf -c text.c -o text.o",
                  root, root, root, root)
                ? 1
                : -1;
    return state > 0;
}

#define READY()                                                                                                        \
    if (!ready())                                                                                                      \
    SKIP("no clang")

TEST(statuses)
{
    READY();
    CHECK_EQ(run("verify drop.o"), 0);
    CHECK(!strncmp(out, "accept  drop.o: droppacket (xdp)", 32));
    CHECK_STR(err, "");
    CHECK_EQ(run("verify bad.o"), 1);
    CHECK_EQ(run("verify drop.o bad.o"), 1);
    CHECK_EQ(run("verify bad.o --program fine"), 0);
    CHECK_EQ(run("verify bad.o --program nobody"), 1);
    CHECK(one_line());
    CHECK_EQ(run("verify nothing.o drop.o"), 3);
    CHECK(one_line() && strstr(out, "accept  drop.o"));
    CHECK_EQ(run("verify bad.bpf.c"), 3);
    CHECK(one_line());
    static const char *const wrong[] = {"verify",
                                        "verify drop.o --nonsense",
                                        "verify drop.o --type",
                                        "verify drop.o --max-steps -1",
                                        "verify drop.o --max-steps 1x",
                                        "verify drop.o --log=windows",
                                        "verify drop.o --log=linux:9",
                                        "verify drop.o --json -v",
                                        "verify drop.o --personality martian"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_EQ(run(wrong[i]), 2);
        CHECK(one_line());
    }
}

TEST(diagnostic)
{
    READY();
    CHECK_EQ(run("verify bad.o --program short_check"), 1);
    CHECK(!strncmp(out, "error[V0203]: access to packet bytes that are not proven to exist\n", 64));
    CHECK(strstr(out, "bad.bpf.c:38:") != NULL);
    CHECK(strstr(out, "\n38 |     return eth->h_proto == 8 ? XDP_PASS : XDP_DROP;\n") != NULL);
    CHECK(strstr(out, "^ reads bytes 12..12 of the packet") != NULL);
    CHECK(strstr(out, "of 'short_check' (bad.o, type xdp): r1 = *(u8 *)(r") != NULL);
    /* where the pointer came from, where it was last checked and how that went */
    const char *from = strstr(out, "bad.bpf.c:30"), *checked = strstr(out, "bad.bpf.c:36");
    CHECK(from && checked && from < checked);
    CHECK(checked && strstr(checked, "not taken: r") && strstr(checked, "packet (12 bytes proven)"));
    CHECK(strstr(out, "help: before the access: if (data + 13 > data_end) return ...;") != NULL);
    CHECK(strstr(out, "more: winbpf explain V0203") != NULL);
    CHECK(strchr(out, 27) == NULL);

    CHECK_EQ(run("verify bad.o --program forgotten"), 1);
    CHECK(!strncmp(out, "error[V0501]", 12));
    CHECK(strstr(out, "bpf_ringbuf_reserve") && strstr(out, "or NULL")); /* what was taken, and where */
    CHECK(strstr(out, "bad.bpf.c:46") != NULL);                          /* the branch that forgot it */

    CHECK_EQ(run("verify nolines.o"), 1);
    CHECK(strstr(out, "nolines.o: program 'prog' (section xdp, type xdp), instruction 1\n") != NULL);
    CHECK(strstr(out, "^ reads memory through a number") != NULL);
}

/* The names of an object's members, in order, each behind a comma. */
static void members(const char *object, char *names, size_t size)
{
    size_t used = 0;
    *names = 0;
    for (const char *at = object; *at && *at != '}'; at++) {
        if (*at != '"')
            continue;
        const char *end = strchr(at + 1, '"');
        if (!end)
            return;
        if (end[1] == ':' && used + (size_t)(end - at) + 1 < size)
            used += (size_t)snprintf(names + used, size - used, "%.*s,", (int)(end - at - 1), at + 1);
        at = end;
    }
}

TEST(json)
{
    READY();
    char names[1024];
    CHECK_EQ(run("verify bad.o drop.o --json"), 1);
    CHECK_STR(err, "");
    CHECK(!strncmp(out, "{\"schema\":1,\"programs\":[{\"object\":\"bad.o\",", 42));
    CHECK(!strcmp(out + strlen(out) - 4, "}]}\n"));
    int count = 0;
    for (const char *at = out; (at = strstr(at, "{\"object\"")); at++, count++) {
        members(at, names, sizeof names);
        CHECK_STR(names,
                  "object,section,program,type,instructions,verdict,code,insn,file,line,message,time_us,peak_bytes,"
                  "steps,worst_case_instructions,");
    }
    CHECK_EQ(count, 4);
    char *bad = strstr(out, "\"program\":\"short_check\"");
    REQUIRE(bad != NULL);
    CHECK(strstr(bad, "\"verdict\":\"reject\",\"code\":\"V0203\",\"insn\":") != NULL);
    CHECK(strstr(bad, "\"line\":38,\"message\":\"reads bytes 12..12") != NULL);
    char *good = strstr(out, "\"program\":\"fine\"");
    REQUIRE(good != NULL);
    CHECK(strstr(good,
                 "\"verdict\":\"accept\",\"code\":null,\"insn\":null,\"file\":null,\"line\":null,\"message\":null") !=
          NULL);
    unsigned long long worst = 0;
    char *at = strstr(good, "\"worst_case_instructions\":");
    CHECK(at && sscanf(at, "\"worst_case_instructions\":%llu", &worst) == 1 && worst > 64 * 4 && worst < 64 * 40);
    CHECK(shell("python3 -c 'import json; d = json.load(open(\"out\")); assert len(d[\"programs\"]) == 4'"));
    CHECK_EQ(run("verify drop.o --json --max-steps 5"), 1);
    CHECK(strstr(out, "\"verdict\":\"too-complex\",\"code\":\"V0901\"") != NULL);
    CHECK_EQ(run("verify drop.o --json --max-instructions 5"), 1);
    CHECK(strstr(out, "\"verdict\":\"too-long\",\"code\":\"V0903\"") != NULL);
}

TEST(compare)
{
    READY();
    CHECK_EQ(run("verify bad.o drop.o --json"), 1);
    CHECK(shell(
        "cp out old.json && sed 's/\"verdict\":\"reject\",\"code\":\"V0203\"/\"verdict\":\"accept\",\"code\":null/' "
        "out >better.json &&"
        "sed 's/\"verdict\":\"accept\",\"code\":null/\"verdict\":\"reject\",\"code\":\"V0701\"/g' out >worse.json &&"
        "sed 's/V0501/V0502/' out >other.json && head -c 300 out >cut.json && sed 's/:1,/:2,/' out >schema.json"));
    CHECK_EQ(run("verify bad.o drop.o --compare old.json"), 0); /* refused then and now */
    CHECK(!strstr(out, "regression") && !strstr(out, "changed"));
    CHECK_EQ(run("verify bad.o drop.o --compare better.json"), 1);
    CHECK(strstr(out, "regression: bad.o: short_check (xdp): was accept, is reject V0203\n") != NULL);
    CHECK_EQ(run("verify bad.o drop.o --compare worse.json"), 0);
    CHECK(strstr(out, "improvement: drop.o: droppacket (xdp): was reject V0701, is accept\n") != NULL);
    CHECK_EQ(run("verify bad.o drop.o --compare other.json"), 0);
    CHECK(strstr(out, "changed: bad.o: forgotten (xdp): was reject V0502, is reject V0501\n") != NULL);
    CHECK_EQ(run("verify drop.o --compare old.json"), 0);
    CHECK(strstr(out, "not verified now: bad.o: fine (xdp)\n") != NULL);
    CHECK_EQ(run("verify text.o --type xdp --compare old.json"), 0);
    CHECK(strstr(out, "new: text.o: entry (.text): accept\n") != NULL);
    static const char *const broken[] = {"cut.json", "schema.json", "bad.o", "nothing.json"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char arguments[128];
        snprintf(arguments, sizeof arguments, "verify drop.o --compare %s", broken[i]);
        CHECK_EQ(run(arguments), 3);
        CHECK(one_line());
    }
}

TEST(types)
{
    READY();
    CHECK_EQ(run("verify text.o"), 2);
    CHECK(strstr(err, "--type:") && strstr(err, " xdp") && strstr(err, "'.text'"));
    CHECK_EQ(run("verify text.o --type martian"), 2);
    CHECK(strstr(err, "martian") && strstr(err, " xdp"));
    CHECK_EQ(run("verify text.o --type xdp"), 0);
    CHECK(strstr(out, "entry (xdp)") != NULL);
    CHECK_EQ(run("verify text.o --type xdp --all"), 0);
    CHECK(strstr(out, "entry (xdp)") && strstr(out, "local (xdp)"));
    CHECK_EQ(run("verify bad.o --type xdp --all --json"), 1);
    CHECK(strstr(out, "\"section\":\".text\",\"program\":\"twice\"") != NULL);
}

TEST(log)
{
    READY();
    CHECK_EQ(run("verify bad.o --program short_check --log=linux:5"), 1);
    CHECK(!strncmp(out, "0: R1=ctx() R10=fp0\n; ", 22));
    CHECK(strstr(out, "(85) call bpf_map_lookup_elem#1") && strstr(out, "; R0=map_value_or_null(id="));
    CHECK(strstr(out, "map=hits,ks=4,vs=8)") != NULL);
    CHECK(strstr(out, "\ninvalid access to packet, off=12 size=1, R") != NULL);
    CHECK(strstr(out, "\nV0203: reads bytes 12..12 of the packet") != NULL);
    CHECK(strstr(out, "\nverification time ") && strstr(out, "usec\nstack depth 8\n"));
    char *last = strstr(out, "\nprocessed ");
    CHECK(last && strstr(last, " insns (limit ") && strstr(last, "max_states_per_insn ") &&
          strstr(last, " mark_read 0\n"));
    CHECK_EQ(run("verify drop.o --log=linux"), 0);
    CHECK(!strncmp(out, "processed ", 10) && strchr(out, '\n') == out + strlen(out) - 1);
    CHECK_EQ(run("verify drop.o --log=linux:2"), 0);
    CHECK(strstr(out, "\nfrom ") && strstr(out, ": safe\n") && strstr(out, "@ droppacket.bpf.c:"));
}

TEST(invariants)
{
    READY();
    CHECK_EQ(run("verify bad.o --program fine -v"), 0);
    CHECK(strstr(out, "{ r1 = context }") != NULL);
    CHECK(strstr(out, "packet end") && strstr(out, "(1 bytes proven)"));
    int instructions = 0, known = 0;
    for (char *line = out; *line; line = strchr(line, '\n') + 1) {
        unsigned at;
        instructions += sscanf(line, " %u: ", &at) == 1 && strncmp(line, "accept", 6);
        known += !strncmp(line, "        { ", 10);
    }
    CHECK(instructions > 8);
    CHECK_EQ(known, instructions); /* there is no dead code in it */
    CHECK(!strstr(out, "until the walk ended"));
    CHECK_EQ(run("verify bad.o --program forgotten -v"), 1);
    CHECK(strstr(out, "{ r0 = record of 8 bytes, or NULL") && strstr(out, "until the walk ended"));
}

/* Whether r6 is 5 or 7 never matters, so one walk would do for both; what is said to be known must have both. */
TEST(invariants_hold)
{
    READY();
    CHECK(shell("printf '%%s\\n' '__attribute__((naked,section(\"xdp\"))) int prog(void *c) { asm volatile("
                "\"call 7; r6 = 5; if r0 == 0 goto 1f; r6 = 7; 1: call 7; r8 = 0; if r0 == 0 goto 2f; r8 = 1;"
                "2: r0 = 2; r0 += 0; *(u64 *)(r10 - 8) = r6; exit\"); }' >either.c &&"
                "clang -O2 -g -target bpf -c either.c -o either.o"));
    CHECK_EQ(run("verify either.o -v"), 0);
    char *at = strstr(out, ": r0 += 0\n"), *end = at ? strstr(at, ": *(u64 *)") : NULL;
    REQUIRE(at && end);
    *end = 0;
    CHECK(strstr(at, "r6 = 5") && strstr(at, "r6 = 7"));
}

TEST(colours)
{
    READY();
    CHECK(shell("TERM=xterm script -qec \"'%s' verify drop.o\" /dev/null | grep -q \"$(printf '\\033')\\[1;32maccept\"",
                winbpf));
    CHECK(shell("! NO_COLOR=1 TERM=xterm script -qec \"'%s' verify drop.o\" /dev/null | grep -q \"$(printf '\\033')\"",
                winbpf));
    CHECK(shell("! TERM=dumb script -qec \"'%s' verify drop.o\" /dev/null | grep -q \"$(printf '\\033')\"", winbpf));
}

TEST(harmless)
{
    READY();
    CHECK(shell("printf '%%s\\n' 'int prog(void *c) __asm__(\"<script>alert(1)</script>\\033[31m\");'"
                " '__attribute__((section(\"xdp\"))) int prog(void *c) { return *(int *)8; }' >evil.c &&"
                "clang -O2 -g -target bpf -c evil.c -o evil.o"));
    CHECK_EQ(run("verify evil.o --html evil.html"), 1);
    CHECK(strchr(out, 27) == NULL && strstr(out, "<script>"));
    CHECK_EQ(run("verify evil.o --json"), 1);
    CHECK(strchr(out, 27) == NULL && strstr(out, "\\u001b[31m"));
    CHECK_EQ(run("verify evil.o --log=linux:3"), 1);
    CHECK(strchr(out, 27) == NULL);
    CHECK(shell("! grep -q '<script>alert' evil.html && grep -q '&lt;script&gt;alert' evil.html &&"
                "! grep -q \"$(printf '\\033')\" evil.html"));
    CHECK_EQ(run("verify drop.o --html nowhere/page.html"), 1);
    CHECK(one_line());
    CHECK_EQ(run("verify nothing.o --html page.html"), 3);
    CHECK(shell("! ls | grep -q '^page'"));
    CHECK(shell("rm -r %s", folder));
}

TEST_MAIN
