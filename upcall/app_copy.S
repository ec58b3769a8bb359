/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies between application memory and the sandbox: see app_copy.h. Called by io_calls.c.
 *
 * Between app_copy_start and app_copy_end the stack is as the caller left it, the return address on
 * top. So wherever in it a thread faults, the module can set rip to app_fault_fixup, and the
 * function returns -EFAULT.
 *
 * General registers and string instructions only; DF is clear by the ABI and by the module.
 */
	.text
	.global app_copy_start, app_copy_end, app_fault_fixup
	.global app_copy_in, app_copy_out

	.balign 64
app_copy_start:

/* rdi: to, rsi: from, rdx: n. Which side is the application's makes no difference. */
	.type app_copy_in, @function
	.type app_copy_out, @function
app_copy_in:
app_copy_out:
	lfence				/* not before the caller's check of the range is true */
	movq	%rdx, %rcx
	shrq	$3, %rcx
	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
	rep movsb
	xorl	%eax, %eax
	ret
	.size app_copy_in, . - app_copy_in
	.size app_copy_out, . - app_copy_out

app_copy_end:

	.type app_fault_fixup, @function
app_fault_fixup:
	movl	$-14, %eax		/* -EFAULT */
	ret
	.size app_fault_fixup, . - app_fault_fixup

	.section .note.GNU-stack, "", @progbits
