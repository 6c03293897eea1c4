/* SPDX-License-Identifier: MIT
 *
 * The engines behind the plug-in interface of the shared harness: raw bytecode in, r1 = memory, r2 = its length.  Modes
 * are the engines' names; any other fails.  The functions below are that interface (rt_api.h), spelled out because the
 * header is not part of this repository.
 */
#include <stdio.h>
#include <stdlib.h>
#include "engine/engine.h"
#include "isa/isa.h"
#include "platform/os.h"

#define EXPORT __attribute__((visibility("default")))
EXPORT void *rt_load(const void *insns, size_t size, const char *mode, char *error, size_t error_size);
EXPORT code_entry rt_fn(void *handle);
EXPORT int rt_run(void *handle, void *memory, size_t length, uint64_t *r0);
EXPORT size_t rt_code_size(void *handle);
EXPORT void rt_unload(void *handle);

struct loaded {
    const struct engine *engine;
    struct code *code;
    struct binding binding;
    struct image image;
    struct image_func func;
    struct insn insns[];
};

struct complaint {
    char *text;
    size_t size;
};

static void complain(void *self, enum diag_level level, const char *line)
{
    struct complaint *complaint = self;
    if (level == DIAG_ERROR)
        snprintf(complaint->text, complaint->size, "%s", line);
}

static const struct engine *engine_named(const char *name)
{
    static const struct engine *const engines[] = {
        &engine_interp,
        &engine_checked,
#ifdef RT_JIT
        &engine_jit,
#endif
    };
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        if (!strcmp(engines[i]->name, name))
            return engines[i];
    }
    return NULL;
}

void *rt_load(const void *insns, size_t size, const char *mode, char *error, size_t error_size)
{
    const struct engine *engine = engine_named(mode);
    struct complaint complaint = {error, error_size};
    struct diag diag = {complain, &complaint, NULL};
    struct isa_fault fault;
    struct loaded *loaded;

    if (!engine) {
        snprintf(error, error_size, "no engine is called '%s'", mode);
        return NULL;
    }
    if (!size || size % sizeof(struct insn) || size / sizeof(struct insn) > ISA_MAX_INSNS) {
        snprintf(error, error_size, "%zu bytes are no program", size);
        return NULL;
    }
    loaded = calloc(1, sizeof *loaded + size);
    if (!loaded) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    memcpy(loaded->insns, insns, size);
    loaded->engine = engine;
    loaded->func = (struct image_func){"entry", 0, 0, IMAGE_GLOBAL};
    loaded->image = (struct image){.name = "entry",
                                   .section = ".text",
                                   .license = "",
                                   .insn_count = (uint32_t)(size / sizeof(struct insn)),
                                   .func_count = 1,
                                   .insns = loaded->insns,
                                   .funcs = &loaded->func};
    loaded->binding.image = &loaded->image;
    if (!isa_validate(loaded->insns, loaded->image.insn_count, 0, &fault)) {
        snprintf(error, error_size, "instruction %u: %s", fault.insn, fault.reason);
    } else {
        snprintf(error, error_size, "cannot be compiled");
        if (engine->compile(&loaded->binding, &os_allocator, &os_executable, &diag, &loaded->code) == RESULT_OK)
            return loaded;
    }
    free(loaded);
    return NULL;
}

code_entry rt_fn(void *handle)
{
#ifdef RT_JIT
    struct loaded *loaded = handle;
    if (loaded->engine == &engine_jit)
        return code_entry_point(loaded->code);
#endif
    return NULL;
}

int rt_run(void *handle, void *memory, size_t length, uint64_t *r0)
{
    struct loaded *loaded = handle;
    struct run run = {.context = memory, .raw_length = length};
    enum result result = loaded->engine->run(loaded->code, &run);
    *r0 = run.r0;
    return result != RESULT_OK;
}

size_t rt_code_size(void *handle)
{
    size_t size = 0;
#ifdef RT_JIT
    struct loaded *loaded = handle;
    if (loaded->engine == &engine_jit)
        code_machine(loaded->code, &size);
#endif
    return size;
}

void rt_unload(void *handle)
{
    struct loaded *loaded = handle;
    loaded->engine->destroy(loaded->code);
    free(loaded);
}
