/* SPDX-License-Identifier: MIT
 *
 * winbpf verify --compare: an older JSON document of verdicts beside today's.  The document comes from outside; what is
 * read of it is its schema and five fields a program, by a reader that knows JSON's grammar and bounds its nesting.
 */
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "verified.h"

enum { DEPTH = 32, TEXT = 1024 };

struct row {
    char object[TEXT], section[TEXT], program[TEXT], verdict[32], code[32];
    bool seen;
};

struct cli_old {
    struct row *rows;
    size_t count, capacity;
};

struct reader {
    const char *at, *end;
    bool wrong;
};

static void skip_blank(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at)
        r->at++;
}

static bool take(struct reader *r, char c)
{
    skip_blank(r);
    if (r->at < r->end && *r->at == c) {
        r->at++;
        return true;
    }
    return false;
}

static bool expect(struct reader *r, char c)
{
    if (!take(r, c))
        r->wrong = true;
    return !r->wrong;
}

static void put(char *out, size_t size, size_t *length, unsigned c)
{
    if (*length + 1 < size)
        out[(*length)++] = (char)c;
}

/* A string; names are kept byte by byte (the writer escapes bytes, not characters), so that they compare as written. */
static void read_text(struct reader *r, char *out, size_t size)
{
    size_t length = 0;
    if (!expect(r, '"'))
        return;
    while (r->at < r->end && *r->at != '"') {
        unsigned char c = (unsigned char)*r->at++;
        if (c == '\\' && r->at < r->end) {
            unsigned code;
            char digits[5] = "";
            c = (unsigned char)*r->at++;
            switch (c) {
            case 'n': c = '\n'; break;
            case 't': c = '\t'; break;
            case 'r': c = '\r'; break;
            case 'b': c = '\b'; break;
            case 'f': c = '\f'; break;
            case 'u':
                if (r->end - r->at < 4) {
                    r->wrong = true;
                    return;
                }
                memcpy(digits, r->at, 4);
                r->at += 4;
                if (sscanf(digits, "%4x", &code) != 1) {
                    r->wrong = true;
                    return;
                }
                c = code < 256 ? (unsigned char)code : '?';
                break;
            default: break;
            }
        }
        put(out, size, &length, c);
    }
    if (size)
        out[length] = 0;
    expect(r, '"');
}

