/* SPDX-License-Identifier: MIT
 *
 * The cases of tests/verify/cases before the verifier, and, where there is one, before the running kernel's: verdict
 * and code are compared with what the case says, the kernel's verdict with ours or with the difference that the case
 * gives a reason for.  A difference that is none any longer fails too.  Every reason to refuse has a case that it
 * refuses and one that comes close and is accepted.
 */
#include <dirent.h>
#include <linux/capability.h>
#include "btf/btf.h"
#include "contract/kernel.h"
#include "verify/case_types.h"

static const char directory[] = "tests/verify/cases";
enum { AT_LEAST = 300 };

/* Reasons for which no program can be refused here, or none accepted beside it. */
static const struct {
    enum verify_reason reason;
    bool reject, accept;
    const char *why;
} beyond[] = {
    {REASON_ITERATOR, true, true, "numeric iterators are made by kernel functions, which no program here may call"},
    {REASON_KFUNC, true, true, "a call of a kernel function is no part of any image"},
    {REASON_STACK_DEPTH, true, false, "every frame has a stack of its own, and how many there are is V0406's"},
    {REASON_INSTRUCTION, true, true, "an instruction that is none is no part of any image"},
    {REASON_MALFORMED, true, true, "what image_check() refuses is no image: tests/image has the cases"},
};

struct judge {
    uint32_t cases, failures, known, asked, agreed, differ, silent;
    uint32_t seen[REASONS][2];
    bool quiet;         /* of the judge's own test */
    const char *kernel; /* why the kernel is not asked; NULL: it is */
    struct verify_case current;
};

