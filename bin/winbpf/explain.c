/* SPDX-License-Identifier: MIT
 *
 * winbpf explain: a reason to refuse, in words, with a program that is refused for it and one that is not.  The text is
 * explain.txt, line by line; its grammar is in its first lines.
 */
#include <string.h>
#include "cli.h"
#include "explain.inc"
#include "verified.h"

enum { HELP_LINE = 512 };

/* The first line of a reason's text, or NULL. */
static const char *const *find(const char *code)
{
    for (const char *const *line = explain_text; *line; line++)
        if (!strncmp(*line, "= ", 2) && !strcmp(*line + 2, code))
            return line + 1;
    return NULL;
}

static bool ends(const char *line)
{
    return !line || !strncmp(line, "= ", 2);
}

static bool begins(const char *line, const char *word)
{
    return !strncmp(line, word, strlen(word));
}

static const char *const *skip_to(const char *const *line, const char *word)
{
    while (!ends(*line) && !begins(*line, word))
        line++;
    return ends(*line) ? NULL : line;
}

const char *cli_reason_help(enum verify_reason reason)
{
    const char *const *line = find(verify_reason_code(reason));
    line = line ? skip_to(line, "help: ") : NULL;
    return line ? *line + strlen("help: ") : "";
}

/* The source behind "wrong:" or "right:". */
static void print_example(const char *const *line, const char *indent)
{
    bool own = false;
    size_t count = 0;
    while (!ends(line[count]) && !begins(line[count], "wrong:") && !begins(line[count], "right:"))
        own |= begins(line[count++], "#include");
    while (count && !*line[count - 1])
        count--;
    if (!own)
        printf("%s#include <linux/bpf.h>\n%s#include <bpf/bpf_helpers.h>\n\n", indent, indent);
    for (size_t i = 0; i < count; i++)
        printf("%s%s\n", *line[i] ? indent : "", line[i]);
    printf("\n%schar _license[] SEC(\"license\") = \"GPL\";\n", indent);
}

static void print_reason(const char *code, const char *title, const char *const *line)
{
    printf("%s: %s\n\n", code, title);
    for (; !ends(*line); line++) {
        if (begins(*line, "wrong:") || begins(*line, "right:")) {
            const char *options = *line + strlen("wrong:");
            printf("\n%s%s%s:\n\n", begins(*line, "wrong:") ? "Refused" : "Accepted",
                   *options ? " by winbpf verify" : "", options);
            print_example(line + 1, "    ");
            while (!ends(line[1]) && !begins(line[1], "wrong:") && !begins(line[1], "right:"))
                line++;
        } else if (begins(*line, "help: ")) {
            printf("\nWhat helps: %s\n", *line + strlen("help: "));
        } else if (**line) {
            puts(*line);
        }
    }
}

static void list(void)
{
    for (unsigned reason = 1; reason < REASONS; reason++)
        printf("%s  %s%s\n", verify_reason_code((enum verify_reason)reason),
               verify_reason_title((enum verify_reason)reason),
               find(verify_reason_code((enum verify_reason)reason)) ? "" : "  (not given by this version)");
}

/* "0203", "v0203", "V0203" */
static unsigned reason_of(const char *word)
{
    char code[8];
    snprintf(code, sizeof code, "V%.5s", *word == 'V' || *word == 'v' ? word + 1 : word);
    for (unsigned reason = 1; reason < REASONS; reason++)
        if (!strcmp(code, verify_reason_code((enum verify_reason)reason)) && strlen(word) <= 5)
            return reason;
    return 0;
}

int cli_explain(int argc, char **argv)
{
    const char *word = NULL, *example = NULL;
    bool options = false;
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--wrong") || !strcmp(argv[i], "--right")) {
            example = argv[i] + 2;
        } else if (!strcmp(argv[i], "--options")) {
            options = true;
        } else if (argv[i][0] == '-') {
            cli_error("unknown option '%s' (winbpf explain --help)", argv[i]);
            return EXIT_USAGE;
        } else if (word) {
            cli_error("one code at a time: '%s'", argv[i]);
            return EXIT_USAGE;
        } else {
            word = argv[i];
        }
    }
    if (!word) {
        if (example || options) {
            cli_error("which code? (winbpf explain lists them)");
            return EXIT_USAGE;
        }
        list();
        return EXIT_OK;
    }
    unsigned reason = reason_of(word);
    if (!reason) {
        cli_error("no reason has the code '%s' (winbpf explain lists them)", word);
        return EXIT_USAGE;
    }
    const char *code = verify_reason_code((enum verify_reason)reason);
    const char *title = verify_reason_title((enum verify_reason)reason);
    const char *const *line = find(code);
    if (!line) {
        printf("%s: %s\n\nKept for what is to come: this version refuses no program for it.\n", code, title);
        return EXIT_OK;
    }
    if (!example && !options) {
        print_reason(code, title, line);
        return EXIT_OK;
    }
    line = skip_to(line, example && !strcmp(example, "right") ? "right:" : "wrong:");
    if (!line) {
        cli_error("%s has no such example", code);
        return EXIT_REJECTED;
    }
    if (options)
        puts(*line + strlen("wrong:"));
    else
        print_example(line + 1, "");
    return EXIT_OK;
}
