/* SPDX-License-Identifier: MIT
 *
 * Objects that the compilers at hand make from tests/elf/objects, feature by feature, and what the reader must make of
 * them.
 */
#include <sys/stat.h>
#include <unistd.h>
#include "check.h"
#include "elf/object.h"
#include "isa/insn.h"

static const char *const clangs[] = {"clang-14", "clang-16", "clang-19", "clang-22"};
enum { CLANGS = sizeof clangs / sizeof *clangs };

static char folder[64];

static bool have(const char *program)
{
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

/* Compiles objects/NAME.c; false with the compiler's own message on the terminal. */
static bool compile(const char *compiler, const char *flags, const char *name, char *path, size_t size)
{
    char command[1024];
    if (!*folder) {
        snprintf(folder, sizeof folder, "/tmp/winbpf-elf-XXXXXX");
        if (!mkdtemp(folder))
            return false;
    }
    snprintf(path, size, "%s/%s-%s.o", folder, name, compiler);
    snprintf(command, sizeof command, "%s %s -c tests/elf/objects/%s.c -o %s", compiler, flags, name, path);
    return system(command) == 0;
}

__attribute__((destructor)) static void clean(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (*folder && system(command))
        printf("%s stays behind\n", folder);
}

struct opened {
    struct test_job job;
    struct bytes bytes;
    struct elf_object object;
    enum result result;
};

static void open_path(struct opened *o, const char *path, const struct elf_options *options)
{
    o->bytes = test_file(path);
    test_begin(&o->job, path);
    o->result = o->bytes.data ? elf_open(o->bytes, options, &o->job.arena, &o->job.diag, &o->object) : RESULT_IO;
    if (o->result)
        printf("%s: %s\n", path, o->job.error);
}

static void close_opened(struct opened *o)
{
    test_end(&o->job);
    free((void *)(uintptr_t)o->bytes.data);
    CHECK_EQ(o->job.memory.out, 0);
}

static const struct map_spec *map_named(const struct elf_object *object, const char *name)
{
    static const struct map_spec none = {.name = "?"};
    for (uint32_t i = 0; i < object->map_count; i++)
        if (!strcmp(object->maps[i].name, name))
            return &object->maps[i];
    printf("no map %s\n", name);
    return &none;
}

static uint32_t program_named(const struct elf_object *object, const char *name)
{
    for (uint32_t i = 0; i < object->program_count; i++)
        if (!strcmp(object->programs[i].name, name))
            return i;
    return IMAGE_NO_INDEX;
}

static bool kconfig(void *self, const char *name, uint64_t *value)
{
    (void)self;
    *value = 0x060102;
    return !strcmp(name, "LINUX_KERNEL_VERSION") || !strcmp(name, "CONFIG_STRONG");
}

static const struct image_func *func_named(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->func_count; i++)
        if (!strcmp(image->funcs[i].name, name))
            return &image->funcs[i];
    return NULL;
}

