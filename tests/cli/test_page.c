/* SPDX-License-Identifier: MIT
 *
 * The page of `winbpf verify --html` in a browser: Debian's chromium opens it without a screen and hands back what it
 * made of it.  Which blocks and edges there must be is computed here from the disassembly, by other means than the
 * page's: every one must be in the document once, and no other; the path to the refusal must be marked on just those
 * that the kernel's log of the same program walks through; the page's own script must have run.
 */
#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"

enum { INSNS = 512 };

static char build[4096], folder[64], root[4096], text[1 << 20];

/* A command's output in the test's folder. */
static char *shell(const char *command, int *status)
{
    char line[16384];
    snprintf(line, sizeof line, "cd %s && PATH=%s/bin:$PATH; { %s\n} 2>&1", folder, build, command);
    FILE *pipe = popen(line, "r");
    size_t got = pipe ? fread(text, 1, sizeof text - 1, pipe) : 0;
    text[got] = 0;
    *status = pipe ? pclose(pipe) : -1;
    return text;
}

static char *read_text(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[got] = 0;
    if (file)
        fclose(file);
    return text;
}

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    char command[16384];
    int status;
    if (state)
        return state > 0;
    ssize_t length = readlink("/proc/self/exe", build, sizeof build - 1);
    build[length > 0 ? length : 0] = 0;
    for (int up = 0; up < 2; up++)
        *strrchr(build, '/') = 0;
    snprintf(folder, sizeof folder, "/tmp/winbpf-page-%d", (int)getpid());
    mkdir(folder, 0700);
    state = -1;
    if (!getcwd(root, sizeof root))
        return false;
    snprintf(command, sizeof command,
             "clang -O2 -g -target bpf -I'%s/include' -c '%s/tests/cli/bad.bpf.c' -o bad.o && command -v chromium",
             root, root);
    shell(command, &status);
    if (!status)
        state = 1;
    return state > 0;
}

/* What chromium makes of the page, in a file. */
static bool render(const char *page, const char *dom)
{
    char command[2048];
    int status;
    snprintf(command, sizeof command,
             "mkdir -p profile && timeout 120 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage "
             "--disable-background-networking --no-first-run --user-data-dir=$PWD/profile --dump-dom file://$PWD/%s "
             ">%s 2>chromium.log; status=$?; rm -rf profile; [ $status = 0 ] || tail -n 3 chromium.log; exit $status",
             page, dom);
    shell(command, &status);
    if (status)
        printf("chromium: %s\n", text);
    return status == 0;
}

struct program {
    int count;
    bool insn[INSNS], leader[INSNS], ends[INSNS];
    int target[INSNS]; /* of a jump, -1: none */
    bool conditional[INSNS];
    bool walked[INSNS];
    int path[INSNS * 4], steps; /* instructions in the order of the log */
};

/* "    12: if r1 > r2 goto pc+3": all that is needed stands in the words. */
static void read_program(struct program *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 0; i < INSNS; i++)
        p->target[i] = -1;
    for (char *line = text, *end; *line; line = end) {
        int at, by;
        char *colon;
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = 0;
        colon = strstr(line, ": ");
        if (!colon || !isdigit((unsigned char)colon[-1]) || sscanf(line, "%d:", &at) != 1 || at >= INSNS)
            continue;
        p->insn[at] = true;
        p->count = at + 1;
        p->conditional[at] = strstr(colon, ": if ") == colon;
        p->ends[at] = !strcmp(colon, ": exit") || !strncmp(colon, ": goto ", 7);
        char *jump = strstr(colon, "goto pc");
        if (jump && sscanf(jump, "goto pc%d", &by) == 1)
            p->target[at] = at + 1 + by;
        if (!strncmp(colon, ": call pc", 9) && sscanf(colon, ": call pc%d", &by) == 1)
            p->leader[at + 1 + by] = true;
    }
    p->leader[0] = true;
    for (int at = 0; at < p->count; at++) {
        if (p->target[at] >= 0)
            p->leader[p->target[at]] = true;
        if (p->target[at] >= 0 || p->ends[at])
            p->leader[at + 1] = true;
    }
}

static int count_of(const char *dom, const char *what)
{
    int count = 0;
    for (const char *at = dom; (at = strstr(at, what)); at++)
        count++;
    return count;
}

/* Faults that a page has: what is wrong is printed unless `quiet`. */
static bool quiet;
static int faults;

static void fault(bool is, const char *what, int a, int b)
{
    if (!is)
        return;
    faults++;
    if (!quiet)
        printf("%s %d %d\n", what, a, b);
}

/* The element with this attribute: is it marked?  -1: there is none, or there are two. */
static int marked(const char *dom, const char *attribute, const char *element)
{
    const char *at = strstr(dom, attribute), *from = at;
    if (!at || strstr(at + 1, attribute))
        return -1;
    while (from > dom && *from != '<')
        from--;
    if (strncmp(from + 1, element, strlen(element)))
        return -1;
    const char *class = strstr(from, "class=\""), *end = class ? strchr(class + 7, '"') : NULL;
    if (!class || class > at || !end)
        return -1;
    for (const char *c = class + 7; c < end; c++)
        if (!strncmp(c, "failing", 7))
            return 1;
    return 0;
}

