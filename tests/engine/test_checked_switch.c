/* SPDX-License-Identifier: MIT
 *
 * The checked interpreter as a compiler without computed goto builds it: the same tests on the switch.
 */
#define WINBPF_SWITCH_DISPATCH
#define engine_checked engine_checked_switch
#define op_decode      op_decode_switch
#define op_link        op_link_switch
#define op_destroy     op_destroy_switch
#define op_packet      op_packet_switch
#define op_tails       op_tails_switch
#define op_tail_target op_tail_target_switch
#define op_tail_run    op_tail_run_switch
#include "../../src/engine/decode.c"
#include "../../src/engine/checked.c"
#undef D
#undef S
#undef IMM
#undef CASE
#undef NEXT
#undef SKIP
#undef BRANCH
#undef MEMORY
#include "test_checked.c"
