/* SPDX-License-Identifier: MIT
 *
 * The objects of Debian's libxdp1, opened: their programs and maps, as llvm-readelf lists the functions and bpftool the
 * types of .maps.
 */
#include <unistd.h>
#include "check.h"
#include "elf/object.h"

static const char folder[] = "/usr/lib/x86_64-linux-gnu/bpf";

/* Lists are words in the order of the object; a program is SECTION:NAME. */
static const struct {
    const char *file, *programs, *maps;
} expected[] = {
    {"xdp-dispatcher.o", "xdp:xdp_dispatcher xdp:xdp_pass", ".rodata"},
    {"xdpdump_bpf.o", "fentry/func:trace_on_entry fexit/func:trace_on_exit", "xdpdump_perf_map .data"},
    {"xdpdump_xdp.o", "xdp:xdpdump", "xdpdump_perf_map .data"},
    {"xdpfilt_alw_all.o", "xdp:xdpfilt_alw_all", "xdp_stats_map filter_ports filter_ipv4 filter_ipv6 filter_ethernet"},
    {"xdpfilt_alw_eth.o", "xdp:xdpfilt_alw_eth", "xdp_stats_map filter_ethernet"},
    {"xdpfilt_alw_ip.o", "xdp:xdpfilt_alw_ip", "xdp_stats_map filter_ipv4 filter_ipv6"},
    {"xdpfilt_alw_tcp.o", "xdp:xdpfilt_alw_tcp", "xdp_stats_map filter_ports"},
    {"xdpfilt_alw_udp.o", "xdp:xdpfilt_alw_udp", "xdp_stats_map filter_ports"},
    {"xdpfilt_dny_all.o", "xdp:xdpfilt_dny_all", "xdp_stats_map filter_ports filter_ipv4 filter_ipv6 filter_ethernet"},
    {"xdpfilt_dny_eth.o", "xdp:xdpfilt_dny_eth", "xdp_stats_map filter_ethernet"},
    {"xdpfilt_dny_ip.o", "xdp:xdpfilt_dny_ip", "xdp_stats_map filter_ipv4 filter_ipv6"},
    {"xdpfilt_dny_tcp.o", "xdp:xdpfilt_dny_tcp", "xdp_stats_map filter_ports"},
    {"xdpfilt_dny_udp.o", "xdp:xdpfilt_dny_udp", "xdp_stats_map filter_ports"},
    {"xsk_def_xdp_prog.o", "xdp:xsk_def_prog", "xsks_map .data"},
    {"xsk_def_xdp_prog_5.3.o", "xdp:xsk_def_prog", "xsks_map .data"},
};

static void add_word(char *list, size_t size, const char *word)
{
    size_t length = strlen(list);
    snprintf(list + length, size - length, "%s%s", length ? " " : "", word);
}

TEST(libxdp_objects)
{
    if (access(folder, R_OK))
        SKIP("libxdp1 is not installed");
    for (unsigned i = 0; i < sizeof expected / sizeof *expected; i++) {
        char path[256], programs[512] = "", maps[512] = "", word[384];
        struct test_job job;
        struct elf_object object;
        snprintf(path, sizeof path, "%s/%s", folder, expected[i].file);
        struct bytes bytes = test_file(path);
        REQUIRE(bytes.data);
        test_begin(&job, path);
        enum result result = elf_open(bytes, NULL, &job.arena, &job.diag, &object);
        CHECK_EQ(result, RESULT_OK);
        for (uint32_t p = 0; !result && p < object.program_count; p++) {
            snprintf(word, sizeof word, "%s:%s", object.programs[p].section, object.programs[p].name);
            add_word(programs, sizeof programs, word);
            CHECK(!object.broken[p]);
        }
        for (uint32_t m = 0; !result && m < object.map_count; m++)
            add_word(maps, sizeof maps, object.maps[m].name);
        CHECK_STR(programs, expected[i].programs);
        CHECK_STR(maps, expected[i].maps);
        CHECK_EQ(job.warnings, 0);
        test_end(&job);
        free((void *)(uintptr_t)bytes.data);
        CHECK_EQ(job.memory.out, 0);
    }
}

TEST_MAIN
