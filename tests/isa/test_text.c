/* SPDX-License-Identifier: MIT
 *
 * Instructions as text: the RFC syntax goes both ways for every operation, the other two are held against those who
 * define them: LLVM's against llvm-objdump, the kernel's against the log of the running kernel's verifier.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "check.h"
#include "every.h"

static const char *print(const struct insn *insns, size_t count, size_t at, enum isa_syntax syntax, size_t *slots)
{
    static char buffer[256];
    struct text text;
    size_t took;

    text_init(&text, buffer, sizeof(buffer));
    took = isa_disassemble(insns, count, at, syntax, NULL, &text);
    if (slots)
        *slots = took;
    return buffer;
}

static bool assemble(const char *source, struct insn *insns, size_t capacity, size_t *count, char message[200])
{
    struct text error;

    text_init(&error, message, 200);
    return isa_assemble(source, strlen(source), insns, capacity, count, &error);
}

/* Every operation, with field values at their edges, printed and read back. */
TEST(rfc_text_assembles_to_the_same_bytes)
{
    static const int16_t offs[] = {0, 1, -1, 8, -512, INT16_MAX, INT16_MIN};
    static const int32_t imms[] = {0, 1, -1, 42, 0x12345678, INT32_MAX, INT32_MIN};

    for (unsigned op = 0; op < ISA_OPS; op++) {
        if (!every_exists((enum isa_op)op))
            continue;
        for (unsigned i = 0; i < 7 * 7 * 7; i++) {
            struct insn in[2], out[4];
            size_t slots =
                every_make((enum isa_op)op, i % 11, (i + 3) % 11, offs[i % 7], imms[i / 7 % 7], imms[i / 49], in);
            size_t took, count = 0;
            char message[200] = "";
            const char *text = print(in, slots, 0, ISA_SYNTAX_RFC, &took);

            CHECK_EQ(took, slots);
            CHECK(text[0] != '.');
            if (!assemble(text, out, 4, &count, message) || count != slots || memcmp(in, out, slots * sizeof(*in))) {
                printf("%s: '%s' %s\n", isa_op_name((enum isa_op)op), text, message);
                CHECK(!"round trip");
                return;
            }
        }
    }
}

TEST(undecodable_slots)
{
    struct insn bad[2] = {insn_make(0xff, 1, 2, -3, 0x55667788), insn_make(0x18, 1, 0, 0, 7)}, out[2];
    size_t slots, count;
    char message[200];

    CHECK_STR(print(bad, 2, 0, ISA_SYNTAX_KERNEL, &slots), ".8byte 0x55667788fffd21ff");
    CHECK_EQ(slots, 1);
    CHECK_STR(print(bad, 2, 1, ISA_SYNTAX_LLVM, &slots), ".8byte 0x700000118"); /* a lddw cut at the end */
    CHECK_EQ(slots, 1);
    CHECK(assemble(print(bad, 2, 0, ISA_SYNTAX_RFC, NULL), out, 2, &count, message));
    CHECK(count == 1 && !memcmp(&out[0], &bad[0], sizeof(bad[0])));
}

TEST(truncation_is_safe)
{
    struct insn insn = insn_make(0xb7, 1, 0, 0, 7);
    char buffer[4] = "xyz";
    struct text text;

    text_init(&text, buffer, sizeof(buffer));
    isa_disassemble(&insn, 1, 0, ISA_SYNTAX_KERNEL, NULL, &text);
    CHECK_STR(buffer, "r1 ");
    CHECK_EQ(text.length, 6);
}

static const char *helper_name(void *self, int32_t imm)
{
    return imm == 1 ? self : NULL;
}

static const char *map_name(void *self, int32_t imm)
{
    (void)self;
    return imm == 3 ? "ports" : NULL;
}

static const char *subprogram_name(void *self, uint32_t target)
{
    (void)self;
    return target == 9 ? "parse" : NULL;
}

