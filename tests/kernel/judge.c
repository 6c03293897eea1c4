/* SPDX-License-Identifier: MIT
 *
 * See judge.h.  The world that programs see is bound here for our engines: the maps' values are static memory between
 * guards, the helpers are the few lines below, written to do what Linux's do.
 *
 * A disagreement is made small by delta debugging (Zeller and Hildebrandt 2002): stretches of instructions become
 * `goto +0` as long as the same sides go on to disagree in the same way and the kernel, where it took the program, goes
 * on to take it; then the gotos are cut out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include "engine/engine.h"
#include "kernel/judge.h"
#include "platform/os.h"

const char *const side_names[SIDES] = {"interp", "checked", "jit", "kernel"};

static const struct engine *const engines[] = {&engine_interp, &engine_checked, &engine_jit};

enum { GUARD = 64, GUARD_BYTE = 0xa5, KIND_ARRAY = 2 };

struct guarded_buffer {
    uint8_t before[GUARD], values[WORLD_BUFFER], after[GUARD];
};

struct guarded_table {
    uint8_t before[GUARD], values[WORLD_TABLE], after[GUARD];
};

struct guarded_packet {
    uint8_t before[GUARD];
    struct context_header header;
    uint8_t bytes[WORLD_PACKET];
    uint8_t after[GUARD];
};

struct world_map {
    uint8_t *values;
    uint32_t value_size, entries;
};

/* The world stands at two places, the second of which only shrinking uses: a program that lost the instruction that
 * made a number of a pointer's register answers differently there, and is no longer the finding. */
static struct world {
    struct guarded_buffer buffer;
    struct guarded_table table;
    struct guarded_packet packet;
    struct world_map maps[2];
} worlds[2], *world = worlds;

static void place_world(unsigned place)
{
    world = &worlds[place];
    world->maps[0] = (struct world_map){world->buffer.values, WORLD_BUFFER, 1};
    world->maps[1] = (struct world_map){world->table.values, WORLD_VALUE, WORLD_ENTRIES};
}

static void *lookup(void *handle, const void *key)
{
    const struct world_map *map = handle;
    uint32_t index;
    memcpy(&index, key, sizeof(index));
    return index < map->entries ? map->values + index * map->value_size : NULL;
}

/* A program's number as an address. */
static void *address(uint64_t value)
{
    return (void *)(uintptr_t)value;
}

static uint64_t helper_lookup(uint64_t map, uint64_t key, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return (uintptr_t)lookup(address(map), address(key));
}

static uint64_t helper_update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t r5, void *context)
{
    enum { NO_EXIST = 1, EXIST = 2, LOCK = 4 };
    void *to = lookup(address(map), address(key));
    if ((flags & ~(uint64_t)LOCK) > EXIST)
        return (uint64_t)-EINVAL;
    if (!to)
        return (uint64_t)-E2BIG;
    if (flags & NO_EXIST)
        return (uint64_t)-EEXIST;
    if (flags & LOCK)
        return (uint64_t)-EINVAL;
    memmove(to, address(value), ((struct world_map *)address(map))->value_size);
    return 0;
}

static uint64_t helper_delete(uint64_t map, uint64_t key, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return (uint64_t)-EINVAL;
}

/* Ones' complement sum of 32-bit words onto `sum` (RFC 1071); 0 only if all of them are. */
static uint32_t checksum(uint64_t from, uint64_t size, uint32_t sum)
{
    uint64_t total = sum;
    for (uint64_t at = 0; at + 4 <= size; at += 4) {
        uint32_t word;
        memcpy(&word, (uint8_t *)address(from) + at, sizeof(word));
        total += word;
    }
    while (total >> 32)
        total = (total & 0xffffffff) + (total >> 32);
    return (uint32_t)total;
}

