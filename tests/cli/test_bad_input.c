/* SPDX-License-Identifier: MIT
 *
 * The programs against hostile and careless use: whatever comes in, they end soon, with a status that tells what was
 * wrong and one line on standard error, and leave no half of a file behind.
 *
 * `line` below is "", or the text that the one line of errors has to contain.
 */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

static char build[4096], folder[64], out[1 << 16], err[1 << 16];

static bool shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool shell(const char *format, ...)
{
    char command[16384];
    va_list arguments;
    int length =
        snprintf(command, sizeof command,
                 "set +m; export W=%s/bin/winbpf P=%s/bin/bpf_conformance_plugin G=%s/tests/gen_capture ROOT=$PWD; "
                 "cd %s && ",
                 build, build, build, folder);
    va_start(arguments, format);
    vsnprintf(command + length, sizeof command - (size_t)length, format, arguments);
    va_end(arguments);
    return system(command) == 0;
}

static void read_back(const char *name, char *to, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t got = file ? fread(to, 1, size - 1, file) : 0;
    to[got] = 0;
    if (file)
        fclose(file);
}

/* Runs a shell command for a minute at most; its exit status, -1 for a signal, 124 when it did not end. */
static int run(const char *command)
{
    char path[128];
    snprintf(path, sizeof path, "%s/command", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return -1;
    fputs(command, file);
    fclose(file);
    snprintf(path, sizeof path, "%s/status", folder);
    unlink(path);
    shell("timeout 60 bash ./command >out 2>err; echo $? >status");
    read_back("out", out, sizeof out);
    read_back("status", err, sizeof err);
    int status = atoi(err);
    read_back("err", err, sizeof err);
    return status > 128 ? -1 : status;
}

static bool ready(void)
{
    static int state; /* 1 ready, -1 not */
    if (state)
        return state > 0;
    ssize_t length = readlink("/proc/self/exe", build, sizeof build - 1);
    build[length > 0 ? length : 0] = 0;
    for (int up = 0; up < 2; up++)
        *strrchr(build, '/') = 0;
    snprintf(folder, sizeof folder, "/tmp/winbpf-bad-%d", (int)getpid());
    mkdir(folder, 0700);
    state =
        shell("cc=\"clang -O2 -g -target bpf\";"
              "$cc -I $ROOT/include -c $ROOT/examples/droppacket.bpf.c -o drop.o &&"
              "printf 'struct md { unsigned data, end; };\\n"
              "__attribute__((section(\"xdp\"))) int endless(struct md *c) { for (;;) asm volatile(\"\"); }\\n"
              "char _license[] __attribute__((section(\"license\"))) = \"GPL\";' >endless.c && $cc -c endless.c -o "
              "endless.o &&"
              "printf 'struct { int (*type)[14], (*key_size)[4], (*value_size)[4], (*max_entries)[1]; }"
              " devices __attribute__((section(\".maps\")));\\n"
              "__attribute__((section(\"xdp\"))) int uses(void *c) { return *(volatile long *)&devices ? 1 : 2; }\\n"
              "' >kind.c && $cc -c kind.c -o kind.o &&"
              "printf '__attribute__((section(\"xdp\"))) int calls(void *c) { return ((int (*)(void *))9999)(c); }\\n"
              "' >helper.c && $cc -c helper.c -o helper.o &&"
              "$G flow 10 53 80 >flow.pcap && $G random 1 300 >random.pcap")
            ? 1
            : -1;
    return state > 0;
}

struct fault {
    const char *command;
    int status;
    const char *line;
};

static void check_all(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = run(faults[i].command), before = (int)check_failures;
        const char *end = strchr(err, '\n');
        CHECK_EQ(status, faults[i].status);
        if (*faults[i].line)
            CHECK(end && !end[1] && strstr(err, faults[i].line));
        else
            CHECK_STR(err, "");
        CHECK(!strstr(err, "Sanitizer") && !strstr(err, "runtime error"));
        if ((int)check_failures != before)
            printf("  after: %s\n  status %d: %.300s\n", faults[i].command, status, err);
    }
}

#define CHECK_ALL(faults)                                                                                              \
    do {                                                                                                               \
        if (!ready())                                                                                                  \
            SKIP("no clang");                                                                                          \
        check_all(faults, sizeof(faults) / sizeof((faults)[0]));                                                       \
    } while (0)

