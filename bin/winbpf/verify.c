/* SPDX-License-Identifier: MIT
 *
 * winbpf verify: objects in, verdicts out.  Each program is verified in an arena of its own, as a load would verify it;
 * how the verdict is shown (text, JSON, the kernel's log, a page) is the business of the files beside this one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "cli.h"
#include "compose.h"
#include "contract/contract.h"
#include "core/helper.h"
#include "core/hook.h"
#include "engine/engine.h"
#include "platform/os.h"
#include "verified.h"

enum { OBJECT_ARENA = 1 << 30, FILES_MOST = 4096, LAST_TYPE = 20000, SLOW_MS = 500 };
/* The second walk may take this many steps, and so many for each of the first. */
enum { INVARIANT_STEPS = 20000, INVARIANT_FACTOR = 20 };

struct job {
    const char **files;
    size_t file_count;
    const char *program, *type, *compare, *html;
    enum elf_personality_choice personality;
    bool all, verbose, json, colour, progress;
    uint32_t log_level, flags;
    uint64_t max_steps, max_insns, max_bytes;

    struct cli_old *old;
    FILE *page;
    char page_path[4096];
    struct timespec begin;
    size_t verified, rejected, regressions, unreadable, untyped;
};

/* ---- the command line ---- */

static bool number(const char *name, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 0);
    if (errno || end == text || *end || *text == '-' || !*out) {
        cli_error("%s is '%s': a number above 0 is meant", name, text);
        return false;
    }
    return true;
}

static bool parse_log(const char *text, struct job *job)
{
    static const char name[] = "linux";
    char *end = NULL;
    job->log_level = VERIFY_LOG_PATH;
    if (!strcmp(text, name))
        return true;
    if (!strncmp(text, name, sizeof name - 1) && text[sizeof name - 1] == ':') {
        unsigned long level = strtoul(text + sizeof name, &end, 10);
        job->log_level = (uint32_t)level;
        if (!*end && level >= 1 && level <= 7)
            return true;
    }
    cli_error("--log is '%s': linux or linux:LEVEL, a sum of 1 (path), 2 (everything) and 4 (statistics)", text);
    return false;
}

static bool parse_option(int argc, char **argv, int *i, struct job *job)
{
    static const char *const valued[] = {"--program",     "--type",      "--compare",   "--html",
                                         "--personality", "--max-steps", "--max-bytes", "--max-instructions"};
    bool missing = false;
    const char *word = argv[*i], *value = NULL;
    size_t which = 0;
    while (which < sizeof valued / sizeof *valued && !value && !missing) {
        value = cli_option(argc, argv, i, valued[which], &missing);
        which += !value;
    }
    if (missing)
        return false;
    if (value) {
        switch (which) {
        case 0: job->program = value; return true;
        case 1: job->type = value; return true;
        case 2: job->compare = value; return true;
        case 3: job->html = value; return true;
        case 4:
            if (cli_personality(value, &job->personality))
                return true;
            cli_error("--personality is '%s': linux or efw", value);
            return false;
        case 5: return number("--max-steps", value, &job->max_steps);
        case 6: return number("--max-bytes", value, &job->max_bytes);
        default: return number("--max-instructions", value, &job->max_insns);
        }
    }
    if (!strncmp(word, "--log=", 6))
        return parse_log(word + 6, job);
    if (!strcmp(word, "--all"))
        job->all = true;
    else if (!strcmp(word, "-v") || !strcmp(word, "--verbose"))
        job->verbose = true;
    else if (!strcmp(word, "--json"))
        job->json = true;
    else if (!strcmp(word, "--privileged"))
        job->flags |= VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK;
    else if (!strcmp(word, "--strict-alignment"))
        job->flags |= VERIFY_STRICT_ALIGN;
    else {
        cli_error("unknown option '%s' (winbpf verify --help)", word);
        return false;
    }
    return true;
}

static bool parse(int argc, char **argv, struct job *job)
{
    job->max_bytes = VERIFY_BYTES;
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (!parse_option(argc, argv, &i, job))
                return false;
        } else {
            job->files[job->file_count++] = argv[i];
        }
    }
    if (!job->file_count) {
        cli_error("which object? (winbpf verify --help)");
        return false;
    }
    if (job->json && (job->log_level || job->verbose)) {
        cli_error("--json goes with neither -v nor --log: its document has verdicts alone");
        return false;
    }
    return true;
}