static uint64_t helper_csum_diff(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size, uint64_t seed,
                                 void *context)
{
    uint32_t sum = (uint32_t)seed;
    if (from_size && to_size) {
        uint64_t total = (uint64_t)checksum(to, to_size, sum) + (uint32_t)~checksum(from, from_size, 0);
        sum = (uint32_t)total + (uint32_t)(total >> 32);
    } else if (to_size) {
        sum = checksum(to, to_size, sum);
    } else if (from_size) {
        sum = ~checksum(from, from_size, ~sum);
    }
    sum += sum >> 16 | sum << 16;
    return sum >> 16;
}

static const struct helper_proto protos[WORLD_HELPERS] = {
    [WORLD_LOOKUP] = {"map_lookup_elem", {1, 1}, RET_MAP_VALUE_OR_NULL, {ARG_CONST_MAP, ARG_MAP_KEY}, 0, 0, 2},
    [WORLD_UPDATE] = {"map_update_elem",
                      {2, 2},
                      RET_INTEGER,
                      {ARG_CONST_MAP, ARG_MAP_KEY, ARG_MAP_VALUE, ARG_ANYTHING},
                      HELPER_WRITES_VALUE,
                      0,
                      2},
    [WORLD_DELETE] = {"map_delete_elem", {3, 3}, RET_INTEGER, {ARG_CONST_MAP, ARG_MAP_KEY}, HELPER_WRITES_VALUE, 0, 2},
    [WORLD_CSUM_DIFF] = {"csum_diff",
                         {28, -1},
                         RET_INTEGER,
                         {ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO, ARG_MEM_OR_NULL, ARG_SIZE_OR_ZERO, ARG_ANYTHING},
                         0,
                         0,
                         2},
};

static const struct engine_helper helpers[WORLD_HELPERS] = {
    [WORLD_LOOKUP] = {helper_lookup, &protos[WORLD_LOOKUP]},
    [WORLD_UPDATE] = {helper_update, &protos[WORLD_UPDATE]},
    [WORLD_DELETE] = {helper_delete, &protos[WORLD_DELETE]},
    [WORLD_CSUM_DIFF] = {helper_csum_diff, &protos[WORLD_CSUM_DIFF]},
};

static const struct image_helper image_helpers[WORLD_HELPERS] = {{1}, {2}, {3}, {28}};

static const struct map_spec specs[] = {
    {.name = "buffer",
     .kind = KIND_ARRAY,
     .key_size = 4,
     .value_size = WORLD_BUFFER,
     .max_entries = 1,
     .inner = IMAGE_NO_INDEX},
    {.name = "table",
     .kind = KIND_ARRAY,
     .key_size = 4,
     .value_size = WORLD_VALUE,
     .max_entries = WORLD_ENTRIES,
     .inner = IMAGE_NO_INDEX},
};

/* A binding and what it borrows. */
struct bound {
    struct image_func funcs[PROGRAM_FUNCTIONS];
    struct image image;
    struct engine_map maps[2];
    struct binding binding;
};

static void bind(const struct program *program, struct bound *bound)
{
    static const char *const names[PROGRAM_FUNCTIONS] = {"main", "f1", "f2", "f3", "f4", "f5", "f6", "f7"};
    memset(bound, 0, sizeof(*bound));
    for (uint32_t i = 0; i < program->function_count; i++)
        bound->funcs[i] = (struct image_func){names[i], program->functions[i], 0, IMAGE_STATIC};
    bound->image = (struct image){
        .name = "random",
        .section = "tc",
        .license = "MIT",
        .personality = PERSONALITY_LINUX,
        .prog_type = 3, /* SCHED_CLS */
        .insn_count = program->count,
        .map_count = 2,
        .helper_count = WORLD_HELPERS,
        .func_count = program->function_count,
        .insns = program->insns,
        .maps = specs,
        .helpers = image_helpers,
        .funcs = bound->funcs,
    };
    for (unsigned i = 0; i < 2; i++)
        bound->maps[i] = (struct engine_map){
            .handle = &world->maps[i],
            .values = world->maps[i].values,
            .values_size = (uint64_t)world->maps[i].value_size * world->maps[i].entries,
            .kind = KIND_ARRAY,
            .key_size = 4,
            .value_size = world->maps[i].value_size,
            .max_entries = world->maps[i].entries,
            .stride = world->maps[i].value_size,
            .inner = IMAGE_NO_INDEX,
            .how = program->seed & 1 ? ENGINE_INLINE_ARRAY : ENGINE_INLINE_NONE,
            .lookup = lookup,
        };
    bound->binding = (struct binding){&bound->image, bound->maps, helpers, NULL};
}