static void check_features(const char *compiler)
{
    char path[256];
    struct opened o;
    struct elf_options options = {.kconfig = kconfig};
    REQUIRE(compile(compiler, "-target bpf -O2 -g", "features", path, sizeof path));
    open_path(&o, path, &options);
    REQUIRE(o.result == RESULT_OK);
    struct elf_object *object = &o.object;
    CHECK_EQ(object->personality, PERSONALITY_LINUX);
    CHECK_STR(object->license, "Dual MIT/GPL");
    CHECK_EQ(object->version, 0x60001);
    CHECK_EQ(object->map_count, 12);

    const struct map_spec *map = map_named(object, "flows");
    CHECK_EQ(map->kind, 1);
    CHECK_EQ(map->key_size, 8);
    CHECK_EQ(map->value_size, 8);
    CHECK_EQ(map->max_entries, 64);
    CHECK_EQ(map->flags, 1);
    CHECK_STR(btf_type(object->btf, map->btf_key).name, "flow");
    map = map_named(object, "slots");
    CHECK_EQ(map->value_size, 16);
    CHECK_EQ(map->pinning, 1);
    CHECK_EQ(map->btf_value, 0);
    CHECK_EQ(map_named(object, "bloom")->extra, 5);
    map = map_named(object, "outer");
    CHECK_EQ(map->kind, 12);
    CHECK_EQ(map->value_size, 4);
    REQUIRE(map->inner < object->map_count);
    CHECK_EQ(object->maps[map->inner].max_entries, 8);
    CHECK_EQ(object->maps[map->inner].inner, IMAGE_NO_INDEX);
    map = map_named(object, ".rodata");
    CHECK_EQ(map->frozen, 1);
    CHECK_EQ(map->flags, 1024 | 128);
    CHECK_EQ(map->contents.size, map->value_size);
    CHECK_EQ(load_le32(map->contents.data), 7);
    map = map_named(object, ".data");
    CHECK_EQ(map->flags, 1024);
    CHECK_EQ(map->frozen, 0);
    CHECK_EQ(map->value_size, 8);
    map = map_named(object, ".bss");
    CHECK_EQ(map->contents.size, 0);
    CHECK_EQ(map->value_size, 8);
    map = map_named(object, ".kconfig");
    CHECK_EQ(map->frozen, 1);
    CHECK_EQ(map->value_size, 5);
    uint32_t datasec = map->btf_value;
    CHECK_STR(btf_type(object->btf, datasec).name, ".kconfig");
    bool version_found = false;
    for (uint32_t i = 0; i < btf_type(object->btf, datasec).vlen; i++) {
        struct btf_var_view var = btf_datasec_var(object->btf, datasec, i);
        if (!strcmp(btf_type(object->btf, var.type).name, "LINUX_KERNEL_VERSION")) {
            CHECK_EQ(load_le32(map->contents.data + var.offset), 0x060102);
            version_found = true;
        } else
            CHECK_EQ(map->contents.data[var.offset], 0);
    }
    CHECK(version_found);

    CHECK_EQ(object->program_count, 2);
    uint32_t entry = program_named(object, "entry"), other = program_named(object, "other");
    REQUIRE(entry != IMAGE_NO_INDEX && other != IMAGE_NO_INDEX);
    CHECK(!object->broken[entry] && !object->broken[other]);
    const struct image *image = &object->programs[entry];
    CHECK_STR(image->section, "xdp");
    CHECK_STR(image->license, "Dual MIT/GPL");
    CHECK_EQ(image->prog_type, 6);
    CHECK_EQ(image->func_count, 5);
    CHECK_STR(image->funcs[0].name, "entry");
    const struct image_func *each = func_named(image, "each"), *leaf = func_named(image, "leaf");
    REQUIRE(each && leaf && func_named(image, "middle") && func_named(image, "shared"));
    CHECK_EQ(func_named(image, "shared")->linkage, IMAGE_GLOBAL);
    CHECK_EQ(leaf->linkage, IMAGE_STATIC);
    CHECK_STR(btf_type(object->btf, leaf->btf_type).name, "leaf");
    unsigned callbacks = 0, maps = 0, values = 0, to_leaf = 0;
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_LOCAL)
            to_leaf += i + 1 + (uint32_t)insn->imm == leaf->insn;
        if (!insn_is_lddw(insn))
            continue;
        callbacks += insn_src(insn) == LDDW_SRC_CODE && i + 1 + (uint32_t)insn->imm == each->insn;
        maps += insn_src(insn) == LDDW_SRC_MAP_INDEX;
        values += insn_src(insn) == LDDW_SRC_MAP_INDEX_VALUE;
        i++;
    }
    CHECK_EQ(callbacks, 1);
    CHECK_EQ(to_leaf, 2);
    CHECK_EQ(maps, 5);
    CHECK(values >= 4);
    /* Every function's first instruction has a source line, with its text. */
    for (uint32_t f = 0; f < image->func_count; f++) {
        bool found = false;
        for (uint32_t i = 0; i < image->line_count; i++)
            found |= image->lines[i].insn == image->funcs[f].insn &&
                     strstr(btf_string(object->btf, image->lines[i].file), "features.c") && image->lines[i].line;
        CHECK(found);
    }
    /* Ids that this program calls, each once. */
    unsigned ids = 0;
    for (uint32_t i = 0; i < image->helper_count; i++) {
        int32_t id = image->helpers[i].id;
        CHECK(id == 1 || id == 2 || id == 12 || id == 181);
        ids |= 1u << (id & 31);
    }
    CHECK_EQ(ids, (1u << 1 | 1u << 2 | 1u << 12 | 1u << (181 & 31)));
    CHECK_EQ(image->helper_count, 4);

    CHECK_EQ(object->init_count, 3);
    for (uint32_t i = 0; i < object->init_count; i++) {
        const struct elf_map_init *init = &object->inits[i];
        if (init->is_program) {
            CHECK_STR(object->maps[init->map].name, "jumps");
            CHECK_EQ(init->key, 1);
            CHECK_EQ(init->target, other);
        } else {
            CHECK_STR(object->maps[init->map].name, "outer");
            CHECK_STR(object->maps[init->target].name, init->key ? "second" : "first");
            CHECK(init->key == 0 || init->key == 2);
        }
    }
    /* The patched BTF is good BTF, and every section in it has its size. */
    struct btf *again;
    CHECK_EQ(btf_open(object->btf_bytes, &o.job.arena, &o.job.diag, &again), RESULT_OK);
    for (uint32_t id = 1; id < btf_type_count(again); id++)
        if (btf_type(again, id).kind == BTF_KIND_DATASEC && strcmp(btf_type(again, id).name, ".ksyms"))
            CHECK(btf_type(again, id).size_or_type > 0);
    close_opened(&o);
}

