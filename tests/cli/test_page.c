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

static void check_edge(const char *dom, const struct program *p, int block, int last, int to, int *edges)
{
    char attribute[64];
    snprintf(attribute, sizeof attribute, "data-edge=\"%d-%d\"", block, to);
    int mark = marked(dom, attribute, "path");
    if (mark < 0)
        printf("edge %d-%d is not in the page, or twice\n", block, to);
    CHECK(mark >= 0);
    if (mark == 1) /* only between blocks that the path goes through */
        CHECK(p->walked[last] && p->walked[to]);
    ++*edges;
}

static void check_page(const char *name, bool refused)
{
    static char dom[1 << 20];
    static struct program p;
    char command[1024], attribute[64];
    int status, blocks = 0, edges = 0, failing = 0;
    snprintf(command, sizeof command, "winbpf disasm bad.o --program %s | grep -E '^ +[0-9]+: '", name);
    shell(command, &status);
    CHECK_EQ(status, 0);
    read_program(&p);
    REQUIRE(p.count > 8);
    snprintf(command, sizeof command, "winbpf verify bad.o --program %s --log=linux:1", name);
    shell(command, &status);
    for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        int at, code;
        if (sscanf(line, "%d: (%x)", &at, (unsigned *)&code) == 2 && at < INSNS)
            p.walked[at] = true;
    }
    snprintf(command, sizeof command, "winbpf verify bad.o --program %s --html %s.html", name, name);
    shell(command, &status);
    CHECK_EQ(status, refused ? 1 << 8 : 0);
    snprintf(command, sizeof command, "%s.html", name);
    REQUIRE(render(command, "dom"));
    snprintf(dom, sizeof dom, "%s", read_text("dom"));
    CHECK(strstr(dom, "data-ready=\"yes\"") != NULL); /* the script ran */
    for (int block = 0; block < p.count; block++) {
        if (!p.insn[block] || !p.leader[block])
            continue;
        int last = block;
        bool walked = p.walked[block];
        while (next_of(&p, last) < p.count && !p.leader[next_of(&p, last)]) {
            last = next_of(&p, last);
            walked |= p.walked[last];
        }
        snprintf(attribute, sizeof attribute, "data-block=\"%d\"", block);
        int mark = marked(dom, attribute, "g");
        if (mark != walked)
            printf("%s: block %d: mark %d, walked %d\n", name, block, mark, walked);
        CHECK_EQ(mark, walked);
        failing += mark == 1;
        blocks++;
        if (p.target[last] >= 0)
            check_edge(dom, &p, block, last, p.target[last], &edges);
        if (!p.ends[last] && next_of(&p, last) < p.count)
            check_edge(dom, &p, block, last, next_of(&p, last), &edges);
    }
    CHECK_EQ(count_of(dom, "data-block="), blocks);
    CHECK_EQ(count_of(dom, "data-edge="), edges);
    CHECK(blocks >= 4 && edges >= 4);
    CHECK_EQ(failing > 2, refused);
    CHECK_EQ(count_of(dom, "<tr class=\"failing refused"), refused);
    CHECK_EQ(count_of(dom, "class=\"why\""), refused);
    int on_path = 0;
    for (const char *at = dom; (at = strstr(at, "<path class=\"edge ")); at++) {
        const char *end = strchr(at, '>'), *mark = strstr(at, "failing\"");
        on_path += mark && end && mark < end;
    }
    CHECK_EQ(on_path > 1, refused);
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

__attribute__((destructor)) static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays\n", folder);
}

TEST_MAIN