static void fail(struct judge *j, const char *format, ...)
{
    va_list arguments;
    j->failures++;
    if (j->quiet)
        return;
    printf("%s: %s: ", j->current.file, j->current.name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* ---- the verifier ---- */

static uint32_t same_index(void *self, int32_t handle)
{
    const struct verify_case *c = self;
    return handle >= 0 && (uint32_t)handle < c->map_count ? (uint32_t)handle : IMAGE_NO_INDEX;
}

static void say(void *self, enum diag_level level, const char *line)
{
    (void)level;
    snprintf(self, 200, "%s", line);
}

/* The image of a case in `arena`; false, with a line, for one that is none. */
static bool make_image(struct judge *j, struct arena *arena, struct image *image, struct case_types *types)
{
    struct verify_case *c = &j->current;
    static struct map_spec maps[CASE_MAPS];
    static struct image_func funcs[256];
    char words[200] = "";
    struct diag diag = {.emit = say, .self = words};
    memset(image, 0, sizeof *image);
    image->name = "case";
    image->section = image->license = "";
    image->personality = c->personality;
    image->prog_type = c->type;
    image->attach_type = c->attach;
    image->prog_flags = c->sleepable ? PROG_FLAG_SLEEPABLE : 0;
    if (image_from_insns(c->insns, (uint32_t)c->insn_count, arena, &diag, same_index, c, image) != RESULT_OK ||
        image_find_funcs(arena, image) != RESULT_OK || image->func_count > 256) {
        fail(j, "no program: %s", words);
        return false;
    }
    case_types(c, image->funcs, image->func_count, types);
    for (uint32_t f = 0; f < image->func_count; f++) {
        funcs[f] = image->funcs[f];
        funcs[f].btf_type = types->funcs[f];
        funcs[f].linkage = f ? IMAGE_STATIC : IMAGE_GLOBAL;
        for (uint32_t g = 0; g < c->global_count; g++)
            if (c->globals[g].insn == funcs[f].insn)
                funcs[f].linkage = IMAGE_GLOBAL;
    }
    image->funcs = funcs;
    for (uint32_t m = 0; m < c->map_count; m++) {
        const struct case_map *from = &c->maps[m];
        maps[m] = (struct map_spec){.name = from->name,
                                    .kind = from->kind,
                                    .key_size = from->key_size,
                                    .value_size = from->value_size,
                                    .max_entries = from->max_entries,
                                    .flags = from->flags,
                                    .inner = IMAGE_NO_INDEX,
                                    .btf_value = types->values[m],
                                    .btf_key = types->values[m] ? types->key : 0,
                                    .personality = c->personality,
                                    .frozen = from->frozen,
                                    .contents = {from->bytes, from->byte_count}};
        for (uint32_t i = 0; *from->inner && i < c->map_count; i++)
            if (!strcmp(c->maps[i].name, from->inner))
                maps[m].inner = i;
    }
    image->maps = maps;
    image->map_count = c->map_count;
    image->btf = (struct bytes){types->bytes, types->size};
    if (image_check(image, &diag) != RESULT_OK) {
        fail(j, "no image: %s", words);
        return false;
    }
    return true;
}

static void judge_ours(struct judge *j, struct image *image)
{
    const struct verify_case *c = &j->current;
    struct verify_result result;
    struct btf *btf = NULL;
    struct arena arena;
    const struct helper_proto **protos;
    struct verify_input input = {.image = image,
                                 .contract = contract_program(c->personality, c->type),
                                 .max_steps = c->max_steps,
                                 .max_insns = c->max_insns,
                                 .flags = (c->unprivileged ? 0 : VERIFY_POINTER_LEAKS | VERIFY_UNINIT_STACK) |
                                          (c->strict ? VERIFY_STRICT_ALIGN : 0)};
    bool accepted;
    arena_init(&arena, &kernel_memory, c->max_bytes ? c->max_bytes : VERIFY_BYTES);
    if (btf_open(image->btf, &arena, NULL, &btf) != RESULT_OK) {
        fail(j, "its BTF is broken");
        arena_release(&arena);
        return;
    }
    input.btf = btf;
    protos = arena_array(&arena, image->helper_count + 1, sizeof *protos);
    for (uint32_t i = 0; i < image->helper_count; i++)
        protos[i] = contract_helper_proto(c->personality, c->type, image->helpers[i].id);
    input.helpers = protos;
    if (!input.contract || verify(&input, &arena, &result) != RESULT_OK) {
        fail(j, "cannot be verified");
        arena_release(&arena);
        return;
    }
    accepted = result.verdict == VERIFY_ACCEPT;
    if (accepted != c->accept || (!accepted && result.reason != c->reason && result.reason != c->otherwise)) {
        if (*c->known) {
            j->known++;
            if (!j->quiet)
                printf("known: %s: %s: %s\n", c->file, c->name, c->known);
        } else {
            fail(j, "should be %s %s, is %s %s at instruction %u: %s", c->accept ? "accepted, near" : "rejected for",
                 verify_reason_code(c->reason), accepted ? "accepted" : "rejected for",
                 accepted ? "" : verify_reason_code(result.reason), result.insn, result.message);
        }
    } else if (*c->known) {
        fail(j, "is known as wrong and is right");
    }
    arena_release(&arena);
}

/* ---- the kernel ---- */

struct kernel_map {
    uint32_t kind, key_size, value_size, max_entries, flags, inner_fd, numa_node;
    char name[16];
    uint32_t ifindex, btf_fd, btf_key, btf_value, vmlinux_value;
    uint64_t extra;
};

struct kernel_update {
    uint32_t fd, padding;
    uint64_t key, value, flags;
};

struct kernel_btf {
    uint64_t bytes, log;
    uint32_t size, log_size, log_level, padding;
};

struct kernel_func {
    uint32_t insn, type;
};

/* An unprivileged case is one without CAP_PERFMON. */
static bool set_perfmon(bool on)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return false;
    for (int i = 0; i < 2; i++)
        data[i].effective = on ? data[i].permitted : 0;
    if (!on) { /* CAP_NET_ADMIN, CAP_BPF */
        data[0].effective = data[0].permitted & 1u << 12;
        data[1].effective = data[1].permitted & 1u << (39 - 32);
    }
    return !syscall(SYS_capset, &header, data);
}

static int make_map(const struct verify_case *c, uint32_t m, int *fds, int btf_fd, const struct case_types *types)
{
    const struct case_map *from = &c->maps[m];
    struct kernel_map map = {.kind = from->kind,
                             .key_size = from->key_size,
                             .value_size = from->value_size,
                             .max_entries = from->max_entries,
                             .flags = from->flags | (from->frozen ? 1u << 7 : 0)};
    int fd;
    if (*from->inner) {
        map.value_size = 4;
        for (uint32_t i = 0; i < m; i++)
            if (!strcmp(c->maps[i].name, from->inner))
                map.inner_fd = (uint32_t)fds[i];
    }
    if (types->values[m]) {
        map.btf_fd = (uint32_t)btf_fd;
        map.btf_key = types->key;
        map.btf_value = types->values[m];
    }
    fd = kernel_bpf(COMMAND_MAP_CREATE, &map, sizeof map);
    if (fd >= 0 && from->frozen) {
        uint8_t value[4096] = {0};
        uint32_t key = 0;
        struct kernel_update update = {.fd = (uint32_t)fd, .key = (uintptr_t)&key, .value = (uintptr_t)value};
        memcpy(value, from->bytes, from->byte_count);
        (void)kernel_bpf(COMMAND_MAP_UPDATE, &update, sizeof update);
        update = (struct kernel_update){.fd = (uint32_t)fd};
        (void)kernel_bpf(COMMAND_MAP_FREEZE, &update, 4);
    }
    return fd;
}

static void judge_kernel(struct judge *j, const struct image *image, const struct case_types *types)
{
    const struct verify_case *c = &j->current;
    static struct insn insns[CASE_INSNS];
    struct kernel_btf btf = {.bytes = (uintptr_t)types->bytes, .size = types->size};
    struct kernel_func funcs[256];
    int fds[CASE_MAPS], btf_fd = kernel_bpf(COMMAND_BTF_LOAD, &btf, 28), fd = -1;
    bool ready = btf_fd >= 0, kernel;
    for (uint32_t m = 0; m < c->map_count; m++)
        fds[m] = -1;
    if (btf_fd < 0)
        fail(j, "the kernel does not take its BTF: %d", btf_fd);
    for (uint32_t m = 0; ready && m < c->map_count; m++) {
        fds[m] = make_map(c, m, fds, btf_fd, types);
        if (fds[m] < 0) {
            fail(j, "the kernel makes no map %s: %d", c->maps[m].name, fds[m]);
            ready = false;
        }
    }
    if (ready) {
        struct kernel_load load = {.type = c->type,
                                   .insn_count = (uint32_t)c->insn_count,
                                   .insns = (uintptr_t)insns,
                                   .license = (uintptr_t) "GPL",
                                   .flags = (c->strict ? 1u : 0) | (c->sleepable ? PROG_FLAG_SLEEPABLE : 0),
                                   .attach_type = c->attach,
                                   .btf_fd = (uint32_t)btf_fd,
                                   .func_info_size = sizeof *funcs,
                                   .func_info = (uintptr_t)funcs,
                                   .func_info_count = image->func_count};
        memcpy(insns, c->insns, c->insn_count * sizeof *insns);
        for (size_t i = 0; i < c->insn_count; i++)
            if (insn_is_lddw(&insns[i])) {
                unsigned src = insn_src(&insns[i]);
                if (src == LDDW_SRC_MAP_FD || src == LDDW_SRC_MAP_VALUE)
                    insns[i].imm = fds[insns[i].imm];
                i++;
            }
        for (uint32_t f = 0; f < image->func_count; f++)
            funcs[f] = (struct kernel_func){image->funcs[f].insn, types->funcs[f]};
        kernel_log[0] = 0;
        if (c->unprivileged && !set_perfmon(false))
            fail(j, "the capability cannot be dropped");
        fd = kernel_bpf(COMMAND_PROG_LOAD, &load, sizeof load);
        if (fd < 0 && c->kernel == CASE_AS_OURS && c->accept) { /* once more, for its words */
            load.log_level = 1;
            load.log_size = sizeof kernel_log;
            load.log = (uintptr_t)kernel_log;
            (void)kernel_bpf(COMMAND_PROG_LOAD, &load, sizeof load);
        }
        if (c->unprivileged && !set_perfmon(true))
            fail(j, "the capability does not come back");
        kernel = fd >= 0;
        if (fd < 0 && fd != -EINVAL && fd != -EACCES && fd != -EPERM && fd != -E2BIG && fd != -EFAULT &&
            fd != -ENOENT && fd != -EOPNOTSUPP && fd != -524)
            fail(j, "the kernel answers %d", fd);
        j->asked++;
        if (c->kernel == CASE_AS_OURS && kernel != c->accept) {
            size_t length = strlen(kernel_log), from = length > 700 ? length - 700 : 0;
            fail(j, "is %s, and the kernel %s it (%d): %s", c->accept ? "accepted" : "rejected",
                 kernel ? "accepts" : "rejects", fd, kernel ? "" : kernel_log + from);
        } else if (c->kernel == CASE_AS_OURS) {
            j->agreed++;
        } else if (kernel != (c->kernel == CASE_KERNEL_ACCEPTS) || kernel == c->accept) {
            fail(j, "no longer differs from the kernel (%d) as it says: %s", fd, c->why);
        } else {
            j->differ++;
        }
    }
    if (fd >= 0)
        close(fd);
    for (uint32_t m = 0; m < c->map_count; m++)
        if (fds[m] >= 0)
            close(fds[m]);
    if (btf_fd >= 0)
        close(btf_fd);
}

/* ---- all of them ---- */

static void judge_text(struct judge *j, const char *file, const char *text)
{
    static struct case_types types;
    struct case_reader *r = calloc(1, sizeof *r);
    r->file = file;
    r->at = text;
    r->quiet = j->quiet;
    while (case_next(r, &j->current)) {
        struct arena arena;
        struct image image;
        j->cases++;
        j->seen[j->current.reason][j->current.accept] += !*j->current.known;
        arena_init(&arena, &kernel_memory, 64u << 20);
        if (make_image(j, &arena, &image, &types)) {
            judge_ours(j, &image);
            if (j->current.personality != PERSONALITY_LINUX || j->current.kernel == CASE_KERNEL_NONE)
                j->silent++;
            else if (!j->kernel)
                judge_kernel(j, &image, &types);
        }
        arena_release(&arena);
    }
    j->failures += r->failed;
    free(r);
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1u << 20);
    if (!file || !text) {
        free(text);
        return NULL;
    }
    text[fread(text, 1, (1u << 20) - 1, file)] = 0;
    fclose(file);
    return text;
}

