/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * enter_all(in, out, mask): all registers from *in, ENTER (rdi and rsi are the call's), all of them to
 * *out. Layout: struct all_registers in registers.c. mask: what XRSTOR and XSAVE move.
 */
#define GPR(n)	 (8 * (n))
#define FLAGS	 128
#define XSAVE	 192

	.macro each op
	\op	1, %rbx
	\op	4, %rsi
	\op	5, %rdi
	\op	6, %rbp
	\op	8, %r8
	\op	9, %r9
	\op	10, %r10
	\op	12, %r12
	\op	13, %r13
	\op	14, %r14
	\op	15, %r15
	.endm
	.macro load n, reg
	movq	GPR(\n)(%rax), \reg
	.endm
	.macro store n, reg
	movq	\reg, GPR(\n)(%rcx)
	.endm

	.text
	.global enter_all
	.type enter_all, @function
enter_all:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsi, out(%rip)
	movq	%rdx, mask(%rip)
	movq	%rdi, %rcx
	movl	%edx, %eax
	xorl	%edx, %edx
	xrstor64 XSAVE(%rcx)
	movq	%rcx, %rax
	pushq	FLAGS(%rax)
	popfq
	/* From here on only moves: the flags stay. */
	each	load
	movl	$0, %edx
	movl	$8, %eax		/* lseek */
	syscall
	movq	out(%rip), %rcx
	movq	%rax, GPR(0)(%rcx)
	movq	%rdx, GPR(2)(%rcx)
	movq	%rsp, GPR(7)(%rcx)
	movq	%r11, GPR(11)(%rcx)
	each	store
	pushfq
	popq	FLAGS(%rcx)
	pushq	$0x202
	popfq
	movl	mask(%rip), %eax
	xorl	%edx, %edx
	xsave64	XSAVE(%rcx)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	vzeroupper
	fninit
	ldmxcsr	mxcsr(%rip)
	ret
	.size enter_all, . - enter_all

	.bss
	.align 8
out:	.quad 0
mask:	.quad 0
	.section .rodata
mxcsr:	.long 0x1f80
	.section .note.GNU-stack, "", @progbits