TEST(clang_features)
{
    for (int i = 0; i < CLANGS; i++) {
        if (!have(clangs[i]))
            SKIP("clang-14, clang-16, clang-19 and clang-22 are needed");
        check_features(clangs[i]);
    }
}

static void check_small(const char *compiler, const char *flags)
{
    char path[256];
    struct opened o;
    REQUIRE(compile(compiler, flags, "small", path, sizeof path));
    open_path(&o, path, NULL);
    REQUIRE(o.result == RESULT_OK);
    CHECK_EQ(o.job.warnings, 0);
    CHECK_EQ(o.object.map_count, 5);
    CHECK_EQ(map_named(&o.object, "table")->max_entries, 16);
    CHECK_EQ(map_named(&o.object, "counts")->max_entries, 32);
    CHECK_EQ(map_named(&o.object, ".rodata")->value_size, 16);
    CHECK_EQ(map_named(&o.object, ".bss")->value_size, 4);
    const struct map_spec *data = map_named(&o.object, ".data");
    CHECK_EQ(data->value_size, 8);
    REQUIRE(o.object.program_count == 1);
    CHECK(o.object.broken[0] == NULL);
    const struct image *image = &o.object.programs[0];
    CHECK_EQ(image->func_count, 2);
    CHECK_EQ(image->helper_count, 1);
    /* Which maps and which global variables the code names, whatever the compiler's way to say it. */
    unsigned table = 0, counts = 0, three = 0, eleven = 0;
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        if (!insn_is_lddw(insn))
            continue;
        const struct map_spec *map = &o.object.maps[insn->imm];
        if (insn_src(insn) == LDDW_SRC_MAP_INDEX) {
            table += !strcmp(map->name, "table");
            counts += !strcmp(map->name, "counts");
        } else if (insn_src(insn) == LDDW_SRC_MAP_INDEX_VALUE && map == data) {
            REQUIRE((uint32_t)insn[1].imm + 4 <= data->contents.size);
            three += load_le32(data->contents.data + insn[1].imm) == 3;
            eleven += load_le32(data->contents.data + insn[1].imm) == 11;
        }
        i++;
    }
    CHECK(table && counts && three && eleven);
    close_opened(&o);
}

TEST(every_compiler)
{
    if (!have("bpf-gcc"))
        SKIP("bpf-gcc (gcc-bpf) is needed");
    for (int i = 0; i < CLANGS; i++) {
        check_small(clangs[i], "-target bpf -O2 -g");
        check_small(clangs[i], "-target bpf -O2 -g0");
        check_small(clangs[i], "-target bpf -O2 -g0 -mcpu=v1");
    }
    check_small("bpf-gcc", "-O2 -gbtf");
    check_small("bpf-gcc", "-O2");
}

