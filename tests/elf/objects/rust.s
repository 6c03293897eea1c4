# SPDX-License-Identifier: MIT
# Made from rust.rs by rustc; the command is there.
	.section	xdp,"ax",@progbits
	.globl	count_packets
	.p2align	3
	.type	count_packets,@function
count_packets:
	r6 = 1
	*(u32 *)(r10 - 4) = r6
	r2 = r10
	r2 += -4
	r1 = PACKETS ll
	call 1
	if r0 == 0 goto LBB0_2
	r1 = 7
	*(u64 *)(r0 + 0) = r1
	r6 = 2
LBB0_2:
	r0 = r6
	exit
.Lfunc_end0:
	.size	count_packets, .Lfunc_end0-count_packets

	.type	LICENSE,@object
	.section	license,"a",@progbits
	.globl	LICENSE
LICENSE:
	.asciz	"GPL"
	.size	LICENSE, 4

	.type	PACKETS,@object
	.section	maps,"a",@progbits
	.globl	PACKETS
	.p2align	2, 0x0
PACKETS:
	.asciz	"\002\000\000\000\004\000\000\000\b\000\000\000\004\000\000\000\000\000\000"
	.size	PACKETS, 20

