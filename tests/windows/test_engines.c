/* SPDX-License-Identifier: MIT
 *
 * The conformance cases (tests/conformance/cases.h) on the driver's engines: engines.sys compiles and runs each.
 * Folders of cases are named in the environment, WINBPF_CASES with a semicolon between two.
 */
#include <dirent.h>
#include "conformance/cases.h"
#include "engines.h"
#include "prefix.h"

static SC_HANDLE service;
static HANDLE device = INVALID_HANDLE_VALUE;
static const char *const engine_names[] = {"interp", "checked", "jit"};

static bool start(void)
{
    service = prefix_service(L"WinbpfEngines", L"engines.sys");
    if (!service || !prefix_start(service))
        return false;
    device = CreateFileW(L"\\\\.\\WinbpfEngines", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    return device != INVALID_HANDLE_VALUE;
}

static bool stop(void)
{
    CloseHandle(device);
    return prefix_stop(service);
}

/* The answer is in *answer; 0, or the Windows error. */
static DWORD ask(const struct test_case *c, uint32_t engine, struct engines_request *answer)
{
    size_t size = sizeof *answer + (c->count + c->tail_count) * sizeof(struct insn);
    struct engines_request *request = calloc(1, size);
    DWORD got, error = 0;
    if (!request)
        exit(3);
    request->engine = engine;
    request->count = (uint32_t)c->count;
    request->tail_count = c->tail ? (uint32_t)c->tail_count : 0;
    request->memory_length = (uint32_t)c->memory_length;
    request->map_count = c->map_count;
    memcpy(request->memory, c->memory, c->memory_length);
    for (uint32_t i = 0; i < c->map_count; i++) {
        request->maps[i].kind = c->maps[i].kind;
        request->maps[i].key_size = c->maps[i].key_size;
        request->maps[i].value_size = c->maps[i].value_size;
        request->maps[i].max_entries = c->maps[i].max_entries;
        request->maps[i].flags = c->maps[i].flags;
    }
    struct insn *insns = (struct insn *)(request + 1);
    memcpy(insns, c->insns, c->count * sizeof *insns);
    memcpy(insns + c->count, c->tail_insns, request->tail_count * sizeof *insns);
    size -= (c->tail_count - request->tail_count) * sizeof *insns;
    if (!DeviceIoControl(device, (DWORD)ENGINES_IOCTL, request, (DWORD)size, request, (DWORD)size, &got, NULL))
        error = GetLastError();
    *answer = *request;
    free(request);
    return error;
}

static bool passes(const struct test_case *c, uint32_t engine)
{
    struct engines_request answer;
    DWORD error = ask(c, engine, &answer);
    if (error) {
        printf("%s: %s: error %lu\n", c->name, engine_names[engine], error);
        return false;
    }
    if (answer.opened || answer.ran) {
        if (!c->error && !c->fault)
            printf("%s: %s: %s: %s\n", c->name, engine_names[engine], answer.opened ? "refused" : "stopped",
                   answer.reason);
        return c->error || c->fault;
    }
    if (c->error || c->fault || answer.r0 != c->result)
        printf("%s: %s: r0 is 0x%llx, not 0x%llx\n", c->name, engine_names[engine], (unsigned long long)answer.r0,
               (unsigned long long)c->result);
    return !c->error && !c->fault && answer.r0 == c->result;
}

/* Calls `each` with every case of every folder, at most `most` of them. */
static unsigned for_each_case(unsigned most, void (*each)(struct test_case *c))
{
    static char folders[4096];
    unsigned files = 0;
    snprintf(folders, sizeof folders, "%s", getenv("WINBPF_CASES") ? getenv("WINBPF_CASES") : "");
    for (char *folder = strtok(folders, ";"); folder; folder = strtok(NULL, ";")) {
        DIR *directory = opendir(folder);
        struct dirent *entry;
        if (!directory) {
            printf("no folder %s\n", folder);
            continue;
        }
        while ((entry = readdir(directory)) && files < most) {
            struct test_case c;
            char path[4096];
            size_t length = strlen(entry->d_name);
            if (length < 5 || strcmp(entry->d_name + length - 5, ".data"))
                continue;
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            files++;
            if (load(path, entry->d_name, &c))
                each(&c);
            else
                check_failures++;
            unload(&c);
        }
        closedir(directory);
    }
    return files;
}

static unsigned runs, failed;

static void run_case(struct test_case *c)
{
    for (uint32_t engine = 0; engine < 3; engine++) {
        if (c->fault && engine != 1)
            continue;
        runs++;
        failed += !passes(c, engine);
    }
}

TEST(cases_on_every_engine)
{
    REQUIRE(start());
    unsigned files = for_each_case(UINT32_MAX, run_case);
    printf("conformance in the driver: %u files, %u runs, %u failed\n", files, runs, failed);
    CHECK(files > 100 && runs > 2 * files);
    CHECK_EQ(failed, 0);
    CHECK(stop());
}

static void refuse_executable(struct test_case *c)
{
    struct engines_request answer;
    if (c->error || c->fault)
        return;
    prefix_judge()->refuse_executable = 1;
    CHECK_EQ(ask(c, 2, &answer), 0);
    CHECK_EQ(answer.opened, RESULT_NOT_SUPPORTED);
    CHECK(answer.reason[0] != 0);
    prefix_judge()->refuse_executable = 0;
    CHECK(passes(c, 0) && passes(c, 2));
}

/* Where no page can be made executable, the JIT says so, and the interpreter is there. */
TEST(no_executable_memory)
{
    REQUIRE(prefix_judge() && start());
    CHECK(for_each_case(5, refuse_executable) == 5);
    CHECK(stop());
}

static unsigned injected, counted;

static void refuse_each(struct test_case *c)
{
    struct judge *judge = prefix_judge();
    for (uint32_t engine = 0; engine < 3; engine++)
        for (long long nth = 0, total = 0; nth <= total; nth++) {
            struct engines_request answer;
            long long before = judge->injected;
            judge->allocations = 0;
            judge->fail_at = nth;
            DWORD error = ask(c, engine, &answer);
            judge->fail_at = 0;
            if (!nth)
                counted += (unsigned)(total = judge->allocations);
            else
                injected += judge->injected == before + 1;
            CHECK(!nth || error || answer.opened == RESULT_NO_MEMORY || answer.ran == RESULT_NO_MEMORY ||
                  answer.opened == RESULT_INVALID);
            CHECK_EQ(judge->pool_blocks, 0);
            CHECK_EQ(judge->mappings, 0);
        }
}

TEST(each_allocation_is_refused_in_turn)
{
    REQUIRE(prefix_judge() && start());
    CHECK(for_each_case(8, refuse_each) == 8);
    printf("engines: failures injected %u = allocations counted %u; left behind: 0\n", injected, counted);
    CHECK(counted > 50);
    CHECK_EQ(injected, counted);
    CHECK(stop());
}

TEST_MAIN
