/* SPDX-License-Identifier: MIT
 *
 * The command line from outside: one program run in the test's folder, with what it wrote and how it ended.
 */
#ifndef WINBPF_TESTS_CLI_OUTSIDE_H
#define WINBPF_TESTS_CLI_OUTSIDE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static char winbpf[4200], folder[64]; /* the program, and where it runs: the test's to set */
static char out[1 << 20], err[65536]; /* what the last run wrote */

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

/* Runs "winbpf ARGUMENTS" in the test's folder; its exit status, -1 for a signal. */
static int run(const char *arguments)
{
    char command[8192];
    snprintf(command, sizeof command, "cd %s && '%s' %s >out 2>err", folder, winbpf, arguments);
    int status = system(command);
    read_back("out", out, sizeof out);
    read_back("err", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool one_line(void)
{
    char *end = strchr(err, '\n');
    return end && !end[1] && !strncmp(err, "winbpf: ", 8);
}

#endif
