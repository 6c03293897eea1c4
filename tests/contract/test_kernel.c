/* SPDX-License-Identifier: MIT
 *
 * The contract tables before their judge: for every program type and attach type that the running kernel loads, each
 * place of its context is loaded and stored to, each return value is returned and each helper called, and the kernel's
 * verdict must be the table's.  Where they differ by intent a row below says why; a difference that no longer is one
 * fails as well.
 */
#include "contract/kernel.h"

enum { STRUCT_OPS = 27 }; /* programs of which must be GPL whatever they call */
enum { EXIT = 0x95, MOV = 0xb7, MOV_REG = 0xbf, CALL = 0x85, JNE = 0x55, JEQ = 0x15, JGT_REG = 0x2d, ADD = 0x07 };
static const struct {
    uint32_t size;
    uint8_t load, store;
} widths[] = {{1, 0x71, 0x73}, {2, 0x69, 0x6b}, {4, 0x61, 0x63}, {8, 0x79, 0x7b}};

static struct subject subjects[SUBJECTS];
static uint32_t subject_count;
static uint64_t missing; /* types that this kernel does not load */

#define READY()                                                                                                        \
    do {                                                                                                               \
        const char *why;                                                                                               \
        if (!kernel_ready(&why))                                                                                       \
            SKIP(why);                                                                                                 \
        find_subjects();                                                                                               \
    } while (0)

static void find_subjects(void)
{
    uint32_t count, types = 0;
    uint64_t there = 0;

    if (subject_count)
        return;
    count = kernel_subjects(subjects);
    for (uint32_t i = 0; i < count; i++)
        if (kernel_has(&subjects[i])) {
            there |= UINT64_C(1) << subjects[i].type;
            subjects[subject_count++] = subjects[i];
        }
    missing = (UINT64_C(1) << 33) - 2 - there;
    printf("judged: %u ways to load a program;", subject_count);
    for (uint32_t type = 1; type <= 32; type++)
        types += (there >> type & 1) != 0;
    printf(" %u of 32 types, without", types);
    for (uint32_t type = 1; type <= 32; type++)
        if (missing >> type & 1)
            printf(" %s", contract_program_type_name(PERSONALITY_LINUX, type));
    printf("\n");
    CHECK(types >= 27); /* a kernel that loads fewer is no judge */
}

static const char *subject_name(const struct subject *subject)
{
    static char text[64];
    snprintf(text, sizeof text, "%s (attach type %u)", contract_program_type_name(PERSONALITY_LINUX, subject->type),
             subject->attach);
    return text;
}

/* ---- contexts ---- */

/* Accesses on which the table and the kernel differ by intent. */
enum excuse {
    NO_EXCUSE,
    UNALIGNED,  /* any part of an area of bytes: the kernel wants parts aligned */
    BY_BTF,     /* numbers here, of whatever size and count; there what the traced thing's BTF says */
    EGRESS,     /* the XDP hook here fills egress_ifindex for every program; Linux shows it to devmap's alone */
    UNDERWRITE, /* Linux lets a tracepoint's program load what lies before its record (6.18 compares unsigned) */
    EXCUSES
};

static enum excuse excuse_of(const struct subject *subject, int32_t offset, uint32_t size,
                             const struct context_field *field)
{
    if (!field)
        return subject->type == 5 && offset < 0 ? UNDERWRITE : NO_EXCUSE;
    if (field->kind == FIELD_BYTES && offset % (int32_t)size)
        return UNALIGNED;
    if (subject->by_btf)
        return BY_BTF;
    if (subject->type == 6 && subject->attach != 33 && !strcmp(field->name, "egress_ifindex"))
        return EGRESS;
    return NO_EXCUSE;
}