static int next_of(const struct program *p, int at)
{
    do
        at++;
    while (at < p->count && !p->insn[at]);
    return at;
}

static void judge_edge(const char *dom, const struct program *p, int block, int last, int to, int *edges)
{
    char attribute[64];
    snprintf(attribute, sizeof attribute, "data-edge=\"%d-%d\"", block, to);
    int mark = marked(dom, attribute, "path");
    bool walked = false;
    for (int i = 0; i + 1 < p->steps; i++)
        walked |= p->path[i] == last && p->path[i + 1] == to;
    fault(mark != walked, "an edge is not in the page, or twice, or marked wrongly:", block, to);
    ++*edges;
}

static void judge(const char *dom, const struct program *p, bool refused)
{
    int blocks = 0, edges = 0, failing = 0, on_path = 0;
    char attribute[64];
    fault(!strstr(dom, "data-ready=\"yes\""), "the script did not run", 0, 0);
    for (int block = 0; block < p->count; block++) {
        if (!p->insn[block] || !p->leader[block])
            continue;
        int last = block;
        bool walked = p->walked[block];
        while (next_of(p, last) < p->count && !p->leader[next_of(p, last)]) {
            last = next_of(p, last);
            walked |= p->walked[last];
        }
        snprintf(attribute, sizeof attribute, "data-block=\"%d\"", block);
        int mark = marked(dom, attribute, "g");
        fault(mark != walked, "a block is not in the page, or marked wrongly:", block, mark);
        failing += mark == 1;
        blocks++;
        if (p->target[last] >= 0)
            judge_edge(dom, p, block, last, p->target[last], &edges);
        if (!p->ends[last] && next_of(p, last) < p->count)
            judge_edge(dom, p, block, last, next_of(p, last), &edges);
    }
    fault(count_of(dom, "data-block=") != blocks, "blocks:", count_of(dom, "data-block="), blocks);
    fault(count_of(dom, "data-edge=") != edges, "edges:", count_of(dom, "data-edge="), edges);
    fault(blocks < 4 || edges < 4, "a small program:", blocks, edges);
    fault((failing > 2) != refused, "blocks on the path:", failing, refused);
    fault(count_of(dom, "<tr class=\"failing refused") != refused, "refused rows:", 0, refused);
    fault(count_of(dom, "class=\"why\"") != refused, "reasons:", 0, refused);
    for (const char *at = dom; (at = strstr(at, "<path class=\"edge ")); at++) {
        const char *end = strchr(at, '>'), *mark = strstr(at, "failing\"");
        on_path += mark && end && mark < end;
    }
    fault((on_path > 1) != refused, "edges on the path:", on_path, refused);
}

static char dom[1 << 20];
static struct program program;

/* The program as the disassembly and the log have it, and its page as chromium has it. */
static bool prepare(const char *name, bool refused)
{
    char command[1024];
    int status;
    snprintf(command, sizeof command, "winbpf disasm bad.o --program %s | grep -E '^ +[0-9]+: '", name);
    shell(command, &status);
    if (status)
        return false;
    read_program(&program);
    snprintf(command, sizeof command, "winbpf verify bad.o --program %s --log=linux:1", name);
    shell(command, &status);
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        int at;
        unsigned code;
        if (sscanf(line, "%d: (%x)", &at, &code) == 2 && at < INSNS && program.steps < INSNS * 4) {
            program.path[program.steps++] = at;
            program.walked[at] = true;
        }
    }
    snprintf(command, sizeof command, "winbpf verify bad.o --program %s --html %s.html", name, name);
    shell(command, &status);
    if (status != (refused ? 1 << 8 : 0))
        return false;
    snprintf(command, sizeof command, "%s.html", name);
    if (!render(command, "dom"))
        return false;
    snprintf(dom, sizeof dom, "%s", read_text("dom"));
    return true;
}

static void check_page(const char *name, bool refused)
{
    REQUIRE(prepare(name, refused));
    CHECK(program.count > 8);
    faults = 0;
    judge(dom, &program, refused);
    CHECK_EQ(faults, 0);
}

TEST(refused)
{
    if (!ready())
        SKIP("no clang or no chromium");
    check_page("short_check", true);
    check_page("forgotten", true);
}

TEST(accepted)
{
    if (!ready())
        SKIP("no clang or no chromium");
    check_page("fine", false);
}

/* The judge before pages with something taken from them: each must be seen. */
TEST(judge)
{
    static const char *const taken[] = {"data-block=\"0\"",
                                        "data-edge=",
                                        "class=\"block failing\"",
                                        "class=\"edge fall failing\"",
                                        "data-ready=\"yes\"",
                                        "failing refused",
                                        "class=\"why\""};
    static char damaged[1 << 20];
    if (!ready())
        SKIP("no clang or no chromium");
    REQUIRE(prepare("short_check", true));
    quiet = true;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        char *at = strstr(strcpy(damaged, dom), taken[i]);
        if (!at) {
            printf("%s is not in the page\n", taken[i]);
            check_failures++;
            continue;
        }
        at[strlen(taken[i]) - 2] = '-';
        faults = 0;
        judge(damaged, &program, true);
        if (!faults)
            printf("a page with a damaged %s passes\n", taken[i]);
        CHECK(faults > 0);
    }
    quiet = false;
}

__attribute__((destructor)) static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays\n", folder);
}

TEST_MAIN
