/* SPDX-License-Identifier: MIT
 *
 * What a BPF program is written with: sections, map definitions, linkage words, the helpers.  The names are libbpf's,
 * so that a program compiles against either.
 */
#ifndef __BPF_HELPERS__
#define __BPF_HELPERS__

#include <bpf/bpf_helper_defs.h>

/* The fields of a map definition: a structure of pointers whose *types* carry the values into BTF. */
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  typeof(value) *name
#define __array(name, value) typeof(value) *name[]
#define __ulong(name, value) enum { __bpf_join(__unique_value_, __COUNTER__) = value } name
#define __bpf_join_(a, b)    a##b
#define __bpf_join(a, b)     __bpf_join_(a, b)

/* Puts a function or variable into an ELF section and keeps it there. */
#if defined(__clang__)
#define SEC(name)                                                                                                      \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")                          \
        __attribute__((section(name), used)) _Pragma("GCC diagnostic pop")
#else
#define SEC(name) __attribute__((section(name), used))
#endif

/* A C library's <sys/cdefs.h> may have defined this one otherwise. */
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
/* Seen by other files at link time, but checked in its callers' context. */
#define __hidden __attribute__((visibility("hidden")))

#define __kconfig        __attribute__((section(".kconfig")))
#define __ksym           __attribute__((section(".ksyms")))
#define __kptr           __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __percpu_kptr    __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))
#define __arg_ctx     __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute__((btf_decl_tag("arg:nonnull")))

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef KERNEL_VERSION
#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + ((patch) > 255 ? 255 : (patch)))
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#ifndef container_of
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#endif

#ifndef barrier
#define barrier() __asm__ volatile("" ::: "memory")
#endif
/* The compiler forgets what it knew about `var`. */
#ifndef barrier_var
#define barrier_var(var) __asm__ volatile("" : "+r"(var))
#endif

enum libbpf_pin_type {
    LIBBPF_PIN_NONE,
    LIBBPF_PIN_BY_NAME, /* under the pin root path */
};

enum libbpf_tristate {
    TRI_NO = 0,
    TRI_YES = 1,
    TRI_MODULE = 2,
};

/* A tail call whose slot is a constant: the compiler cannot merge such calls, so an engine may resolve each directly.
 */
#if defined(__bpf__) && defined(__clang__)
static __always_inline void bpf_tail_call_static(void *context, const void *map, const __u32 slot)
{
    if (!__builtin_constant_p(slot))
        __builtin_trap();
    __asm__ volatile("r1 = %[context]\n\t"
                     "r2 = %[map]\n\t"
                     "r3 = %[slot]\n\t"
                     "call 12" ::[context] "r"(context),
                     [map] "r"(map), [slot] "i"(slot)
                     : "r0", "r1", "r2", "r3", "r4", "r5");
}
#endif

/* Arguments of a variadic macro as 64-bit words, 0 to 12 of them. */
#define __bpf_count_(_0, _1, _2, _3, _4, _5, _6, _7, _8, _9, _10, _11, _12, n, ...) n
#define __bpf_count(...)                                                            __bpf_count_(_0, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define __bpf_word(x)                                                               (unsigned long)(x)
#define __bpf_words_0()                                                             0
#define __bpf_words_1(a)                                                            __bpf_word(a)
#define __bpf_words_2(a, ...)                                                       __bpf_word(a), __bpf_words_1(__VA_ARGS__)
#define __bpf_words_3(a, ...)                                                       __bpf_word(a), __bpf_words_2(__VA_ARGS__)
#define __bpf_words_4(a, ...)                                                       __bpf_word(a), __bpf_words_3(__VA_ARGS__)
#define __bpf_words_5(a, ...)                                                       __bpf_word(a), __bpf_words_4(__VA_ARGS__)
#define __bpf_words_6(a, ...)                                                       __bpf_word(a), __bpf_words_5(__VA_ARGS__)
#define __bpf_words_7(a, ...)                                                       __bpf_word(a), __bpf_words_6(__VA_ARGS__)
#define __bpf_words_8(a, ...)                                                       __bpf_word(a), __bpf_words_7(__VA_ARGS__)
#define __bpf_words_9(a, ...)                                                       __bpf_word(a), __bpf_words_8(__VA_ARGS__)
#define __bpf_words_10(a, ...)                                                      __bpf_word(a), __bpf_words_9(__VA_ARGS__)
#define __bpf_words_11(a, ...)                                                      __bpf_word(a), __bpf_words_10(__VA_ARGS__)
#define __bpf_words_12(a, ...)                                                      __bpf_word(a), __bpf_words_11(__VA_ARGS__)
#define __bpf_words(...)                                                            __bpf_join(__bpf_words_, __bpf_count(__VA_ARGS__))(__VA_ARGS__)

#define BPF_SEQ_PRINTF(seq, format, ...)                                                                               \
    ({                                                                                                                 \
        static const char __format[] = format;                                                                         \
        unsigned long long __words[] = {__bpf_words(__VA_ARGS__)};                                                     \
        bpf_seq_printf(seq, __format, sizeof(__format), __words, __bpf_count(__VA_ARGS__) * 8);                        \
    })

#define BPF_SNPRINTF(out, out_size, format, ...)                                                                       \
    ({                                                                                                                 \
        static const char __format[] = format;                                                                         \
        unsigned long long __words[] = {__bpf_words(__VA_ARGS__)};                                                     \
        bpf_snprintf(out, out_size, __format, __words, __bpf_count(__VA_ARGS__) * 8);                                  \
    })

/* Up to three arguments go in registers, more by an array. */
#ifdef BPF_NO_GLOBAL_DATA
#define __bpf_format_storage
#else
#define __bpf_format_storage static const
#endif
#define __bpf_print_registers(format, ...)                                                                             \
    ({                                                                                                                 \
        __bpf_format_storage char __format[] = format;                                                                 \
        bpf_trace_printk(__format, sizeof(__format), ##__VA_ARGS__);                                                   \
    })
#define __bpf_print_array(format, ...)                                                                                 \
    ({                                                                                                                 \
        static const char __format[] = format;                                                                         \
        unsigned long long __words[] = {__bpf_words(__VA_ARGS__)};                                                     \
        bpf_trace_vprintk(__format, sizeof(__format), __words, __bpf_count(__VA_ARGS__) * 8);                          \
    })
#define __bpf_print_0           __bpf_print_registers
#define __bpf_print_1           __bpf_print_registers
#define __bpf_print_2           __bpf_print_registers
#define __bpf_print_3           __bpf_print_registers
#define __bpf_print_4           __bpf_print_array
#define __bpf_print_5           __bpf_print_array
#define __bpf_print_6           __bpf_print_array
#define __bpf_print_7           __bpf_print_array
#define __bpf_print_8           __bpf_print_array
#define __bpf_print_9           __bpf_print_array
#define __bpf_print_10          __bpf_print_array
#define __bpf_print_11          __bpf_print_array
#define __bpf_print_12          __bpf_print_array
#define bpf_printk(format, ...) __bpf_join(__bpf_print_, __bpf_count(__VA_ARGS__))(format, ##__VA_ARGS__)

#endif
