/* SPDX-License-Identifier: MIT
 *
 * A verdict for people and for programs.  A refusal reads from the outside in: what rule, where in the source, why in
 * words, then the instruction, the chain of events that led to it, and what usually helps.
 *
 *   error[V0203]: access to packet bytes that are not proven to exist
 *     --> drop.bpf.c:16:17
 *      |
 *   16 |     return eth->h_proto == 8 ? XDP_PASS : XDP_DROP;
 *      |                 ^ reads packet bytes 12..12, only 12 are proven
 *
 * Names, files and source lines come out of the object and are hostile: everything is cleaned before it is printed.
 */
#include <string.h>
#include "cli.h"
#include "contract/contract.h"
#include "isa/isa.h"
#include "verified.h"

enum { SOURCE_SHOWN = 160 };

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *other = strrchr(path, '\\'); /* compiled on Windows */
    slash = other && (!slash || other > slash) ? other : slash;
    return slash ? slash + 1 : path;
}

struct paint {
    const char *error, *fine, *strong, *line, *off;
};

static struct paint paint_of(bool colour)
{
    return colour ? (struct paint){"\033[1;31m", "\033[1;32m", "\033[1m", "\033[1;34m", "\033[0m"}
                  : (struct paint){"", "", "", "", ""};
}

/* The source line under its number, a mark under the column, the message behind it. */
static void print_source(FILE *out, const struct paint *p, uint32_t number, uint32_t column, const char *source,
                         const char *message)
{
    char shown[SOURCE_SHOWN + 1], digits[16];
    size_t indent = 0, at, length;
    int gutter = snprintf(digits, sizeof digits, "%u", number);
    while (source[indent] == ' ' || source[indent] == '\t')
        indent++;
    snprintf(shown, sizeof shown, "%s", source + indent);
    length = strlen(shown);
    while (length && (shown[length - 1] == '\n' || shown[length - 1] == '\r' || shown[length - 1] == ' '))
        shown[--length] = 0;
    at = column > indent ? column - 1 - indent : 0;
    if (at > length)
        at = length;
    for (char *c = shown; *c; c++)
        if (*c == '\t')
            *c = ' ';
    fprintf(out, "%s%*s |%s\n", p->line, gutter, "", p->off);
    fprintf(out, "%s%s |%s     %s\n", p->line, digits, p->off, cli_clean(shown));
    fprintf(out, "%s%*s |%s     %*s%s^ %s%s\n", p->line, gutter, "", p->off, (int)at, "", p->error, cli_clean(message),
            p->off);
    fprintf(out, "%s%*s |%s\n", p->line, gutter, "", p->off);
}

static void print_events(FILE *out, const struct cli_verified *one, const struct paint *p)
{
    const struct verify_result *r = &one->result;
    int widest = 0, widest_place = 0;
    if (!r->event_count)
        return;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            fprintf(out, "  %s=%s how it came to this:\n", p->line, p->off);
        for (uint32_t i = 0; i < r->event_count; i++) {
            const struct verify_event *event = &r->events[i];
            char insn[256], where[300] = "";
            struct verify_place place;
            if (!*event->text)
                continue;
            cli_insn_text(one->elf, one->image, event->insn, insn, sizeof insn);
            if (verify_place(one->image, event->insn, &place))
                snprintf(where, sizeof where, "%s:%u", base_name(cli_clean(place.file)), place.line);
            int length = (int)strlen(insn), place_length = (int)strlen(where);
            if (!pass) {
                widest = length > widest && length <= 40 ? length : widest;
                widest_place = place_length > widest_place && place_length <= 40 ? place_length : widest_place;
            } else {
                fprintf(out, "    %5u: %-*s  %-*s  %s\n", event->insn, widest_place, where, widest, cli_clean(insn),
                        cli_clean(event->text));
            }
        }
    }
}

/* Said where it holds, in the order of a person's likely mistakes. */
static void print_help(FILE *out, const struct cli_verified *one, const struct paint *p)
{
    const struct verify_result *r = &one->result;
    const char *help = cli_reason_help(r->reason);
    bool lost = false;
    for (uint32_t i = 0; i < r->event_count; i++)
        lost |= strstr(r->events[i].text, "the call leaves nothing in") != NULL;
    if (r->reason == REASON_UNINIT_REGISTER && lost)
        help = "a call leaves nothing in r1 to r5: keep in r6 to r9 or on the stack what is needed after it";
    if (r->reason == REASON_PACKET_BOUNDS) {
        const char *dots = strstr(r->message, "..");
        unsigned last;
        if (dots && sscanf(dots + 2, "%u", &last) == 1 && last < 65536 && strstr(r->message, "bytes")) {
            fprintf(out, "  %s=%s %shelp%s: before the access: if (data + %u > data_end) return ...;\n", p->line,
                    p->off, p->fine, p->off, last + 1);
            help = "";
        }
    }
    if (*help)
        fprintf(out, "  %s=%s %shelp%s: %s\n", p->line, p->off, p->fine, p->off, help);
    fprintf(out, "  %s=%s more: winbpf explain %s\n", p->line, p->off, verify_reason_code(r->reason));
}

