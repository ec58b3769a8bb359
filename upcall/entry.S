/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an upcall begins and ends (upcall/kmod/sandwire_uapi.h, "A crossing"). The module comes
 * here with rdi ctx, rsi client, rdx socket, r9 slot and flags, r8 fd, on the context's own stack,
 * aligned as after a call. Calls upcall_main (entry.c) with the same, in C's registers. EXIT gives
 * the thread every register as it was at ENTER (but rax and rdx, the results), so what the sandbox
 * had in them is gone; vector registers it never uses (tests/upcall/image_test.sh).
 */
#define SYS_IOCTL    16
#define IOC_EXIT     0x5712	    /* SW_IOC_EXIT; entry.c asserts that they agree */
#define EXIT_ADDRESS 0x6000001ff000 /* SEG_BASE + SW_EXIT_OFF, likewise */

	.text
	.global image_entry
	.type image_entry, @function
image_entry:
	movl	%r8d, %ebx
	movq	%rdi, %rbp
	movq	%r9, %rcx
	subq	$8, %rsp
	call	upcall_main	/* rax: result; rdx: socket to make a descriptor for | O_ flags << 32 */
	movq	%rax, %r12
	movq	%rdx, %r13
	movl	%edx, %r10d
	movq	%rdx, %r8
	shrq	$32, %r8
	movq	%rax, %rdx
	movl	%ebx, %edi
	movl	$IOC_EXIT, %esi
	movl	$SYS_IOCTL, %eax
	syscall
	/* Still here: the thread's descriptor table is not what it was, or this is the adopter of
	 * another thread's upcall. */
	movq	%rbp, %rdi
	movq	%r12, %rsi
	movq	%r13, %rdx
	movq	%rax, %rcx
	call	upcall_stays
	movl	%edx, %r10d
	movq	%rdx, %r8
	shrq	$32, %r8
	movq	%rax, %rdx
	/* The same registers, by a fault that only the module sees. */
	movabsq	$EXIT_ADDRESS, %rax
	movl	$0, (%rax)
	ud2
	.size image_entry, . - image_entry

	.section .note.GNU-stack, "", @progbits