TEST(names)
{
    char helper[] = "bpf_map_lookup_elem", buffer[80];
    const struct isa_names names = {helper_name, map_name, subprogram_name, helper};
    static const struct {
        const char *source, *text;
    } cases[] = {
        {"call 1", "call bpf_map_lookup_elem#1"},
        {"call 2", "call unknown#2"},
        {"call local +8", "call parse"},
        {"call local +7", "call pc+7"},
        {"lddw %r1, map_fd 3", "r1 = map[ports]"},
        {"lddw %r1, map_fd 4", "r1 = map[fd:4]"},
        {"lddw %r1, map_index_value 3, 16", "r1 = map[ports][0]+16"},
        {"lddw %r1, map_index_value 4, 16", "r1 = map[idx:4][0]+16"},
        {"lddw %r1, code +8", "r1 = subprog[parse]"},
        {"lddw %r1, code +1", "r1 = subprog[+1]"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct insn insns[2];
        size_t count;
        char message[200];
        struct text text;

        REQUIRE(assemble(cases[i].source, insns, 2, &count, message));
        text_init(&text, buffer, sizeof(buffer));
        isa_disassemble(insns, count, 0, ISA_SYNTAX_KERNEL, &names, &text);
        CHECK_STR(buffer, cases[i].text);
    }
}

TEST(assembler_accepts)
{
    static const char *const pairs[][2] = {
        {"add %r1, 0xffffffff", "add %r1, -1"},
        {"add %r1, 0xffffffffffffffff", "add r1,-1 # comment"},
        {"  bswap32   %r3", "swap32 %r3"},
        {"call helper 5", "call 5"},
        {"callx %r2", "call %r2"},
        {"stxw [%r10-4], %r2", "stxw [r10 - 4], r2"},
        {"ldxw %r0, [%r1+0]", "ldxw %r0, [%r1]"},
        {"a: b: exit", "exit"},
        {"jeq %r0, 1, exit\nmov %r0, 2\nexit\nexit", "jeq %r0, 1, +1\nmov %r0, 2\nexit\nexit"},
        {"ja exit\nexit\nexit: mov %r0, 1\nexit", "ja +1\nexit\nmov %r0, 1\nexit"},
        {"lddw %r1, code f\nexit\nf:\nexit", "lddw %r1, code +2\nexit\nexit"},
        {"lddw %r1, -1\nja32 done\ndone:\nexit", "lddw %r1, 0xffffffffffffffff\nja32 +0\nexit"},
    };

    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct insn a[8], b[8];
        size_t m = 0, n = 0;
        char message[200] = "";
        bool good = assemble(pairs[i][0], a, 8, &m, message) && assemble(pairs[i][1], b, 8, &n, message);

        if (!good || m != n || memcmp(a, b, n * sizeof(*a)))
            printf("%s: %s\n", pairs[i][0], message);
        CHECK(good && m == n && !memcmp(a, b, n * sizeof(*a)));
    }
}

TEST(assembler_refuses)
{
    static const char *const pairs[][2] = {
        {"exit\nfoo %r1", "line 2: unknown instruction 'foo'"},
        {"add %r1", "line 1: operands do not fit 'add'"},
        {"add %r1, 2, 3", "line 1: operands do not fit 'add'"},
        {"add %r16, 2", "line 1: not a register: '%r16'"},
        {"add %r01, 2", "line 1: not a register: '%r01'"},
        {"add %r1, 4294967296", "line 1: does not fit 32 bits: '4294967296'"},
        {"add %r1, -2147483649", "line 1: does not fit 32 bits: '-2147483649'"},
        {"add %r1, 0x", "line 1: not a number: '0x'"},
        {"add %r1, 18446744073709551616", "line 1: not a number: '18446744073709551616'"},
        {"add %r1, -9223372036854775809", "line 1: not a number: '-9223372036854775809'"},
        {"ldxw %r1, [%r2+65536]", "line 1: does not fit 16 bits: '+65536'"},
        {"ldxw %r1, [%r2", "line 1: not a memory operand: '[%r2'"},
        {"ldxw %r1, [%r2+]", "line 1: not a number: '+'"},
        {"ja nowhere", "line 1: unknown label 'nowhere'"},
        {"a:\na:\nexit", "line 1: label defined twice: 'a'"},
        {"lock add", "line 1: operands do not fit 'lock'"},
        {"lock", "line 1: unknown instruction 'lock'"},
        {"lock fetch", "line 1: unknown instruction 'lock'"},
        {"movsx3232 %r1, %r2", "line 1: unknown instruction 'movsx3232'"},
        {"lddw %r1", "line 1: too few operands for 'lddw'"},
        {"lddw %r1, map_fd", "line 1: too few operands for 'lddw'"},
        {"lddw %r1, 1, 2", "line 1: too many operands for 'lddw'"},
        {"exit\nexit\nexit\nexit\nexit", "line 5: no room left for 'exit'"},
        {"exit\nexit\nexit\nlddw %r0, 1", "line 4: no room left for 'lddw'"},
        {"a: b: c:", "line 1: too many labels before 'a'"},
        {"mov 1 2 3 4 5 6 7 8 9", "line 1: too much on the line after 'mov'"},
    };

    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct insn insns[4];
        size_t count;
        char message[200] = "accepted";

        CHECK(!assemble(pairs[i][0], insns, 4, &count, message));
        CHECK_STR(message, pairs[i][1]);
    }
}

