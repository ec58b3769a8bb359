/* SPDX-License-Identifier: BSD-3-Clause */
/* A sibling changes call blocks, and all else in the channel, while calls read them. */
#include "tests/upcall/attack/attack.h"

#define SECONDS (thorough ? 20.0 : 1.5)

static struct changed {
	struct attacker *a;
	unsigned slot;
	uint64_t good; /* a buffer of GOOD bytes, guards on both sides */
	atomic_bool over;
} ch;
#define GOOD  512u
#define GUARD 64u

static uint64_t random64(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	return *x ^= *x << 17;
}

/* Good values and wild ones in turn, as fast as can be: what is checked may not be what is used. */
static void *flip(void *unused)
{
	volatile struct call_slot *s = &ch.a->channel->slot[ch.slot];
	volatile struct call_io *io = (volatile struct call_io *)s->inl;
	uint64_t x = 88172645463325252ull;

	while (!atomic_load(&ch.over)) {
		uint64_t r = random64(&x);
		uint64_t wild = part_addr(ch.a, (unsigned)(r >> 8) % part_count());

		io->iov[0].base = r & 1 ? ch.good : wild;
		io->iov[0].len = r & 2 ? GOOD : r & 4 ? UINT64_MAX : 8;
		io->iov[1].base = r & 16 ? ch.good : wild;
		io->iov[1].len = r & 32 ? 16 : SEG_SLOT_SIZE;
		s->arg[1] = r & 64 ? 1 : r & 128 ? 2 : r >> 20;
		s->nr = r & 0x700 ? s->nr : CALL_TURN;
	}
	return unused;
}

/* Only what a call may say that was given such a block. */
static bool known(int64_t r)
{
	return r >= 0 || r == -EFAULT || r == -EINVAL || r == -EMSGSIZE || r == -EAGAIN ||
	       r == -EINTR || r == -ENOBUFS || r == -EPERM;
}

static void blocks(void)
{
	static uint8_t room[GUARD + GOOD + GUARD] __attribute__((aligned(64)));
	struct attacker *a = join();
	int fd = udp_socket(a);
	unsigned long calls = 0, odd = 0, done = 0;
	double end = now() + SECONDS;
	unsigned harmed = 0;
	pthread_t t;

	udp_bind_any(a, fd, 7003);
	memset(room, 0xa5, sizeof(room));
	ch.a = a;
	ch.slot = my_slot_number();
	ch.good = (uint64_t)(uintptr_t)room + GUARD;
	pthread_create(&t, NULL, flip, NULL);
	for (; now() < end; calls++) {
		int64_t r = udp_io_once(a, fd, calls & 1 ? CALL_RECV : CALL_SEND, ch.good, GOOD,
					calls & 2 ? net_ip : peer_ip, 7003);

		odd += !known(r);
		done += r > 0;
		if (!known(r) && odd < 4)
			printf("# %ld\n", (long)r);
	}
	atomic_store(&ch.over, true);
	pthread_join(t, NULL);
	/* A receive of GOOD bytes at most: no more than that was written, wherever lengths led. */
	for (unsigned i = 0; i < GUARD; i++)
		harmed += room[i] != 0xa5 || room[GUARD + GOOD + i] != 0xa5;
	printf("# %lu calls, %lu with bytes\n", calls, done);
	expect(!odd && !harmed && done && calls > 500, "blocks that change while they are read",
	       "%lu of %lu odd, %u guards", odd, calls, harmed);
	expect(works(a), "and the client is whole", "a call failed");
}

/* ---- all of the channel ------------------------------------------------------------------------
 */

static void *scribble(void *unused)
{
	volatile uint64_t *words = (volatile uint64_t *)ch.a->channel;
	uint64_t x = 1234567;

	while (!atomic_load(&ch.over)) {
		uint64_t r = random64(&x);

		words[r % (sizeof(struct channel) / 8)] =
			r & 1 << 20 ? r : SEG_BASE + (r >> 24) % SEG_SLOT_SIZE;
	}
	return unused;
}

static void everything(void)
{
	struct attacker *a = join();
	int fd = udp_socket(a);
	double end = now() + SECONDS;
	unsigned long calls = 0;
	struct channel *whole = malloc(sizeof(*whole));
	int64_t sent = 0;
	char byte = 0;
	pthread_t t;

	udp_bind_any(a, fd, 7004);
	memcpy(whole, a->channel, sizeof(*whole));
	ch.a = a;
	atomic_store(&ch.over, false);
	pthread_create(&t, NULL, scribble, NULL);
	for (; now() < end; calls++) {
		struct call_slot *s = my_slot(a);
		int64_t result;

		/* Whatever it is by now: not what was asked for. */
		s->nr = calls & 1 ? CALL_SEND : CALL_RECV;
		raw_enter(calls & 2 ? fd : a->fd, my_slot_number(), &result);
	}
	atomic_store(&ch.over, true);
	pthread_join(t, NULL);
	bystander("a channel of random words hurts nobody");
	memcpy(a->channel, whole, sizeof(*whole));
	/* EINTR comes to who was kept waiting; what the random calls left behind is told once, too.
	 */
	for (end = now() + 5; sent != 1 && now() < end; usleep(1000))
		sent = udp_io(a, fd, CALL_SEND, (uint64_t)(uintptr_t)&byte, 1, peer_ip, 9);
	expect(calls > 500 && works(a) && sent == 1, "and put right again it serves",
	       "%lu calls, the last %ld", calls, (long)sent);
}

int main(int argc, char **argv)
{
	static const struct attack list[] = {
		{"channel-blocks", blocks, 0}, {"channel-all", everything, 0}, {NULL, NULL, 0}};

	return attack_main(argc, argv, list);
}