void cli_print_verdict(FILE *out, const struct cli_verified *one, bool colour)
{
    const struct verify_result *r = &one->result;
    const struct image *image = one->image;
    struct paint p = paint_of(colour);
    struct verify_place place;
    char insn[256];
    if (r->verdict == VERIFY_ACCEPT) {
        fprintf(out, "%saccept%s  %s: %s (%s), %u instructions", p.fine, p.off, cli_clean(one->object),
                cli_clean(image->name), one->type, image->insn_count);
        if (r->worst_case != UINT64_MAX)
            fprintf(out, ", at most %llu run", (unsigned long long)r->worst_case);
        else
            fprintf(out, ", no bound known for how many run");
        fprintf(out, "; %.0f us, %zu KiB\n", one->microseconds, (one->peak_bytes + 1023) / 1024);
        return;
    }
    fprintf(out, "%s%s[%s]%s%s: %s%s\n", p.error, r->verdict == VERIFY_REJECT ? "error" : cli_verdict_name(r->verdict),
            verify_reason_code(r->reason), p.off, p.strong, verify_reason_title(r->reason), p.off);
    if (one->refused_shape) {
        fprintf(out, "  %s-->%s %s: program '%s' (section %s)\n", p.line, p.off, cli_clean(one->object),
                cli_clean(image->name), cli_clean(image->section));
        fprintf(out, "  %s=%s %s\n", p.line, p.off, cli_clean(r->message));
        print_help(out, one, &p);
        fputc('\n', out);
        return;
    }
    cli_insn_text(one->elf, image, r->insn, insn, sizeof insn);
    if (verify_place(image, r->insn, &place)) {
        fprintf(out, "  %s-->%s %s:%u", p.line, p.off, cli_clean(place.file), place.line);
        if (place.column)
            fprintf(out, ":%u", place.column);
        fputc('\n', out);
        print_source(out, &p, place.line, place.column, place.source, r->message);
        fprintf(out, "  %s=%s instruction %u of '%s' (%s, type %s): %s\n", p.line, p.off, r->insn,
                cli_clean(image->name), cli_clean(one->object), one->type, cli_clean(insn));
    } else {
        fprintf(out, "  %s-->%s %s: program '%s' (section %s, type %s), instruction %u\n", p.line, p.off,
                cli_clean(one->object), cli_clean(image->name), cli_clean(image->section), one->type, r->insn);
        print_source(out, &p, r->insn, 1, insn, r->message);
    }
    print_events(out, one, &p);
    print_help(out, one, &p);
    fputc('\n', out);
}

void cli_print_invariants(FILE *out, const struct cli_verified *one, bool colour)
{
    const struct image *image = one->image;
    struct paint p = paint_of(colour);
    uint32_t shown = 0;
    if (one->refused_shape)
        return;
    for (uint32_t at = 0; at < image->insn_count; at++) {
        const char *known = one->result.invariants ? one->result.invariants[at] : "";
        struct verify_place place;
        char insn[256];
        if (verify_place(image, at, &place) && place.line != shown) {
            const char *source = place.source;
            while (*source == ' ' || *source == '\t')
                source++;
            if (*source)
                fprintf(out, "%s; %s:%u  %s%s\n", p.line, base_name(cli_clean(place.file)), place.line,
                        cli_clean(source), p.off);
            shown = place.line;
        }
        if (*known)
            for (const char *from = known, *end; *from; from = end) {
                size_t length = (end = strstr(from, " | ")) ? (size_t)(end - from) : strlen(from);
                fprintf(out, "        %c ", from == known ? '{' : '|');
                for (size_t i = 0; i < length; i++)
                    fputc((unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i], out);
                end = end ? end + 3 : from + length;
                fputs(*end ? "\n" : " }\n", out);
            }
        cli_insn_text(one->elf, image, at, insn, sizeof insn);
        fprintf(out, "%s%6u: %s%s%s\n", at == one->result.insn && one->result.verdict == VERIFY_REJECT ? p.error : "",
                at, cli_clean(insn), at == one->result.insn && one->result.verdict == VERIFY_REJECT ? p.off : "",
                one->result.insns && !(one->result.insns[at] & INSN_SEEN) ? "    (never run)" : "");
        at += insn_is_lddw(&image->insns[at]);
    }
    if (one->result.invariants && one->result.verdict != VERIFY_ACCEPT)
        fprintf(out, "        (what was seen until the walk ended, which is not all there is)\n");
    if (!one->result.invariants)
        fprintf(out, "        (no invariants: finding them takes more than the budget)\n");
    fputc('\n', out);
}

static void json_text(FILE *out, const char *name, const char *text)
{
    fprintf(out, ",\"%s\":", name);
    if (text)
        cli_print_json_text(out, text);
    else
        fputs("null", out);
}

void cli_print_json_verdict(FILE *out, const struct cli_verified *one)
{
    const struct verify_result *r = &one->result;
    bool accepted = r->verdict == VERIFY_ACCEPT, placed = !accepted && !one->refused_shape;
    struct verify_place place;
    bool known = placed && verify_place(one->image, r->insn, &place);
    fputs("{\"object\":", out);
    cli_print_json_text(out, one->object);
    json_text(out, "section", one->image->section);
    json_text(out, "program", one->image->name);
    json_text(out, "type", one->type);
    fprintf(out, ",\"instructions\":%u,\"verdict\":\"%s\"", one->image->insn_count, cli_verdict_name(r->verdict));
    json_text(out, "code", accepted ? NULL : verify_reason_code(r->reason));
    if (placed)
        fprintf(out, ",\"insn\":%u", r->insn);
    else
        fputs(",\"insn\":null", out);
    json_text(out, "file", known ? place.file : NULL);
    if (known)
        fprintf(out, ",\"line\":%u", place.line);
    else
        fputs(",\"line\":null", out);
    json_text(out, "message", accepted ? NULL : r->message);
    fprintf(out, ",\"time_us\":%.1f,\"peak_bytes\":%zu,\"steps\":%llu,\"worst_case_instructions\":", one->microseconds,
            one->peak_bytes, (unsigned long long)r->steps);
    if (r->worst_case != UINT64_MAX)
        fprintf(out, "%llu}", (unsigned long long)r->worst_case);
    else
        fputs("null}", out);
}
