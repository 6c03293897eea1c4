/* SPDX-License-Identifier: MIT
 *
 * Objects as the library keeps them.  The ELF reader's result (elf) stays in the arena; what an application may change
 * is copied out of it into maps[] and programs[], and what has been loaded is a descriptor, -1 until then.
 */
#ifndef WINBPF_API_OBJECT_IMPL_H
#define WINBPF_API_OBJECT_IMPL_H

#include "api/local.h"
#include "base/arena.h"
#include "elf/elf.h"

struct bpf_map {
    struct bpf_object *object;
    struct map_spec spec; /* kind: Linux's number */
    char *name;           /* as the application sees it */
    const char *section;  /* ".rodata" of an internal map, NULL for others */
    uint32_t index;       /* in elf.maps */
    int fd;
    int inner_fd;          /* set by the application, -1 */
    struct bpf_map *inner; /* template, NULL for none; part of elf.maps but not of the application's list */
    bool is_template, reused, pinned, skip;
    char *pin_path;
    uint8_t *value; /* initial contents; shared pages once loaded where the map has them */
    size_t value_size;
    bool value_shared;
};

struct bpf_program {
    struct bpf_object *object;
    const struct image *image;
    const char *section;
    struct bpf_insn *insns; /* helper ids and, once maps exist, descriptors in their places */
    size_t insn_count;
    bool own_insns; /* set by the application: take them as they are */
    enum bpf_prog_type type;
    enum bpf_attach_type attach_type;
    uint32_t flags, log_level, ifindex;
    bool skip, autoattach;
    char *log;
    size_t log_size;
    int fd;
};

struct bpf_object {
    char *name, *path, *pin_root;
    uint8_t *file; /* its bytes, ours */
    size_t file_size;
    struct arena arena;
    struct elf_object elf;
    enum personality_of_caller numbers;
    struct bpf_map *maps;         /* elf.map_count */
    struct bpf_program *programs; /* elf.program_count */
    char *log;
    size_t log_size;
    uint32_t log_level;
    struct btf *btf; /* made when asked for; the application's view */
    int btf_fd;
    bool loaded;
};

/* bpf_object__open_file() with a say in whose numbers the object speaks. */
struct bpf_object *api_object_open(const char *path, enum elf_personality_choice personality,
                                   const struct bpf_object_open_opts *opts);

/* map.c */
int api_map_init(struct bpf_object *object, uint32_t index);
void api_map_close(struct bpf_map *map);
/* Makes the map unless it exists (reused, pinned), and gives it its contents. */
int api_map_load(struct bpf_map *map);
/* A map kind's number in the object's personality. */
uint32_t api_map_kind(const struct bpf_object *object, uint32_t linux_kind);

/* program.c */
int api_program_init(struct bpf_object *object, uint32_t index);
void api_program_close(struct bpf_program *program);
int api_program_load(struct bpf_program *program);

void btf__free(struct btf *btf);

/* A link around a descriptor; NULL where memory is out (the descriptor is closed then). */
struct bpf_link *api_link(int fd);

/* Joins a folder and a name into a new path. */
char *api_path(const char *folder, const char *name);

#endif
