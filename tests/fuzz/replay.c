/* SPDX-License-Identifier: MIT
 *
 * Stands in for libFuzzer in ordinary builds: runs a fuzz target over every file of its corpus folder (FUZZ_CORPUS, or
 * those that are named), over prefixes of each, and over each with single bytes changed.  Deterministic.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;

static void once(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1); /* exact size, so that a sanitizer sees any step past the end */
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    runs++;
}

static void file(const char *path)
{
    FILE *f = fopen(path, "rb");
    static uint8_t data[1 << 20];
    if (!f)
        return;
    size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    once(data, size);
    size_t step = size / 64 + 1;
    for (size_t cut = 0; cut < size; cut += step)
        once(data, cut);
    uint32_t x = 2463534242u;
    for (int i = 0; i < 200 && size; i++) {
        x ^= x << 13, x ^= x >> 17, x ^= x << 5;
        size_t at = x % size;
        uint8_t old = data[at];
        data[at] = (uint8_t)(x >> 8);
        once(data, size);
        data[at] = old;
    }
}

int main(int argc, char **argv)
{
    for (int i = argc > 1 ? 1 : 0; i < argc; i++) {
        const char *corpus = i ? argv[i] : FUZZ_CORPUS;
        DIR *folder = opendir(corpus);
        if (!folder) {
            fprintf(stderr, "%s: no such corpus folder\n", corpus);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", corpus, entry->d_name);
            file(path);
        }
        closedir(folder);
    }
    printf("%lu inputs\n%d passed, %d failed, 0 skipped\n", runs, runs ? 1 : 0, runs ? 0 : 1);
    return runs ? 0 : 1;
}
