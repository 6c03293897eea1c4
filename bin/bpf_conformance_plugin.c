/* SPDX-License-Identifier: MIT
 *
 * The conformance suite's way into the engines:
 *
 *   bpf_conformance_plugin [--engine interp|checked|jit] [--elf] [MEMORY]   < PROGRAM
 *
 * MEMORY and PROGRAM are bytes in hex, blanks between them or not; PROGRAM is one line of instructions, or an ELF
 * object with --elf, of which the first program runs.  r1 is the memory and r2 its length; r0 is printed in hex.  Never
 * installed: it runs what it is given below the gate.
 */
#include <signal.h>
#include <unistd.h>
#include "conformance/raw.h"
#include "elf/elf.h"

enum { MAX_INPUT = 64 << 20, SECONDS = 10 };

static void say(void *self, enum diag_level level, const char *line)
{
    (void)self, (void)level;
    fprintf(stderr, "bpf_conformance_plugin: %s\n", line);
}

static const struct diag diag = {say, NULL, NULL};

static int digit(int c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Hex text to bytes, in place; false with a message for anything else. */
static bool unhex(const char *what, char *text, size_t *length)
{
    size_t count = 0;

    for (char *p = text; *p;) {
        int high = digit((unsigned char)p[0]), low = high < 0 ? -1 : digit((unsigned char)p[1]);

        if (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') {
            p++;
            continue;
        }
        if (low < 0) {
            diag_error(&diag, "%s: not hex bytes at character %zu", what, (size_t)(p - text));
            return false;
        }
        text[count++] = (char)(high << 4 | low);
        p += 2;
    }
    *length = count;
    return true;
}

/* All of standard input and a NUL, or NULL with a message. */
static char *read_input(void)
{
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);

    while (text) {
        size_t got = fread(text + used, 1, room - used - 1, stdin);

        used += got;
        text[used] = 0;
        if (!got && ferror(stdin)) {
            diag_error(&diag, "standard input: cannot be read");
            break;
        }
        if (!got)
            return text;
        if (used + 1 == room) {
            char *more = room < MAX_INPUT ? realloc(text, room * 2) : NULL;

            if (!more) {
                diag_error(&diag, "standard input: too long");
                break;
            }
            text = more;
            room *= 2;
        }
    }
    free(text);
    return NULL;
}

static void went_astray(int number)
{
    static const char message[] = "bpf_conformance_plugin: the program went astray (bad address or code)\n";

    (void)number;
    if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
        _exit(2);
    _exit(1);
}

static void went_on(int number)
{
    static const char message[] = "bpf_conformance_plugin: the program does not end\n";

    (void)number;
    if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
        _exit(2);
    _exit(1);
}

/* Signals of a bad program come here, on a stack of their own. */
static void catch_faults(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    static char stack[1 << 16];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction action = {.sa_handler = went_astray, .sa_flags = SA_ONSTACK};

    sigaltstack(&alternative, NULL);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    action.sa_handler = went_on;
    sigaction(SIGALRM, &action, NULL);
    alarm(SECONDS);
}

static int usage(void)
{
    fputs("usage: bpf_conformance_plugin [--engine interp|checked|jit] [--elf] [MEMORY] < PROGRAM\n", stderr);
    return 1;
}

/* The first program of an object as plain instructions, its helper indices ids again. */
static enum result open_object(const char *text, size_t length, struct arena *arena, struct insn **insns, size_t *count)
{
    struct elf_options options = {.text_entries = true};
    struct elf_object object;
    enum result result = elf_open((struct bytes){(const uint8_t *)text, length}, &options, arena, &diag, &object);

    if (result != RESULT_OK)
        return result;
    if (!object.program_count || object.map_count) {
        diag_error(&diag, "the object has %s", object.program_count ? "maps, which raw programs cannot" : "no program");
        return RESULT_INVALID;
    }
    *count = object.programs[0].insn_count;
    *insns = arena_array(arena, *count, sizeof(**insns));
    if (!*insns)
        return RESULT_NO_MEMORY;
    memcpy(*insns, object.programs[0].insns, *count * sizeof(**insns));
    for (size_t i = 0; i < *count; i++) {
        struct insn *insn = *insns + i;

        if (isa_decode(insn) == ISA_CALL_HELPER && (uint32_t)insn->imm < object.programs[0].helper_count)
            insn->imm = object.programs[0].helpers[insn->imm].id;
        i += (size_t)insn_is_lddw(insn);
    }
    return RESULT_OK;
}

int main(int argc, char **argv)
{
    static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};
    const struct engine *engine = &engine_jit;
    struct code_fault fault = {0};
    struct arena arena;
    struct raw raw;
    struct insn *insns = NULL;
    char *memory = NULL, *program;
    size_t memory_length = 0, length, count;
    bool elf = false, good;
    uint64_t r0;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--engine")) {
            engine = NULL;
            for (unsigned e = 0; i + 1 < argc && e < sizeof(engines) / sizeof(engines[0]); e++)
                if (!strcmp(argv[i + 1], engines[e]->name))
                    engine = engines[e];
            if (!engine)
                return usage();
            i++;
        } else if (!strcmp(argv[i], "--elf")) {
            elf = true;
        } else if (argv[i][0] == '-' || memory) {
            return usage();
        } else {
            memory = argv[i];
            if (!unhex("memory", memory, &memory_length))
                return 1;
        }
    }
    program = read_input();
    if (!program || !unhex("program", program, &length)) {
        free(program);
        return 1;
    }
    arena_init(&arena, &os_allocator, (size_t)1 << 28);
    if (elf) {
        good = open_object(program, length, &arena, &insns, &count) == RESULT_OK;
    } else {
        good = length % sizeof(*insns) == 0;
        count = length / sizeof(*insns);
        insns = arena_array(&arena, count, sizeof(*insns));
        if (good && insns)
            memcpy(insns, program, length);
        else
            diag_error(&diag, "program: %zu bytes are not whole instructions", length);
        good = good && insns;
    }
    good = good && raw_open(&raw, engine, insns, count, NULL, &diag) == RESULT_OK;
    if (good) {
        catch_faults();
        good = raw_run(&raw, (uint8_t *)memory, memory_length, &r0, &fault) == RESULT_OK;
        if (good)
            printf("%llx\n", (unsigned long long)r0);
        else
            diag_error(&diag, "instruction %u: %s", fault.insn, fault.reason);
        raw_close(&raw);
    }
    arena_release(&arena);
    free(program);
    if (good && (fflush(stdout) || ferror(stdout))) {
        diag_error(&diag, "standard output: cannot be written");
        good = false;
    }
    return good ? 0 : 1;
}