static void note(void *self, enum diag_level level, const char *line)
{
    struct outcome *outcome = self;
    snprintf(outcome->note, sizeof(outcome->note), "%s", line);
}

static bool guards_hold(void)
{
    const uint8_t *const guards[] = {world->buffer.before, world->buffer.after,  world->table.before,
                                     world->table.after,   world->packet.before, world->packet.after};
    for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++)
        for (unsigned at = 0; at < GUARD; at++)
            if (guards[i][at] != GUARD_BYTE)
                return false;
    return true;
}

static uint64_t input_seed(const struct program *program, unsigned input)
{
    return program->seed * 0x9e3779b97f4a7c15u + input;
}

/* One engine's answer to one input. */
static void answer(const struct code *code, uint64_t seed, struct outcome *outcome)
{
    uint8_t memory[WORLD_MEMORY];
    memset(&world->buffer, GUARD_BYTE, sizeof(world->buffer));
    memset(&world->table, GUARD_BYTE, sizeof(world->table));
    memset(&world->packet, GUARD_BYTE, sizeof(world->packet));
    memset(&world->packet.header, 0, sizeof(world->packet.header));
    world_fill(seed, memory, world->packet.bytes);
    memcpy(world->buffer.values, memory, WORLD_BUFFER);
    memcpy(world->table.values, memory + WORLD_BUFFER, WORLD_TABLE);
    struct code_fault fault = {0};
    struct run run = {.context = world->packet.bytes, .raw_length = WORLD_PACKET, .fault = &fault};
    enum result result = code->engine->run(code, &run);
    outcome->r0 = run.r0;
    memcpy(outcome->memory, world->buffer.values, WORLD_BUFFER);
    memcpy(outcome->memory + WORLD_BUFFER, world->table.values, WORLD_TABLE);
    if (result != RESULT_OK) {
        outcome->failed = true;
        snprintf(outcome->note, sizeof(outcome->note), "%s: instruction %u: %s", result_text(result), fault.insn,
                 fault.reason);
    } else if (!guards_hold()) {
        outcome->failed = true;
        snprintf(outcome->note, sizeof(outcome->note), "wrote outside of its memory");
    }
}

/* Collects each side's failure and difference from the first side into the verdict. */
static void compare(const struct judge *judge, struct verdict *verdict)
{
    enum side first = SIDE_NONE;
    for (enum side side = 0; side < SIDES; side++) {
        const struct outcome *outcome = &verdict->outcomes[side];
        if (!outcome->asked)
            continue;
        if (outcome->failed) {
            verdict->failed |= 1u << side;
            continue;
        }
        if (first == SIDE_NONE) {
            first = side;
            continue;
        }
        const struct outcome *model = &verdict->outcomes[first];
        uint64_t known = side == SIDE_KERNEL ? 0xffffffff : UINT64_MAX;
        if ((model->r0 & known) != (outcome->r0 & known) || memcmp(model->memory, outcome->memory, WORLD_MEMORY))
            verdict->different |= 1u << side;
    }
}

void judge_program(const struct judge *judge, const struct program *program, struct progress *progress,
                   struct verdict *verdict)
{
    struct code *codes[SIDE_KERNEL] = {NULL};
    struct bound bound, other;
    static struct program altered;
    int fd = -1;
    static struct progress nobody;
    if (!progress)
        progress = &nobody;
    verdict->failed = verdict->different = verdict->input = 0;
    verdict->kernel_refused = false;
    verdict->died = SIDE_NONE;
    for (enum side side = 0; side < SIDES; side++)
        verdict->outcomes[side].asked = verdict->outcomes[side].failed = false;