/* LLVM: an object made of every operation, through llvm-objdump. */

/* What LLVM 19 does not know (the atomics of clang 22) or prints by means of relocations alone. */
static bool llvm_knows(enum isa_op op)
{
    const struct isa_row *row = isa_row(op);

    return row->form != FORM_LDACQ && row->form != FORM_STREL;
}

static int run(const char *command)
{
    int status = system(command);

    return status == -1 ? -1 : status;
}

TEST(llvm_syntax_is_llvm_objdump_s)
{
    static const int16_t offs[] = {0, 4, -8, 300, -32768};
    static const int32_t imms[] = {0, 1, -1, 0x12345678, INT32_MIN};
    char folder[] = "/tmp/winbpf-isa-XXXXXX", path[64], command[300], line[256];
    struct insn(*insns)[2] = calloc(ISA_OPS * 5, sizeof(*insns));
    size_t made = 0, compared = 0;
    FILE *file;

    if (run("command -v clang-19 >/dev/null && command -v llvm-objdump-19 >/dev/null")) {
        free(insns);
        SKIP("clang-19 and llvm-objdump-19 are not installed");
    }
    REQUIRE(insns && mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/all.s", folder);
    file = fopen(path, "w");
    REQUIRE(file);
    for (unsigned op = 0; op < ISA_OPS; op++) {
        for (unsigned i = 0; every_exists((enum isa_op)op) && llvm_knows((enum isa_op)op) && i < 5; i++) {
            size_t slots = every_make((enum isa_op)op, i * 2 + 1, 10 - i, offs[i], imms[i], imms[4 - i], insns[made]);

            for (size_t s = 0; s < slots; s++) {
                uint64_t bits;

                memcpy(&bits, &insns[made][s], 8);
                fprintf(file, ".8byte 0x%llx\n", (unsigned long long)bits);
            }
            made++;
        }
    }
    fclose(file);
    snprintf(
        command, sizeof(command),
        "cd %s && clang-19 --target=bpfel -c all.s -o all.o && llvm-objdump-19 -d --no-show-raw-insn --mcpu=v4 all.o "
        "| sed -n 's/^ *[0-9a-f]*:[ \t]*//p'",
        folder);
    file = popen(command, "r");
    REQUIRE(file);
    while (fgets(line, sizeof(line), file)) {
        const char *text;
        char *label;

        line[strcspn(line, "\n")] = 0;
        label = strrchr(line, ' '); /* objdump says where a jump leads */
        if (label && label[1] == '<' && line[strlen(line) - 1] == '>')
            *label = 0;
        label = strchr(line, '\t');
        if (label)
            *label = ' ';
        if (compared == made)
            break;
        text = print(insns[compared], 2, 0, ISA_SYNTAX_LLVM, NULL);
        if (strcmp(text, line)) {
            enum isa_op op = isa_decode(insns[compared]);

            printf("%s: ours '%s', llvm-objdump's '%s'\n", isa_op_name(op), text, line);
            CHECK(!"same text");
        }
        compared++;
    }
    pclose(file);
    CHECK_EQ(compared, made);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    run(command);
    free(insns);
}

/* The kernel: its verifier prints every instruction it comes to before it judges it.  An instruction stands first in a
 * program with a subprogram to call; what the kernel turns away before it prints anything is left out. */

static bool kernel_prints(enum isa_op op)
{
    const struct isa_row *row = isa_row(op);

    /* Handles, indices, code and variables are resolved first and print as addresses; there is no kfunc to call, and
     * no callx in the kernel. */
    return !(row->form == FORM_LDDW && row->src) && row->form != FORM_CALL_KFUNC && row->form != FORM_CALLX;
}

static const char *kernel_helper(void *self, int32_t imm)
{
    (void)self;
    return imm == 7 ? "bpf_get_prandom_u32" : NULL;
}

/* The first instruction as the verifier's log has it, or NULL. */
static char *verifier_text(const struct insn *insns, size_t count)
{
    static char log[1 << 16];
    struct {
        uint32_t prog_type, insn_cnt;
        uint64_t insns, license;
        uint32_t log_level, log_size;
        uint64_t log_buf;
        uint32_t kern_version, prog_flags;
    } attr = {1, (uint32_t)count, (uintptr_t)insns, (uintptr_t) "GPL", 2, sizeof(log), (uintptr_t)log, 0, 0};
    char *line = log, *end;
    long fd;

    log[0] = 0;
    fd = syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, &attr, sizeof(attr));
    if (fd >= 0)
        close((int)fd);
    for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, "0: (", 4))
            break;
    if (!line || !strchr(line, ')'))
        return NULL;
    line = strchr(line, ')') + 2;
    end = line + strcspn(line, ";\n");
    while (end > line && end[-1] == ' ')
        end--;
    *end = 0;
    return line;
}

