/* SPDX-License-Identifier: MIT
 *
 * The fault that is on in a test program built with the faulty verifier: VERIFY_MUTANT, none without.
 */
#include <stdlib.h>

int verify_mutant;

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("VERIFY_MUTANT");
    verify_mutant = number ? atoi(number) : 0;
}