static void check_access(const struct subject *subject, const struct context_layout *layout, int32_t offset,
                         uint32_t width, bool store, uint32_t *asked, uint32_t *excused)
{
    uint32_t size = widths[width].size;
    const struct insn insns[] = {insn_make(MOV, 2, 0, 0, 0),
                                 store ? insn_make(widths[width].store, 1, 2, offset, 0)
                                       : insn_make(widths[width].load, 0, 1, offset, 0),
                                 insn_make(MOV, 0, 0, 0, subject->returns), insn_make(EXIT, 0, 0, 0, 0)};
    bool kernel = kernel_accepts(subject, insns, 4);
    const struct context_field *field = contract_field(layout, offset, size, store);
    enum excuse excuse;

    ++*asked;
    if (kernel == (field != NULL))
        return;
    excuse = excuse_of(subject, offset, size, field);
    excused[excuse]++;
    if (excuse)
        return;
    printf("%s: a %u-byte %s at %d: the kernel says %s, the table %s\n", subject_name(subject), size,
           store ? "store" : "load", offset, kernel ? "yes" : "no", field ? field->name : "no");
    check_failures++;
}

TEST(contexts)
{
    uint32_t asked = 0, excused[EXCUSES] = {0};

    READY();
    for (uint32_t i = 0; i < subject_count; i++) {
        const struct subject *subject = &subjects[i];
        const struct program_contract *contract = contract_program(PERSONALITY_LINUX, subject->type);
        const struct context_layout *layout;

        REQUIRE(contract);
        layout = contract_context(contract, PERSONALITY_LINUX, subject->attach);
        for (int32_t offset = -8; offset < (int32_t)layout->size + 16 && offset < INT16_MAX; offset++) {
            if (layout->size > 1024 && offset == 64) /* the long ones alike in their middle */
                offset = layout->size > INT16_MAX ? INT16_MAX - 64 : (int32_t)layout->size - 64;
            for (uint32_t width = 0; width < 4; width++)
                for (int store = 0; store < 2; store++)
                    check_access(subject, layout, offset, width, store, &asked, excused);
        }
    }
    printf("contexts: %u accesses; unlike the kernel %u unaligned, %u typed by BTF, %u of egress_ifindex, %u before a "
           "record\n",
           asked, excused[UNALIGNED], excused[BY_BTF], excused[EGRESS], excused[UNDERWRITE]);
    CHECK(asked > 60000);
    CHECK(excused[UNALIGNED] && excused[EGRESS] == 1 && excused[UNDERWRITE] == 15); /* else they excuse nothing */
}

/* ---- objects behind pointers ---- */

/* Leaves the object's address in r7, or ends the program where there is none. */
static uint32_t reach(enum contract_object object, struct insn *insns)
{
    uint32_t n = 0;

    insns[n++] = insn_make(0x79, 7, 1, object == CONTRACT_FLOW_KEYS ? 144 : 168, 0);
    if (object == CONTRACT_FLOW_KEYS)
        return n;
    insns[n++] = insn_make(JNE, 7, 0, 2, 0);
    insns[n++] = insn_make(MOV, 0, 0, 0, 0);
    insns[n++] = insn_make(EXIT, 0, 0, 0, 0);
    if (object == CONTRACT_SOCK_COMMON)
        return n;
    insns[n++] = insn_make(MOV_REG, 1, 7, 0, 0);
    insns[n++] = insn_make(CALL, 0, 0, 0, object == CONTRACT_SOCK ? 95 : 96);
    insns[n++] = insn_make(JNE, 0, 0, 2, 0);
    insns[n++] = insn_make(MOV, 0, 0, 0, 0);
    insns[n++] = insn_make(EXIT, 0, 0, 0, 0);
    insns[n++] = insn_make(MOV_REG, 7, 0, 0, 0);
    return n;
}

