/* SPDX-License-Identifier: MIT
 *
 * Byte order for BPF programs.  Constants are swapped by the compiler's constant folding.
 */
#ifndef __BPF_ENDIAN__
#define __BPF_ENDIAN__

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define __bpf_order16(x) __builtin_bswap16(x)
#define __bpf_order32(x) __builtin_bswap32(x)
#define __bpf_order64(x) __builtin_bswap64(x)
#else
#define __bpf_order16(x) ((unsigned short)(x))
#define __bpf_order32(x) ((unsigned int)(x))
#define __bpf_order64(x) ((unsigned long long)(x))
#endif

#define bpf_htons(x)       __bpf_order16(x)
#define bpf_ntohs(x)       __bpf_order16(x)
#define bpf_htonl(x)       __bpf_order32(x)
#define bpf_ntohl(x)       __bpf_order32(x)
#define bpf_cpu_to_be64(x) __bpf_order64(x)
#define bpf_be64_to_cpu(x) __bpf_order64(x)

#endif
