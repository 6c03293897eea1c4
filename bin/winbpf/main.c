/* SPDX-License-Identifier: MIT
 *
 * winbpf: the command line.  main() picks a verb; each verb is a file of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"

static const struct verb {
    const char *name;
    int (*body)(int argc, char **argv);
    const char *usage, *help;
} verbs[] = {
    {"run", cli_run,
     "winbpf run prog.o --pcap in.pcap [--out out.pcap] [--program NAME] [--map NAME:KEY=VALUE] [--json] "
     "[--personality linux|efw] [--unsafe]",
     "Runs a capture through an XDP program: verdicts, events as they come, map contents at the end.  The program is\n"
     "verified first; one that is rejected is not run.\n"
     "  --pcap FILE         classic pcap, Ethernet; - for standard input\n"
     "  --out FILE          write the packets that were not dropped, as the program left them; - for standard output;\n"
     "                      removed again when the run cannot be finished\n"
     "  --program NAME      which program, when the object has several\n"
     "  --map NAME:KEY=VALUE  set an entry first, numbers in C notation; may be repeated\n"
     "  --json              one JSON document instead of text\n"
     "  --personality P     whose numbers the object speaks, when it cannot be told from the object\n"
     "  --unsafe            do not verify: run in the checked interpreter, which stops a program that errs, packet by\n"
     "                      packet, and says where\n"
     "\n"
     "Examples:\n"
     "  winbpf run droppacket.o --pcap capture.pcap --map ports:53=0\n"
     "  tcpdump -c 100 -w - | winbpf run droppacket.o --pcap - --out passed.pcap\n"},
    {"verify", cli_verify,
     "winbpf verify prog.o... [--program NAME] [--type TYPE] [--all] [-v] [--json] [--log=linux[:LEVEL]] "
     "[--compare old.json] [--html out.html] [--personality linux|efw] [--privileged] [--strict-alignment] "
     "[--max-steps N] [--max-bytes N] [--max-instructions N]",
     "Says of each program whether it is safe to run, and why not.\n"
     "  --program NAME      this program alone\n"
     "  --type TYPE         the type of programs in sections whose names say none: a type's name or a section's\n"
     "  --all               report each function in .text as if it were an entry point, too\n"
     "  -v                  print what is known before each instruction\n"
     "  --json              one JSON document: a verdict for each program\n"
     "  --log=linux         the log that the Linux kernel would write; linux:LEVEL, a sum of 1 (the path to a\n"
     "                      refusal), 2 (everything) and 4 (statistics)\n"
     "  --compare OLD       an older --json document: say what changed; the exit status is that of regressions alone\n"
     "  --html FILE         a page to look at: control flow, source, what is known where, the path to a refusal\n"
     "  --personality P     whose numbers the object speaks, when it cannot be told from the object\n"
     "  --privileged        as a privileged loader's program: it may store, compare and return addresses, and read\n"
     "                      stack that it did not write\n"
     "  --strict-alignment  every access must be aligned to its size\n"
     "  --max-steps N, --max-bytes N   budgets of the verification; beyond them the verdict is too-complex\n"
     "  --max-instructions N   the longest run that is accepted; beyond it the verdict is too-long\n"
     "\n"
     "Exit status: 0 all accepted, 1 one was not, 2 wrong usage or a program without a type, 3 a file cannot be read.\n"
     "\n"
     "Examples:\n"
     "  winbpf verify droppacket.o\n"
     "  winbpf verify droppacket.o --json >old.json\n"
     "  winbpf verify droppacket.o --compare old.json\n"
     "  winbpf verify droppacket.o -v --html droppacket.html\n"},
    {"explain", cli_explain, "winbpf explain [CODE [--wrong | --right | --options]]",
     "Explains a reason for which programs are refused; without a code, lists them all.\n"
     "  --wrong, --right    print the example's source alone, the one that is refused or the one that is accepted\n"
     "  --options           print the options of winbpf verify that the example is for\n"
     "\n"
     "Examples:\n"
     "  winbpf explain V0203\n"
     "  winbpf explain V0203 --wrong >wrong.bpf.c\n"},
    {"sections", cli_sections, "winbpf sections prog.o [--personality linux|efw]",
     "Lists an object's sections, programs and maps.\n"
     "\n"
     "Example:\n"
     "  winbpf sections droppacket.o\n"},
    {"disasm", cli_disasm, "winbpf disasm prog.o [--program NAME] [--syntax kernel|llvm|rfc] [--personality linux|efw]",
     "Prints programs as instructions.\n"
     "\n"
     "Examples:\n"
     "  winbpf disasm droppacket.o\n"
     "  winbpf disasm droppacket.o --program droppacket --syntax rfc\n"},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

const char *cli_clean(const char *text)
{
    static char kept[8][1024];
    static unsigned next;
    char *copy = kept[next++ % 8];
    snprintf(copy, sizeof kept[0], "%s", text ? text : "");
    clean(copy);
    return copy;
}

void cli_error(const char *format, ...)
{
    static char line[160 << 10]; /* more than the system lets an argument have */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    clean(line);
    fflush(stdout);
    fprintf(stderr, "winbpf: %s\n", line);
    fflush(stderr);
}

