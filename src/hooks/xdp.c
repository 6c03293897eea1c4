/* SPDX-License-Identifier: MIT
 *
 * The XDP hook without its provider: frames, the helpers that move a frame's edges, and test runs, which follow Linux's
 * BPF_PROG_TEST_RUN for XDP (net/bpf/test_run.c, net/core/filter.c): same layout of headroom and tailroom, same
 * refusals, same outputs.  tests/hooks/test_xdp_kernel.c holds the two against each other.
 */
#include "base/checked.h"
#include "contract/contract.h"
#include "core/epoch.h"
#include "hooks/hooks.h"
#include "hooks/xdp.h"
#include "platform/os.h"

enum {
    PAGE = 4096,
    FRAME_SIZE = PAGE,    /* buffer of a test run, as in Linux */
    REST_MAX = 17 * PAGE, /* Linux: so many fragments */
    LOOPBACK = 1,         /* interface a test run's frame comes from when the caller names none */
    MD_SIZE = 24,         /* Linux's struct xdp_md */
    ATTACH_XDP = 37,      /* BPF_XDP */
    TEST_LIVE_FRAMES = 2,
};

static const struct xdp_provider *provider;

void xdp_provider_set(const struct xdp_provider *chosen)
{
    os_store_release(&provider, chosen);
}

void xdp_frame_init(struct xdp_frame *frame, void *buffer, size_t size, size_t headroom, size_t length)
{
    bug_if(size > CONTRACT_REGION_MOST); /* the verifier counts on it */
    memset(frame, 0, sizeof *frame);
    frame->start = buffer;
    frame->limit = frame->start + size - XDP_TAILROOM;
    frame->context.data = frame->start + headroom;
    frame->context.data_end = frame->context.data + length;
    frame->context.data_meta = (uint64_t)(uintptr_t)frame->context.data;
}

enum xdp_verdict xdp_run(struct prog *prog, uint32_t cpu, struct xdp_frame *frame, struct code_fault *fault)
{
    uint64_t r0 = XDP_VERDICT_ABORTED;
    memset(&frame->header, 0, sizeof frame->header);
    frame->header.cpu = cpu;
    if (prog_run(prog, cpu, &frame->context, &r0, fault))
        return XDP_VERDICT_ABORTED;
    return r0 <= XDP_VERDICT_REDIRECT ? (enum xdp_verdict)r0 : XDP_VERDICT_ABORTED;
}

/* Helpers. */

static struct xdp_frame *frame_of(uint64_t context)
{
    return (struct xdp_frame *)(uintptr_t)(context - offsetof(struct xdp_frame, context));
}

static uint64_t failure(enum result result)
{
    return (uint64_t)(int64_t)-result_errno(result);
}

static uint8_t *meta_of(const struct xdp_frame *frame)
{
    return (uint8_t *)(uintptr_t)frame->context.data_meta;
}

static uint64_t length_of(const struct xdp_frame *frame)
{
    return (uint64_t)(frame->context.data_end - frame->context.data) + frame->rest_size;
}

static uint64_t adjust_head(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct xdp_frame *frame = frame_of(r1);
    int64_t offset = (int32_t)r2;
    uint8_t *meta = meta_of(frame);
    int64_t length = frame->context.data - meta, room = meta - frame->start - XDP_RESERVED;
    if (offset < -room || offset > frame->context.data_end - frame->context.data - XDP_FRAME_MINIMUM)
        return failure(RESULT_INVALID);
    memmove(meta + offset, meta, (size_t)length); /* metadata stays in front of the data */
    frame->context.data_meta += (uint64_t)offset;
    frame->context.data += offset;
    return 0;
}

static uint64_t adjust_meta(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct xdp_frame *frame = frame_of(r1);
    int64_t offset = (int32_t)r2;
    int64_t length = frame->context.data - meta_of(frame) - offset;
    if (meta_of(frame) - frame->start + offset < XDP_RESERVED || length < 0)
        return failure(RESULT_INVALID);
    if (length % 4 || length > XDP_META_MAX)
        return failure(RESULT_ACCESS);
    frame->context.data_meta += (uint64_t)offset;
    return 0;
}