/* ---- program types ---- */

/* A type by its name, or by that of a section that has it. */
static bool set_type(const char *name, enum personality personality, struct image *image)
{
    const struct section_contract *section = contract_section(personality, name);
    for (uint32_t type = 1; type < LAST_TYPE; type++) {
        const char *known = contract_program_type_name(personality, type);
        if (known && !strcmp(known, name)) {
            image->prog_type = type;
            return true;
        }
    }
    if (!section)
        return false;
    image->prog_type = section->prog_type;
    image->attach_type = section->attach_type;
    image->prog_flags |= section->prog_flags;
    return true;
}

static void say_types(const char *object, const char *before, enum personality personality)
{
    char names[2048] = "";
    size_t used = 0;
    for (uint32_t type = 1; type < LAST_TYPE; type++) {
        const char *name = contract_program(personality, type) ? contract_program_type_name(personality, type) : NULL;
        if (name && used + strlen(name) + 2 < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, " %s", name);
    }
    cli_error("%s: %s; choose with --type:%s", object, before, names);
}

/* ---- one program ---- */

static void *memory_alloc(void *self, size_t size)
{
    (void)self;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}

static void memory_free(void *self, void *memory, size_t size)
{
    (void)self;
    (void)size;
    free(memory);
}

static const struct allocator memory = {memory_alloc, memory_free, NULL};

