/* SPDX-License-Identifier: MIT
 *
 * The command line's shared parts.  Every error is one line, "winbpf: FILE: place: reason".
 */
#ifndef WINBPF_BIN_CLI_H
#define WINBPF_BIN_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/annotate.h"
#include "elf/elf.h"

enum { EXIT_OK = 0, EXIT_REJECTED = 1, EXIT_USAGE = 2, EXIT_UNREADABLE = 3 };

WINBPF_PRINTF(1, 2)
void cli_error(const char *format, ...);

/* `text` with every byte that a terminal would act on as '?', at most 1023 bytes of it. Names in objects are hostile.
 * The result lasts until the eighth call after this one. */
const char *cli_clean(const char *text);

/* A diag that prints as cli_error does. */
struct diag cli_diag(const char *file);

/* Verbs; the result is the exit status. */
int cli_run(int argc, char **argv);
int cli_sections(int argc, char **argv);
int cli_disasm(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_explain(int argc, char **argv);

/* argv[*at] is an option `name` with a value (`--name V` or `--name=V`): moves *at to its last word and gives the
 * value. NULL when it is another word; `*missing` is set when the value is. */
const char *cli_option(int argc, char **argv, int *at, const char *name, bool *missing);
bool cli_personality(const char *text, enum elf_personality_choice *out);

/* Prints a value by its type, "{port = 53, hits = 2}" or "53"; hexadecimal bytes for type 0 and what it cannot tell. */
void cli_print_value(FILE *out, const struct btf *btf, uint32_t type, const uint8_t *bytes, size_t size);
/* As a JSON string. */
void cli_print_json_text(FILE *out, const char *text);

/* Reads a whole file, or standard input for "-"; NULL with the error said.  free() it. */
uint8_t *cli_read_file(const char *path, size_t *size);

#endif