static uint64_t adjust_tail(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    struct xdp_frame *frame = frame_of(r1);
    int64_t offset = (int32_t)r2;
    if (frame->rest_size) { /* shrinking takes from the rest first; growing fills its last page */
        uint32_t last = frame->rest_size % PAGE ? frame->rest_size % PAGE : PAGE;
        if (offset > (int64_t)PAGE - last || -offset > (int64_t)length_of(frame) - XDP_FRAME_MINIMUM)
            return failure(RESULT_INVALID);
        if (offset >= 0) {
            memset(frame->rest + frame->rest_size, 0, (size_t)offset);
            frame->rest_size += (uint32_t)offset;
            return 0;
        }
        uint32_t cut = -offset > (int64_t)frame->rest_size ? frame->rest_size : (uint32_t)-offset;
        frame->rest_size -= cut;
        frame->context.data_end += offset + cut;
        return 0;
    }
    if (offset > frame->limit - frame->context.data_end ||
        frame->context.data_end - frame->context.data + offset < XDP_FRAME_MINIMUM)
        return failure(RESULT_INVALID);
    if (offset > 0)
        memset(frame->context.data_end, 0, (size_t)offset);
    frame->context.data_end += offset;
    return 0;
}

static uint64_t get_buff_len(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return length_of(frame_of(r1));
}

static uint64_t copy_bytes(struct xdp_frame *frame, uint32_t offset, uint8_t *buffer, uint32_t size, bool store)
{
    if (offset > 0xffff || size > 0xffff)
        return failure(RESULT_FAULT);
    if (!range_within(offset, size, length_of(frame)))
        return failure(RESULT_INVALID);
    uint32_t linear = (uint32_t)(frame->context.data_end - frame->context.data);
    while (size) {
        uint8_t *place = offset < linear ? frame->context.data + offset : frame->rest + (offset - linear);
        uint32_t part = offset < linear && size > linear - offset ? linear - offset : size;
        memmove(store ? place : buffer, store ? buffer : place, part);
        buffer += part, offset += part, size -= part;
    }
    return 0;
}

static uint64_t load_bytes(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return copy_bytes(frame_of(r1), (uint32_t)r2, (uint8_t *)(uintptr_t)r3, (uint32_t)r4, false);
}

static uint64_t store_bytes(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    return copy_bytes(frame_of(r1), (uint32_t)r2, (uint8_t *)(uintptr_t)r3, (uint32_t)r4, true);
}

static uint64_t redirect(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, void *context)
{
    if (r2)
        return XDP_VERDICT_ABORTED;
    frame_of((uintptr_t)context)->redirect = (uint32_t)r1;
    return XDP_VERDICT_REDIRECT;
}

enum { DISPATCH = 2 };

const struct helper xdp_helpers[] = {
    {{"xdp_adjust_head", {44, 65536}, RET_INTEGER, {ARG_CONTEXT, ARG_SCALAR}, HELPER_CHANGES_PACKET, 0, DISPATCH},
     adjust_head},
    {{"xdp_adjust_meta", {54, -1}, RET_INTEGER, {ARG_CONTEXT, ARG_SCALAR}, HELPER_CHANGES_PACKET, 0, DISPATCH},
     adjust_meta},
    {{"xdp_adjust_tail", {65, -1}, RET_INTEGER, {ARG_CONTEXT, ARG_SCALAR}, HELPER_CHANGES_PACKET, 0, DISPATCH},
     adjust_tail},
    {{"xdp_get_buff_len", {188, -1}, RET_INTEGER, {ARG_CONTEXT}, 0, 0, DISPATCH}, get_buff_len},
    {{"xdp_load_bytes", {189, -1}, RET_INTEGER, {ARG_CONTEXT, ARG_SCALAR, ARG_MEM_UNINIT, ARG_SIZE}, 0, 0, DISPATCH},
     load_bytes},
    {{"xdp_store_bytes", {190, -1}, RET_INTEGER, {ARG_CONTEXT, ARG_SCALAR, ARG_MEM, ARG_SIZE}, 0, 0, DISPATCH},
     store_bytes},
    {{"redirect", {23, -1}, RET_INTEGER, {ARG_SCALAR, ARG_SCALAR}, 0, 0, DISPATCH}, redirect},
    {{NULL, {-1, -1}, RET_VOID, {ARG_NONE}, 0, 0, 0}, NULL},
};

