/* SPDX-License-Identifier: MIT
 *
 * The interpreters as a compiler without computed goto builds them: the same tests on the switch.  The checked one is
 * taken from the library and runs along threaded.
 */
#define WINBPF_SWITCH_DISPATCH
#define engine_interp  engine_interp_switch
#define op_decode      op_decode_switch
#define op_link        op_link_switch
#define op_destroy     op_destroy_switch
#define op_packet      op_packet_switch
#define op_tails       op_tails_switch
#define op_tail_target op_tail_target_switch
#define op_tail_run    op_tail_run_switch
#include "../../src/engine/decode.c"
#include "../../src/engine/interp.c"
#undef D
#undef S
#undef IMM
#undef CASE
#undef NEXT
#undef SKIP
#undef BRANCH
#include "test_interp.c"
