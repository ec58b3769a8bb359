/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * registers_spin(in, out, loops): all user registers from *in, a while of nothing that changes one
 * (rcx counts down, r15 up, with instructions that leave the flags alone), then all to *out.
 * Called by irq_test.c, which compares. Layout: struct registers there.
 */
#define GPR(n)	 (8 * (n))
#define FLAGS	 120
#define RED_ZONE 128
#define XSAVE	 256

	.macro gprs op
	\op	0, %rax
	\op	1, %rbx
	\op	3, %rdx
	\op	4, %rsi
	\op	5, %rdi
	\op	6, %rbp
	\op	7, %r8
	\op	8, %r9
	\op	9, %r10
	\op	10, %r11
	\op	11, %r12
	\op	12, %r13
	\op	13, %r14
	\op	14, %r15
	.endm
	.macro store n, reg
	movq	\reg, GPR(\n)(%rcx)
	.endm
	.macro load n, reg
	movq	GPR(\n)(%rcx), \reg
	.endm

	.text
	.global registers_spin
	.type registers_spin, @function
registers_spin:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsi, out(%rip)
	movq	%rdx, loops(%rip)
	movq	%rdi, %rcx
	movl	$7, %eax		/* x87, xmm, ymm */
	xorl	%edx, %edx
	xrstor64 XSAVE(%rcx)
	pushq	FLAGS(%rcx)
	popfq
	/* From here on only moves: the flags stay. */
	.set i, 0
	.rept 16
	movq	RED_ZONE + i(%rcx), %rax
	movq	%rax, -128 + i(%rsp)
	.set i, i + 8
	.endr
	gprs	load
	movq	loops(%rip), %rcx
1:	leaq	-1(%rcx), %rcx
	leaq	1(%r15), %r15
	jrcxz	2f
	jmp	1b
2:	movq	out(%rip), %rcx
	gprs	store
	.set i, 0
	.rept 16
	movq	-128 + i(%rsp), %rax
	movq	%rax, RED_ZONE + i(%rcx)
	.set i, i + 8
	.endr
	pushfq
	popq	FLAGS(%rcx)
	pushq	$0x202
	popfq
	movl	$7, %eax
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
	.size registers_spin, . - registers_spin

	.bss
	.align 8
out:	.quad 0
loops:	.quad 0
	.section .rodata
mxcsr:	.long 0x1f80
	.section .note.GNU-stack, "", @progbits
