/* SPDX-License-Identifier: BSD-3-Clause */
/* The entry point, the ways out and the copy range of the test image; image.c does the work. */
	.section .text.start, "ax"
	.globl image_entry
image_entry:
	/* What must be zero, before anything is touched. */
	movq %r9, %rcx			/* the slot */
	pushfq
	popq %r9
	andl $0x44500, %r9d		/* TF DF NT AC */
	shlq $8, %r9
	orq %rax, %r9
	orq %rbx, %r9
	orq %rbp, %r9
	orq %r10, %r9
	orq %r12, %r9
	orq %r13, %r9
	orq %r14, %r9
	orq %r15, %r9
	subq $8, %rsp
	call image_main
	ud2

	.text
	/* leave(fd, result, sock, flags, how): 0 lseek first, then the page; 1 the page */
	.globl image_leave
image_leave:
	movq %rdx, %r10
	movq %rsi, %r9
	movq %r8, %rax
	movq %rcx, %r8
	testq %rax, %rax
	jnz 1f
	movl $8, %eax			/* lseek */
	movabsq $0x8057524600000000, %rsi /* SW_SEEK_EXIT */
	xorl %edx, %edx
	syscall
1:	movabsq $0x6000001ff000, %rax
	movb $1, (%rax)
	ud2

	.globl image_yield
image_yield:				/* (fd, owner) */
	movq %rsi, %rdx
	movl $16, %eax
	movl $0x5713, %esi		/* SW_IOC_YIELD */
	syscall
	ret

	.p2align 4
	.globl copy_start, copy_end, copy_fixup, app_read, app_write
copy_start:
app_read:				/* (address): byte, or -EFAULT */
	movzbl (%rdi), %eax
	ret
app_write:				/* (address, byte): 0 or -EFAULT */
	movb %sil, (%rdi)
	xorl %eax, %eax
	ret
copy_end:
copy_fixup:
	movq $-14, %rax
	ret
	.section .note.GNU-stack, "", @progbits