TEST(words)
{
    static const struct fault faults[] = {
        {"$W nonsense", 2, "winbpf: unknown verb 'nonsense'"},
        {"$W $'a\\nb\\e[2J'", 2, "winbpf: unknown verb 'a?b?[2J'"},
        {"$W $'\\xff\\xfe'", 2, "winbpf: unknown verb '\xff\xfe'"},
        {"$W ''", 2, "winbpf: unknown verb ''"},
        {"$W run", 2, "which object?"},
        {"$W run drop.o", 2, "which capture?"},
        {"$W run --pcap flow.pcap", 2, "which object?"},
        {"$W run drop.o --pcap", 2, "--pcap needs a value"},
        {"$W run drop.o --pcap flow.pcap --out", 2, "--out needs a value"},
        {"$W run drop.o --pcap flow.pcap --program", 2, "--program needs a value"},
        {"$W run drop.o --pcap flow.pcap --json=1", 2, "unknown option '--json=1'"},
        {"$W run drop.o --pcapx flow.pcap", 2, "unknown option '--pcapx'"},
        {"$W run drop.o drop.o --pcap flow.pcap", 2, "one object at a time"},
        {"$W run drop.o --pcap flow.pcap --personality ''", 2, "--personality is ''"},
        {"$W run - --pcap - <drop.o", 2, "cannot both be standard input"},
        {"$W sections", 2, "which object?"},
        {"$W sections drop.o --program x", 2, "unknown option '--program'"},
        {"$W sections --personality", 2, "--personality needs a value"},
        {"$W disasm drop.o --syntax att", 2, "--syntax is 'att'"},
        {"$W disasm drop.o --syntax=", 2, "--syntax is ''"},
        {"$W disasm drop.o kind.o", 2, "one object at a time"},
        {"$W run drop.o --pcap flow.pcap --program ''", 1, "drop.o: no program ''"},
        {"$W run drop.o --pcap flow.pcap --program $(head -c 30000 /dev/zero | tr '\\0' x)", 1, "no program 'xxx"},
        {"for m in ports ports: ports:1 ports:1= ports:=1 :1=1 ports:x=1 ports:1=x ports:1=1x ports:1=1=1 ports:70000=1"
         " nomap:1=1 ports:99999999999999999999=1; do $W run drop.o --pcap flow.pcap --map $m >/dev/null 2>e;"
         " [ $? = 2 ] && [ $(wc -l <e) = 1 ] || { echo \"$m:\"; cat e; } >&2; done",
         0, ""},
    };
    CHECK_ALL(faults);
}

TEST(objects)
{
    static const struct fault faults[] = {
        {"$W run no.o --pcap flow.pcap", 3, "winbpf: no.o: No such file"},
        {"$W run '' --pcap flow.pcap", 3, "No such file"},
        {"$W sections .", 3, "winbpf: .: Is a directory"},
        {"$W run . --pcap flow.pcap", 3, "winbpf: .: Is a directory"},
        {"$W sections /dev/null", 3, "winbpf: /dev/null: "},
        {"$W run /dev/null --pcap flow.pcap", 3, "winbpf: /dev/null: "},
        {"$W sections /dev/zero", 3, "winbpf: /dev/zero: File too large"},
        {"$W run /dev/zero --pcap flow.pcap", 3, "winbpf: /dev/zero: File too large"},
        {"truncate -s 1T huge.o; $W sections huge.o", 3, "winbpf: huge.o: File too large"},
        {"truncate -s 1T huge.o; $W run huge.o --pcap flow.pcap", 3, "winbpf: huge.o: File too large"},
        {"truncate -s 100M large.o; $W run large.o --pcap flow.pcap", 3, "winbpf: large.o: "},
        {"$W disasm $'no\\nsuch'", 3, "winbpf: no?such: No such file"},
        {"$W disasm $'no\\xff'", 3, "winbpf: no\xff: No such file"},
        {"$W disasm no/such/$(head -c 10000 /dev/zero | tr '\\0' x)", 3, "too long"},
        {"$W run flow.pcap --pcap flow.pcap", 3, "winbpf: flow.pcap: "},
        {"printf '\\177ELF' >four.o; $W sections four.o", 3, "winbpf: four.o: "},
        {"$W run helper.o --pcap flow.pcap", 1, "program 'calls': rejected: insn "},
        {"$W run kind.o --pcap flow.pcap", 1, "map 'devices': failed to create (devmap, 1 entries"},
        {"$W sections - <drop.o >/dev/null", 0, ""},
        {"$W disasm - --syntax rfc <drop.o >/dev/null", 0, ""},
        {"$W run - --pcap flow.pcap <drop.o >/dev/null", 0, ""},
        {"$W run <(cat drop.o) --pcap flow.pcap >/dev/null", 0, ""},
        {"$W sections - <&-", 3, "winbpf: -: Bad file descriptor"},
    };
    CHECK_ALL(faults);
}