TEST(objects)
{
    uint32_t asked = 0;

    READY();
    for (unsigned object = 0; object < CONTRACT_OBJECTS; object++) {
        const struct context_layout *layout = contract_object_layout(object);
        const struct subject subject = {.type = object == CONTRACT_FLOW_KEYS ? 22 : 8};
        struct insn insns[20];
        uint32_t head = reach(object, insns);

        for (int32_t offset = -8; offset < (int32_t)layout->size + 16; offset++)
            for (uint32_t i = 0; i < 8; i++) {
                bool store = i & 1, kernel, table;
                uint32_t n = head, size = widths[i / 2].size;

                insns[n++] = insn_make(MOV, 2, 0, 0, 0);
                insns[n++] = store ? insn_make(widths[i / 2].store, 7, 2, offset, 0)
                                   : insn_make(widths[i / 2].load, 0, 7, offset, 0);
                insns[n++] = insn_make(MOV, 0, 0, 0, 0);
                insns[n++] = insn_make(EXIT, 0, 0, 0, 0);
                kernel = kernel_accepts(&subject, insns, n);
                table = contract_field(layout, offset, size, store) != NULL;
                asked++;
                if (kernel != table) {
                    printf("object %u: a %u-byte %s at %d: the kernel says %s, the table %s\n", object, size,
                           store ? "store" : "load", offset, kernel ? "yes" : "no", table ? "yes" : "no");
                    check_failures++;
                }
            }
    }
    printf("objects: %u accesses\n", asked);
    CHECK(asked > 3000);
}

/* ---- packets ---- */

/* Is a byte of the packet, proven to exist, loaded or stored to?  And is it loaded as classic BPF does? */
TEST(packets)
{
    uint32_t asked = 0;

    READY();
    for (uint32_t i = 0; i < subject_count; i++) {
        const struct subject *subject = &subjects[i];
        const struct program_contract *contract = contract_program(PERSONALITY_LINUX, subject->type);
        const struct context_layout *layout = contract_context(contract, PERSONALITY_LINUX, subject->attach);
        const struct context_field *data = &layout->fields[0], *end = &layout->fields[1];
        const struct insn legacy[] = {insn_make(MOV_REG, 6, 1, 0, 0), insn_make(0x30, 0, 0, 0, 0),
                                      insn_make(MOV, 0, 0, 0, subject->returns), insn_make(EXIT, 0, 0, 0, 0)};

        CHECK_EQ(kernel_accepts(subject, legacy, 4), (contract->flags & CONTRACT_LEGACY_LOADS) != 0);
        asked++;
        if (data->kind != FIELD_PACKET)
            continue;
        for (int store = 0; store < 2; store++) {
            const struct insn insns[] = {
                insn_make(data->size == 8 ? 0x79 : 0x61, 2, 1, data->offset, 0),
                insn_make(end->size == 8 ? 0x79 : 0x61, 3, 1, end->offset, 0),
                insn_make(MOV_REG, 4, 2, 0, 0),
                insn_make(ADD, 4, 0, 0, 1),
                insn_make(JGT_REG, 4, 3, 1, 0),
                store ? insn_make(0x72, 2, 0, 0, 7) : insn_make(0x71, 5, 2, 0, 0),
                insn_make(MOV, 0, 0, 0, subject->returns),
                insn_make(EXIT, 0, 0, 0, 0),
            };
            bool kernel = kernel_accepts(subject, insns, 8);

            asked++;
            if (kernel != (!store || contract->flags & CONTRACT_PACKET_WRITE)) {
                printf("%s: a byte of the packet is %s: the kernel says %s\n", subject_name(subject),
                       store ? "stored" : "loaded", kernel ? "yes" : "no");
                check_failures++;
            }
        }
    }
    printf("packets: %u programs\n", asked);
    CHECK(asked > 80);
}

/* ---- return values ---- */

TEST(returns)
{
    static const int32_t values[] = {INT32_MIN, -4096, -4095, -1, 0, 1, 2, 3, 4, 5, 255, INT32_MAX};
    uint32_t asked = 0;

    READY();
    for (uint32_t i = 0; i < subject_count; i++)
        for (uint32_t v = 0; v < sizeof values / sizeof *values; v++) {
            const struct insn insns[] = {insn_make(MOV, 0, 0, 0, values[v]), insn_make(EXIT, 0, 0, 0, 0)};
            struct return_range range;
            bool table = !contract_return_range(contract_program(PERSONALITY_LINUX, subjects[i].type),
                                                PERSONALITY_LINUX, subjects[i].attach, &range) ||
                         (range.lowest <= values[v] && values[v] <= range.highest);
            bool kernel = kernel_accepts(&subjects[i], insns, 2);

            asked++;
            if (kernel != table) {
                printf("%s returns %d: the kernel says %s, the table %s\n", subject_name(&subjects[i]), values[v],
                       kernel ? "yes" : "no", table ? "yes" : "no");
                check_failures++;
            }
        }
    printf("returns: %u values\n", asked);
    CHECK(asked > 700);
}

