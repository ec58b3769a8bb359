/* SPDX-License-Identifier: BSD-3-Clause */
/* Hands in pointers that lead into the segment, out of user space, or round the end of memory. */
#include "tests/upcall/attack/attack.h"

#include <netinet/in.h>

static const struct {
	uint64_t base, len;
} wild[] = {
	{SEG_BASE - 50, 100}, /* sticks into it */
	{SEG_BASE + SEG_SLOT_SIZE - 50, 100},
	{SEG_BASE - 4096, SEG_SLOT_SIZE + 8192}, /* over it */
	{0, 100},
	{0, UINT64_MAX},
	{UINT64_MAX - 50, 100},
	{UINT64_MAX, UINT64_MAX},
	{0x7fffffffffff - 50, 100},
	{0x800000000000, 100},	   /* not an address at all */
	{0xffff800000000000, 100}, /* the kernel's */
	{0xffffffff81000000, 100},
	{0xffffffffff600000, 100}, /* vsyscall */
	{SEG_BASE, 0x8000000000000000},
	{0x1000, SEG_BASE},
};

static bool refused(int64_t r)
{
	return r == -EFAULT || r == -EINVAL || r == -EMSGSIZE;
}

static void buffers(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a);
	unsigned bad = 0, n = 0;
	char byte = 1;

	/* Something to receive is there. */
	udp_bind_any(a, fd, 7777);
	for (int i = 0; i < 4; i++)
		udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)&byte, 1, net_ip, 7777);
	for (unsigned i = 0; i < part_count(); i++)
		for (uint32_t nr = CALL_SEND; nr <= CALL_RECV; nr++, n++)
			bad += udp_io(a, fd, nr, part_addr(a, i), 8, net_ip, 7777) != -EFAULT;
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		for (uint32_t nr = CALL_SEND; nr <= CALL_RECV; nr++, n++) {
			int64_t r = udp_io(a, fd, nr, wild[i].base, wild[i].len, net_ip, 7777);

			if (!refused(r))
				printf("# %u %u: %ld\n", i, nr, (long)r);
			bad += !refused(r);
		}
	expect(!bad, "no pointer into the segment or out of user space is taken", "%u of %u", bad,
	       n);
	byte = 0;
	n = (unsigned)udp_io(a, fd, CALL_RECV, (uint64_t)(uintptr_t)&byte, 1, 0, 0);
	expect(n == 1 && byte == 1, "and what waited to be received still does", "%d", (int)n);
}

static void vectors(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a);
	struct call_io *io = io_to(a, peer_ip, 9);
	char byte = 1;
	int64_t r;
	unsigned bad = 0;

	for (uint64_t n = CHANNEL_IOV_MAX + 1; n; n *= 2) {
		r = call(a, fd, CALL_SEND, 0, n, 1);
		bad += r != -EINVAL;
	}
	/* Good ones, then one into the segment. */
	for (unsigned i = 0; i < CHANNEL_IOV_MAX; i++)
		io->iov[i] = (struct call_iov){(uint64_t)(uintptr_t)&byte, 1};
	io->iov[CHANNEL_IOV_MAX - 1].base = SEG_BASE + SEG_HEAP_OFF;
	bad += call(a, fd, CALL_SEND, 0, CHANNEL_IOV_MAX, 1) != -EFAULT;
	for (unsigned i = 0; i < CHANNEL_IOV_MAX; i++)
		io->iov[i].len = INT64_MAX;
	r = call(a, fd, CALL_SEND, 0, CHANNEL_IOV_MAX, 1);
	bad += !refused(r);
	for (uint64_t len = CHANNEL_INLINE + 1; len; len *= 2) {
		bad += call(a, fd, CALL_SETSOCKOPT, SOL_SOCKET, SO_RCVBUF, len) != -EINVAL;
		bad += call(a, fd, CALL_GETSOCKOPT, SOL_SOCKET, SO_RCVBUF, len) != -EINVAL;
	}
	expect(!bad && works(a), "too many vectors, or too long, are refused", "%u", bad);
}

/* The stack pointer of the caller is nobody's business, in or out. */
static void stack_pointer(void)
{
	struct attacker *a = join();
	unsigned bad = 0;

	for (unsigned i = 0; i < part_count(); i++) {
		register uint64_t sp __asm__("r12") = part_addr(a, i) + 2048;
		long rax = SYS_lseek;
		uint64_t rdx = SEEK_SET;

		my_slot(a)->nr = CALL_NULL;
		__asm__ volatile("xchgq %%rsp, %[sp]\n\tsyscall\n\txchgq %%rsp, %[sp]"
				 : "+a"(rax), "+d"(rdx), [sp] "+r"(sp)
				 : "D"((long)a->fd), "S"(SW_SEEK_ENTER | my_slot_number())
				 : "rcx", "r11", "memory");
		bad += rax != SW_CROSSED || rdx || sp != part_addr(a, i) + 2048;
	}
	expect(!bad, "a stack pointer into the segment changes nothing and comes back", "%u", bad);
}

/* What the module itself copies from and to. */
static void of_ioctls(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a);
	unsigned bad = 0;

	for (unsigned i = 0; i < part_count(); i++) {
		void *at = (void *)part_addr(a, i);

		bad += ioctl(a->fd, SW_IOC_INFO, at) != -1;
		bad += ioctl(a->fd, SW_IOC_SOCK_INFO, at) != -1;
		bad += ioctl(fd, SW_IOC_SOCK_INFO, at) != -1;
	}
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		bad += wild[i].base && ioctl(a->fd, SW_IOC_INFO, wild[i].base) != -1;
	expect(!bad && works(a), "the module's own calls take no such pointer either", "%u", bad);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"pointers-buffers", buffers, 0},
					     {"pointers-vectors", vectors, 0},
					     {"pointers-stack", stack_pointer, 0},
					     {"pointers-ioctl", of_ioctls, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