static void write_log(void *self, const char *text, size_t length)
{
    (void)self;
    fwrite(text, 1, length, stdout);
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool find_helpers(const struct image *image, const struct program_contract *contract,
                         const struct helper_proto **protos)
{
    bool here = hook_find(image->personality, image->prog_type) != NULL;
    for (uint32_t i = 0; i < image->helper_count; i++) {
        int32_t id = image->helpers[i].id;
        const struct helper *helper =
            here ? helper_find(image->personality, contract->type[PERSONALITY_LINUX], id) : NULL;
        protos[i] = helper ? &helper->proto : contract_helper_proto(image->personality, image->prog_type, id);
    }
    return true;
}

/* Runs the verifier in `arena`, which is new. */
static enum result run_verifier(const struct job *job, struct cli_verified *one,
                                const struct program_contract *contract, uint32_t flags, const struct verify_log *log,
                                struct arena *arena)
{
    struct verify_input input = {.image = one->image,
                                 .contract = contract,
                                 .btf = one->elf->btf,
                                 .flags = job->flags | flags,
                                 .max_steps = job->max_steps,
                                 .max_insns = job->max_insns,
                                 .log = log};
    const struct helper_proto **protos = calloc(one->image->helper_count + 1u, sizeof *protos);
    if (!protos)
        return RESULT_NO_MEMORY;
    find_helpers(one->image, contract, protos);
    input.helpers = protos;
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    enum result result = verify(&input, arena, &one->result);
    one->microseconds = (seconds(CLOCK_THREAD_CPUTIME_ID) - before) * 1e6;
    one->peak_bytes = one->result.peak_bytes;
    free(protos);
    return result;
}

static void show(struct job *job, struct cli_verified *one, size_t number)
{
    if (job->json) {
        if (number)
            putchar(',');
        cli_print_json_verdict(stdout, one);
    } else if (!job->log_level) {
        cli_print_verdict(stdout, one, job->colour);
        if (job->verbose)
            cli_print_invariants(stdout, one, job->colour);
    }
    if (job->page)
        cli_page_program(job->page, one, number);
    if (job->old)
        job->regressions += cli_old_compare(job->old, job->json ? stderr : stdout, one);
}

static void say_progress(const struct job *job, const struct image *image)
{
    if (!job->progress ||
        seconds(CLOCK_MONOTONIC) - (double)job->begin.tv_sec - (double)job->begin.tv_nsec / 1e9 < SLOW_MS / 1000.0)
        return;
    fprintf(stderr, "\r\033[K%zu verified, now %s", job->verified, cli_clean(image->name));
    fflush(stderr);
}

static void clear_progress(const struct job *job)
{
    if (job->progress &&
        seconds(CLOCK_MONOTONIC) - (double)job->begin.tv_sec - (double)job->begin.tv_nsec / 1e9 >= SLOW_MS / 1000.0)
        fputs("\r\033[K", stderr);
}

/* Verdict and, where they are asked for, invariants: these come of a second walk, which prunes less and may cost more,
 * so that it must not be the one that is measured and judged by. */
static bool verify_program(struct job *job, struct cli_verified *one, const struct program_contract *contract)
{
    struct verify_log log = {write_log, NULL, job->log_level};
    struct arena arena, other;
    bool invariants = job->verbose || job->page;
    arena_init(&arena, &memory, job->max_bytes);
    arena_init(&other, &memory, VERIFY_BYTES);
    enum result result = run_verifier(job, one, contract, 0, job->log_level ? &log : NULL, &arena);
    if (result == RESULT_NO_MEMORY && job->max_bytes < VERIFY_BYTES) { /* not even its own structures fit in */
        one->result.verdict = VERIFY_TOO_COMPLEX;
        one->result.reason = REASON_BYTES;
        snprintf(one->result.message, sizeof one->result.message, "%llu bytes are too few for any program",
                 (unsigned long long)job->max_bytes);
        result = RESULT_OK;
    }
    if (!result && job->log_level)
        verify_log_end(&log, &one->result, (uint64_t)one->microseconds);
    if (!result && invariants) {
        struct cli_verified second = *one;
        struct job bounded = *job;
        bounded.max_steps = INVARIANT_STEPS + INVARIANT_FACTOR * one->result.steps;
        if (!run_verifier(&bounded, &second, contract, VERIFY_INVARIANTS, NULL, &other) &&
            (second.result.verdict == one->result.verdict))
            one->result.invariants = second.result.invariants;
    }
    if (!result) {
        job->rejected += one->result.verdict != VERIFY_ACCEPT;
        clear_progress(job);
        show(job, one, job->verified++);
    } else if (result == RESULT_NO_MEMORY) {
        cli_error("%s: out of memory", one->object);
    } else {
        cli_error("%s: program '%s': cannot be verified", one->object, one->image->name);
    }
    arena_release(&arena);
    arena_release(&other);
    return !result;
}

static bool one_program(struct job *job, const char *path, const struct elf_object *elf, uint32_t index)
{
    struct image *image = &elf->programs[index];
    struct cli_verified one = {.object = path, .elf = elf, .image = image};
    const struct program_contract *contract;
    char before[512];
    if (!image->prog_type && job->type && !set_type(job->type, image->personality, image)) {
        snprintf(before, sizeof before, "--type is '%.100s'", cli_clean(job->type));
        say_types(path, before, image->personality);
        job->untyped++;
        return true;
    }
    contract = contract_program(image->personality, image->prog_type);
    if (!contract) {
        const char *known = contract_program_type_name(image->personality, image->prog_type);
        snprintf(before, sizeof before, "program '%.100s': section '%.100s' %s%.60s", cli_clean(image->name),
                 cli_clean(image->section), image->prog_type ? "is of a type without a contract, " : "has no type",
                 image->prog_type && known ? known : "");
        say_types(path, before, image->personality);
        job->untyped++;
        return true;
    }
    one.type = contract_program_type_name(image->personality, image->prog_type);
    if (!one.type)
        one.type = contract->name;
    if (elf->broken && elf->broken[index]) {
        one.refused_shape = true;
        one.result.verdict = VERIFY_REJECT;
        one.result.reason = REASON_MALFORMED;
        one.result.worst_case = UINT64_MAX;
        snprintf(one.result.message, sizeof one.result.message, "%s", elf->broken[index]);
        job->rejected++;
        if (job->log_level)
            printf("%s: %s\n", verify_reason_code(REASON_MALFORMED), cli_clean(one.result.message));
        show(job, &one, job->verified++);
        return true;
    }
    say_progress(job, image);
    return verify_program(job, &one, contract);
}

static int one_file(struct job *job, const char *path)
{
    struct elf_options options = {.personality = job->personality, .text_entries = job->all};
    struct diag diag = cli_diag(path);
    struct elf_object elf;
    struct arena arena;
    size_t size, seen = 0;
    uint8_t *bytes = cli_read_file(path, &size);
    int status = EXIT_OK;
    if (!bytes) {
        job->unreadable++;
        return EXIT_UNREADABLE;
    }
    arena_init(&arena, &os_allocator, OBJECT_ARENA);
    enum result result = elf_open((struct bytes){bytes, size}, &options, &arena, &diag, &elf);
    if (result) {
        if (result == RESULT_NO_MEMORY)
            cli_error("%s: out of memory", path);
        job->unreadable++;
        status = EXIT_UNREADABLE;
    }
    for (uint32_t i = 0; !status && i < elf.program_count; i++) {
        if (job->program && strcmp(job->program, elf.programs[i].name))
            continue;
        seen++;
        if (!one_program(job, path, &elf, i))
            status = EXIT_REJECTED;
    }
    if (!status && !seen) {
        if (job->program)
            cli_error("%s: no program '%s'", path, job->program);
        else
            cli_error("%s: no programs", path);
        status = EXIT_REJECTED;
    }
    arena_release(&arena);
    free(bytes);
    return status;
}

/* ---- the page: written beside its place and moved there whole ---- */

static bool page_open(struct job *job)
{
    snprintf(job->page_path, sizeof job->page_path, "%s.XXXXXX", job->html);
    int fd = strlen(job->html) + 8 < sizeof job->page_path ? mkstemp(job->page_path) : (errno = ENAMETOOLONG, -1);
    job->page = fd < 0 ? NULL : fdopen(fd, "w");
    if (!job->page) {
        cli_error("%s: %s", job->html, strerror(errno));
        return false;
    }
    cli_page_begin(job->page, job->file_count);
    return true;
}

static bool page_close(struct job *job, bool keep)
{
    cli_page_end(job->page);
    bool fine = !ferror(job->page);
    fine = !fclose(job->page) && fine;
    if (fine && keep) {
        mode_t mask = umask(0);
        umask(mask);
        fine = !chmod(job->page_path, 0666 & ~mask) && !rename(job->page_path, job->html);
    }
    if (!fine)
        cli_error("%s: %s", job->html, strerror(errno ? errno : EIO));
    if (!fine || !keep)
        unlink(job->page_path);
    return fine;
}

int cli_verify(int argc, char **argv)
{
    struct core_options options = {.engine = &engine_checked};
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    struct job job = {0};
    int status = EXIT_OK;
    job.files = calloc((size_t)argc + 1, sizeof *job.files);
    if (!job.files) {
        cli_error("out of memory");
        return EXIT_REJECTED;
    }
    job.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && !(terminal && !strcmp(terminal, "dumb"));
    job.progress = isatty(STDERR_FILENO);
    clock_gettime(CLOCK_MONOTONIC, &job.begin);
    if (!parse(argc, argv, &job)) {
        free(job.files);
        return EXIT_USAGE;
    }
    if (job.compare && !(job.old = cli_old_read(job.compare))) {
        free(job.files);
        return EXIT_UNREADABLE;
    }
    if (compose_start(&options)) {
        cli_error("out of memory");
        status = EXIT_REJECTED;
    } else if (job.html && !page_open(&job)) {
        status = EXIT_REJECTED;
        compose_stop();
    } else {
        if (job.json)
            fputs("{\"schema\":1,\"programs\":[", stdout);
        for (size_t i = 0; i < job.file_count; i++) {
            int one = one_file(&job, job.files[i]);
            if (one > status)
                status = one;
        }
        clear_progress(&job);
        if (job.json)
            fputs("]}\n", stdout);
        if (job.page && !page_close(&job, status != EXIT_UNREADABLE) && !status)
            status = EXIT_REJECTED;
        compose_stop();
    }
    if (job.old)
        cli_old_finish(job.old, job.json ? stderr : stdout);
    if (job.untyped && status < EXIT_USAGE)
        status = EXIT_USAGE;
    if (!status && (job.old ? job.regressions : job.rejected))
        status = EXIT_REJECTED;
    free(job.files);
    return status;
}