/* Each prefix of an object, and each of its bytes changed, in steps: no verb may do worse than refuse it. */
TEST(damaged_objects)
{
    static const struct fault faults[] = {
        {"n=$(stat -c %s drop.o); for ((i = 0; i < n; i += n / 40)); do head -c $i drop.o >cut.o;"
         " for v in sections disasm 'run --pcap flow.pcap'; do $W $v cut.o >/dev/null 2>e; s=$?;"
         " [ $s = 3 ] && [ $(wc -l <e) = 1 ] && grep -q '^winbpf: cut.o: ' e || { echo \"$v, $i bytes: status $s\"; "
         "cat e; } >&2;"
         " done; done",
         0, ""},
        {"n=$(stat -c %s drop.o); for ((i = 1; i < n; i += n / 120)); do cp drop.o dented.o;"
         " printf '\\377' | dd of=dented.o bs=1 seek=$i conv=notrunc status=none;"
         " for v in sections 'disasm --syntax llvm' 'run --map ports:53=0 --pcap flow.pcap'; do"
         " timeout 20 $W $v dented.o >/dev/null 2>e; s=$?;"
         " [ $s -le 3 ] && [ $(grep -vc '^winbpf: warning: ' e) -le 11 ] && ! grep -v '^winbpf: ' e ||"
         " { echo \"$v, byte $i: status $s\"; cat e; } >&2; done; done",
         0, ""},
    };
    CHECK_ALL(faults);
}

TEST(captures)
{
    static const struct fault faults[] = {
        {"$W run drop.o --pcap no.pcap", 3, "winbpf: no.pcap: No such file"},
        {"$W run drop.o --pcap ''", 3, "No such file"},
        {"$W run drop.o --pcap .", 3, "winbpf: .: Is a directory"},
        {"$W run drop.o --pcap /dev/null", 3, "winbpf: /dev/null: header: not a pcap"},
        {"$W run drop.o --pcap /dev/zero", 3, "winbpf: /dev/zero: header: not a pcap"},
        {"$W run drop.o --pcap - <&-", 3, "winbpf: -: Bad file descriptor"},
        {"truncate -s 1T huge.pcap; $W run drop.o --pcap huge.pcap", 3, "header: not a pcap"},
        {"cp flow.pcap tail.pcap; truncate -s 1T tail.pcap; $W run drop.o --pcap tail.pcap >/dev/null", 3,
         "record 41: nothing but zeros from here"},
        {"head -c 24 flow.pcap >none.pcap; $W run drop.o --pcap none.pcap >/dev/null", 0, ""},
        {"for ((i = 0; i < 24; i++)); do head -c $i flow.pcap >cut.pcap; $W run drop.o --pcap cut.pcap 2>e; s=$?;"
         " [ $s = 3 ] && [ $(wc -l <e) = 1 ] || echo \"$i bytes: status $s\" >&2; done",
         0, ""},
        {"{ head -c 24 flow.pcap; printf '\\1\\0\\0\\0\\0\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377'; } "
         ">long.pcap;"
         " $W run drop.o --pcap long.pcap >/dev/null",
         3, "long.pcap: record 1: says it has 4294967295 bytes"},
        {"{ head -c 20 flow.pcap; printf '\\145\\0\\0\\0'; tail -c +25 flow.pcap; } >raw.pcap;"
         " $W run drop.o --pcap raw.pcap",
         3, "header: link type 101 is not Ethernet"},
        {"{ printf '\\324\\303\\262\\241\\11\\0'; tail -c +7 flow.pcap; } >nine.pcap; $W run drop.o --pcap nine.pcap",
         3, "header: pcap version 9"},
        /* a snapshot length that the packets belie is no one's harm */
        {"{ head -c 16 flow.pcap; printf '\\377\\377\\377\\377'; tail -c +21 flow.pcap; } >snap.pcap;"
         " $W run drop.o --pcap snap.pcap >/dev/null",
         0, ""},
        {"printf '\\12\\15\\15\\12' >new.pcapng; $W run drop.o --pcap new.pcapng", 3, "this is pcapng"},
        {"mkfifo pipe; cat flow.pcap >pipe & $W run drop.o --pcap pipe >/dev/null", 0, ""},
        {"n=$(stat -c %s random.pcap); for ((i = 24; i < n; i += n / 100)); do cp random.pcap dented.pcap;"
         " printf '\\377\\377' | dd of=dented.pcap bs=1 seek=$i conv=notrunc status=none;"
         " $W run drop.o --pcap dented.pcap --out dented.out >/dev/null 2>e; s=$?;"
         " case $s in 0) [ -f dented.out ] && [ ! -s e ] ;; 3) [ ! -e dented.out ] && [ $(wc -l <e) = 1 ] ;; *) false "
         ";; esac"
         " || { echo \"byte $i: status $s\"; cat e; } >&2; done",
         0, ""},
    };
    CHECK_ALL(faults);
}

