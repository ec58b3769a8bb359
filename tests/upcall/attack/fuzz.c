/* SPDX-License-Identifier: BSD-3-Clause */
/* Wild numbers: ioctls, crossings, call numbers, arguments, whole call blocks. A fixed seed, so it
 * repeats. */
#include "tests/upcall/attack/attack.h"

#include <linux/capability.h>

static uint64_t state;
static char page[8192] __attribute__((aligned(4096))); /* what is written there hurts nobody */

static uint64_t dice(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Small, huge, an address, or anything. */
static uint64_t number(void)
{
	switch (dice() % 6) {
	case 0:
		return dice() % 16;
	case 1:
		return (uint64_t)0 - dice() % 16;
	case 2:
		return 1ull << dice() % 64;
	case 3:
		return SEG_BASE + dice() % SEG_SLOT_SIZE;
	case 4:
		return (uint64_t)(uintptr_t)page + dice() % 4096;
	}
	return dice();
}

static void ioctls(void)
{
	struct attacker *a = join();
	int files[] = {a->fd, udp_socket(a), open(SW_DEVICE, O_RDWR)};
	unsigned n = thorough ? 2000000 : 30000, did = 0;
	struct sw_net_create create = {.slot_base = SEG_BASE};
	struct sw_net_map map = {.addr = SEG_BASE, .len = 4096, .prot = 3};

	state = 0x5eed;
	for (unsigned i = 0; i < 3; i++) {
		did += ioctl(files[i], SW_IOC_NET_CREATE, &create) != -1;
		did += ioctl(files[i], SW_IOC_NET_MAP, &map) != -1;
		did += ioctl(files[i], SW_IOC_NET_UNMAP, &map) != -1;
		for (unsigned nr = 1; nr < 8; nr++)
			did += ioctl(files[i], _IO(SW_IOC_MAGIC, nr), number()) != -1;
		did += lseek(files[i], (off_t)SW_SEEK_EXIT, SEEK_SET) != -1;
		did += ioctl(files[i], SW_IOC_YIELD, number()) != -1;
	}
	expect(!did, "what is the daemon's, or of an upcall, is refused to a program", "%u worked",
	       did);
	for (unsigned i = 0; i < n; i++) {
		uint64_t cmd =
			i & 1 ? number() : _IOC(dice() % 4, SW_IOC_MAGIC, dice() % 24, dice() % 64);
		uint64_t seek[] = {SW_SEEK_ENTER | (uint32_t)number(), SW_SEEK_EXIT | number(),
				   number()};
		/* By hand: ENTER may change rdx. */
		bool crossing = dice() % 4 == 0;
		long rax = crossing ? SYS_lseek : SYS_ioctl;
		uint64_t rdx = crossing ? dice() % 8 : number();

		if (crossing)
			memset(my_slot(a)->inl, (int)dice(), 64);
		__asm__ volatile("syscall"
				 : "+a"(rax), "+d"(rdx)
				 : "D"((long)files[dice() % 3]),
				   "S"(crossing ? seek[dice() % 3] : cmd)
				 : "rcx", "r11", "memory");
	}
	state = 0;
	expect(works(a), "ioctls and lseeks with wild arguments do nothing", "the client is lost");
}

static void numbers(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a);
	unsigned bad = 0, n = 0;
	int64_t res;

	for (uint64_t nr = CALL_MAX; nr < 1ull << 32; nr = nr < 0x2000 ? nr + 1 : nr * 2 - 1, n++) {
		bad += call(a, a->fd, (uint32_t)nr, number(), number(), number()) != -ENOSYS;
		bad += call(a, fd, (uint32_t)nr, number(), number(), number()) != -ENOSYS;
	}
	expect(!bad, "a call number out of range, the daemon's among them, is ENOSYS", "%u of %u",
	       bad, n);
	for (uint64_t slot = CHANNEL_SLOTS; slot < 1ull << 32; slot *= 2) {
		long rc = enter(a->fd, slot, &res);

		bad += rc || res != -EINVAL;
	}
	expect(!bad, "a slot out of range is EINVAL", "%u", bad);
}

static void blocks(void)
{
	struct attacker *a = join();
	int own[64] = {0};
	unsigned n = thorough ? 2000000 : 20000, made = 0;

	state = 0xb10c;
	own[0] = udp_socket(a);
	for (unsigned i = 0; i < n; i++) {
		struct call_slot *s = my_slot(a);
		int *place = &own[dice() % 64], fd = dice() % 4 ? *place : a->fd;
		int64_t r;

		for (unsigned k = 0; k < CHANNEL_INLINE; k += 8) {
			uint64_t v = number();

			memcpy(s->inl + k, &v, 8);
		}
		for (unsigned k = 3; k < 6; k++)
			s->arg[k] = number();
		s->sock = (uint32_t)number();
		s->state = (uint32_t)dice();
		if (dice() % 8 == 0)
			r = call(a, a->fd, CALL_SOCKET, AF_INET, 1 + dice() % 2, 0);
		else
			r = call(a, fd > 0 ? fd : a->fd, (uint32_t)(dice() % (CALL_MAX + 1)),
				 number(), dice() % 2 ? dice() % 18 : number(), dice() % 500);
		if (r > 2 && r < 4096 && (s->nr == CALL_SOCKET || s->nr == CALL_ACCEPT)) {
			if (*place > 0)
				close(*place);
			*place = (int)r;
			made++;
		}
	}
	expect(works(a) && made > 100, "call blocks full of wild values do nothing", "%u sockets",
	       made);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {{"fuzz-ioctl", ioctls, 0},
					     {"fuzz-numbers", numbers, 0},
					     {"fuzz-blocks", blocks, 0},
					     {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
