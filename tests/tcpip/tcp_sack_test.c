/* SPDX-License-Identifier: BSD-3-Clause */
/* The scoreboard: what the peer said it has is what we believe, at whatever price it says it. */
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/splitmix.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;
static uint64_t rng;

static void setup(void)
{
	desk_open_with(&d, PORT_CAP_RAW_IP, 16384); /* room for large windows */
	p = peer_make(&d);
	p.mss = 100;
}

static void teardown(void)
{
	peer_desk_close(&d);
}

#define A TCP_ACK
#define M 100u

static uint32_t below(uint32_t n)
{
	return (uint32_t)(splitmix64(&rng) % n);
}

/* That many segments are on the way, of M bytes each. */
static void send_out(unsigned n)
{
	peer_accepted(&p);
	ck_assert_int_eq(sock_setopt(p.so, SOL_SOCKET, SO_SNDBUF, &(int){6 << 20}, sizeof(int)), 0);
	p.so->tcp->cwnd = n;
	for (unsigned left = n * M; left; peer_drain(&p)) {
		int64_t took = peer_write(&p, left);

		ck_assert_int_gt(took, 0);
		left -= (unsigned)took;
	}
	for (unsigned i = 0; i < 100; i++) {
		desk_pass(&d, MS_NS);
		peer_drain(&p);
	}
	ck_assert_uint_eq(p.so->tcp->packets_out, n);
}

/* The peer has segments from[i] up to but not to[i], and all before `ack`. */
static void sack(uint32_t ack, unsigned n, const uint32_t *from, const uint32_t *to)
{
	struct tcp_opts o = {.n_sack = (uint8_t)n};
	const char *bad;

	for (unsigned i = 0; i < n; i++) {
		o.sack[i].start = p.stack_iss + 1 + from[i] * M;
		o.sack[i].end = p.stack_iss + 1 + to[i] * M;
	}
	peer_send_opts(&p, A, 1, 1 + ack * M, 0, &o);
	peer_drain(&p);
	bad = tcp_check(p.so->tcp);
	if (bad)
		ck_abort_msg("not so: %s", bad);
}

static void expect_marks(const bool *has, uint32_t una, uint32_t n)
{
	const struct pktbuf *b = p.so->tcp->snd_head;

	for (uint32_t i = una; i < n; i++, b = b->tcp.link)
		if (!(b->tcp.sacked & TCP_SACKED) == has[i])
			ck_abort_msg("segment %u: %d", i, has[i]);
	ck_assert_ptr_null(b);
}

#define N 400u

static void random_blocks(unsigned seed)
{
	bool has[N + 1] = {false};
	uint32_t una = 0, from, to;

	rng = seed;
	p.window = 65535;
	send_out(N);
	while (una + 20 < N) {
		from = una + 1 + below(N - una - 1);
		to = from + 1 + below(seed % 2 ? 3 : 60);
		if (to > N)
			to = N;
		for (uint32_t i = from; i < to; i++)
			has[i] = true;
		if (below(10) == 0) { /* the gap in front closes */
			for (una++; has[una]; una++)
				;
			if (from < una)
				from = una;
		}
		if (una >= N)
			break;
		sack(una, to > from, &from, &to);
		expect_marks(has, una, N);
		if (below(4) == 0)
			desk_pass(&d, below(30) * MS_NS);
		peer_drain(&p);
	}
}

START_TEST(blocks_in_any_order_mark_what_they_cover)
{
	for (unsigned seed = 0; seed < 6; seed++) {
		random_blocks(seed);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(what_the_peer_threw_away_is_no_run_any_more)
{
	send_out(50);
	sack(0, 1, (uint32_t[]){1}, (uint32_t[]){20});
	sack(0, 1, (uint32_t[]){20}, (uint32_t[]){50});
	ck_assert_uint_eq(p.so->tcp->sacked_out, 49);
	sack(1, 0, NULL, NULL); /* the first has come, but the rest is gone: no SACK, no progress */
	desk_pass(&d, 3000 * MS_NS);
	peer_drain(&p);
	ck_assert_uint_eq(p.so->tcp->sacked_out, 0);
	ck_assert_ptr_null(tcp_check(p.so->tcp));
	sack(1, 1, (uint32_t[]){3}, (uint32_t[]){5});
	ck_assert_uint_eq(p.so->tcp->sacked_out, 2);
}
END_TEST

START_TEST(behind_ever_so_many_gaps_nobody_looks_until_the_first_close)
{
	enum { GAPS = 1200 };
	uint32_t at, to;

	p.window = 65535;
	send_out(2 * GAPS);
	for (at = 1; at < 2 * GAPS; at += 2) {
		to = at + 1;
		sack(0, 1, &at, &to);
	}
	ck_assert_uint_ge(p.so->tcp->sacked_out, 500);
	ck_assert_uint_le(p.so->tcp->sacked_out, 520);
	at = 2 * GAPS - 1;
	sack(2 * GAPS - 500, 0, NULL, NULL);
	sack(2 * GAPS - 500, 1, &at, &to);
	ck_assert_uint_eq(p.so->tcp->sacked_out, 1);
}
END_TEST

int main(void)
{
	return run_cases("tcp_sack",
			 CASES(blocks_in_any_order_mark_what_they_cover,
			       what_the_peer_threw_away_is_no_run_any_more,
			       behind_ever_so_many_gaps_nobody_looks_until_the_first_close),
			 setup, teardown);
}
