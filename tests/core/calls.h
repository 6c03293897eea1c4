/* SPDX-License-Identifier: MIT
 *
 * Calls of bpf() that each do one thing, right or wrong: what every command makes of it.  Who includes this says how a
 * side's bpf() is called and its descriptors are closed, before it includes us:
 *
 *   static int call(const struct side *side, uint32_t command, union bpf_attr *attr, uint32_t size);
 *   static void close_fd(const struct side *side, int fd);
 */
#ifndef WINBPF_TESTS_CORE_CALLS_H
#define WINBPF_TESTS_CORE_CALLS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include "isa/insn.h"

/* One of the two systems, with the same objects. */
struct side {
    bool kernel;
    int array, hash, frozen, reader, prog, btf;
    uint8_t key[8], value[64], data[64], out[64];
    struct insn insns[8];
    char log[4096];
    union {
        struct bpf_prog_info prog;
        struct bpf_map_info map;
        struct bpf_btf_info btf;
        uint8_t bytes[1024];
    } info;
};

static int call(const struct side *side, uint32_t command, union bpf_attr *attr, uint32_t size);
static void close_fd(const struct side *side, int fd);

static const struct {
    struct {
        uint16_t magic;
        uint8_t version, flags;
        uint32_t hdr_len, type_off, type_len, str_off, str_len;
    } header;
    uint32_t types[8];
    char strings[8];
} btf = {{0xeb9f, 1, 0, 24, 0, 32, 32, 8}, {1, 1u << 24, 4, 32, 1, 1u << 24, 8, 64}, "\0int\0\0\0"};

static int make_map(const struct side *side, uint32_t type, uint32_t flags)
{
    union bpf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.map_type = type;
    attr.key_size = 4;
    attr.value_size = 8;
    attr.max_entries = 4;
    attr.map_flags = flags;
    strcpy(attr.map_name, "some_map");
    return call(side, BPF_MAP_CREATE, &attr, 72);
}

static void load_attr(struct side *side, union bpf_attr *attr, const struct insn *insns, uint32_t count)
{
    memcpy(side->insns, insns, count * sizeof *insns);
    attr->prog_type = BPF_PROG_TYPE_XDP;
    attr->insn_cnt = count;
    attr->insns = (uintptr_t)side->insns;
    attr->license = (uintptr_t) "GPL";
    strcpy(attr->prog_name, "some_prog");
}

static bool begin(struct side *side, bool kernel)
{
    union bpf_attr attr;
    memset(side, 0, sizeof *side);
    memset(&attr, 0, sizeof attr);
    side->kernel = kernel;
    side->array = make_map(side, BPF_MAP_TYPE_ARRAY, 0);
    side->hash = make_map(side, BPF_MAP_TYPE_HASH, 0);
    side->frozen = make_map(side, BPF_MAP_TYPE_HASH, 0);
    side->reader = make_map(side, BPF_MAP_TYPE_HASH, BPF_F_RDONLY);
    attr.map_fd = (uint32_t)side->frozen;
    call(side, BPF_MAP_FREEZE, &attr, 4);
    struct insn insns[] = {insn_make(0x18, 1, 1, 0, side->hash), insn_make(0, 0, 0, 0, 0), insn_make(0xb7, 0, 0, 0, 2),
                           insn_make(0x95, 0, 0, 0, 0)};
    memset(&attr, 0, sizeof attr);
    load_attr(side, &attr, insns, 4);
    side->prog = call(side, BPF_PROG_LOAD, &attr, 144);
    memset(&attr, 0, sizeof attr);
    attr.btf = (uintptr_t)&btf;
    attr.btf_size = sizeof btf;
    side->btf = call(side, BPF_BTF_LOAD, &attr, 32);
    return side->array >= 0 && side->hash >= 0 && side->frozen >= 0 && side->reader >= 0 && side->prog >= 0 &&
           side->btf >= 0;
}

static void end(struct side *side)
{
    const int fds[] = {side->array, side->hash, side->frozen, side->reader, side->prog, side->btf};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
        close_fd(side, fds[i]);
}

#define A                    (uintptr_t)
#define ELEMENT(fd, k, v, f) (attr->map_fd = (uint32_t)(fd), attr->key = A(k), attr->value = A(v), attr->flags = (f))
#define MAP(type, key_, value_, entries, flags_)                                                                       \
    (attr->map_type = (type), attr->key_size = (key_), attr->value_size = (value_), attr->max_entries = (entries),     \
     attr->map_flags = (flags_))
