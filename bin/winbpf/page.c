/* SPDX-License-Identifier: MIT
 *
 * winbpf verify --html: one page that needs nothing else.  Per program: the verdict with its story, the control-flow
 * graph as SVG, and source, bytecode and invariants in one table; the path to a refusal is marked in both.
 *
 * The graph is drawn in layers (Sugiyama, Tagawa, Toda 1981): edges that lead back in a depth-first search are put
 * aside, each block stands below all that lead to it, an edge over several layers takes a place in each, blocks of a
 * layer are ordered by the mean place of their neighbours above and below.  Edges that lead back run up a lane at the
 * right.  Functions of the program stand side by side.
 *
 * Everything that comes out of the object is escaped; the page's own script reads only attributes that are numbers.
 */
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "isa/isa.h"
#include "page.inc"
#include "verified.h"

enum {
    LINE_HEIGHT = 15,
    CHAR_WIDTH = 7,
    PADDING = 8,
    GAP_X = 28,
    GAP_Y = 44,
    LANE = 12,
    TEXT_SHOWN = 52,
    BENDS_MOST = 200000, /* beyond: long edges go straight */
    BLOCKS_MOST = 20000,
};

enum edge_kind { EDGE_FALL, EDGE_TAKEN, EDGE_JUMP };

struct block {
    uint32_t first, last; /* instructions; `last` is the last one's first slot */
    uint32_t func, layer, first_edge;
    int32_t x, y, width, height;
    uint8_t state; /* depth-first: 0 new, 1 on the path, 2 done */
    bool on_path;
};

struct edge {
    uint32_t from, to; /* blocks */
    enum edge_kind kind;
    bool back, on_path;
    uint32_t bend, bends; /* nodes of the layers between */
};

/* What stands in a layer: a block, or an edge on its way. */
struct node {
    uint32_t block; /* IMAGE_NO_INDEX: a bend */
    uint32_t layer, func;
    int32_t x, width;
    int32_t y, height; /* of its layer */
    double wanted;
    uint32_t above, below; /* bends: neighbouring nodes */
};

struct graph {
    const struct cli_verified *one;
    const struct image *image;
    struct block *blocks;
    struct edge *edges;
    struct node *nodes; /* the blocks first */
    uint32_t *block_of; /* per instruction */
    uint32_t block_count, edge_count, node_count, bend_count;
    int32_t width, height;
};

static void escape(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c == '\'')
            fputs("&#39;", out);
        else
            fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

static void lines(FILE *out, const char *const *text)
{
    for (; *text; text++)
        fprintf(out, "%s\n", *text);
}

/* ---- the graph ---- */

static bool is_call(const struct insn *insn)
{
    return insn->code == 0x85 || insn->code == 0x8d;
}

static bool jumps(const struct insn *insn, uint32_t at, uint32_t *target)
{
    uint8_t class = insn->code & 7;
    if ((class != 5 && class != 6) || is_call(insn) || insn->code == 0x95)
        return false;
    *target = at + 1 + (uint32_t)(insn->code == 0x06 ? insn->imm : insn->off);
    return true;
}

static bool ends_here(const struct insn *insn)
{
    return insn->code == 0x05 || insn->code == 0x06 || insn->code == 0x95;
}

static uint32_t width_of(const struct image *image, uint32_t at)
{
    return insn_is_lddw(&image->insns[at]) ? 2 : 1;
}