static void emit(void *self, enum diag_level level, const char *line)
{
    cli_error("%s%s", level == DIAG_WARNING ? "warning: " : level == DIAG_NOTE ? "note: " : "", line);
}

struct diag cli_diag(const char *file)
{
    return (struct diag){emit, NULL, file};
}

const char *cli_option(int argc, char **argv, int *at, const char *name, bool *missing)
{
    size_t length = strlen(name);
    const char *word = argv[*at];
    if (strncmp(word, name, length) || (word[length] && word[length] != '='))
        return NULL;
    if (word[length] == '=')
        return word + length + 1;
    if (*at + 1 >= argc) {
        cli_error("%s needs a value", name);
        *missing = true;
        return NULL;
    }
    return argv[++*at];
}

bool cli_personality(const char *text, enum elf_personality_choice *out)
{
    if (!strcmp(text, "linux"))
        *out = ELF_PERSONALITY_LINUX;
    else if (!strcmp(text, "efw"))
        *out = ELF_PERSONALITY_EFW;
    else
        return false;
    return true;
}

uint8_t *cli_read_file(const char *path, size_t *size)
{
    enum { MOST = 256 << 20 };
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    uint8_t *bytes = NULL;
    size_t capacity = 1 << 16;
    *size = 0;
    if (!file) {
        cli_error("%s: %s", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        uint8_t *grown = realloc(bytes, capacity);
        if (!grown) {
            errno = ENOMEM;
            break;
        }
        bytes = grown;
        errno = 0;
        *size += fread(bytes + *size, 1, capacity - *size, file);
        if (ferror(file))
            break;
        if (*size < capacity) {
            if (file != stdin)
                fclose(file);
            return bytes;
        }
        if (capacity >= MOST) {
            errno = EFBIG;
            break;
        }
        capacity *= 2;
    }
    cli_error("%s: %s", path, strerror(errno ? errno : EIO));
    free(bytes);
    if (file != stdin)
        fclose(file);
    return NULL;
}

static void help(FILE *out)
{
    fputs("winbpf: eBPF programs without a kernel\n\n", out);
    for (int i = 0; i < VERBS; i++)
        fprintf(out, "  %s\n", verbs[i].usage);
    fputs("  winbpf --version\n  winbpf VERB --help\n\n"
          "Example:\n  winbpf run droppacket.o --pcap capture.pcap\n\n"
          "Exit status: 0 done, 1 the program was rejected or failed, 2 wrong usage, 3 input that cannot be read.\n",
          out);
}

/* A file opened later must not become standard input or output: where one is closed, its place is taken by what fails
 * as a closed one does. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY) < 0)
            _exit(EXIT_REJECTED);
    }
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help(stdout);
        return EXIT_OK;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("winbpf %s\n", WINBPF_VERSION);
        return EXIT_OK;
    }
    for (int i = 0; i < VERBS; i++) {
        if (strcmp(argv[1], verbs[i].name))
            continue;
        for (int j = 2; j < argc; j++) {
            if (!strcmp(argv[j], "--help") || !strcmp(argv[j], "-h")) {
                printf("%s\n\n%s", verbs[i].usage, verbs[i].help);
                return EXIT_OK;
            }
        }
        return verbs[i].body(argc - 2, argv + 2);
    }
    cli_error("unknown verb '%s' (winbpf --help lists them)", argv[1]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    hold_standard_files();
    setvbuf(stderr, NULL, _IOLBF, 1 << 16);
    int status = dispatch(argc, argv);
    if (fflush(stdout) || ferror(stdout)) {
        if (!status)
            cli_error("standard output: %s", strerror(errno ? errno : EIO));
        status = status ? status : EXIT_REJECTED;
    }
    return status;
}