static bool is_beyond(int reason, bool accept)
{
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if ((int)beyond[i].reason == reason && (accept ? beyond[i].accept : beyond[i].reject))
            return true;
    return false;
}

/* Reasons that lack a side, and sides that are beyond reach and have cases. */
static uint32_t missing(const struct judge *j, bool print)
{
    uint32_t count = 0;
    for (int reason = 1; reason < REASONS; reason++)
        for (int accept = 0; accept < 2; accept++) {
            bool there = j->seen[reason][accept] != 0;
            if (there != is_beyond(reason, accept))
                continue;
            count++;
            if (print)
                printf("%s (%s): %s\n", verify_reason_code((enum verify_reason)reason),
                       verify_reason_title((enum verify_reason)reason),
                       there    ? "is listed as beyond reach and has a case"
                       : accept ? "has no accepted case near it"
                                : "refuses no case");
        }
    return count;
}

static int is_cases(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && !strcmp(dot, ".cases");
}

TEST(cases)
{
    static struct judge j;
    struct dirent **entries;
    const char *why = NULL;
    int count = scandir(directory, &entries, is_cases, alphasort);
    REQUIRE(count > 0);
    if (!kernel_ready(&why))
        j.kernel = why;
    for (int i = 0; i < count; i++) {
        char path[300];
        char *text;
        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        text = read_text(path);
        CHECK(text != NULL);
        if (text)
            judge_text(&j, path, text);
        free(text);
        free(entries[i]);
    }
    free(entries);
    printf("%u cases, %u of them known to be judged wrongly; ", j.cases, j.known);
    if (j.kernel)
        printf("the kernel is not asked: %s\n", j.kernel);
    else
        printf("the kernel was asked %u times: it agreed %u times and differed %u times for a stated reason; %u it "
               "cannot be asked\n",
               j.asked, j.agreed, j.differ, j.silent);
    CHECK_EQ(j.failures, 0);
    CHECK_EQ(missing(&j, true), 0);
    CHECK(j.known <= 5);
    CHECK(j.cases >= AT_LEAST);
    if (!j.kernel)
        CHECK(j.asked + j.silent == j.cases && j.agreed >= AT_LEAST * 2 / 3);
}

