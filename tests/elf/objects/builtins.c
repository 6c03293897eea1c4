/* SPDX-License-Identifier: MIT
 *
 * Calls of what nobody defines and everybody has: memset and its kin, and helpers by their names.  To be compiled with
 * -fno-builtin, without which the compilers refuse such calls or write them out.  With OWN the object has a memset.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __SIZE_TYPE__ size_t;

#define SEC(name) __attribute__((section(name), used))

void *memset(void *to, int byte, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
int memcmp(const void *a, const void *b, size_t size);
u32 bpf_get_prandom_u32(void);
long bpf_xdp_adjust_head(void *context, int by);

#ifdef OWN
__attribute__((noinline)) void *memset(void *to, int byte, size_t size)
{
    *(volatile u8 *)to = (u8)byte;
    return to;
}
#endif

/* Whatever a test asks for, in its own memory. */
struct job {
    u64 op, to, from, size, byte;
    u8 bytes[448];
};

SEC("raw/any") u64 any(struct job *job)
{
    u8 *to = job->bytes + job->to, *from = job->bytes + job->from;
    switch (job->op) {
    case 0: return (u8 *)memset(to, (int)job->byte, job->size) - to;
    case 1: return (u8 *)memcpy(to, from, job->size) - to;
    case 2: return (u8 *)memmove(to, from, job->size) - to;
    default: return (u64)(long long)memcmp(to, from, job->size);
    }
}

/* By way of the stack, from any address on. */
SEC("raw/stack") u64 stack(struct job *job)
{
    u64 room[28];
    u8 *bytes = (u8 *)room + job->to % 9; /* no | for this + */
    size_t size = job->size;
    if (size > 200)
        return 1;
    memset(room, 0, sizeof room);
    memcpy(bytes, job->bytes, size);
    memmove(bytes + 3, bytes, size);
    memcpy(job->bytes + 216, room, sizeof room);
    return 0;
}

static u8 value[200], other[200]; /* in this order */

struct xdp_md {
    u32 data, data_end, data_meta;
};

/* Sizes that are constants: the Linux kernel takes these too. */
SEC("xdp/constant") int constant(struct xdp_md *ctx)
{
    u64 room[8], copy[8];
    u8 *data = (u8 *)(long)ctx->data;
    if (data + 60 > (u8 *)(long)ctx->data_end)
        return 1;
    memset(room, 0x5a, 63);
    memcpy(copy, room, 63);
    if (memcmp(room, copy, 63))
        return 10;
    memset(copy, 0, 8);
    memmove(copy + 2, copy, 47); /* upwards, by less than its size: 0 twice, then what was there */
    if (copy[2] || copy[3] != 0x5a5a5a5a5a5a5a5aull || ((u8 *)copy)[62] != 0x5a)
        return 11;
    if (memcmp(room, copy, 63) <= 0 || memcmp(copy, room, 1) >= 0)
        return 12;
    memset(value, 0x33, sizeof value);
    memcpy(data, value, 59);
    if (data[58] != 0x33 || memcmp(data, value, 59) || memset(other, 7, 3) != other || other[2] != 7 || other[3])
        return 13;
    return 2;
}

/* Sizes that are bounded. */
SEC("xdp/bounded") int bounded(struct xdp_md *ctx)
{
    size_t size = bpf_get_prandom_u32(), few = size & 31;
    u8 *data = (u8 *)(long)ctx->data;
    if (data + 31 > (u8 *)(long)ctx->data_end || size > 200)
        return 1;
    memset(value, 1, size);
    memcpy(other, value, size);
    memmove(value, other, size);
    memmove(data, value, few);
    return memcmp(value, other, size) == 0 ? 2 : 1;
}

/* One byte too many, and no bound at all. */
SEC("xdp/over") int over(struct xdp_md *ctx)
{
    size_t size = bpf_get_prandom_u32();
    if (size < 202)
        memset(other, 1, size);
    return 2;
}

SEC("xdp/packet") int packet(struct xdp_md *ctx)
{
    u8 *data = (u8 *)(long)ctx->data;
    if (data + 31 > (u8 *)(long)ctx->data_end)
        return 1;
    memcpy(data, value, bpf_get_prandom_u32() & 63);
    return 2;
}

SEC("xdp/compare") int compare(struct xdp_md *ctx)
{
    return memcmp(value, other, bpf_get_prandom_u32()) == 0 ? 2 : 1;
}

SEC("xdp/move") int move(struct xdp_md *ctx)
{
    size_t size = bpf_get_prandom_u32();
    if (size < 201)
        memmove(other + 1, other, size);
    return 2;
}

/* A helper of one program type in efW. */
#ifndef ADJUST
#define ADJUST "xdp/adjust"
#endif
SEC(ADJUST) int adjust(struct xdp_md *ctx)
{
    return bpf_xdp_adjust_head(ctx, 2) ? 1 : 2;
}

#ifndef OWN
/* An address is no call. */
SEC("xdp/address") int address(struct xdp_md *ctx)
{
    return (long)&memset >> 3 & 1;
}
#endif

char license_text[] SEC("license") = "GPL";