/* Test runs. */

/* What a caller's context says, in its personality's layout: Linux's xdp_md counts from the metadata's start. */
struct wishes {
    bool given;
    uint32_t data, data_end, ingress_ifindex, rx_queue_index;
    uint8_t raw[sizeof(struct xdp_context)];
};

static uint32_t visible_size(const struct prog *prog)
{
    return prog->image.personality == PERSONALITY_EFW ? 32 : MD_SIZE;
}

static enum result read_context(const struct prog *prog, const struct test_run *run, struct wishes *out)
{
    uint32_t size = visible_size(prog), given = run->context_in ? run->context_in_size : 0;
    memset(out, 0, sizeof *out);
    for (uint32_t i = size; i < given; i++) {
        if (((const uint8_t *)run->context_in)[i])
            return RESULT_TOO_BIG;
    }
    out->given = run->context_in || run->context_out;
    if (!out->given)
        return RESULT_OK;
    if (given)
        memcpy(out->raw, run->context_in, given < size ? given : size);
    if (prog->image.personality == PERSONALITY_EFW) { /* pointers there: only the interface is the caller's to say */
        out->data_end = run->data_in_size;
        out->ingress_ifindex = load_le32(out->raw + 24);
        return RESULT_OK;
    }
    out->data = load_le32(out->raw);
    out->data_end = load_le32(out->raw + 4);
    out->ingress_ifindex = load_le32(out->raw + 12);
    out->rx_queue_index = load_le32(out->raw + 16);
    if (load_le32(out->raw + 8) || out->data_end > run->data_in_size || out->data > out->data_end || out->data % 4 ||
        out->data > XDP_META_MAX || out->data > XDP_HEADROOM - XDP_RESERVED)
        return RESULT_INVALID;
    return RESULT_OK;
}

static enum result check_interface(const struct prog *prog, const struct wishes *wishes)
{
    if (!wishes->given)
        return RESULT_OK;
    if (prog->image.personality == PERSONALITY_LINUX && load_le32(wishes->raw + 20))
        return RESULT_INVALID; /* an egress interface */
    if (!wishes->ingress_ifindex)
        return wishes->rx_queue_index ? RESULT_INVALID : RESULT_OK;
    const struct xdp_provider *current = os_load_acquire(&provider);
    return current ? current->check(wishes->ingress_ifindex, wishes->rx_queue_index) : RESULT_OK;
}

static enum result write_outputs(const struct prog *prog, struct test_run *run, const struct xdp_frame *frame,
                                 struct wishes *wishes)
{
    uint32_t linear = (uint32_t)(frame->context.data_end - meta_of(frame)), size = linear + frame->rest_size;
    uint32_t room = run->data_out_size, copied = size < room || !run->data_out ? size : room;
    if (copied < frame->rest_size) { /* Linux cuts the linear part, and gives nothing when that does not suffice */
        run->retval = run->duration = 0;
        return RESULT_NO_SPACE;
    }
    if (run->data_out) {
        memcpy(run->data_out, meta_of(frame), copied - frame->rest_size);
        if (frame->rest_size)
            memcpy((uint8_t *)run->data_out + (copied - frame->rest_size), frame->rest, frame->rest_size);
    }
    run->data_out_size = size;
    if (run->data_out && size > room)
        return RESULT_NO_SPACE;