TEST(outputs)
{
    static const struct fault faults[] = {
        {"$W run drop.o --pcap flow.pcap --out /dev/full >/dev/null", 1, "winbpf: /dev/full: No space left"},
        {"$W run drop.o --pcap flow.pcap --out - >/dev/full 2>e; s=$?; grep ^winbpf e >&2; exit $s", 1,
         "winbpf: standard output: No space left"},
        {"$W run drop.o --pcap flow.pcap >/dev/full", 1, "winbpf: standard output: No space left"},
        {"$W sections drop.o >/dev/full", 1, "winbpf: standard output: No space left"},
        {"$W disasm drop.o >/dev/full", 1, "winbpf: standard output: No space left"},
        {"$W --help >/dev/full", 1, "winbpf: standard output: No space left"},
        {"$W run --help >/dev/full", 1, "winbpf: standard output: No space left"},
        {"$W --version >&-", 1, "winbpf: standard output: Bad file descriptor"},
        {"$W sections drop.o >&-", 1, "winbpf: standard output: Bad file descriptor"},
        {"$W run drop.o --pcap flow.pcap --out closed.pcap >&-", 1, "winbpf: standard output: Bad file descriptor"},
        {"$W run drop.o --pcap flow.pcap --out . ", 1, "winbpf: .: Is a directory"},
        {"$W run drop.o --pcap flow.pcap --out no/such", 1, "winbpf: no/such: No such file"},
        {"$W run drop.o --pcap flow.pcap --out /dev/null >/dev/null && [ -c /dev/null ]", 0, ""},
        /* what is read is not written over */
        {"cp flow.pcap same.pcap; ln -s same.pcap other.pcap; $W run drop.o --pcap same.pcap --out other.pcap", 2,
         "winbpf: other.pcap: --out is the capture that is read"},
        {"cmp flow.pcap same.pcap", 0, ""},
        {"cp drop.o own.o; $W run own.o --pcap flow.pcap --out own.o", 2, "winbpf: own.o: --out is the object"},
        {"cmp drop.o own.o", 0, ""},
        /* neither half a file nor someone else's lost */
        {"echo mine >kept; $W run drop.o --pcap no.pcap --out kept", 3, "no.pcap"},
        {"echo mine >kept; $W run drop.o --pcap drop.o --out kept", 3, "not a pcap"},
        {"[ \"$(cat kept)\" = mine ]", 0, ""},
        {"head -c 1000 flow.pcap >cut.pcap; $W run drop.o --pcap cut.pcap --out half.pcap >/dev/null", 3,
         "cut.pcap: record 11"},
        {"[ ! -e half.pcap ]", 0, ""},
        {"$G flow 2000 53 >big.pcap; ulimit -f 200; $W run drop.o --pcap big.pcap --out large.pcap >/dev/null", 1,
         "winbpf: large.pcap: File too large"},
        {"[ ! -e large.pcap ]", 0, ""},
        /* a signal in the middle of it */
        {"mkfifo slow; { head -c 500 flow.pcap; sleep 3; } >slow & $W run drop.o --pcap slow --out stopped.pcap "
         ">/dev/null &"
         " w=$!; for ((i = 0; i < 200; i++)); do [ -e stopped.pcap ] && break; sleep 0.01; done; [ -e stopped.pcap ] ||"
         " exit 9; kill -TERM $w; wait $w 2>/dev/null; [ $? = 143 ] && [ ! -e stopped.pcap ]",
         0, ""},
        /* whoever reads leaves */
        {"{ $W run drop.o --pcap random.pcap --out - 2>e; echo $? >s; } | head -c 10 >/dev/null; s=$(cat s); [ $s -le "
         "1 ]",
         0, ""},
        {"$W disasm drop.o | head -n 1 >/dev/null", 0, ""},
    };
    CHECK_ALL(faults);
}

