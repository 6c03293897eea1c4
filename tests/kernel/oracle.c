/* SPDX-License-Identifier: MIT
 *
 * See oracle.h.  Attributes are written by offset into a zeroed buffer rather than through union bpf_attr, so that the
 * test depends on the kernel's ABI alone and not on the header that is under construction beside it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kernel/oracle.h"

enum { COMMAND_MAP_CREATE = 0, COMMAND_PROG_LOAD = 5, COMMAND_TEST_RUN = 10 };
enum { KIND_ARRAY = 2, FLAG_MMAPABLE = 1 << 10, TYPE_SCHED_CLS = 3, PAGE = 4096 };

struct map_create {
    uint32_t kind, key_size, value_size, max_entries, flags;
};

struct prog_load {
    uint32_t type, insn_count;
    uint64_t insns, license;
    uint32_t log_level, log_size;
    uint64_t log;
    uint32_t kernel_version, flags;
};

struct test_run {
    uint32_t fd, retval, data_size_in, data_size_out;
    uint64_t data_in, data_out;
    uint32_t repeat, duration;
    uint32_t context_size_in, context_size_out;
    uint64_t context_in, context_out;
    uint32_t flags, cpu, batch_size, padding;
};

static int command(int number, void *attr, unsigned size)
{
    long value = syscall(SYS_bpf, number, attr, size);
    return value < 0 ? -errno : (int)value;
}

static int create_array(uint32_t value_size, uint32_t entries)
{
    struct map_create attr = {KIND_ARRAY, 4, value_size, entries, FLAG_MMAPABLE};
    return command(COMMAND_MAP_CREATE, &attr, sizeof(attr));
}

bool oracle_open(struct oracle *oracle, const char **why)
{
    oracle->buffer = oracle->table = MAP_FAILED;
    oracle->table_fd = -1;
    oracle->buffer_fd = create_array(WORLD_BUFFER, 1);
    if (oracle->buffer_fd < 0) {
        *why = oracle->buffer_fd == -EPERM ? "bpf() needs root" : "this kernel has no bpf()";
        return false;
    }
    oracle->table_fd = create_array(WORLD_VALUE, WORLD_ENTRIES);
    if (oracle->table_fd >= 0) {
        oracle->buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, oracle->buffer_fd, 0);
        oracle->table = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, oracle->table_fd, 0);
    }
    if (oracle->buffer == MAP_FAILED || oracle->table == MAP_FAILED) {
        *why = "maps cannot be mapped here";
        oracle_close(oracle);
        return false;
    }
    return true;
}

void oracle_close(struct oracle *oracle)
{
    if (oracle->buffer != MAP_FAILED)
        munmap(oracle->buffer, PAGE);
    if (oracle->table != MAP_FAILED)
        munmap(oracle->table, PAGE);
    if (oracle->table_fd >= 0)
        close(oracle->table_fd);
    close(oracle->buffer_fd);
}

int oracle_load(const struct oracle *oracle, const struct program *program, char *log, uint32_t log_size)
{
    static const int32_t helper_ids[WORLD_HELPERS] = {1, 2, 3, 28};
    struct insn insns[PROGRAM_CAPACITY];
    memcpy(insns, program->insns, program->count * sizeof(insns[0]));
    for (uint32_t at = 0; at < program->count; at++) {
        struct insn *insn = &insns[at];
        if (insn_is_lddw(insn)) {
            unsigned src = insn_src(insn);
            if (src == LDDW_SRC_MAP_INDEX || src == LDDW_SRC_MAP_INDEX_VALUE) {
                src = src == LDDW_SRC_MAP_INDEX ? LDDW_SRC_MAP_FD : LDDW_SRC_MAP_VALUE;
                insn->regs = (uint8_t)(insn_dst(insn) | src << 4);
                insn->imm = insn->imm == 0 ? oracle->buffer_fd : oracle->table_fd;
            }
            at++;
        } else if (insn->code == 0x85 && insn_src(insn) == CALL_SRC_HELPER) {
            insn->imm = helper_ids[insn->imm];
        }
    }
    struct prog_load attr = {
        .type = TYPE_SCHED_CLS,
        .insn_count = program->count,
        .insns = (uintptr_t)insns,
        .license = (uintptr_t) "Dual MIT/GPL",
        .log_level = log ? 1 : 0,
        .log_size = log ? log_size : 0,
        .log = (uintptr_t)log,
    };
    return command(COMMAND_PROG_LOAD, &attr, sizeof(attr));
}

int oracle_run(const struct oracle *oracle, int fd, uint8_t memory[WORLD_MEMORY], const uint8_t packet[WORLD_PACKET],
               uint32_t *r0)
{
    memcpy(oracle->buffer, memory, WORLD_BUFFER);
    memcpy(oracle->table, memory + WORLD_BUFFER, WORLD_TABLE);
    struct test_run attr = {
        .fd = (uint32_t)fd, .data_size_in = WORLD_PACKET, .data_in = (uintptr_t)packet, .repeat = 1};
    int error = command(COMMAND_TEST_RUN, &attr, sizeof(attr));
    memcpy(memory, oracle->buffer, WORLD_BUFFER);
    memcpy(memory + WORLD_BUFFER, oracle->table, WORLD_TABLE);
    *r0 = attr.retval;
    return error;
}