TEST(rust_legacy_maps)
{
    char path[256] = "/tmp/winbpf-rust-XXXXXX", command[512];
    struct opened o;
    int file = mkstemp(path);
    REQUIRE(file >= 0);
    close(file);
    snprintf(command, sizeof command, "clang-19 -target bpf -c tests/elf/objects/rust.s -o %s", path);
    CHECK_EQ(system(command), 0);
    open_path(&o, path, NULL);
    unlink(path);
    REQUIRE(o.result == RESULT_OK && o.object.program_count == 1 && o.object.map_count == 1);
    CHECK_EQ(o.job.warnings, 0);
    CHECK(!o.object.btf);
    CHECK(!o.object.broken[0]);
    CHECK_STR(o.object.license, "GPL");
    CHECK_STR(o.object.programs[0].name, "count_packets");
    CHECK_EQ(o.object.programs[0].prog_type, 6);
    CHECK_STR(o.object.maps[0].name, "PACKETS");
    CHECK_EQ(o.object.maps[0].kind, 2);
    CHECK_EQ(o.object.maps[0].value_size, 8);
    CHECK_EQ(o.object.maps[0].max_entries, 4);
    unsigned named = 0;
    for (uint32_t i = 0; i < o.object.programs[0].insn_count; i++)
        named += insn_is_lddw(&o.object.programs[0].insns[i]) &&
                 insn_src(&o.object.programs[0].insns[i]) == LDDW_SRC_MAP_INDEX;
    CHECK_EQ(named, 1);
    CHECK_EQ(o.object.programs[0].helper_count, 1);
    CHECK_EQ(o.object.programs[0].helpers[0].id, 1);
    close_opened(&o);
}

/* A pointer in .data cannot be kept; the reader says so, and opens the object. */
TEST(pointers_in_data)
{
    char path[256];
    struct opened o;
    REQUIRE(compile("clang-19", "-target bpf -O2 -g", "pointers", path, sizeof path));
    open_path(&o, path, NULL);
    REQUIRE(o.result == RESULT_OK);
    CHECK_EQ(o.job.warnings, 1);
    CHECK(strstr(o.job.warning, "holds 2 addresses, the first at 0x"));
    CHECK_EQ(o.object.program_count, 1);
    close_opened(&o);
}

TEST(undefined_symbols)
{
    char path[256];
    struct opened o;
    for (int i = 0; i < CLANGS; i++) {
        REQUIRE(compile(clangs[i], "-target bpf -O2 -g", "undefined", path, sizeof path));
        open_path(&o, path, NULL);
        REQUIRE(o.result == RESULT_OK && o.object.program_count == 4);
        uint32_t good = program_named(&o.object, "good"), bad = program_named(&o.object, "bad");
        uint32_t config = program_named(&o.object, "config"), weak = program_named(&o.object, "weak");
        CHECK(!o.object.broken[good]);
        REQUIRE(o.object.broken[bad] && o.object.broken[config]);
        CHECK(strstr(o.object.broken[bad], "'not_there'") && strstr(o.object.broken[bad], "'xdp/bad'"));
        CHECK(strstr(o.object.broken[config], "'CONFIG_STRONG'"));
        CHECK(!o.object.broken[weak]);
        bool poisoned = false;
        for (uint32_t h = 0; h < o.object.programs[weak].helper_count; h++)
            poisoned |= o.object.programs[weak].helpers[h].id == ELF_POISON_HELPER;
        CHECK(poisoned);
        close_opened(&o);
    }
}

/* The constant that program `name` of core.c carries for the other layout: of its first move or load. */
static void expect(const struct elf_object *object, const char *name, bool load, int64_t value)
{
    uint32_t index = program_named(object, name);
    if (index == IMAGE_NO_INDEX || object->broken[index]) {
        printf("%s: %s\n", name, index == IMAGE_NO_INDEX ? "missing" : object->broken[index]);
        CHECK(!"a program of core.c");
        return;
    }
    const struct image *image = &object->programs[index];
    for (uint32_t i = 0; i < image->insn_count; i++) {
        const struct insn *insn = &image->insns[i];
        bool constant = insn->code == 0xb7 || insn->code == 0xb4 || insn_is_lddw(insn);
        if (load ? (insn->code & 7) == 1 : constant) {
            int64_t got = load ? insn->off : insn->imm;
            if (got != value)
                printf("%s: %lld, not %lld\n", name, (long long)got, (long long)value);
            CHECK(got == value);
            return;
        }
    }
    printf("%s: no such instruction\n", name);
    CHECK(!"an instruction with a constant");
}