    place_world(world == &worlds[1]);
    bind(program, &bound);
    if (judge->replaced != ISA_INVALID) {
        altered = *program;
        program_replace(&altered, judge->replaced, judge->replacement);
        bind(&altered, &other);
    }
    for (enum side side = 0; side < SIDE_KERNEL; side++) {
        struct outcome *outcome = &verdict->outcomes[side];
        struct diag diag = {note, outcome, NULL};
        if (!(judge->sides >> side & 1))
            continue;
        progress->side = side;
        outcome->note[0] = 0;
        outcome->asked = true;
        enum result result = engines[side]->compile(
            side == SIDE_INTERP && judge->replaced != ISA_INVALID ? &other.binding : &bound.binding, &os_allocator,
            &os_executable, &diag, &codes[side]);
        if (result != RESULT_OK) {
            codes[side] = NULL;
            outcome->failed = true;
            if (!outcome->note[0])
                snprintf(outcome->note, sizeof(outcome->note), "refused: %s", result_text(result));
        }
    }
    if (judge->sides >> SIDE_KERNEL & 1 && program->kernel) {
        progress->side = SIDE_KERNEL;
        progress->kernel_offered++;
        fd = oracle_load(&judge->oracle, program, NULL, 0);
        if (fd < 0)
            verdict->kernel_refused = true;
        else {
            verdict->outcomes[SIDE_KERNEL].asked = true;
            progress->kernel_took++;
        }
    }
    for (unsigned input = 0; input < JUDGE_INPUTS && verdict_agreed(verdict); input++) {
        uint64_t seed = input_seed(program, input);
        verdict->input = input;
        for (enum side side = 0; side < SIDE_KERNEL; side++)
            if (codes[side]) {
                progress->side = side;
                answer(codes[side], seed, &verdict->outcomes[side]);
            }
        if (fd >= 0) {
            struct outcome *outcome = &verdict->outcomes[SIDE_KERNEL];
            uint8_t bytes[WORLD_PACKET];
            uint32_t r0 = 0;
            world_fill(seed, outcome->memory, bytes);
            int error = oracle_run(&judge->oracle, fd, outcome->memory, bytes, &r0);
            outcome->r0 = r0;
            if (error) {
                outcome->failed = true;
                snprintf(outcome->note, sizeof(outcome->note), "test run: %s", strerror(-error));
            }
        }
        compare(judge, verdict);
    }
    if (fd >= 0)
        close(fd);
    for (enum side side = 0; side < SIDE_KERNEL; side++)
        if (codes[side])
            engines[side]->destroy(codes[side]);
    progress->side = SIDE_NONE;
}

struct shared {
    struct progress progress;
    struct verdict verdict;
};

void judge_program_apart(const struct judge *judge, const struct program *program, struct verdict *verdict)
{
    static struct shared *shared;
    if (!shared) {
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
    }
    memset(shared, 0, sizeof(*shared));
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (!child) {
        struct itimerval limit = {{0, 0}, {0, 300000}};
        setitimer(ITIMER_VIRTUAL, &limit, NULL);
        judge_program(judge, program, &shared->progress, &shared->verdict);
        _exit(0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    *verdict = shared->verdict;
    verdict->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    verdict->died = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? SIDE_NONE : shared->progress.side;
}

/* The same complaint, whatever the numbers in it. */
static bool same_note(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "-0123456789");
        b += strspn(b, "-0123456789");
        if (*a != *b)
            return false;
        if (!*a++)
            return true;
        b++;
    }
}

static bool same(const struct verdict *a, const struct verdict *b)
{
    for (enum side side = 0; side < SIDES; side++)
        if (a->failed & b->failed & 1u << side && !same_note(a->outcomes[side].note, b->outcomes[side].note))
            return false;
    if (a->died != SIDE_NONE || b->died != SIDE_NONE)
        return a->died == b->died && a->signal == b->signal && a->kernel_refused == b->kernel_refused;
    return a->failed == b->failed && a->different == b->different && a->kernel_refused == b->kernel_refused;
}

