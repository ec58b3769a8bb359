/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an upcall begins and ends (upcall/kmod/sandwire_uapi.h, "A crossing"). The module comes
 * here with rdi ctx, rsi client, rdx socket, r9 slot and flags, r8 fd, on the context's own stack,
 * aligned as after a call. Calls upcall_run (entry.c) with the same, in C's registers. EXIT gives
 * the thread every register as it was at ENTER (but rax and rdx, the results), so what the sandbox
 * had in them is gone; vector registers it never uses (tests/upcall/image_test.sh).
 */
#define EXIT_ADDRESS 0x6000001ff000 /* SEG_BASE + SW_EXIT_OFF; entry.c asserts it */

	.section .text.hot, "ax"
	.global image_entry
	.type image_entry, @function
image_entry:
	movq	%r9, %rcx
	subq	$8, %rsp
	call	upcall_run	/* rax: result; rdx: socket to make a descriptor for | O_ flags << 32 */
	/* Still here: no descriptor would do, or this was an interrupt. */
	movl	%edx, %r10d
	movq	%rdx, %r8
	shrq	$32, %r8
	movq	%rax, %r9
	/* The registers of EXIT, by a fault that only the module sees. */
	movabsq	$EXIT_ADDRESS, %rax
	movl	$0, (%rax)
	ud2
	.size image_entry, . - image_entry

	.section .note.GNU-stack, "", @progbits
