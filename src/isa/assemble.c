/* SPDX-License-Identifier: MIT
 *
 * The conformance suite's syntax to instructions, the inverse of the disassembler's RFC syntax.  A line is
 *
 *   line     = {label ":"} [mnemonic operand {"," operand}] ["#" comment]
 *   mnemonic = what isa_mnemonic() prints for a row; "callx" and "call helper" stand for "call", "bswap16" for "swap16"
 *   operand  = register | "[" register [("+" | "-") number] "]" | number | target
 *   register = "%r0" … "%r15" (or without the %); those above r10 are for tests of refusal
 *   number   = ["+" | "-"] (decimal | "0x" hexadecimal)
 *   target   = ("+" | "-") number, counted from the next instruction; or a label
 *
 *   lddw REG, NUMBER                        lddw REG, KIND NUMBER [, NUMBER]   KIND: map_fd map_value variable code
 *   lock [fetch] OP[32] [REG±N], REG                                           map_index map_index_value
 *   call NUMBER | call REG | call local TARGET | call runtime NUMBER [, NUMBER]
 *   ldabsw NUMBER | ldindw REG, NUMBER | ldacqb REG, [REG±N] | strelb [REG±N], REG | may_goto TARGET
 *   .8byte NUMBER                           one raw slot
 *
 * A comma and a blank separate alike.  The name `exit`, where it is no label, is the first exit instruction.  Which row
 * a line means follows from the mnemonic and the kinds of its operands; then the row gives the fixed fields and the
 * operands the free ones.  Labels are found by walking the source again from its start, so that nothing is allocated:
 * quadratic at worst, for sources that people write by hand.
 */
#include <string.h>
#include "isa/table.h"

enum { MAX_TOKENS = 8 };

struct token {
    const char *at;
    size_t length;
};

struct line {
    struct token label[2]; /* the labels in front of the instruction */
    unsigned labels;
    struct token token[MAX_TOKENS];
    unsigned tokens;
    bool overlong; /* more tokens or labels than any line may have */
};

struct assembler {
    const char *source, *end;
    unsigned number; /* of the line at work */
    size_t slot;     /* that its instruction takes */
    struct text *error;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\v' || c == '\f' || c == 0;
}

static bool token_is(struct token token, const char *word)
{
    return token.length == strlen(word) && !memcmp(token.at, word, token.length);
}

static bool same(struct token a, struct token b)
{
    return a.length == b.length && !memcmp(a.at, b.at, a.length);
}

/* Cuts the line that starts at `at` into tokens; returns where the next one starts. */
static const char *cut(const char *at, const char *end, struct line *line)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const char *next = stop ? stop + 1 : end;
    const char *comment;

    if (!stop)
        stop = end;
    comment = memchr(at, '#', (size_t)(stop - at));
    if (comment)
        stop = comment;
    memset(line, 0, sizeof(*line));
    for (;;) {
        struct token token;

        while (at < stop && is_blank(*at))
            at++;
        if (at == stop)
            return next;
        token.at = at;
        if (*at == '[') {
            while (at < stop && *at != ']')
                at++;
            at += at < stop;
        } else {
            while (at < stop && !is_blank(*at))
                at++;
        }
        token.length = (size_t)(at - token.at);
        if (!line->tokens && token.at[token.length - 1] == ':') {
            token.length--;
            if (line->labels == 2)
                line->overlong = true;
            else
                line->label[line->labels++] = token;
        } else if (line->tokens == MAX_TOKENS) {
            line->overlong = true;
        } else {
            line->token[line->tokens++] = token;
        }
    }
}

static size_t slots(const struct line *line)
{
    return line->tokens == 0 ? 0 : token_is(line->token[0], "lddw") ? 2 : 1;
}

/* Says what is wrong with the line at work. */
static bool complain(const struct assembler *a, const char *what, struct token token)
{
    text_format(a->error, "line %u: %s '%.*s'", a->number, what, token.length > 40 ? 40 : (int)token.length, token.at);
    return false;
}

