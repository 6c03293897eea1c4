// SPDX-License-Identifier: MIT
// Programs for efW's sample extension: good ones, and bad ones that are refused with the code in their name.
#include "sample_ext_helpers.h"
#include "bpf_helpers.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, uint32_t);
    __type(value, uint8_t[32]);
    __uint(max_entries, 2);
} texts SEC(".maps");

// Replaces one text in the buffer by another.
SEC("sample_ext")
int good_replace(sample_program_context_t *ctx)
{
    uint32_t first = 0, second = 1;
    uint8_t *find = bpf_map_lookup_elem(&texts, &first), *replace = bpf_map_lookup_elem(&texts, &second);
    uint8_t *start = ctx->data_start;
    if (!find || !replace || start + 64 > ctx->data_end)
        return -1;
    int64_t at = sample_ebpf_extension_find(start, 64, find, 32);
    if (at < 0)
        return -1;
    return sample_ebpf_extension_replace(start, 64, at, replace, 32);
}

// Writes the buffer, and what the program may set of the context.
SEC("sample_ext")
int good_write(sample_program_context_t *ctx)
{
    uint8_t *start = ctx->data_start;
    if (start + 8 > ctx->data_end)
        return -1;
    start[7] = (uint8_t)ctx->helper_data_1;
    ctx->uint32_data = 7;
    ctx->uint16_data = 8;
    return sample_ebpf_extension_helper_function1(ctx);
}

// Searches more of the buffer than there is.
SEC("sample_ext")
int bad_0203_find(sample_program_context_t *ctx)
{
    uint32_t first = 0;
    uint8_t *find = bpf_map_lookup_elem(&texts, &first);
    uint8_t *start = ctx->data_start;
    if (!find || start + 64 > ctx->data_end)
        return -1;
    return sample_ebpf_extension_find(start, 65, find, 32);
}

// Searches for more of a text than there is.
SEC("sample_ext")
int bad_0204_find(sample_program_context_t *ctx)
{
    uint32_t first = 0;
    uint8_t *find = bpf_map_lookup_elem(&texts, &first);
    uint8_t *start = ctx->data_start;
    if (!find || start + 64 > ctx->data_end)
        return -1;
    return sample_ebpf_extension_find(start, 64, find, 33);
}

// Writes what helpers alone may set.
SEC("sample_ext")
int bad_0202_data(sample_program_context_t *ctx)
{
    ctx->helper_data_1 = 1;
    return 0;
}

// Has a size that may be negative.
SEC("sample_ext")
int bad_0403_size(sample_program_context_t *ctx)
{
    uint32_t first = 0;
    uint8_t *find = bpf_map_lookup_elem(&texts, &first);
    int64_t size = sample_ebpf_extension_helper_function1(ctx);
    if (!find || size > 32)
        return -1;
    return sample_ebpf_extension_find(find, (size_t)size, find, 32);
}