static bool find_blocks(struct graph *g)
{
    const struct image *image = g->image;
    uint32_t count = image->insn_count, func = 0;
    uint8_t *leader = calloc(count + 1u, 1);
    g->block_of = calloc(count + 1u, sizeof *g->block_of);
    g->blocks = calloc(count + 1u, sizeof *g->blocks);
    g->edges = calloc(2u * count + 2u, sizeof *g->edges);
    if (!leader || !g->block_of || !g->blocks || !g->edges) {
        free(leader);
        return false;
    }
    leader[0] = 1;
    for (uint32_t f = 0; f < image->func_count; f++)
        leader[image->funcs[f].insn] = 1;
    for (uint32_t at = 0, target; at < count; at += width_of(image, at)) {
        const struct insn *insn = &image->insns[at];
        bool jump = jumps(insn, at, &target);
        if (jump && target < count)
            leader[target] = 1;
        if ((jump || ends_here(insn)) && at + 1 < count)
            leader[at + 1] = 1;
    }
    for (uint32_t at = 0; at < count; at += width_of(image, at)) {
        while (func + 1 < image->func_count && image->funcs[func + 1].insn <= at)
            func++;
        if (leader[at])
            g->blocks[g->block_count++] = (struct block){.first = at, .func = func};
        g->blocks[g->block_count - 1].last = at;
        g->block_of[at] = g->block_count - 1;
        if (width_of(image, at) == 2)
            g->block_of[at + 1] = g->block_count - 1;
    }
    for (uint32_t b = 0; b < g->block_count; b++) {
        uint32_t at = g->blocks[b].last, target, next = at + width_of(image, at);
        const struct insn *insn = &image->insns[at];
        if (jumps(insn, at, &target) && target < count)
            g->edges[g->edge_count++] =
                (struct edge){.from = b, .to = g->block_of[target], .kind = ends_here(insn) ? EDGE_JUMP : EDGE_TAKEN};
        if (!ends_here(insn) && next < count)
            g->edges[g->edge_count++] = (struct edge){.from = b, .to = g->block_of[next], .kind = EDGE_FALL};
    }
    free(leader);
    return true;
}

/* The edges out of a block lie together: where they begin, how many there are. */
static uint32_t edges_of(const struct graph *g, uint32_t block, const uint32_t *first, uint32_t *count)
{
    *count = first[block + 1] - first[block];
    return first[block];
}

/* Edges that lead back, then layers in reverse postorder. */
static bool find_layers(struct graph *g)
{
    uint32_t *first = calloc(g->block_count + 2u, sizeof *first);
    uint32_t *stack = calloc(g->block_count + 1u, sizeof *stack), *next = calloc(g->block_count + 1u, sizeof *next);
    uint32_t *order = calloc(g->block_count + 1u, sizeof *order), done = 0;
    bool fine = first && stack && next && order;
    for (uint32_t e = 0; fine && e < g->edge_count; e++)
        first[g->edges[e].from + 1] = e + 1;
    for (uint32_t b = 0; fine && b < g->block_count; b++)
        if (first[b + 1] < first[b])
            first[b + 1] = first[b];
    for (uint32_t root = 0; fine && root < g->block_count; root++) {
        uint32_t depth = 0;
        if (g->blocks[root].state)
            continue;
        stack[depth++] = root;
        g->blocks[root].state = 1;
        while (depth) {
            uint32_t b = stack[depth - 1], count, from = edges_of(g, b, first, &count);
            if (next[b] == count) {
                g->blocks[b].state = 2;
                order[done++] = b;
                depth--;
                continue;
            }
            struct edge *edge = &g->edges[from + next[b]++];
            if (g->blocks[edge->to].state == 1) {
                edge->back = true;
            } else if (!g->blocks[edge->to].state) {
                g->blocks[edge->to].state = 1;
                stack[depth++] = edge->to;
            }
        }
    }
    while (fine && done) {
        uint32_t b = order[--done], count, from = edges_of(g, b, first, &count);
        for (uint32_t i = 0; i < count; i++) {
            struct edge *edge = &g->edges[from + i];
            if (!edge->back && g->blocks[edge->to].layer < g->blocks[b].layer + 1)
                g->blocks[edge->to].layer = g->blocks[b].layer + 1;
        }
    }
    free(first);
    free(stack);
    free(next);
    free(order);
    return fine;
}

static void measure(struct graph *g)
{
    for (uint32_t b = 0; b < g->block_count; b++) {
        struct block *block = &g->blocks[b];
        int widest = 8, count = 1;
        for (uint32_t at = block->first; at <= block->last; at += width_of(g->image, at), count++) {
            char text[256];
            cli_insn_text(g->one->elf, g->image, at, text, sizeof text);
            int length = (int)strlen(text) + 7;
            widest = length > widest ? length : widest;
        }
        if (widest > TEXT_SHOWN + 7)
            widest = TEXT_SHOWN + 7;
        block->width = widest * CHAR_WIDTH + 2 * PADDING;
        block->height = count * LINE_HEIGHT + 2 * PADDING;
    }
}