#define LOAD(...)                                                                                                      \
    load_attr(s, attr, (struct insn[]){__VA_ARGS__}, sizeof(struct insn[]){__VA_ARGS__} / sizeof(struct insn))
#define MOV2 insn_make(0xb7, 0, 0, 0, 2)
#define EXIT insn_make(0x95, 0, 0, 0, 0)
#define LOG  (attr->log_level = 1, attr->log_buf = A s->log, attr->log_size = sizeof s->log)

/* X(command, size of attr, what is put in it, why ours differs or NULL) */
#define CALLS                                                                                                          \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, BPF_NOEXIST), NULL)                                      \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 3), NULL)                                                \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 99), NULL)                                               \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, BPF_F_LOCK), NULL)                                       \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, 0, s->value, 0), NULL)                                                     \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->hash, s->key, 0, 0), NULL)                                                       \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 1), NULL)                                                \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->hash, s->key, s->value, BPF_F_LOCK), NULL)                                       \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->hash, s->key, 0, 0), NULL)                                                       \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(9999, s->key, s->value, 0), NULL)                                                   \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(-1, s->key, s->value, 0), NULL)                                                     \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->prog, s->key, s->value, 0), NULL)                                                \
    X(MAP_LOOKUP_ELEM, 24, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                \
    X(MAP_LOOKUP_ELEM, 4, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                 \
    X(MAP_LOOKUP_ELEM, 80, (ELEMENT(s->hash, s->key, s->value, 0), attr->log_true_size = 0), NULL)                     \
    X(MAP_LOOKUP_ELEM, 80, (ELEMENT(s->hash, s->key, s->value, 0), ((char *)attr)[60] = 1), NULL)                      \
    X(MAP_GET_NEXT_KEY, 32, ELEMENT(s->hash, 0, s->value, 0), NULL)                                                    \
    X(MAP_GET_NEXT_KEY, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                               \
    X(MAP_GET_NEXT_KEY, 32, ELEMENT(s->hash, s->key, s->value, 1), NULL)                                               \
    X(MAP_GET_NEXT_KEY, 32, ELEMENT(s->hash, 8, s->value, 0), NULL)                                                    \
    X(MAP_DELETE_ELEM, 16, ELEMENT(s->hash, s->key, 0, 0), NULL)                                                       \
    X(MAP_DELETE_ELEM, 16, ELEMENT(s->hash, s->key, 0, 0), NULL)                                                       \
    X(MAP_DELETE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                                \
    X(MAP_DELETE_ELEM, 16, ELEMENT(s->array, s->key, 0, 0), NULL)                                                      \
    X(MAP_LOOKUP_AND_DELETE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 0), NULL)                                     \
    X(MAP_LOOKUP_AND_DELETE_ELEM, 32, ELEMENT(s->array, s->key, s->value, 0), NULL)                                    \
    X(MAP_LOOKUP_AND_DELETE_ELEM, 32, ELEMENT(s->hash, s->key, s->value, 1), NULL)                                     \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->array, s->key, s->value, 0), NULL)                                               \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->array, s->key, s->value, BPF_NOEXIST), NULL)                                     \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->array, s->key, s->value, 0), NULL)                                               \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->frozen, s->key, s->value, 0), NULL)                                              \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->frozen, s->key, s->value, 0), NULL)                                              \
    X(MAP_DELETE_ELEM, 16, ELEMENT(s->frozen, s->key, 0, 0), NULL)                                                     \
    X(MAP_UPDATE_ELEM, 32, ELEMENT(s->reader, s->key, s->value, 0), NULL)                                              \
    X(MAP_LOOKUP_ELEM, 32, ELEMENT(s->reader, s->key, s->value, 0), NULL)                                              \
    X(MAP_FREEZE, 4, attr->map_fd = (uint32_t)s->frozen, NULL)                                                         \
    X(MAP_FREEZE, 4, attr->map_fd = (uint32_t)s->reader, NULL)                                                         \
    X(MAP_FREEZE, 4, attr->map_fd = (uint32_t)s->prog, NULL)                                                           \
    X(MAP_FREEZE, 4, attr->map_fd = 9999, NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(1, 4, 8, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 20, MAP(1, 4, 8, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(0, 4, 8, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(9999, 4, 8, 4, 0), NULL)                                                                     \
    X(MAP_CREATE, 72, MAP(1, 0, 8, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(1, 4, 0, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(1, 4, 8, 0, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(2, 8, 8, 4, 0), NULL)                                                                        \
    X(MAP_CREATE, 72, MAP(1, 4, 8, 4, BPF_F_RDONLY | BPF_F_WRONLY), NULL)                                              \
    X(MAP_CREATE, 72, MAP(1, 4, 8, 4, 1u << 30), NULL)                                                                 \
    X(MAP_CREATE, 72, MAP(27, 4, 0, 4096, 0), NULL)                                                                    \
    X(MAP_CREATE, 72, MAP(27, 0, 0, 5000, 0), NULL)                                                                    \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), strcpy(attr->map_name, "a b")), NULL)                                       \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), memset(attr->map_name, 'a', 16)), NULL)                                     \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), attr->numa_node = 1), NULL)                                                 \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), attr->map_extra = 1), NULL)                                                 \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), attr->btf_key_type_id = 1), NULL)                                           \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), attr->btf_value_type_id = 2, attr->btf_fd = 9999), NULL)                    \
    X(MAP_CREATE, 72, (MAP(1, 4, 8, 4, 0), attr->btf_value_type_id = 2, attr->btf_fd = (uint32_t)s->hash), NULL)       \
    X(MAP_CREATE, 72,                                                                                                  \
      (MAP(1, 4, 8, 4, 0), attr->btf_key_type_id = 1, attr->btf_value_type_id = 2, attr->btf_fd = (uint32_t)s->btf),   \
      NULL)                                                                                                            \
    X(MAP_CREATE, 72,                                                                                                  \
      (MAP(1, 4, 8, 4, 0), attr->btf_key_type_id = 1, attr->btf_value_type_id = 1, attr->btf_fd = (uint32_t)s->btf),   \
      NULL)                                                                                                            \
    X(MAP_CREATE, 72,                                                                                                  \
      (MAP(1, 4, 8, 4, 0), attr->btf_key_type_id = 1, attr->btf_value_type_id = 99, attr->btf_fd = (uint32_t)s->btf),  \
      NULL)                                                                                                            \
    X(PROG_LOAD, 144, LOAD(MOV2, EXIT), NULL)                                                                          \
    X(PROG_LOAD, 48, LOAD(MOV2, EXIT), NULL)                                                                           \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->insn_cnt = 0), NULL)                                                    \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->insn_cnt = 1000001), NULL)                                              \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->insns = 8), NULL)                                                       \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->license = 8), NULL)                                                     \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->prog_type = 9999), NULL)                                                \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->prog_flags = 1u << 31), NULL)                                           \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), strcpy(attr->prog_name, "a-b")), NULL)                                        \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->log_level = 1), NULL)                                                   \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->log_size = 100), NULL)                                                  \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->log_buf = A s->log), NULL)                                              \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), LOG), NULL)                                                                   \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), LOG, attr->log_level = 0), NULL)                                              \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), LOG, attr->log_level = 2), NULL)                                              \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), LOG, attr->log_level = 4), NULL)                                              \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), LOG, attr->log_level = 16), NULL)                                             \
    X(PROG_LOAD, 144, (LOAD(MOV2, insn_make(0xff, 0, 0, 0, 0), EXIT), LOG, attr->log_size = 4), NULL)                  \
    X(PROG_LOAD, 144, LOAD(MOV2), NULL)                                                                                \
    X(PROG_LOAD, 144, LOAD(insn_make(0xff, 0, 0, 0, 0), EXIT), NULL)                                                   \
    X(PROG_LOAD, 144, LOAD(MOV2, insn_make(0x05, 0, 0, 100, 0), EXIT), NULL)                                           \
    X(PROG_LOAD, 144, LOAD(insn_make(0xb7, 15, 0, 0, 0), EXIT), NULL)                                                  \
    X(PROG_LOAD, 144, LOAD(insn_make(0x85, 0, 0, 0, 99999), EXIT), NULL)                                               \
    X(PROG_LOAD, 144, LOAD(insn_make(0x18, 1, 1, 0, 9999), insn_make(0, 0, 0, 0, 0), MOV2, EXIT), NULL)                \
    X(PROG_LOAD, 144, LOAD(insn_make(0x18, 1, 1, 0, s->prog), insn_make(0, 0, 0, 0, 0), MOV2, EXIT), NULL)             \
    X(PROG_LOAD, 144, LOAD(insn_make(0x18, 1, 2, 0, s->hash), insn_make(0, 0, 0, 0, 0), MOV2, EXIT), NULL)             \
    X(PROG_LOAD, 144, LOAD(insn_make(0x18, 1, 2, 0, s->array), insn_make(0, 0, 0, 0, 0), MOV2, EXIT), NULL)            \
    X(PROG_LOAD, 144, LOAD(insn_make(0x18, 1, 5, 0, 0), insn_make(0, 0, 0, 0, 0), MOV2, EXIT), NULL)                   \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->prog_btf_fd = 9999), "a BTF is looked at only with func_info in Linux") \
    X(PROG_LOAD, 144, (LOAD(MOV2, EXIT), attr->prog_btf_fd = (uint32_t)s->btf), NULL)                                  \
    X(PROG_LOAD, 144, LOAD(insn_make(0xbf, 0, 3, 0, 0), EXIT),                                                         \
      "no verifier yet: an uninitialised register becomes a fault of the run")                                         \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->prog, attr->test.data_in = A s->data, attr->test.data_size_in = 64), NULL)    \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->prog, attr->test.data_in = A s->data, attr->test.data_size_in = 13), NULL)    \
    X(PROG_TEST_RUN, 80, (attr->test.prog_fd = (uint32_t)s->prog), NULL)                                               \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->prog, attr->test.data_in = A s->data, attr->test.data_size_in = 64,           \
       attr->test.data_out = A s->out, attr->test.data_size_out = 10),                                                 \
      NULL)                                                                                                            \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->prog, attr->test.data_in = 8, attr->test.data_size_in = 64), NULL)            \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->prog, attr->test.data_in = A s->data, attr->test.data_size_in = 64,           \
       attr->test.ctx_size_in = 8),                                                                                    \
      NULL)                                                                                                            \
    X(PROG_TEST_RUN, 80,                                                                                               \
      (attr->test.prog_fd = (uint32_t)s->hash, attr->test.data_in = A s->data, attr->test.data_size_in = 64), NULL)    \
    X(PROG_TEST_RUN, 80, attr->test.prog_fd = 9999, NULL)                                                              \
    X(OBJ_GET_INFO_BY_FD, 16, (attr->info.bpf_fd = 9999), NULL)                                                        \
    X(OBJ_GET_INFO_BY_FD, 16, (attr->info.bpf_fd = 0), NULL)                                                           \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = A & s->info, attr->info.info_len = 1000), NULL)        \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = A & s->info, attr->info.info_len = 8), NULL)           \
    X(OBJ_GET_INFO_BY_FD, 16, (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = 8, attr->info.info_len = 8),   \
      NULL)                                                                                                            \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = A & s->info, attr->info.info_len = 1000,               \
       s->info.bytes[990] = 1),                                                                                        \
      NULL)                                                                                                            \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = A & s->info, attr->info.info_len = 5000), NULL)        \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->prog, attr->info.info = A & s->info, attr->info.info_len = 232,                \
       s->info.prog.func_info_rec_size = 7),                                                                           \
      NULL)                                                                                                            \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->hash, attr->info.info = A & s->info, attr->info.info_len = 80), NULL)          \
    X(OBJ_GET_INFO_BY_FD, 16,                                                                                          \
      (attr->info.bpf_fd = (uint32_t)s->btf, attr->info.info = A & s->info, attr->info.info_len = 32), NULL)           \
    X(MAP_GET_FD_BY_ID, 12, attr->map_id = 0x7ffffff0, NULL)                                                           \
    X(MAP_GET_FD_BY_ID, 12, (attr->map_id = 0x7ffffff0, attr->open_flags = 1), NULL)                                   \
    X(PROG_GET_FD_BY_ID, 12, attr->prog_id = 0x7ffffff0, NULL)                                                         \
    X(PROG_GET_FD_BY_ID, 12, (attr->prog_id = 1, attr->open_flags = 1), NULL)                                          \
    X(BTF_GET_FD_BY_ID, 12, attr->btf_id = 0x7ffffff0, NULL)                                                           \
    X(LINK_GET_FD_BY_ID, 12, attr->link_id = 0x7ffffff0, NULL)                                                         \
    X(MAP_GET_NEXT_ID, 12, attr->start_id = 0x7ffffff0, NULL)                                                          \
    X(MAP_GET_NEXT_ID, 12, attr->start_id = 0x7fffffff, NULL)                                                          \
    X(MAP_GET_NEXT_ID, 12, attr->next_id = 1, NULL)                                                                    \
    X(MAP_GET_NEXT_ID, 12, attr->start_id = 0, NULL)                                                                   \
    X(PROG_GET_NEXT_ID, 12, attr->start_id = 0, NULL)                                                                  \
    X(PROG_GET_NEXT_ID, 12, attr->open_flags = 1, NULL)                                                                \
    X(LINK_GET_NEXT_ID, 12, attr->start_id = 0x7ffffff0, NULL)                                                         \
    X(BTF_GET_NEXT_ID, 12, attr->start_id = 0x7fffffff, NULL)                                                          \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = sizeof btf), NULL)                                          \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = 10), NULL)                                                  \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = 0), NULL)                                                   \
    X(BTF_LOAD, 32, (attr->btf = 8, attr->btf_size = 60), NULL)                                                        \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = 1 << 30), NULL)                                             \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = sizeof btf - 8), NULL)                                      \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = sizeof btf, attr->btf_log_level = 1), NULL)                 \
    X(BTF_LOAD, 32, (attr->btf = A & btf, attr->btf_size = sizeof btf, attr->btf_log_size = 9), NULL)                  \
    X(OBJ_PIN, 16, (attr->bpf_fd = 9999, attr->pathname = A "/sys/fs/bpf/x"), NULL)                                    \
    X(OBJ_PIN, 16, (attr->bpf_fd = (uint32_t)s->hash, attr->pathname = 8), NULL)                                       \
    X(OBJ_PIN, 16, (attr->bpf_fd = (uint32_t)s->hash, attr->pathname = A ""), NULL)                                    \
    X(OBJ_PIN, 16, (attr->bpf_fd = (uint32_t)s->hash, attr->pathname = A "/tmp"),                                      \
      "no folders: a name is free or taken")                                                                           \
    X(OBJ_PIN, 16, (attr->bpf_fd = (uint32_t)s->hash, attr->file_flags = 1, attr->pathname = A "/x"), NULL)            \
    X(OBJ_GET, 16, attr->pathname = A "/nowhere_at_all", NULL)                                                         \
    X(OBJ_GET, 16, attr->pathname = 8, NULL)                                                                           \
    X(OBJ_GET, 16, (attr->bpf_fd = 1, attr->pathname = A "/nowhere_at_all"), NULL)                                     \
    X(LINK_CREATE, 32, attr->link_create.prog_fd = 9999, NULL)                                                         \
    X(LINK_CREATE, 32, (attr->link_create.prog_fd = (uint32_t)s->hash, attr->link_create.attach_type = BPF_XDP), NULL) \
    X(LINK_CREATE, 32, (attr->link_create.prog_fd = (uint32_t)s->prog, attr->link_create.attach_type = 0), NULL)       \
    X(LINK_CREATE, 32, (attr->link_create.prog_fd = (uint32_t)s->prog, attr->link_create.attach_type = 9999), NULL)    \
    X(LINK_UPDATE, 16, (attr->link_update.link_fd = 9999), NULL)                                                       \
    X(LINK_UPDATE, 16, (attr->link_update.link_fd = (uint32_t)s->hash), NULL)                                          \
    X(LINK_UPDATE, 16, (attr->link_update.flags = 1), NULL)                                                            \
    X(LINK_DETACH, 4, attr->link_detach.link_fd = 9999, NULL)                                                          \
    X(LINK_DETACH, 4, attr->link_detach.link_fd = (uint32_t)s->hash, NULL)                                             \
    X(ENABLE_STATS, 4, attr->enable_stats.type = 9, NULL)

static inline bool makes_fd(uint32_t command)
{
    return command == BPF_MAP_CREATE || command == BPF_PROG_LOAD || command == BPF_BTF_LOAD ||
           command == BPF_LINK_CREATE || command == BPF_OBJ_GET || command == BPF_ENABLE_STATS;
}

#endif