TEST(core_relocations)
{
    char path[256], target_path[256];
    for (int i = 0; i < CLANGS; i++) {
        struct opened o, target, plain;
        REQUIRE(compile(clangs[i], "-target bpf -O2 -g", "core", path, sizeof path));
        REQUIRE(compile(clangs[i], "-target bpf -O2 -g", "core_target", target_path, sizeof target_path));
        open_path(&target, target_path, NULL);
        open_path(&plain, path, NULL);
        REQUIRE(target.result == RESULT_OK && target.object.btf && plain.result == RESULT_OK);
        struct elf_options options = {.target = target.object.btf};
        open_path(&o, path, &options);
        REQUIRE(o.result == RESULT_OK);
        const struct elf_object *object = &o.object;
        expect(object, "load_moved", true, 12);
        expect(object, "load_narrow", true, 16);
        expect(object, "load_nested", true, 36 + 2 * 8 + 4);
        expect(object, "load_union", true, 80);
        expect(object, "offset_moved", false, 12);
        expect(object, "size_narrow", false, 4);
        expect(object, "exists_moved", false, 1);
        expect(object, "exists_gone", false, 0);
        expect(object, "signed_bits", false, 1);
        expect(object, "lshift_bits", false, 64 - 9);
        expect(object, "rshift_bits", false, 64 - 6);
        expect(object, "type_exists", false, 1);
        expect(object, "type_missing", false, 0);
        expect(object, "type_size", false, 96);
        expect(object, "type_target", false, btf_find(target.object.btf, BTF_KIND_STRUCT, "sock"));
        expect(object, "type_local", false, btf_find(object->btf, BTF_KIND_STRUCT, "sock___local"));
        expect(object, "typedef_exists", false, 1);
        expect(object, "enum_value", false, 40);
        expect(object, "enum_exists", false, 0);
        if (i > 0) {
            expect(object, "deep_matches", false, 1);
            expect(object, "sock_matches", false, 0);
        }
        /* A load whose field grew reads as many bytes as it has now; one whose field is gone cannot be reached. */
        CHECK_EQ(object->programs[program_named(object, "load_narrow")].insns[0].code, 0x61);
        CHECK_EQ(object->programs[program_named(object, "load_union")].insns[0].code, 0x79);
        const struct image *gone = &object->programs[program_named(object, "load_gone")];
        CHECK(gone->helper_count == 1 && gone->helpers[0].id == ELF_POISON_HELPER);
        /* Without a target every constant stays that of the program's own types. */
        expect(&plain.object, "load_moved", true, 4);
        expect(&plain.object, "load_gone", true, 8);
        expect(&plain.object, "exists_gone", false, 1);
        expect(&plain.object, "enum_value", false, 2);
        expect(&plain.object, "enum_exists", false, 1);
        close_opened(&o);
        close_opened(&plain);
        close_opened(&target);
    }
}

/* CO-RE against the running kernel's own types, which are large and real. */
TEST(kernel_types)
{
    struct test_job job;
    struct btf *btf;
    uint32_t size;
    static uint8_t data[32 << 20];
    FILE *file = fopen("/sys/kernel/btf/vmlinux", "rb");
    if (!file)
        SKIP("the running kernel shows no BTF");
    struct bytes bytes = {data, fread(data, 1, sizeof data, file)};
    fclose(file);
    REQUIRE(bytes.size > 0 && bytes.size < sizeof data);
    test_begin(&job, "vmlinux");
    enum result result = btf_open(bytes, &job.arena, &job.diag, &btf);
    if (result)
        printf("%s\n", job.error);
    REQUIRE(result == RESULT_OK);
    uint32_t task = btf_find(btf, BTF_KIND_STRUCT, "task_struct");
    CHECK(task && btf_sizeof(btf, task, &size) == RESULT_OK && size > 1000);
    test_end(&job);
}

TEST_MAIN
