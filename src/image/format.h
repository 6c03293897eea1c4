/* SPDX-License-Identifier: MIT
 *
 * The flat form of an image.  All numbers are little-endian; every part begins at a multiple of 8 and is padded with
 * zeros to one.  There is one spelling of each image, so image_encode(image_decode(x)) is x.
 *
 *   flat     := header insn* map* helper* func* line* strings contents* btf      (each part padded)
 *   header   := magic version size personality prog_type attach_type prog_flags
 *               insn_count map_count helper_count func_count line_count strings_size btf_size   (u32 each, 14 words)
 *   magic    := "WBPI"        version := 1        size := bytes in all
 *   insn     := 8 bytes as RFC 9669 stores them
 *   map      := kind key_size value_size max_entries flags extra_low extra_high inner btf_key btf_value numa_node
 *               pinning personality frozen contents_size                          (u32 each, 15 words)
 *   helper   := id                                                                (u32)
 *   func     := insn btf_type linkage                                             (u32 each)
 *   line     := insn file text line column                                        (u32 each)
 *   strings  := name section license (a map's name)* (a function's name)*         (each closed by a NUL)
 *   contents := contents_size bytes, a part for each map                          (empty parts take no room)
 */
#ifndef WINBPF_IMAGE_FORMAT_H
#define WINBPF_IMAGE_FORMAT_H

#define FORMAT_WORDS(X)                                                                                                \
    X(MAGIC)                                                                                                           \
    X(VERSION)                                                                                                         \
    X(SIZE)                                                                                                            \
    X(PERSONALITY)                                                                                                     \
    X(PROG_TYPE) X(ATTACH_TYPE) X(PROG_FLAGS) X(INSNS) X(MAPS) X(HELPERS) X(FUNCS) X(LINES) X(STRINGS) X(BTF)

enum {
#define X(name) FORMAT_##name,
    FORMAT_WORDS(X)
#undef X
        FORMAT_HEADER_WORDS
};

enum {
    FORMAT_MAGIC_VALUE = 0x49504257, /* "WBPI" */
    FORMAT_VERSION_VALUE = 1,
    FORMAT_HEADER_SIZE = 4 * FORMAT_HEADER_WORDS,
    FORMAT_MAP_SIZE = 4 * 15,
    FORMAT_HELPER_SIZE = 4,
    FORMAT_FUNC_SIZE = 4 * 3,
    FORMAT_LINE_SIZE = 4 * 5,
    FORMAT_MAX_FUNCS = 1 << 16,
    FORMAT_MAX_LINES = 1 << 20,
    FORMAT_MAX_SIZE = 1 << 30,
};

#endif