    if (!wishes->given)
        return RESULT_OK;
    if (prog->image.personality == PERSONALITY_LINUX) {
        store_le32(wishes->raw, (uint32_t)(frame->context.data - meta_of(frame)));
        store_le32(wishes->raw + 4, linear);
    } else {
        memset(wishes->raw, 0, 24); /* addresses of ours stay ours */
    }
    uint32_t visible = visible_size(prog);
    room = run->context_out_size;
    if (run->context_out)
        memcpy(run->context_out, wishes->raw, visible < room ? visible : room);
    run->context_out_size = visible;
    return run->context_out && visible > room ? RESULT_NO_SPACE : RESULT_OK;
}

static enum result run_repeatedly(struct prog *prog, struct test_run *run, struct xdp_frame *frame)
{
    struct test_batches batches = {.run = run};
    uint64_t r0 = 0;
    while (test_batch_enter(&batches)) {
        for (uint32_t i = 0; i < batches.size; i++) {
            memset(&frame->header, 0, sizeof frame->header);
            frame->header.cpu = batches.cpu;
            (void)prog_run_raw(prog, batches.cpu, &frame->context, &r0, NULL);
        }
    }
    run->retval = (uint32_t)r0;
    return test_batches_end(&batches);
}

static enum result test_run(struct prog *prog, struct test_run *run)
{
    struct wishes wishes;
    struct xdp_frame frame;
    uint32_t size = run->data_in_size, headroom = XDP_HEADROOM;
    if (run->flags & ~(uint32_t)TEST_LIVE_FRAMES)
        return RESULT_INVALID;
    if (run->flags)
        return RESULT_NOT_SUPPORTED;
    enum result result = read_context(prog, run, &wishes);
    if (result)
        return result;
    headroom -= wishes.data;
    uint32_t linear_max = FRAME_SIZE - headroom - XDP_TAILROOM;
    uint32_t linear = wishes.given ? wishes.data_end : size; /* the context's data_end says how much is linear */
    linear = linear < linear_max ? linear : linear_max;
    if (size - wishes.data < XDP_FRAME_MINIMUM)
        return RESULT_INVALID;
    if (size - linear > REST_MAX)
        return RESULT_NO_MEMORY;
    size_t buffer_size = FRAME_SIZE + ((size_t)(size - linear) + PAGE - 1) / PAGE * PAGE;
    uint8_t *buffer = os_alloc(buffer_size, OS_TAG('x', 'd', 'p', 't'));
    if (!buffer)
        return RESULT_NO_MEMORY;
    xdp_frame_init(&frame, buffer, FRAME_SIZE, headroom, linear);
    if (run->data_in)
        memcpy(frame.context.data, run->data_in, linear);
    frame.context.data += wishes.data;
    frame.context.ingress_ifindex = wishes.ingress_ifindex ? wishes.ingress_ifindex : LOOPBACK;
    frame.context.rx_queue_index = wishes.rx_queue_index;
    if (size > linear) {
        frame.rest = buffer + FRAME_SIZE;
        frame.rest_size = size - linear;
        memcpy(frame.rest, (const uint8_t *)run->data_in + linear, frame.rest_size);
    }
    result = check_interface(prog, &wishes);
    if (!result)
        result = run_repeatedly(prog, run, &frame);
    if (!result)
        result = write_outputs(prog, run, &frame, &wishes);
    os_free(buffer, buffer_size, OS_TAG('x', 'd', 'p', 't'));
    return result;
}

static enum result attach(struct link *link, uint32_t target, uint32_t flags)
{
    const struct xdp_provider *current = os_load_acquire(&provider);
    return current ? current->attach(link, target, flags) : RESULT_NO_DEVICE;
}

static void detach(struct link *link)
{
    const struct xdp_provider *current = os_load_acquire(&provider);
    if (current)
        current->detach(link);
}

const struct hook_ops hook_xdp = {
    .contract = &contract_xdp,
    .test_run = test_run,
    .attach_types = 1ull << ATTACH_XDP,
    .attach = attach,
    .detach = detach,
};