static bool is_nop(const struct insn *insn)
{
    return insn->code == 0x05 && !insn->off;
}

/* Leaves `byte` all over the stack that an engine will use. */
static NOINLINE void soil_stack(uint8_t byte)
{
    volatile uint8_t soil[1 << 16];
    for (size_t i = 0; i < sizeof(soil); i++)
        soil[i] = byte;
}

/* The same in the other world, on a stack that begins elsewhere and was used otherwise. */
static bool answers_elsewhere(const struct judge *judge, const struct program *program, struct verdict *verdict)
{
    volatile uint8_t deeper[1024];
    deeper[0] = 0;
    world = &worlds[1];
    soil_stack(0xee);
    judge_program_apart(judge, program, verdict);
    world = &worlds[deeper[0]];
    return verdict->died == SIDE_NONE;
}

static bool still(const struct judge *judge, const struct program *program, const struct verdict *original)
{
    struct verdict *verdict = malloc(sizeof(*verdict));
    if (!verdict)
        return false;
    soil_stack(0x11);
    judge_program_apart(judge, program, verdict);
    bool is = same(original, verdict);
    if (is && original->died == SIDE_NONE) {
        struct verdict *elsewhere = malloc(sizeof(*elsewhere));
        is = elsewhere && answers_elsewhere(judge, program, elsewhere);
        for (enum side side = 0; is && side < SIDE_KERNEL; side++) {
            const struct outcome *here = &verdict->outcomes[side], *there = &elsewhere->outcomes[side];
            is = !here->asked || here->failed ||
                 (here->r0 == there->r0 && !memcmp(here->memory, there->memory, WORLD_MEMORY));
        }
        free(elsewhere);
    }
    free(verdict);
    return is;
}

/* Where a jump or call of instruction `at` goes; -1: nowhere. */
static int64_t goal(const struct program *program, uint32_t at)
{
    const struct insn *insn = &program->insns[at];
    unsigned class = insn->code & 7;
    if (insn->code == 0x06 || (insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL) ||
        (insn->code == 0x18 && insn_src(insn) == LDDW_SRC_CODE))
        return (int64_t)at + 1 + insn->imm;
    if ((class == 5 || class == 6) && insn->code != 0x85 && insn->code != 0x8d && insn->code != 0x95)
        return (int64_t)at + 1 + insn->off;
    return -1;
}

/* Cuts out what does nothing. */
static void cut(const struct program *from, struct program *to)
{
    uint32_t place[PROGRAM_CAPACITY + 1];
    *to = *from;
    to->count = 0;
    for (uint32_t at = 0; at < from->count; at++) {
        place[at] = to->count;
        if (is_nop(&from->insns[at]))
            continue;
        bool wide = insn_is_lddw(&from->insns[at]);
        to->insns[to->count++] = from->insns[at];
        if (wide) {
            place[++at] = to->count;
            to->insns[to->count++] = from->insns[at];
        }
    }
    place[from->count] = to->count;
    for (uint32_t at = 0; at < from->count; at++) {
        if (is_nop(&from->insns[at]))
            continue;
        int64_t target = goal(from, at);
        struct insn *insn = &to->insns[place[at]];
        if (target >= 0 && target <= from->count) {
            int32_t distance = (int32_t)place[target] - (int32_t)place[at] - 1;
            if (insn->code == 0x06 || insn->code == 0x85 || insn->code == 0x18)
                insn->imm = distance;
            else
                insn->off = (int16_t)distance;
        }
        at += insn_is_lddw(&from->insns[at]);
    }
    for (uint32_t i = 0; i < from->function_count; i++)
        to->functions[i] = place[from->functions[i]];
}