/* ---- who may call what ---- */

/* Helpers that a kernel may lack which the table allows, with the reason; type 0: in every type. */
static const struct {
    uint32_t type;
    int32_t helper;
} optional[] = {
    {0, 36},  /* probe_write_user: not where the kernel is locked down */
    {2, 58},  /* override_return: CONFIG_BPF_KPROBE_OVERRIDE */
    {26, 49}, /* setsockopt, getsockopt: iterators over sockets alone */
    {26, 57},
    {26,
     183}, /* get_func_arg, get_func_ret, get_func_arg_cnt: programs on functions, which no test loads: the kernel */
    {26, 184}, /* must be able to attach them */
    {26, 185},
};

/* Helpers that are there and cannot be called with any map: the kernel refuses the map, test_prototypes.c has it so. */
static bool map_refused(uint32_t type, int32_t helper)
{
    bool tracing = type == 2 || type == 5 || type == 7 || type == 17 || type == 24;

    return (tracing && (helper == 93 || helper == 94 || (helper >= 169 && helper <= 172))) ||
           (type == 1 && (helper == 93 || helper == 94));
}

static bool may_lack(uint32_t type, int32_t helper)
{
    for (uint32_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if ((optional[i].type == 0 || optional[i].type == type) && optional[i].helper == helper)
            return true;
    return false;
}

TEST(callers)
{
    uint64_t kernel[212] = {0}, gpl[212] = {0};
    uint32_t asked = 0;

    READY();
    for (uint32_t i = 0; i < subject_count; i++)
        for (int32_t id = 1; id <= 211; id++) {
            const struct insn insns[] = {insn_make(CALL, 0, 0, 0, id), insn_make(MOV, 0, 0, 0, subjects[i].returns),
                                         insn_make(EXIT, 0, 0, 0, 0)};
            int fd = kernel_load(&subjects[i], insns, 3, "GPL", true);

            asked++;
            if (fd >= 0)
                close(fd);
            else if (strstr(kernel_log, "program of this type cannot use helper") || strstr(kernel_log, "unknown func"))
                continue;
            kernel[id] |= UINT64_C(1) << subjects[i].type;
            fd = kernel_load(&subjects[i], insns, 3, "", true);
            asked++;
            if (fd >= 0)
                close(fd);
            if (strstr(kernel_log, "GPL-restricted"))
                gpl[id] |= UINT64_C(1) << subjects[i].type;
        }
    for (int32_t id = 1; id <= 211; id++)
        for (uint32_t type = 1; type <= 32; type++) {
            const struct helper_proto *proto = contract_helper_proto(PERSONALITY_LINUX, type, id);
            bool there = kernel[id] >> type & 1;

            if (missing >> type & 1)
                continue;
            if (there && !proto && map_refused(type, id))
                continue;
            if (there && !proto) {
                printf("%s may call %s, the table says it may not\n",
                       contract_program_type_name(PERSONALITY_LINUX, type),
                       contract_helper_name(PERSONALITY_LINUX, id));
                check_failures++;
            } else if (!there && proto) {
                if (may_lack(type, id))
                    continue;
                printf("%s may not call %s, the table says it may\n",
                       contract_program_type_name(PERSONALITY_LINUX, type),
                       contract_helper_name(PERSONALITY_LINUX, id));
                check_failures++;
            } else if (there && type != STRUCT_OPS &&
                       (gpl[id] >> type & 1) != ((proto->flags & HELPER_GPL_ONLY) != 0)) {
                printf("%s calls %s without the GPL: the kernel says otherwise\n",
                       contract_program_type_name(PERSONALITY_LINUX, type), proto->name);
                check_failures++;
            }
        }
    printf("callers: %u calls\n", asked);
    CHECK(asked > 15000);
}

TEST_MAIN
