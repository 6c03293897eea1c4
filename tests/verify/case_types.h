/* SPDX-License-Identifier: MIT
 *
 * The BTF of a case, for the verifier and for the kernel: its functions, and values with locks and timers in them.
 */
#ifndef WINBPF_TESTS_VERIFY_CASE_TYPES_H
#define WINBPF_TESTS_VERIFY_CASE_TYPES_H

#include "verify/cases.h"

struct case_types {
    uint8_t bytes[8192];
    uint32_t size;
    uint32_t key, values[CASE_MAPS]; /* types of maps' keys and values; 0: none */
    uint32_t funcs[256];             /* per function of the image */
};

enum { KIND_INT = 1, KIND_PTR, KIND_ARRAY, KIND_STRUCT, KIND_FUNC = 12, KIND_FUNC_PROTO };

struct case_types_writer {
    uint32_t types[1024], words, next;
    char strings[2048];
    uint32_t length;
};

static inline uint32_t types_string(struct case_types_writer *w, const char *text)
{
    uint32_t at = w->length;
    memcpy(w->strings + at, text, strlen(text) + 1);
    w->length += (uint32_t)strlen(text) + 1;
    return at;
}

static inline uint32_t types_add(struct case_types_writer *w, const char *name, uint32_t kind, uint32_t vlen,
                                 uint32_t size_or_type)
{
    w->types[w->words++] = *name ? types_string(w, name) : 0;
    w->types[w->words++] = kind << 24 | vlen;
    w->types[w->words++] = size_or_type;
    return w->next++;
}

static inline void types_word(struct case_types_writer *w, uint32_t word)
{
    w->types[w->words++] = word;
}

static inline void types_member(struct case_types_writer *w, const char *name, uint32_t type, uint32_t offset)
{
    types_word(w, types_string(w, name));
    types_word(w, type);
    types_word(w, offset * 8);
}

/* What the context of a program type is called in signatures. */
static inline const char *types_context(const struct verify_case *c)
{
    switch (c->type) {
    case 1:
    case 3:
    case 4:
    case 8: return "__sk_buff";
    case 6: return "xdp_md";
    default: return "bpf_user_pt_regs_t";
    }
}

/* `functions` first instructions, of which c->globals are global. */
static inline void case_types(const struct verify_case *c, const struct image_func *functions, uint32_t count,
                              struct case_types *out)
{
    static struct case_types_writer w;
    uint32_t i32, i64, lock, timer, context, pointer, plain, header[6] = {0};
    memset(&w, 0, sizeof w);
    memset(out, 0, sizeof *out);
    w.next = w.length = 1;
    i32 = types_add(&w, "int", KIND_INT, 0, 4);
    types_word(&w, 1u << 24 | 32);
    i64 = types_add(&w, "long", KIND_INT, 0, 8);
    types_word(&w, 1u << 24 | 64);
    lock = types_add(&w, "bpf_spin_lock", KIND_STRUCT, 1, 4);
    types_member(&w, "val", i32, 0);
    timer = types_add(&w, "bpf_timer", KIND_STRUCT, 2, 16);
    types_member(&w, "a", i64, 0);
    types_member(&w, "b", i64, 8);
    context = types_add(&w, types_context(c), KIND_STRUCT, 1, 4);
    types_member(&w, "first", i32, 0);
    pointer = types_add(&w, "", KIND_PTR, 0, context);
    plain = types_add(&w, "", KIND_FUNC_PROTO, 0, i32);
    out->key = i32;
    for (uint32_t m = 0; m < c->map_count; m++) {
        const struct case_map *map = &c->maps[m];
        char name[40];
        if (map->lock < 0 && map->timer < 0)
            continue;
        snprintf(name, sizeof name, "value_%u", m);
        out->values[m] = types_add(&w, name, KIND_STRUCT, (map->lock >= 0) + (map->timer >= 0), map->value_size);
        if (map->lock >= 0 && (map->timer < 0 || map->lock < map->timer))
            types_member(&w, "lock", lock, (uint32_t)map->lock);
        if (map->timer >= 0)
            types_member(&w, "timer", timer, (uint32_t)map->timer);
        if (map->lock >= 0 && map->timer >= 0 && map->lock > map->timer)
            types_member(&w, "lock", lock, (uint32_t)map->lock);
    }
    for (uint32_t f = 0; f < count; f++) {
        const struct case_global *g = NULL;
        uint32_t proto = plain;
        char name[40];
        for (uint32_t i = 0; i < c->global_count; i++)
            if (f && c->globals[i].insn == functions[f].insn)
                g = &c->globals[i];
        if (g) {
            uint32_t args[CASE_ARGS];
            for (uint32_t a = 0; a < g->arg_count; a++) {
                uint32_t pointed;
                switch (g->args[a]) {
                case CASE_ARG_INT: args[a] = i32; break;
                case CASE_ARG_CONTEXT: args[a] = pointer; break;
                default:
                    pointed = i32;
                    if (g->sizes[a] == 8)
                        pointed = i64;
                    else if (g->sizes[a] != 4) {
                        pointed = types_add(&w, "", KIND_ARRAY, 0, 0);
                        types_word(&w, i32);
                        types_word(&w, i32);
                        types_word(&w, g->sizes[a] / 4);
                    }
                    args[a] = types_add(&w, "", KIND_PTR, 0, pointed);
                }
            }
            proto = types_add(&w, "", KIND_FUNC_PROTO, g->arg_count, i32);
            for (uint32_t a = 0; a < g->arg_count; a++) {
                char argument[8];
                snprintf(argument, sizeof argument, "a%u", a);
                types_word(&w, types_string(&w, argument));
                types_word(&w, args[a]);
            }
        }
        snprintf(name, sizeof name, "function_%u", f);
        out->funcs[f] = types_add(&w, name, KIND_FUNC, g || !f ? 1 : 0, proto);
    }
    header[0] = 1u << 16 | 0xeb9f;
    header[1] = 24;
    header[3] = 4 * w.words;
    header[4] = 4 * w.words;
    header[5] = w.length;
    memcpy(out->bytes, header, 24);
    memcpy(out->bytes + 24, w.types, 4 * w.words);
    memcpy(out->bytes + 24 + 4 * w.words, w.strings, w.length);
    out->size = 24 + 4 * w.words + w.length;
}

#endif