static void skip_value(struct reader *r, unsigned depth)
{
    char ignored[4];
    skip_blank(r);
    if (depth > DEPTH || r->at >= r->end) {
        r->wrong = true;
    } else if (*r->at == '"') {
        read_text(r, ignored, sizeof ignored);
    } else if (take(r, '[')) {
        if (take(r, ']'))
            return;
        do
            skip_value(r, depth + 1);
        while (!r->wrong && take(r, ','));
        expect(r, ']');
    } else if (take(r, '{')) {
        if (take(r, '}'))
            return;
        do {
            read_text(r, ignored, sizeof ignored);
            if (!expect(r, ':'))
                return;
            skip_value(r, depth + 1);
        } while (!r->wrong && take(r, ','));
        expect(r, '}');
    } else {
        const char *from = r->at;
        while (r->at < r->end && *r->at && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzE", *r->at))
            r->at++;
        r->wrong |= from == r->at;
    }
}

static void read_row(struct reader *r, struct row *row)
{
    memset(row, 0, sizeof *row);
    if (!expect(r, '{') || take(r, '}'))
        return;
    do {
        char key[64];
        read_text(r, key, sizeof key);
        if (!expect(r, ':'))
            return;
        skip_blank(r);
        bool text = r->at < r->end && *r->at == '"';
        if (text && !strcmp(key, "object"))
            read_text(r, row->object, sizeof row->object);
        else if (text && !strcmp(key, "section"))
            read_text(r, row->section, sizeof row->section);
        else if (text && !strcmp(key, "program"))
            read_text(r, row->program, sizeof row->program);
        else if (text && !strcmp(key, "verdict"))
            read_text(r, row->verdict, sizeof row->verdict);
        else if (text && !strcmp(key, "code"))
            read_text(r, row->code, sizeof row->code);
        else
            skip_value(r, 0);
    } while (!r->wrong && take(r, ','));
    expect(r, '}');
    if (!*row->verdict || !*row->program)
        r->wrong = true;
}

static void read_rows(struct reader *r, struct cli_old *old)
{
    if (!expect(r, '[') || take(r, ']'))
        return;
    do {
        if (old->count == old->capacity) {
            size_t wanted = old->capacity ? old->capacity * 2 : 64;
            struct row *rows = realloc(old->rows, wanted * sizeof *rows);
            if (!rows) {
                r->wrong = true;
                return;
            }
            old->rows = rows;
            old->capacity = wanted;
        }
        read_row(r, &old->rows[old->count++]);
    } while (!r->wrong && take(r, ','));
    expect(r, ']');
}

static bool read_document(struct reader *r, struct cli_old *old)
{
    bool schema = false, programs = false;
    if (!expect(r, '{'))
        return false;
    do {
        char key[64];
        read_text(r, key, sizeof key);
        if (!expect(r, ':'))
            return false;
        if (!strcmp(key, "schema")) {
            skip_blank(r);
            schema = r->at < r->end && *r->at == '1' && (r->at + 1 == r->end || !strchr("0123456789.", r->at[1]));
            skip_value(r, 0);
        } else if (!strcmp(key, "programs")) {
            programs = true;
            read_rows(r, old);
        } else {
            skip_value(r, 0);
        }
    } while (!r->wrong && take(r, ','));
    expect(r, '}');
    skip_blank(r);
    return !r->wrong && schema && programs && r->at == r->end;
}

struct cli_old *cli_old_read(const char *path)
{
    size_t size;
    uint8_t *bytes = cli_read_file(path, &size);
    struct cli_old *old = bytes ? calloc(1, sizeof *old) : NULL;
    if (!bytes)
        return NULL;
    struct reader r = {(const char *)bytes, (const char *)bytes + size, false};
    if (!old || !read_document(&r, old)) {
        cli_error("%s: not a document of winbpf verify --json (schema 1)", path);
        if (old)
            free(old->rows);
        free(old);
        old = NULL;
    }
    free(bytes);
    return old;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool same(const char *kept, const char *now)
{
    return !strncmp(kept, now, TEXT - 1);
}

/* By the object's path as it was given then, else by its name: the document may be of another folder. */
static struct row *find_row(struct cli_old *old, const struct cli_verified *one)
{
    for (int loosely = 0; loosely < 2; loosely++)
        for (size_t i = 0; i < old->count; i++) {
            struct row *row = &old->rows[i];
            if (!row->seen && same(row->program, one->image->name) && same(row->section, one->image->section) &&
                (loosely ? same(base_name(row->object), base_name(one->object)) : same(row->object, one->object)))
                return row;
        }
    return NULL;
}

bool cli_old_compare(struct cli_old *old, FILE *out, const struct cli_verified *one)
{
    struct row *row = find_row(old, one);
    const char *verdict = cli_verdict_name(one->result.verdict), *word = "changed";
    bool accepted = one->result.verdict == VERIFY_ACCEPT, was;
    const char *code = accepted ? "" : verify_reason_code(one->result.reason);
    if (!row) {
        fprintf(out, "new: %s: %s (%s): %s%s%s\n", cli_clean(one->object), cli_clean(one->image->name),
                cli_clean(one->image->section), verdict, *code ? " " : "", code);
        return false;
    }
    row->seen = true;
    was = !strcmp(row->verdict, "accept");
    if (!strcmp(row->verdict, verdict) && !strcmp(row->code, code))
        return false;
    if (was && !accepted)
        word = "regression";
    else if (!was && accepted)
        word = "improvement";
    fprintf(out, "%s: %s: %s (%s): was %s%s%s, is %s%s%s\n", word, cli_clean(one->object), cli_clean(one->image->name),
            cli_clean(one->image->section), cli_clean(row->verdict), *row->code ? " " : "", cli_clean(row->code),
            verdict, *code ? " " : "", code);
    return was && !accepted;
}

void cli_old_finish(struct cli_old *old, FILE *out)
{
    for (size_t i = 0; i < old->count; i++)
        if (!old->rows[i].seen)
            fprintf(out, "not verified now: %s: %s (%s)\n", cli_clean(old->rows[i].object),
                    cli_clean(old->rows[i].program), cli_clean(old->rows[i].section));
    free(old->rows);
    free(old);
}