static bool make_nodes(struct graph *g)
{
    uint64_t bends = 0;
    for (uint32_t e = 0; e < g->edge_count; e++)
        if (!g->edges[e].back)
            bends += g->blocks[g->edges[e].to].layer - g->blocks[g->edges[e].from].layer - 1;
    bool straight = bends > BENDS_MOST;
    g->nodes = calloc(g->block_count + (straight ? 0 : (size_t)bends) + 1u, sizeof *g->nodes);
    if (!g->nodes)
        return false;
    for (uint32_t b = 0; b < g->block_count; b++)
        g->nodes[g->node_count++] = (struct node){
            .block = b, .layer = g->blocks[b].layer, .func = g->blocks[b].func, .width = g->blocks[b].width};
    for (uint32_t e = 0; !straight && e < g->edge_count; e++) {
        struct edge *edge = &g->edges[e];
        if (edge->back)
            continue;
        edge->bend = g->node_count;
        for (uint32_t layer = g->blocks[edge->from].layer + 1; layer < g->blocks[edge->to].layer; layer++) {
            uint32_t above = edge->bends ? g->node_count - 1 : edge->from;
            g->nodes[g->node_count++] = (struct node){.block = IMAGE_NO_INDEX,
                                                      .layer = layer,
                                                      .func = g->blocks[edge->from].func,
                                                      .width = LANE,
                                                      .above = above,
                                                      .below = edge->to};
            if (edge->bends)
                g->nodes[g->node_count - 2].below = g->node_count - 1;
            edge->bends++;
        }
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;
    if ((*x)->func != (*y)->func)
        return (*x)->func < (*y)->func ? -1 : 1;
    if ((*x)->layer != (*y)->layer)
        return (*x)->layer < (*y)->layer ? -1 : 1;
    if ((*x)->wanted != (*y)->wanted)
        return (*x)->wanted < (*y)->wanted ? -1 : 1;
    return *x < *y ? -1 : 1;
}

static double middle(const struct node *n)
{
    return n->x + n->width / 2.0;
}

/* Mean place of a node's neighbours, above or below. */
static void wish(struct graph *g, bool above, double *sum, uint32_t *count)
{
    memset(sum, 0, (g->node_count + 1u) * sizeof *sum);
    memset(count, 0, (g->node_count + 1u) * sizeof *count);
    for (uint32_t e = 0; e < g->edge_count; e++) {
        const struct edge *edge = &g->edges[e];
        uint32_t head = edge->bends ? edge->bend : edge->to;
        uint32_t tail = edge->bends ? edge->bend + edge->bends - 1 : edge->from;
        if (edge->back)
            continue;
        uint32_t to = above ? edge->to : edge->from, by = above ? tail : head;
        sum[to] += middle(&g->nodes[by]);
        count[to]++;
        for (uint32_t i = 0; i < edge->bends; i++) {
            uint32_t n = edge->bend + i;
            sum[n] += middle(&g->nodes[above ? g->nodes[n].above : g->nodes[n].below]);
            count[n]++;
        }
    }
    for (uint32_t n = 0; n < g->node_count; n++)
        g->nodes[n].wanted = count[n] ? sum[n] / count[n] : middle(&g->nodes[n]);
}

/* Nodes of a layer in their order, each as near to where it wants to be as its left neighbour lets it. */
static void place_layer(struct node **sorted, uint32_t from, uint32_t to)
{
    double shift = 0;
    int32_t right = INT32_MIN / 2;
    for (uint32_t i = from; i < to; i++) {
        double left = sorted[i]->wanted - sorted[i]->width / 2.0;
        int32_t x = left < -1e8 || left > 1e8 ? 0 : (int32_t)left;
        if (x < right)
            x = right;
        sorted[i]->x = x;
        right = x + sorted[i]->width + GAP_X;
        shift += left - x;
    }
    int32_t by = (int32_t)(shift / (to - from)); /* pushed to the right together, they go back together */
    for (uint32_t i = from; i < to; i++)
        sorted[i]->x += by;
}

static bool lay_out(struct graph *g)
{
    struct node **sorted = calloc(g->node_count + 1u, sizeof *sorted);
    double *sum = calloc(g->node_count + 1u, sizeof *sum);
    uint32_t *count = calloc(g->node_count + 1u, sizeof *count);
    int32_t origin = PADDING;
    bool fine = sorted && sum && count;
    for (uint32_t i = 0; fine && i < g->node_count; i++) {
        sorted[i] = &g->nodes[i];
        sorted[i]->wanted = sorted[i]->block == IMAGE_NO_INDEX ? 1e6 + i : i;
    }
    for (int round = 0; fine && round < 6; round++) {
        if (round)
            wish(g, round & 1, sum, count);
        qsort(sorted, g->node_count, sizeof(*sorted), by_place);
        for (uint32_t from = 0, to; from < g->node_count; from = to) {
            for (to = from; to < g->node_count && sorted[to]->func == sorted[from]->func &&
                            sorted[to]->layer == sorted[from]->layer;)
                to++;
            if (!round)
                for (uint32_t i = from; i < to; i++)
                    sorted[i]->wanted = (double)(i - from) * 200.0 - (double)(to - from) * 100.0;
            place_layer(sorted, from, to);
        }
    }
    for (uint32_t from = 0, to; fine && from < g->node_count; from = to) { /* functions side by side */
        int32_t left = INT32_MAX, right = INT32_MIN, y = PADDING + LINE_HEIGHT;
        uint32_t lanes = 0, func = sorted[from]->func;
        for (to = from; to < g->node_count && sorted[to]->func == func; to++) {
            left = sorted[to]->x < left ? sorted[to]->x : left;
            right = sorted[to]->x + sorted[to]->width > right ? sorted[to]->x + sorted[to]->width : right;
        }
        for (uint32_t e = 0; e < g->edge_count; e++)
            lanes += g->edges[e].back && g->blocks[g->edges[e].from].func == func;
        for (uint32_t i = from, end; i < to; i = end) {
            int32_t tallest = 0;
            for (end = i; end < to && sorted[end]->layer == sorted[i]->layer; end++) {
                struct node *n = sorted[end];
                n->x += origin - left;
                if (n->block == IMAGE_NO_INDEX)
                    continue;
                struct block *block = &g->blocks[n->block];
                block->x = n->x;
                block->y = y;
                tallest = block->height > tallest ? block->height : tallest;
            }
            for (uint32_t k = i; k < end; k++) {
                sorted[k]->y = y;
                sorted[k]->height = tallest;
            }
            y += tallest + GAP_Y;
        }
        g->height = y > g->height ? y : g->height;
        origin += right - left + 2 * GAP_X + (int32_t)lanes * LANE;
    }
    g->width = origin;
    free(sorted);
    free(sum);
    free(count);
    return fine;
}

static void mark_path(struct graph *g)
{
    const struct verify_result *r = &g->one->result;
    uint32_t e = 0;
    for (uint32_t b = 0; b < g->block_count; b++) { /* edges lie in the order of their blocks */
        while (e < g->edge_count && g->edges[e].from < b)
            e++;
        g->blocks[b].first_edge = e;
    }
    for (uint32_t i = 0; i < r->path_count; i++) {
        uint32_t at = r->path[i], b = g->block_of[at];
        g->blocks[b].on_path = true;
        if (i + 1 == r->path_count || at != g->blocks[b].last)
            continue;
        uint32_t to = g->block_of[r->path[i + 1]];
        if (g->blocks[to].first != r->path[i + 1])
            continue;
        const struct insn *insn = &g->image->insns[at];
        uint32_t target, next = at + width_of(g->image, at);
        bool taken = jumps(insn, at, &target) && target == r->path[i + 1];
        for (e = g->blocks[b].first_edge; e < g->edge_count && g->edges[e].from == b; e++)
            if (g->edges[e].to == to && (g->edges[e].kind == EDGE_FALL ? !taken && next == r->path[i + 1] : taken))
                g->edges[e].on_path = true;
    }
}

/* ---- drawing ---- */

static void draw_edge(FILE *out, const struct graph *g, const struct edge *edge, size_t number, int32_t lane)
{
    static const char *const kinds[] = {"fall", "taken", "jump"};
    const struct block *from = &g->blocks[edge->from], *to = &g->blocks[edge->to];
    int32_t x = from->x + from->width * (edge->kind == EDGE_TAKEN ? 2 : 1) / (edge->kind == EDGE_JUMP ? 2 : 3);
    int32_t y = from->y + from->height, end_x = to->x + to->width / 2, end_y = to->y - 1;
    fprintf(out, "<path class=\"edge %s%s%s\" data-edge=\"%u-%u\" d=\"M%d %d", kinds[edge->kind],
            edge->back ? " back" : "", edge->on_path ? " failing" : "", from->first, to->first, x, y);
    if (edge->back) {
        fprintf(out, " v%d H%d V%d H%d V%d", GAP_Y / 3, lane, to->y - GAP_Y / 3, end_x + 6, end_y);
    } else {
        int32_t last_x = x, last_y = y;
        for (uint32_t i = 0; i <= edge->bends; i++) {
            int32_t next_x = end_x, next_y = end_y;
            if (i < edge->bends) { /* down the whole of its layer */
                const struct node *n = &g->nodes[edge->bend + i];
                next_x = n->x + n->width / 2;
                next_y = n->y;
            }
            int32_t half = (next_y - last_y) / 2;
            fprintf(out, " C%d %d %d %d %d %d", last_x, last_y + half, next_x, next_y - half, next_x, next_y);
            last_x = next_x;
            last_y = next_y;
            if (i < edge->bends) {
                last_y += g->nodes[edge->bend + i].height;
                fprintf(out, " V%d", last_y);
            }
        }
    }
    fprintf(out, "\" marker-end=\"url(#arrow%s-%zu)\"/>\n", edge->on_path ? "-failing" : "", number);
}

static void draw_block(FILE *out, const struct graph *g, const struct block *block, size_t number)
{
    const struct verify_result *r = &g->one->result;
    const char *name = NULL;
    int32_t y = block->y + PADDING + LINE_HEIGHT - 4;
    bool dead = r->insns && !(r->insns[block->first] & INSN_SEEN) && r->verdict == VERIFY_ACCEPT;
    for (uint32_t f = 0; f < g->image->func_count; f++)
        if (g->image->funcs[f].insn == block->first)
            name = g->image->funcs[f].name;
    if (name) {
        fprintf(out, "<text class=\"func\" x=\"%d\" y=\"%d\">", block->x, block->y - 6);
        escape(out, name);
        fputs("()</text>\n", out);
    }
    fprintf(out,
            "<g class=\"block%s%s\" data-block=\"%u\" data-program=\"%zu\"><rect x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\" rx=\"4\"/>",
            block->on_path ? " failing" : "", dead ? " dead" : "", block->first, number, block->x, block->y,
            block->width, block->height);
    struct verify_place place;
    fprintf(out, "<text class=\"where\" x=\"%d\" y=\"%d\">", block->x + PADDING, y);
    if (verify_place(g->image, block->first, &place)) {
        const char *slash = strrchr(place.file, '/');
        escape(out, slash ? slash + 1 : place.file);
        fprintf(out, ":%u", place.line);
    }
    fputs("</text>", out);
    for (uint32_t at = block->first; at <= block->last; at += width_of(g->image, at)) {
        char text[256];
        y += LINE_HEIGHT;
        cli_insn_text(g->one->elf, g->image, at, text, sizeof text);
        if (strlen(text) > TEXT_SHOWN)
            memcpy(text + TEXT_SHOWN - 3, "...", 4);
        fprintf(out, "<text%s x=\"%d\" y=\"%d\">%5u  ",
                r->verdict == VERIFY_REJECT && at == r->insn ? " class=\"refused\"" : "", block->x + PADDING, y, at);
        escape(out, text);
        fputs("</text>", out);
    }
    fputs("</g>\n", out);
}

static void draw(FILE *out, struct graph *g, size_t number)
{
    int32_t lane_of_func = 0;
    uint32_t func = IMAGE_NO_INDEX, lanes = 0;
    fprintf(out, "<div class=\"graph\"><svg width=\"%d\" height=\"%d\" xmlns=\"http://www.w3.org/2000/svg\">\n",
            g->width, g->height);
    for (int failing = 0; failing < 2; failing++)
        fprintf(out,
                "<marker id=\"arrow%s-%zu\" class=\"arrow%s\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
                "markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>\n",
                failing ? "-failing" : "", number, failing ? " failing" : "");
    for (uint32_t e = 0; e < g->edge_count; e++) {
        const struct edge *edge = &g->edges[e];
        if (g->blocks[edge->from].func != func) {
            func = g->blocks[edge->from].func;
            lane_of_func = 0;
            lanes = 0;
            for (uint32_t b = 0; b < g->block_count; b++)
                if (g->blocks[b].func == func && g->blocks[b].x + g->blocks[b].width > lane_of_func)
                    lane_of_func = g->blocks[b].x + g->blocks[b].width;
            for (uint32_t n = g->block_count; n < g->node_count; n++)
                if (g->nodes[n].func == func && g->nodes[n].x + g->nodes[n].width > lane_of_func)
                    lane_of_func = g->nodes[n].x + g->nodes[n].width;
        }
        draw_edge(out, g, edge, number, lane_of_func + LANE * (int32_t)(edge->back ? ++lanes : 0));
    }
    for (uint32_t b = 0; b < g->block_count; b++)
        draw_block(out, g, &g->blocks[b], number);
    fputs("</svg></div>\n", out);
}

static void draw_table(FILE *out, const struct graph *g, size_t number)
{
    const struct verify_result *r = &g->one->result;
    uint32_t shown = 0, count = g->image->insn_count;
    uint8_t *path = calloc(count + 1u, 1);
    for (uint32_t i = 0; path && i < r->path_count; i++)
        path[r->path[i]] = 1;
    fprintf(out, "<table><thead><tr><th>source</th><th>#</th><th>bytecode</th><th>%s</th></tr></thead><tbody>\n",
            r->verdict == VERIFY_ACCEPT ? "known before it" : "seen before it, until the walk ended");
    for (uint32_t at = 0; at < count; at += width_of(g->image, at)) {
        struct verify_place place;
        char text[512];
        bool known = verify_place(g->image, at, &place);
        bool refused = r->verdict == VERIFY_REJECT && at == r->insn;
        const char *invariants = r->invariants ? r->invariants[at] : "";
        fprintf(out,
                "<tr class=\"%s%s%s%s\" data-insn=\"%u\" data-program=\"%zu\" data-line=\"%u\"><td class=\"source\">",
                path && path[at] ? "failing " : "", refused ? "refused " : "",
                g->blocks[g->block_of[at]].first == at ? "first " : "",
                r->insns && r->verdict == VERIFY_ACCEPT && !(r->insns[at] & INSN_SEEN) ? "dead" : "", at, number,
                known ? place.line : 0);
        if (known && place.line != shown) {
            const char *source = place.source, *slash = strrchr(place.file, '/');
            while (*source == ' ' || *source == '\t')
                source++;
            fputs("<span class=\"where\">", out);
            escape(out, slash ? slash + 1 : place.file);
            fprintf(out, ":%u</span> ", place.line);
            escape(out, source);
            shown = place.line;
        }
        fprintf(out, "</td><td class=\"at\">%u</td><td class=\"insn\">", at);
        cli_insn_text(g->one->elf, g->image, at, text, sizeof text);
        escape(out, text);
        if (refused) {
            fputs("<div class=\"why\">", out);
            escape(out, r->message);
            fputs("</div>", out);
        }
        fputs("</td><td class=\"known\">", out);
        for (const char *from = invariants, *end; *from; from = end) {
            char part[2048];
            size_t length = (end = strstr(from, " | ")) ? (size_t)(end - from) : strlen(from);
            snprintf(part, sizeof part, "%.*s", (int)(length < sizeof part ? length : sizeof part - 1), from);
            fputs("<div>", out);
            escape(out, part);
            fputs("</div>", out);
            end = end ? end + 3 : from + length;
        }
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
    free(path);
}

static void draw_verdict(FILE *out, const struct cli_verified *one)
{
    const struct verify_result *r = &one->result;
    struct verify_place place;
    fprintf(out, "<p class=\"facts\">type %s, %u instructions, verified in %.0f &micro;s and %zu KiB, %llu steps",
            one->type, one->image->insn_count, one->microseconds, (one->peak_bytes + 1023) / 1024,
            (unsigned long long)r->steps);
    if (r->worst_case != UINT64_MAX)
        fprintf(out, "; a run takes at most %llu instructions", (unsigned long long)r->worst_case);
    fputs("</p>\n", out);
    if (r->verdict == VERIFY_ACCEPT)
        return;
    fprintf(out, "<div class=\"diagnostic\"><p><b>%s: ", verify_reason_code(r->reason));
    escape(out, verify_reason_title(r->reason));
    fputs("</b></p><p class=\"message\">", out);
    if (!one->refused_shape && verify_place(one->image, r->insn, &place)) {
        escape(out, place.file);
        fprintf(out, ":%u:%u: ", place.line, place.column);
    }
    escape(out, r->message);
    fputs("</p>\n", out);
    if (r->event_count) {
        fputs("<ol class=\"events\">\n", out);
        for (uint32_t i = 0; i < r->event_count; i++) {
            char text[256];
            if (!*r->events[i].text)
                continue;
            cli_insn_text(one->elf, one->image, r->events[i].insn, text, sizeof text);
            fprintf(out, "<li data-insn=\"%u\"><span class=\"at\">%u</span> <code>", r->events[i].insn,
                    r->events[i].insn);
            escape(out, text);
            fputs("</code> ", out);
            escape(out, r->events[i].text);
            fputs("</li>\n", out);
        }
        fputs("</ol>\n", out);
    }
    if (*cli_reason_help(r->reason)) {
        fputs("<p class=\"help\">What helps: ", out);
        escape(out, cli_reason_help(r->reason));
        fputs("</p>\n", out);
    }
    fputs("</div>\n", out);
}

void cli_page_begin(FILE *out, size_t files)
{
    (void)files;
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>winbpf verify</title>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "script-src 'unsafe-inline'\">\n<style>\n",
          out);
    lines(out, page_css);
    fputs("</style></head><body>\n<h1>winbpf verify</h1><nav id=\"programs\"></nav>\n", out);
}

void cli_page_program(FILE *out, const struct cli_verified *one, size_t number)
{
    struct graph g = {.one = one, .image = one->image};
    fprintf(out,
            "<section class=\"program\" id=\"program-%zu\" data-verdict=\"%s\"><h2><span class=\"badge %s\">%s</span> ",
            number, cli_verdict_name(one->result.verdict), cli_verdict_name(one->result.verdict),
            cli_verdict_name(one->result.verdict));
    escape(out, one->image->name);
    fputs(" <small>", out);
    escape(out, one->object);
    fputs(", section ", out);
    escape(out, one->image->section);
    fputs("</small></h2>\n", out);
    draw_verdict(out, one);
    if (!one->refused_shape && one->image->insn_count) {
        if (find_blocks(&g) && find_layers(&g)) {
            measure(&g);
            mark_path(&g);
            if (g.block_count > BLOCKS_MOST)
                fprintf(out, "<p class=\"facts\">The control-flow graph has %u blocks, too many to draw.</p>\n",
                        g.block_count);
            else if (make_nodes(&g) && lay_out(&g))
                draw(out, &g, number);
            draw_table(out, &g, number);
        } else {
            fputs("<p>There was no memory to draw it.</p>\n", out);
        }
    }
    free(g.blocks);
    free(g.edges);
    free(g.nodes);
    free(g.block_of);
    fputs("</section>\n", out);
}

void cli_page_end(FILE *out)
{
    fputs("<script>\n", out);
    lines(out, page_js);
    fputs("</script></body></html>\n", out);
}