/* Finds a label's slot.  How often it is defined is the return value. */
static unsigned find_label(const struct assembler *a, struct token name, size_t *slot)
{
    size_t at = 0, first_exit = 0;
    unsigned found = 0;
    bool exits = false;
    struct line line;

    for (const char *p = a->source; p < a->end;) {
        p = cut(p, a->end, &line);
        for (unsigned i = 0; i < line.labels; i++) {
            if (same(line.label[i], name)) {
                found++;
                *slot = at;
            }
        }
        if (!exits && line.tokens && token_is(line.token[0], "exit")) {
            exits = true;
            first_exit = at;
        }
        at += slots(&line);
    }
    if (!found && exits && token_is(name, "exit")) {
        *slot = first_exit;
        return 1;
    }
    return found;
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A number as its 64 bits; *negative when it had a minus sign. */
static bool parse_number(struct token token, uint64_t *out, bool *negative)
{
    uint64_t value = 0;
    unsigned base = 10;
    size_t i = 0;

    *negative = token.length && token.at[0] == '-';
    if (token.length && (token.at[0] == '-' || token.at[0] == '+'))
        i++;
    if (token.length - i > 2 && token.at[i] == '0' && (token.at[i + 1] == 'x' || token.at[i + 1] == 'X')) {
        base = 16;
        i += 2;
    }
    if (i == token.length)
        return false;
    for (; i < token.length; i++) {
        int d = digit(token.at[i]);

        if (d < 0 || d >= (int)base || value > (UINT64_MAX - (unsigned)d) / base)
            return false;
        value = value * base + (unsigned)d;
    }
    if (*negative && value > (uint64_t)1 << 63)
        return false;
    *out = *negative ? 0 - value : value;
    return true;
}

static bool parse_imm64(const struct assembler *a, struct token token, uint64_t *out)
{
    bool negative;

    return parse_number(token, out, &negative) || complain(a, "not a number:", token);
}

/* A 32-bit constant, written signed, unsigned, or sign-extended to 64 bits. */
static bool parse_imm(const struct assembler *a, struct token token, int32_t *out)
{
    uint64_t value;
    bool negative;

    if (!parse_number(token, &value, &negative))
        return complain(a, "not a number:", token);
    if (value > UINT32_MAX && (value < UINT64_C(0xffffffff80000000) || (negative && (int64_t)value >= 0)))
        return complain(a, "does not fit 32 bits:", token);
    *out = (int32_t)(uint32_t)value;
    return true;
}

static bool parse_off(const struct assembler *a, struct token token, int16_t *out)
{
    int32_t value;

    if (!parse_imm(a, token, &value))
        return false;
    if (value < INT16_MIN || value > (int32_t)UINT16_MAX)
        return complain(a, "does not fit 16 bits:", token);
    *out = (int16_t)(uint16_t)value;
    return true;
}

static bool is_register(struct token token, unsigned *out)
{
    unsigned value = 0;

    if (token.length && token.at[0] == '%') {
        token.at++;
        token.length--;
    }
    if (token.length < 2 || token.length > 3 || token.at[0] != 'r')
        return false;
    for (size_t i = 1; i < token.length; i++) {
        if (token.at[i] < '0' || token.at[i] > '9')
            return false;
        value = value * 10 + (unsigned)(token.at[i] - '0');
    }
    *out = value;
    return value < 16 && !(token.length == 3 && token.at[1] == '0');
}

static bool is_memory(struct token token)
{
    return token.length && token.at[0] == '[';
}

static bool parse_register(const struct assembler *a, struct token token, unsigned *out)
{
    return is_register(token, out) || complain(a, "not a register:", token);
}

static bool parse_memory(const struct assembler *a, struct token token, unsigned *base, int16_t *off)
{
    char squeezed[40]; /* without blanks and brackets: "%r10-8" */
    struct token inner = {squeezed, 0}, offset;

    *off = 0;
    if (!is_memory(token) || token.at[token.length - 1] != ']')
        return complain(a, "not a memory operand:", token);
    for (size_t i = 1; i < token.length - 1; i++) {
        if (inner.length == sizeof(squeezed))
            return complain(a, "not a memory operand:", token);
        if (!is_blank(token.at[i]))
            squeezed[inner.length++] = token.at[i];
    }
    offset = inner;
    for (inner.length = 0; inner.length < offset.length; inner.length++)
        if (squeezed[inner.length] == '+' || squeezed[inner.length] == '-')
            break;
    offset.at += inner.length;
    offset.length -= inner.length;
    return parse_register(a, inner, base) && (!offset.length || parse_off(a, offset, off));
}

/* A jump's distance in slots from the one after the instruction's first. */
static bool parse_target(const struct assembler *a, struct token token, int64_t *out)
{
    size_t slot = 0;
    int32_t value;

    if (token.length && (token.at[0] == '+' || token.at[0] == '-')) {
        if (!parse_imm(a, token, &value))
            return false;
        *out = value;
        return true;
    }
    switch (find_label(a, token, &slot)) {
    case 0: return complain(a, "unknown label", token);
    case 1: *out = (int64_t)slot - (int64_t)a->slot - 1; return true;
    default: return complain(a, "label defined twice:", token);
    }
}

static bool target_off(const struct assembler *a, struct token token, int16_t *out)
{
    int64_t distance;

    if (!parse_target(a, token, &distance))
        return false;
    if (distance < INT16_MIN || distance > UINT16_MAX)
        return complain(a, "too far for a 16-bit jump:", token);
    *out = (int16_t)(uint16_t)distance;
    return true;
}

static bool target_imm(const struct assembler *a, struct token token, int32_t *out)
{
    int64_t distance;

    if (!parse_target(a, token, &distance))
        return false;
    if (distance < INT32_MIN || distance > INT32_MAX)
        return complain(a, "too far for a jump:", token);
    *out = (int32_t)distance;
    return true;
}

/* Whether the kinds of operands choose this row among those of the same mnemonic. */
static bool fits(const struct isa_row *row, const struct token *operand, unsigned count)
{
    unsigned reg;

    switch ((enum isa_form)row->form) {
    case FORM_ALU_IMM: return count == 2 && !is_register(operand[1], &reg);
    case FORM_ALU_REG:
    case FORM_MOVSX: return count == 2 && is_register(operand[1], &reg);
    case FORM_ALU1:
    case FORM_END: return count == 1;
    case FORM_JMP_IMM: return count == 3 && !is_register(operand[1], &reg);
    case FORM_JMP_REG: return count == 3 && is_register(operand[1], &reg);
    case FORM_LDX:
    case FORM_LDACQ: return count == 2 && is_memory(operand[1]);
    case FORM_ST:
    case FORM_STX:
    case FORM_ATOMIC:
    case FORM_XCHG:
    case FORM_CMPXCHG:
    case FORM_STREL: return count == 2 && is_memory(operand[0]);
    case FORM_LEGACY: return count == (row->signed_ ? 2u : 1u);
    case FORM_CALL_HELPER: return count == 1 && !is_register(operand[0], &reg);
    case FORM_CALLX: return count == 1 && is_register(operand[0], &reg);
    case FORM_CALL_KFUNC: return count == 1 || count == 2;
    case FORM_JA:
    case FORM_JA32:
    case FORM_MAY_GOTO:
    case FORM_CALL_LOCAL: return count == 1;
    case FORM_EXIT: return count == 0;
    default: return false; /* lddw: see assemble_lddw */
    }
}

static bool operands(const struct assembler *a, const struct isa_row *row, const struct token *operand, unsigned count,
                     struct insn *out)
{
    unsigned dst = 0, src = row->src;
    int16_t off = row->off;
    int32_t imm = row->imm;
    bool good = false;

    switch ((enum isa_form)row->form) {
    case FORM_ALU_IMM: good = parse_register(a, operand[0], &dst) && parse_imm(a, operand[1], &imm); break;
    case FORM_ALU_REG:
    case FORM_MOVSX: good = parse_register(a, operand[0], &dst) && parse_register(a, operand[1], &src); break;
    case FORM_ALU1:
    case FORM_END:
    case FORM_CALLX: good = parse_register(a, operand[0], &dst); break;
    case FORM_JMP_IMM:
        good = parse_register(a, operand[0], &dst) && parse_imm(a, operand[1], &imm) && target_off(a, operand[2], &off);
        break;
    case FORM_JMP_REG:
        good = parse_register(a, operand[0], &dst) && parse_register(a, operand[1], &src) &&
               target_off(a, operand[2], &off);
        break;
    case FORM_LDX:
    case FORM_LDACQ: good = parse_register(a, operand[0], &dst) && parse_memory(a, operand[1], &src, &off); break;
    case FORM_ST: good = parse_memory(a, operand[0], &dst, &off) && parse_imm(a, operand[1], &imm); break;
    case FORM_STX:
    case FORM_ATOMIC:
    case FORM_XCHG:
    case FORM_CMPXCHG:
    case FORM_STREL: good = parse_memory(a, operand[0], &dst, &off) && parse_register(a, operand[1], &src); break;
    case FORM_LEGACY:
        good = (!row->signed_ || parse_register(a, operand[0], &src)) && parse_imm(a, operand[count - 1], &imm);
        break;
    case FORM_CALL_HELPER: good = parse_imm(a, operand[0], &imm); break;
    case FORM_CALL_KFUNC:
        good = parse_imm(a, operand[0], &imm) && (count == 1 || parse_off(a, operand[1], &off));
        break;
    case FORM_JA:
    case FORM_MAY_GOTO: good = target_off(a, operand[0], &off); break;
    case FORM_JA32:
    case FORM_CALL_LOCAL: good = target_imm(a, operand[0], &imm); break;
    default: good = true; break;
    }
    if (good)
        *out = insn_make(row->code, dst, src, off, imm);
    return good;
}

static bool assemble_lddw(const struct assembler *a, const struct line *line, struct insn *out)
{
    static const char *const kinds[] = {NULL,   "map_fd",    "map_value",      "variable",
                                        "code", "map_index", "map_index_value"};
    unsigned dst = 0, src = 0;
    uint64_t wide;
    int32_t low = 0, high = 0;

    if (line->tokens < 3)
        return complain(a, "too few operands for", line->token[0]);
    if (!parse_register(a, line->token[1], &dst))
        return false;
    for (unsigned kind = 1; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
        if (token_is(line->token[2], kinds[kind]))
            src = kind;
    if (line->tokens > (src ? 5u : 3u))
        return complain(a, "too many operands for", line->token[0]);
    if (!src) {
        if (!parse_imm64(a, line->token[2], &wide))
            return false;
        low = (int32_t)(uint32_t)wide;
        high = (int32_t)(uint32_t)(wide >> 32);
    } else {
        if (line->tokens < 4)
            return complain(a, "too few operands for", line->token[0]);
        if (src == LDDW_SRC_CODE ? !target_imm(a, line->token[3], &low) : !parse_imm(a, line->token[3], &low))
            return false;
        if (line->tokens == 5 && !parse_imm(a, line->token[4], &high))
            return false;
    }
    out[0] = insn_make(0x18, dst, src, 0, low);
    out[1] = insn_make(0, 0, 0, 0, high);
    return true;
}

static bool assemble_raw(const struct assembler *a, const struct line *line, struct insn *out)
{
    uint64_t bits;

    if (line->tokens != 2)
        return complain(a, "one number belongs after", line->token[0]);
    if (!parse_imm64(a, line->token[1], &bits))
        return false;
    out->code = (uint8_t)bits;
    out->regs = (uint8_t)(bits >> 8);
    out->off = (int16_t)(uint16_t)(bits >> 16);
    out->imm = (int32_t)(uint32_t)(bits >> 32);
    return true;
}

/* The mnemonic in its table spelling; returns how many tokens it is made of, 0 when it is none. */
static unsigned spell(const struct line *line, struct text *out)
{
    const struct token *token = line->token;
    unsigned words = 1;

    if (token_is(token[0], "lock"))
        words = line->tokens > 1 && token_is(token[1], "fetch") ? 3 : 2;
    else if (token_is(token[0], "call") && line->tokens > 1 &&
             (token_is(token[1], "local") || token_is(token[1], "runtime")))
        words = 2;
    if (line->tokens < words)
        return 0;
    if (token_is(token[0], "callx")) {
        text_string(out, "call");
        return 1;
    }
    if (token_is(token[0], "call") && line->tokens > 1 && token_is(token[1], "helper")) {
        text_string(out, "call");
        return 2;
    }
    for (unsigned i = 0; i < words; i++) {
        const char *at = token[i].at;
        size_t length = token[i].length;

        if (length > 5 && !memcmp(at, "bswap", 5)) {
            at++;
            length--;
        }
        text_format(out, "%s%.*s", i ? " " : "", length > 40 ? 40 : (int)length, at);
    }
    return words;
}

/* Does this row have this mnemonic? */
static bool named(const struct isa_row *row, const char *word)
{
    char candidate[64];
    struct text text;

    text_init(&text, candidate, sizeof(candidate));
    isa_mnemonic(row, &text);
    return !strcmp(candidate, word);
}

static bool assemble_line(const struct assembler *a, const struct line *line, struct insn *out)
{
    const struct token *operand;
    bool known = false;
    char word[128];
    struct text text;
    unsigned words, count;

    if (line->overlong)
        return complain(a, "too much on the line after", line->token[0]);
    if (token_is(line->token[0], "lddw"))
        return assemble_lddw(a, line, out);
    if (token_is(line->token[0], ".8byte"))
        return assemble_raw(a, line, out);

    text_init(&text, word, sizeof(word));
    words = spell(line, &text);
    operand = line->token + words;
    count = line->tokens - words;
    for (unsigned op = ISA_INVALID + 1; words && op < ISA_OPS; op++) {
        const struct isa_row *row = isa_row((enum isa_op)op);

        if (op != ISA_MOVSX32_32 && fits(row, operand, count) && named(row, word))
            return operands(a, row, operand, count, out);
    }
    for (unsigned op = ISA_INVALID + 1; words && op < ISA_OPS; op++)
        known |= op != ISA_MOVSX32_32 && named(isa_row((enum isa_op)op), word);
    return complain(a, known ? "operands do not fit" : "unknown instruction", line->token[0]);
}

bool isa_assemble(const char *source, size_t length, struct insn *insns, size_t capacity, size_t *count,
                  struct text *error)
{
    struct assembler a = {.source = source, .end = source + length, .error = error};

    for (const char *p = source; p < a.end;) {
        struct line line;
        size_t ignored;

        p = cut(p, a.end, &line);
        a.number++;
        for (unsigned i = 0; i < line.labels; i++)
            if (find_label(&a, line.label[i], &ignored) > 1)
                return complain(&a, "label defined twice:", line.label[i]);
        if (line.overlong && !line.tokens)
            return complain(&a, "too many labels before", line.label[0]);
        if (!line.tokens)
            continue;
        if (slots(&line) > capacity - a.slot)
            return complain(&a, "no room left for", line.token[0]);
        if (!assemble_line(&a, &line, insns + a.slot))
            return false;
        a.slot += slots(&line);
    }
    *count = a.slot;
    return true;
}