static void shrink(const struct judge *judge, struct program *program, const struct verdict *original)
{
    struct program *candidate = malloc(sizeof(*candidate));
    if (!candidate)
        return;
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (uint32_t size = program->count / 2; size; size /= 2) {
            for (uint32_t start = 0; start < program->count; start += size) {
                bool changed = false;
                *candidate = *program;
                for (uint32_t at = 0; at < program->count; at++) {
                    struct insn *insn = &candidate->insns[at];
                    bool wide = insn_is_lddw(insn), inside = at >= start && at < start + size;
                    if (inside && !is_nop(insn) && insn->code != 0x95) {
                        insn[0] = insn_make(0x05, 0, 0, 0, 0);
                        if (wide)
                            insn[1] = insn[0];
                        changed = true;
                    }
                    at += wide;
                }
                if (changed && still(judge, candidate, original)) {
                    *program = *candidate;
                    smaller = true;
                }
            }
        }
    }
    cut(program, candidate);
    if (still(judge, candidate, original))
        *program = *candidate;
    free(candidate);
}

static void print_program(const struct program *program)
{
    for (uint32_t at = 0; at < program->count;) {
        char line[160];
        struct text text;
        if (is_nop(&program->insns[at])) { /* made by shrinking, and could not be cut out */
            at++;
            continue;
        }
        text_init(&text, line, sizeof(line));
        size_t slots = isa_disassemble(program->insns, program->count, at, ISA_SYNTAX_RFC, NULL, &text);
        printf("    %4u  ", at);
        for (unsigned byte = 0; byte < 8; byte++)
            printf("%02x", ((const uint8_t *)&program->insns[at])[byte]);
        printf("  %s\n", line);
        at += (uint32_t)slots;
    }
}

static void print_outcomes(const struct verdict *verdict)
{
    const struct outcome *first = NULL;
    for (enum side side = 0; side < SIDES && verdict->died == SIDE_NONE; side++) {
        const struct outcome *outcome = &verdict->outcomes[side];
        if (!outcome->asked)
            continue;
        printf("  %-8s", side_names[side]);
        if (outcome->failed) {
            printf(" %s\n", outcome->note);
            continue;
        }
        printf(" r0 %#llx", (unsigned long long)outcome->r0);
        for (unsigned at = 0; first && at + 8 <= WORLD_MEMORY; at += 8) {
            uint64_t mine, theirs;
            memcpy(&mine, outcome->memory + at, 8);
            memcpy(&theirs, first->memory + at, 8);
            if (mine == theirs)
                continue;
            if (at >= WORLD_RESULTS && at < WORLD_BUFFER)
                printf("; r%u", (at - WORLD_RESULTS) / 8);
            else
                printf("; memory[%u]", at);
            printf(" %#llx, not %#llx", (unsigned long long)mine, (unsigned long long)theirs);
        }
        printf("\n");
        if (!first)
            first = outcome;
    }
    if (verdict->kernel_refused)
        printf("  kernel   refused the program\n");
    if (verdict->died != SIDE_NONE)
        printf("  %-8s %s\n", side_names[verdict->died],
               verdict->signal == SIGVTALRM ? "did not end"
               : verdict->signal            ? strsignal(verdict->signal)
                                            : "exited");
}

void judge_report(const struct judge *judge, uint64_t seed, enum isa_op about)
{
    struct program *program = malloc(sizeof(*program));
    struct verdict *verdict = malloc(sizeof(*verdict));
    if (!program || !verdict)
        exit(2);
    program_generate(program, seed, about);
    judge_program_apart(judge, program, verdict);
    printf("disagreement: --one %llu", (unsigned long long)seed);
    if (about != ISA_INVALID)
        printf(" --about %s", isa_op_name(about));
    printf(", %u instructions%s\n", program->count, program->kernel ? "" : " (not for the kernel)");
    if (verdict_agreed(verdict)) {
        printf("  gone when tried again\n");
    } else {
        print_outcomes(verdict);
        uint32_t count = program->count;
        shrink(judge, program, verdict);
        judge_program_apart(judge, program, verdict);
        printf("  the same with %u of %u instructions, input %u:\n", program->count, count, verdict->input);
        print_program(program);
        print_outcomes(verdict);
    }
    fflush(stdout);
    free(program);
    free(verdict);
}
