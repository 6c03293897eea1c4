/* SPDX-License-Identifier: MIT
 *
 * Global data that holds addresses of other global data.
 */
static int first = 1, second = 2;

struct table {
    long count;
    int *volatile places[2];
};

struct table table = {2, {&first, &second}};

__attribute__((section("xdp"), used)) int entry(void *context)
{
    (void)context;
    return (int)table.count;
}
