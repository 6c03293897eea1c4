/* SPDX-License-Identifier: MIT
 *
 * The layout that core.c's programs are moved to.
 */
#include "bpf.h"

struct deep {
    u32 x, y;
};

struct sock {
    u64 inserted;
    u32 first;
    struct {
        u32 moved;
        u32 narrow;
    };
    u64 more;
    struct {
        u32 pad;
        struct deep nested[5];
    };
    u64 in_union;
    u32 before : 3, bits : 6;
    int signed_bits : 9;
};

enum color { RED = 1, BLUE = 2, GREEN = 40 };
typedef u32 handle_t;

struct sock socket_here;
enum color color_here;
handle_t handle_here;

int use(void)
{
    return 0;
}