TEST(programs_that_misbehave)
{
    static const struct fault faults[] = {
        {"$W run endless.o --pcap flow.pcap", 1, "endless.o: program 'endless': rejected: insn "},
        {"$G flow 1000 53 >many.pcap; $W run endless.o --unsafe --pcap many.pcap --out never.pcap >/dev/null 2>e; s=$?;"
         " [ $s = 1 ] && [ ! -e never.pcap ] && grep -q 'packet 1: instruction ' e && tail -n 1 e >&2; exit $s",
         1, "program 'endless': packet 100: the 100th that ran too long"},
        {"$W run drop.o --pcap flow.pcap --personality efw", 3, "map 'events': unknown map type 27"},
    };
    CHECK_ALL(faults);
}

TEST(plugin)
{
    static const struct fault faults[] = {
        {"$P --engine", 1, "usage: bpf_conformance_plugin"},
        {"$P --engine x </dev/null", 1, "usage: "},
        {"$P aa bb </dev/null", 1, "usage: "},
        {"$P </dev/null", 1, "bpf_conformance_plugin: "},
        {"$P abc </dev/null", 1, "memory: not hex"},
        {"$P <&-", 1, "standard input: cannot be read"},
        {"$P <.", 1, "standard input: cannot be read"},
        {"$P </dev/zero", 1, "bpf_conformance_plugin: "},
        {"echo 95 00 00 00 00 00 00 | $P", 1, "7 bytes are not whole"},
        {"echo '05 00 ff ff 00 00 00 00 95 00 00 00 00 00 00 00' | $P --engine interp", 1, "bpf_conformance_plugin: "},
        {"echo '05 00 ff ff 00 00 00 00 95 00 00 00 00 00 00 00' | $P --engine checked", 1, "bpf_conformance_plugin: "},
        {"echo '05 00 ff ff 00 00 00 00 95 00 00 00 00 00 00 00' | $P --engine jit", 1, "bpf_conformance_plugin: "},
        {"echo 'b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00' | $P >/dev/full", 1, "standard output: "},
        {"head -c 200 drop.o | od -An -v -tx1 | $P --elf", 1, "bpf_conformance_plugin: "},
    };
    CHECK_ALL(faults);
}

/* Sample objects from outside the tree, through every listing. */
TEST(samples)
{
    static const struct fault faults[] = {
        {"s=${WINBPF_SHARED:-$ROOT/../shared}; case $s in /*) ;; *) s=$ROOT/$s ;; esac; [ -d $s/corpus/samples ] || "
         "exit 0;"
         " find $s/corpus/samples -type f ! -name '*.tsv' | while read -r f; do"
         " for v in sections 'disasm --syntax kernel' 'disasm --syntax llvm' 'disasm --syntax rfc' 'run --pcap "
         "random.pcap'; do"
         " timeout 20 $W $v $f >/dev/null 2>e; r=$?; n=$(grep -vc '^winbpf: warning: ' e);"
         " case $v,$r in run*,1) [ $n -ge 1 ] ;; *,0) [ $n = 0 ] ;; *,1 | run*,2 | *,3) [ $n = 1 ] ;; *) false ;; esac "
         "&&"
         " ! grep -v '^winbpf: ' e || { echo \"$v $f: status $r\"; cat e; } >&2; done; done",
         0, ""},
    };
    CHECK_ALL(faults);
}

__attribute__((destructor)) static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays\n", folder);
}

TEST_MAIN