TEST(kernel_syntax_is_the_verifier_s)
{
    const struct isa_names names = {kernel_helper, NULL, NULL, NULL};
    struct insn probe[2] = {insn_make(0xb7, 0, 0, 0, 0), insn_make(0x95, 0, 0, 0, 0)};
    unsigned compared = 0;

    if (!verifier_text(probe, 2))
        SKIP("bpf() is not there, or not for this user");
    for (unsigned op = 0; op < ISA_OPS; op++) {
        for (unsigned i = 0; every_exists((enum isa_op)op) && kernel_prints((enum isa_op)op) && i < 3; i++) {
            static const int16_t offs[] = {2, 0, -8};
            static const int32_t imms[] = {7, -5, 0x12345678};
            const struct isa_row *row = isa_row((enum isa_op)op);
            bool local = op == ISA_CALL_LOCAL;
            struct insn insns[8];
            char ours[256], *theirs;
            struct text text;
            size_t n = every_make((enum isa_op)op, 1 + i, 9 - i, row->free & JUMPS_OFF ? op != ISA_JA : offs[i],
                                  row->free & JUMPS_IMM ? (local ? 2 : 0) : imms[i], imms[2 - i], insns);

            /* Then the rest of main, and a subprogram where one is called: the kernel wants every slot reachable. */
            for (unsigned bodies = op == ISA_EXIT ? 0 : local ? 2 : 1; bodies; bodies--) {
                insns[n++] = insn_make(0xb7, 0, 0, 0, 0);
                insns[n++] = insn_make(0x95, 0, 0, 0, 0);
            }
            theirs = verifier_text(insns, n);
            text_init(&text, ours, sizeof(ours));
            isa_disassemble(insns, n, 0, ISA_SYNTAX_KERNEL, &names, &text);
            if (!theirs || strcmp(ours, theirs)) {
                printf("%s: ours '%s', the kernel's '%s'\n", row->name, ours, theirs ? theirs : "(nothing)");
                CHECK(!"same text");
            }
            compared++;
        }
    }
    CHECK(compared > 400);
}

TEST_MAIN