/* The judge before cases that say what is not so: each is one failure. */
TEST(judge)
{
    static const char good[] = "case good\n    mov r0, 1; exit\naccept V0101\n";
    static const char *const bad[] = {
        "case wrong verdict\n    mov r0, 1; exit\nreject V0101\nkernel none: of no interest\n",
        "case wrong code\n    mov r0, r3; exit\nreject V0102\n",
        "case accepted though refused\n    mov r0, r3; exit\naccept V0101\nkernel none: of no interest\n",
        "case known and right\n    mov r0, 1; exit\naccept V0101\nknown it is not\n",
        "case no program\n    mov r0, 1; exitus\naccept V0101\n",
        "case no verdict\n    mov r0, 1; exit\n",
        "case no reason\n    mov r0, 1; exit\naccept V9999\n",
        "case a map that is none\nmap m hash 4 8\n    mov r0, 1; exit\naccept V0101\n",
        "case a difference without a reason\n    mov r0, 1; exit\naccept V0101\nkernel reject\n",
    };
    static const char *const kernel[] = {
        "case stale difference\n    mov r0, 1; exit\naccept V0101\nkernel reject: it never did\n",
        "case no difference at all\n    mov r0, 1; exit\naccept V0101\nkernel accept: as we do\n",
        "case a map that cannot be\nmap m hash 0 8 1\n    mov r0, 1; exit\naccept V0101\n",
    };
    static struct judge j;
    const char *why;
    j.quiet = true;
    j.kernel = "not now";
    judge_text(&j, "good", good);
    CHECK_EQ(j.failures, 0);
    CHECK_EQ(j.cases, 1);
    CHECK_EQ(missing(&j, false), 2 * (REASONS - 1) - 1 - 9);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        j.failures = 0;
        judge_text(&j, "meant to fail", bad[i]);
        CHECK_EQ(j.failures, 1);
    }
    if (!kernel_ready(&why))
        SKIP(why);
    j.kernel = NULL;
    for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++) {
        j.failures = 0;
        judge_text(&j, "meant to fail", kernel[i]);
        CHECK_EQ(j.failures, 1);
    }
}

TEST_MAIN
