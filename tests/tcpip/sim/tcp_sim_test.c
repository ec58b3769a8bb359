/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP over the simulated link: what must hold on any wire, over random seeds, and goodput. */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/tcpip/sim/sim.h"

#define SEEDS 240 /* SIM_FIRST and SIM_SEEDS in the environment choose others */

static void both(struct sim *s, struct sim_path p)
{
	s->path[0] = s->path[1] = p;
}

static double megabits(uint64_t bytes, uint64_t ns)
{
	return (double)bytes * 8e3 / (double)ns;
}

/* Of a link that takes packets of `mtu`; *sent: how many of them. */
static double goodput_over(uint16_t mtu, const struct sim_path *p, uint64_t bytes, uint64_t seed,
			   uint64_t *sent)
{
	struct sim s;
	struct sim_flow f;
	double bps;

	sim_open(&s, seed, 4096, mtu);
	both(&s, *p);
	sim_flow_open(&f, &s, 80, bytes, 0);
	ck_assert(sim_flow_run(&f, 3600 * SIM_S));
	bps = (double)bytes * 8e9 / (double)(f.finished - f.started);
	*sent = s.host[0].sent;
	sim_flow_close(&f);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
	return bps;
}

static double goodput(const struct sim_path *p, uint64_t bytes, uint64_t seed)
{
	uint64_t sent;

	return goodput_over(1500, p, bytes, seed, &sent);
}

/* The most that a rate lets through: 1,448 bytes of each 1,500. */
static double limit(uint64_t rate)
{
	return (double)rate * 1448 / 1500;
}

START_TEST(a_clean_wire_is_filled)
{
	struct sim_path p = {.delay = 5 * SIM_MS, .rate = 100000000, .queue = 200};
	double got = goodput(&p, 20 << 20, 1);

	printf("clean 100 Mbit/s, 10 ms: %.1f of %.1f Mbit/s\n", got / 1e6, limit(p.rate) / 1e6);
	ck_assert(got > 0.97 * limit(p.rate));
}
END_TEST

START_TEST(a_wide_wire_is_filled_with_long_packets)
{
	struct sim_path p = {.delay = 5 * SIM_MS, .rate = 100000000, .queue = 200};
	const uint64_t bytes = 20 << 20;
	uint64_t sent;
	double got = goodput_over(9000, &p, bytes, 1, &sent);

	printf("clean 100 Mbit/s, 10 ms, 9000: %.1f Mbit/s, %.0f bytes a packet\n", got / 1e6,
	       (double)bytes / (double)sent);
	ck_assert(got > 0.97 * (double)p.rate * 8940 / 9000);
	ck_assert_uint_gt(bytes / sent, 8000);
}
END_TEST

START_TEST(one_percent_loss_costs_little_on_a_short_wire)
{
	struct sim_path p = {.delay = SIM_MS / 2, .rate = 100000000, .queue = 200, .loss = 100};
	double got = goodput(&p, 20 << 20, 2);

	printf("1%% loss, 100 Mbit/s, 1 ms: %.1f of %.1f Mbit/s\n", got / 1e6, limit(p.rate) / 1e6);
	ck_assert(got > 0.8 * limit(p.rate));
}
END_TEST

START_TEST(five_percent_loss_goes_on)
{
	struct sim_path p = {.delay = SIM_MS / 2, .rate = 100000000, .queue = 200, .loss = 500};
	double got = goodput(&p, 5 << 20, 3);

	printf("5%% loss, 100 Mbit/s, 1 ms: %.1f of %.1f Mbit/s\n", got / 1e6, limit(p.rate) / 1e6);
	ck_assert(got > 0.15 * limit(p.rate));
}
END_TEST

/* Everything a wire may do, chosen by the seed. */
static struct sim_path wild_path(struct sim *s, int family)
{
	static const uint64_t rates[] = {0, 1000000, 10000000, 100000000, 1000000000};
	uint32_t narrowest = family == AF_INET6 ? 1280 : 600;
	struct sim_path p = {0};

	p.delay = sim_below(s, 3) == 0 ? sim_below(s, 100) * SIM_MS : sim_below(s, 2000) * 1000ull;
	p.rate = rates[sim_below(s, 5)];
	p.queue = 5 + sim_below(s, 200);
	if (sim_below(s, 3))
		p.loss = sim_below(s, 1001);
	if (sim_below(s, 2)) {
		p.reorder = sim_below(s, 2500);
		p.reorder_delay = sim_below(s, 20000) * 1000ull;
	}
	if (sim_below(s, 2))
		p.duplicate = sim_below(s, 500);
	if (sim_below(s, 2))
		p.corrupt = sim_below(s, 200);
	if (sim_below(s, 4) == 0)
		p.jitter = 1 + sim_below(s, 5000) * 1000ull;
	if (p.loss < 200 && sim_below(s, 4) == 0)
		p.burst = 1 + sim_below(s, 6);
	if (sim_below(s, 4) == 0)
		p.mtu = 1280 + sim_below(s, 221);
	if (sim_below(s, 4) == 0)
		p.mark = 1 + sim_below(s, p.queue);
	if (sim_below(s, 4) == 0) {
		p.bad_loss = 1000 + sim_below(s, 5000);
		p.turns_bad = sim_below(s, 100);
		p.turns_good = 500 + sim_below(s, 3000);
		p.burst = 0;
	}
	if (sim_below(s, 4) == 0) {
		p.router = sim_below(s, 2) ? narrowest + sim_below(s, 1501 - narrowest) : 0;
		p.router_later = narrowest + sim_below(s, 1501 - narrowest);
		p.later = s->now + sim_below(s, 2000) * SIM_MS;
	}
	return p;
}

static void wild_end(struct sim *s, struct sim_end *e)
{
	e->max_write = sim_below(s, 3) ? 65536 : 1 + sim_below(s, 3000);
	e->max_read = sim_below(s, 3) ? 65536 : 1 + sim_below(s, 3000);
	if (sim_below(s, 6) == 0)
		e->pause = (1 + sim_below(s, 50)) * SIM_MS;
}

/* Two hosts on lines of any kind; with a third of the seeds a third host, whose flow to the second
 * is in the way. */
static void wild_net(struct sim *s, int family, uint64_t seed)
{
	uint32_t strip = sim_below(s, 2) ? sim_below(s, 8) : 0, i; /* the same both ways */

	if (seed % 3 == 1)
		sim_add_host(s);
	if (family == AF_INET6)
		sim_ip6(s);
	for (i = 0; i < s->n_hosts; i++) {
		s->path[i] = wild_path(s, family);
		s->path[i].strip = strip;
		ck_assert_int_eq(stack_tcp_set(s->host[i].st, "mtu_probing", 1 + sim_below(s, 2)),
				 0);
		ck_assert_int_eq(stack_tcp_set(s->host[i].st, "ecn", sim_below(s, 3)), 0);
	}
	if (s->n_hosts > 2)
		s->down[1] = wild_path(s, family);
}

static void wild_flow(struct sim *s, struct sim_flow *f, int from, uint16_t port)
{
	uint32_t buf, on = 1;

	sim_flow_between(f, s, from, 1, port, sim_below(s, 300000),
			 sim_below(s, 3) ? sim_below(s, 100000) : 0);
	wild_end(s, &f->end[0]);
	wild_end(s, &f->end[1]);
	buf = 2048u << sim_below(s, 8);
	if (sim_below(s, 2))
		(void)sock_setopt(f->listener, SOL_SOCKET, SO_RCVBUF, &buf, sizeof(buf));
	if (sim_below(s, 4) == 0)
		(void)sock_setopt(f->end[0].so, SOL_SOCKET, SO_SNDBUF, &buf, sizeof(buf));
	if (sim_below(s, 2))
		(void)sock_setopt(f->end[0].so, IPPROTO_TCP, TCPO_NODELAY, &on, sizeof(on));
	if (sim_below(s, 3) == 0)
		(void)sock_setopt(f->end[0].so, IPPROTO_TCP, TCPO_CONGESTION, "reno", 5);
}

/* The link takes `widest` bytes or less; where that is more than 1,500, paths often less. */
static void any_wire(uint64_t seed, int family, uint32_t widest)
{
	uint64_t smallest = widest > 1500 ? 1501 : family == AF_INET6 ? 1280 : 576;
	struct sim_flow f[2];
	struct sim s;
	unsigned i, n;
	bool r;

	sim_open(&s, seed, seed % 4 ? 1024 : 64,
		 (uint16_t)(smallest +
			    sim_random(&(struct sim){.rng = seed}) % (widest + 1 - smallest)));
	wild_net(&s, family, seed);
	for (i = 0; i < s.n_hosts && widest > 1500; i++)
		s.path[i].mtu += s.path[i].mtu ? sim_below(&s, widest - 1499) : 0;
	n = s.n_hosts - 1;
	for (i = 0; i < n; i++)
		wild_flow(&s, &f[i], i ? 2 : 0, (uint16_t)(7 + i));
	r = sim_flows_run(f, n, 3600 * SIM_S);
	for (i = 0; i < n && !r; i++) {
		sim_flow_dump(&f[i]);
		fprintf(stderr, "flow %u: %lu/%lu up, %lu/%lu down, errors %d %d\n", i,
			(unsigned long)f[i].end[1].got, (unsigned long)f[i].end[1].to_get,
			(unsigned long)f[i].end[0].got, (unsigned long)f[i].end[0].to_get,
			f[i].end[0].error, f[i].end[1].error);
	}
	ck_assert_msg(r, "seed %lu", (unsigned long)seed);
	for (i = 0; i < n; i++)
		sim_flow_close(&f[i]);
	ck_assert_msg(sim_all_returned(&s), "seed %lu", (unsigned long)seed);
	sim_close(&s);
}

START_TEST(bytes_are_exact_and_nothing_is_left_on_any_wire)
{
	any_wire((uint64_t)_i, AF_INET, 1500);
}
END_TEST

START_TEST(nor_over_ipv6)
{
	any_wire((uint64_t)_i, AF_INET6, 1500);
}
END_TEST

START_TEST(nor_where_packets_are_long)
{
	any_wire((uint64_t)_i, _i % 2 ? AF_INET6 : AF_INET, 9000);
}
END_TEST

#define FLOWS 8

START_TEST(flows_share_a_link_fairly)
{
	struct sim_path path = {.delay = 10 * SIM_MS, .rate = 40000000, .queue = 100};
	struct sim_flow f[FLOWS];
	double sum = 0, squares = 0, x;
	struct sim s;
	uint64_t end;
	int i;

	sim_open(&s, 5, 8192, 1500);
	both(&s, path);
	for (i = 0; i < FLOWS; i++)
		sim_flow_open(&f[i], &s, (uint16_t)(100 + i), 1u << 30, 0);
	end = s.now + 60 * SIM_S;
	while (s.now < end) {
		for (i = 0; i < FLOWS; i++)
			(void)sim_flow_pump(&f[i]);
		(void)sim_dirty(&s);
		while (sim_step(&s, end) && !sim_dirty(&s))
			;
	}
	for (i = 0; i < FLOWS; i++) {
		x = (double)f[i].end[1].got * 8 / 60;
		sum += x;
		squares += x * x;
		sim_flow_close(&f[i]);
	}
	printf("%d flows on 40 Mbit/s: %.1f Mbit/s, fairness %.3f\n", FLOWS, sum / 1e6,
	       sum * sum / (FLOWS * squares));
	ck_assert(sum > 0.9 * limit(path.rate));
	ck_assert(sum * sum / (FLOWS * squares) > 0.85);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
}
END_TEST

/* ---- what the path takes, RFC 4821 ---- */

#define MTUS 2u

/* 32 MiB up a path that takes mtu[0] bytes, and mtu[1] from the middle of the transfer on, behind a
 * first link of `link`: the sender's MSS at the end, with 12 bytes of timestamps in each segment.
 */
static uint32_t over_mtus(uint16_t link, int family, const uint32_t mtu[MTUS], uint32_t probing,
			  uint64_t *timeouts)
{
	struct sim_path path = {.delay = 5 * SIM_MS, .rate = 20000000, .queue = 20};
	const uint64_t bytes = 32u << 20;
	struct sim_flow f;
	struct sim s;
	uint32_t mss;

	sim_open(&s, 77, 4096, link);
	if (family == AF_INET6)
		sim_ip6(&s);
	path.mtu = mtu[0];
	both(&s, path);
	ck_assert_int_eq(stack_tcp_set(s.host[0].st, "mtu_probing", probing), 0);
	ck_assert_int_eq(stack_tcp_set(s.host[0].st, "probe_interval", 1), 0);
	sim_flow_open(&f, &s, 7, bytes, 1000);
	while (f.end[1].got < bytes / 2 && s.now < f.started + 600 * SIM_S) {
		ck_assert(!sim_flow_pump(&f));
		(void)sim_step(&s, s.now + SIM_S);
	}
	s.path[0].mtu = s.path[1].mtu = mtu[1];
	ck_assert(sim_flow_run(&f, 600 * SIM_S));
	mss = f.end[0].so->tcp->wire_mss;
	*timeouts = s.host[0].st->counters[CNT_TcpTimeouts];
	sim_flow_close(&f);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
	return mss;
}

static const int families[] = {AF_INET, AF_INET6};

START_TEST(a_path_that_becomes_narrow_and_keeps_silent_is_found_out)
{
	int family = families[_i];
	uint64_t timeouts;
	uint32_t hdr = family == AF_INET ? 52 : 72;
	uint32_t mss = over_mtus(1500, family, (uint32_t[]){1500, 1400}, 1, &timeouts);

	ck_assert_uint_le(mss, 1400 - hdr);
	ck_assert_uint_gt(mss, 1400 - hdr - 8);
	ck_assert_uint_le(timeouts, 4);
}
END_TEST

START_TEST(a_path_that_becomes_wide_is_used)
{
	int family = families[_i];
	uint32_t narrow = family == AF_INET ? 1100 : 1300, hdr = family == AF_INET ? 52 : 72;
	uint64_t timeouts;
	uint32_t mss = over_mtus(1500, family, (uint32_t[]){narrow, 1500}, 2, &timeouts);

	ck_assert_uint_eq(mss, 1500 - hdr);
	ck_assert_uint_eq(timeouts, 0);
}
END_TEST

START_TEST(probes_from_the_start_find_what_a_narrow_path_takes_without_a_timeout)
{
	uint64_t timeouts;
	uint32_t mss = over_mtus(1500, AF_INET, (uint32_t[]){1280, 1280}, 2, &timeouts);

	ck_assert_uint_le(mss, 1280 - 52);
	ck_assert_uint_gt(mss, 1280 - 52 - 8);
	ck_assert_uint_eq(timeouts, 0);
}
END_TEST

/* ---- a router that says so, RFC 1191, RFC 8201 */

START_TEST(a_router_that_becomes_narrow_is_believed_without_a_timeout)
{
	struct sim_path path = {.delay = 5 * SIM_MS, .rate = 20000000, .queue = 50};
	uint32_t hdr = families[_i] == AF_INET ? 52 : 72;
	const uint64_t bytes = 8u << 20;
	const uint64_t *count;
	struct sim_flow f;
	struct sim s;

	sim_open(&s, 78, 4096, 1500);
	if (families[_i] == AF_INET6)
		sim_ip6(&s);
	path.router = 1500;
	path.later = s.now + 1500 * SIM_MS;
	path.router_later = 1300;
	both(&s, path);
	sim_flow_open(&f, &s, 7, bytes, 1000);
	ck_assert(sim_flow_run(&f, 600 * SIM_S));
	count = s.host[0].st->counters;
	ck_assert_uint_eq(f.end[0].so->tcp->snd_mss, 1300 - hdr);
	ck_assert_uint_gt(s.host[0].up.too_big, 0);
	ck_assert_uint_le(s.host[0].up.too_big, 200); /* what was in the queue then, at most */
	ck_assert_uint_eq(count[CNT_TcpTimeouts] + count[CNT_TcpBlackHoles], 0);
	ck_assert(megabits(bytes, f.finished - f.started) > 0.85 * 20 * 1228 / 1300);
	sim_flow_close(&f);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
}
END_TEST

/* ---- a queue that marks, RFC 3168 */

START_TEST(a_queue_that_marks_is_filled_and_loses_nothing)
{
	struct sim_path path = {.delay = 10 * SIM_MS, .rate = 50000000, .queue = 400, .mark = 60};
	const uint64_t bytes = 40u << 20;
	struct sim_flow f;
	struct sim s;
	double got;

	sim_open(&s, 79, 8192, 1500);
	if (families[_i / 2] == AF_INET6)
		sim_ip6(&s);
	both(&s, path);
	ck_assert_int_eq(stack_tcp_set(s.host[0].st, "ecn", 1), 0);
	sim_flow_open(&f, &s, 7, bytes, 0);
	if (_i % 2)
		(void)sock_setopt(f.end[0].so, IPPROTO_TCP, TCPO_CONGESTION, "reno", 5);
	ck_assert(sim_flow_run(&f, 600 * SIM_S));
	got = megabits(bytes, f.finished - f.started);
	ck_assert(f.end[0].so->tcp->ecn_ok);
	ck_assert_uint_gt(s.host[0].up.marked, 10);
	ck_assert_uint_eq(s.host[0].up.marked, f.end[1].so->tcp->ce_in);
	ck_assert_uint_eq(s.host[0].up.dropped, 0);
	ck_assert_uint_eq(s.host[0].st->counters[CNT_TcpRetransSegs], 0);
	ck_assert_msg(got > 0.9 * 50 * 1428 / 1500, "%.1f Mbit/s", got);
	sim_flow_close(&f);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
}
END_TEST

/* ---- loss that comes in bad times */

START_TEST(bad_times_are_survived_and_good_ones_used)
{
	/* A fiftieth of the packets meet the bad state, of which half are lost: 1 % of all. */
	struct sim_path p = {.delay = SIM_MS / 2,
			     .rate = 100000000,
			     .queue = 200,
			     .bad_loss = 5000,
			     .turns_bad = 20,
			     .turns_good = 1000};
	double got = goodput(&p, 20 << 20, 4);

	printf("1%% loss in bad times, 100 Mbit/s, 1 ms: %.1f of %.1f Mbit/s\n", got / 1e6,
	       limit(p.rate) / 1e6);
	ck_assert(got > 0.8 * limit(p.rate));
}
END_TEST

/* ---- three hosts */

START_TEST(two_senders_share_the_line_to_a_third_host)
{
	struct sim_path near = {.delay = 5 * SIM_MS, .rate = 100000000, .queue = 200};
	struct sim_path narrow = {.delay = 5 * SIM_MS, .rate = 20000000, .queue = 60};
	const uint64_t bytes = 15u << 20;
	struct sim_flow f[2];
	struct sim s;
	double sum, first;

	sim_open(&s, 80, 4096, 1500);
	sim_add_host(&s);
	if (families[_i] == AF_INET6)
		sim_ip6(&s);
	s.path[0] = s.path[1] = s.path[2] = near;
	s.down[1] = narrow;
	sim_flow_between(&f[0], &s, 0, 1, 7, bytes, 0);
	sim_flow_between(&f[1], &s, 2, 1, 8, bytes, 0);
	ck_assert(sim_flows_run(f, 2, 600 * SIM_S));
	first = (double)(f[0].finished < f[1].finished ? f[0].finished : f[1].finished);
	sum = (double)(f[0].finished > f[1].finished ? f[0].finished : f[1].finished);
	sum -= (double)f[0].started;
	first -= (double)f[0].started;
	ck_assert_msg(2 * bytes * 8e3 / sum > 0.9 * 20 * 1428 / 1500, "%.1f Mbit/s",
		      2 * bytes * 8e3 / sum);
	/* Neither was through long before the other. */
	ck_assert_msg(first > 0.7 * sum, "%.1f of %.1f s", first / 1e9, sum / 1e9);
	ck_assert_uint_gt(s.host[1].down.dropped, 0);
	ck_assert_uint_eq(s.host[0].up.dropped + s.host[2].up.dropped, 0);
	sim_flow_close(&f[0]);
	sim_flow_close(&f[1]);
	ck_assert(sim_all_returned(&s));
	sim_close(&s);
}
END_TEST

START_TEST(of_long_packets_what_the_path_swallows_is_found_out_without_a_timeout)
{
	int family = families[_i];
	uint64_t timeouts;
	uint32_t hdr = family == AF_INET ? 52 : 72;
	uint32_t mss = over_mtus(9000, family, (uint32_t[]){9000, 4000}, 1, &timeouts);

	ck_assert_uint_le(mss, 4000 - hdr);
	ck_assert_uint_gt(mss, 4000 - hdr - 8);
	ck_assert_uint_eq(timeouts, 0);
}
END_TEST

START_TEST(a_path_that_becomes_wide_is_used_with_long_packets)
{
	int family = families[_i];
	uint64_t timeouts;
	uint32_t mss = over_mtus(9000, family, (uint32_t[]){1500, 9000}, 2, &timeouts);

	ck_assert_uint_eq(mss, family == AF_INET ? 8948 : 8928);
	ck_assert_uint_eq(timeouts, 0);
}
END_TEST

/* Ends vanish at any moment, in any manner: with data unread, unsent, in the handshake. */
START_TEST(sudden_ends_leave_nothing)
{
	struct sim s;
	struct sim_flow f[4];
	unsigned round, steps;
	int i, linger[2] = {1, 0};

	sim_open(&s, 7000 + (uint64_t)_i, 512, 1500);
	s.path[0] = wild_path(&s, AF_INET);
	s.path[1] = wild_path(&s, AF_INET);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 4; i++) {
			sim_flow_open(&f[i], &s, (uint16_t)(50 + 4 * round + (unsigned)i),
				      sim_below(&s, 200000), sim_below(&s, 200000));
			if (sim_below(&s, 4) == 0)
				(void)sock_setopt(f[i].end[0].so, SOL_SOCKET, SO_LINGER, linger,
						  sizeof(linger));
		}
		steps = sim_below(&s, 300);
		while (steps-- && sim_step(&s, s.now + 10 * SIM_S))
			for (i = 0; i < 4; i++)
				(void)sim_flow_pump(&f[i]);
		for (i = 0; i < 4; i++)
			sim_flow_close(&f[i]);
	}
	ck_assert_msg(sim_all_returned(&s), "seed %d", _i);
	sim_close(&s);
}
END_TEST

int main(void)
{
	Suite *su = suite_create("tcp over a simulated link");
	TCase *tc = tcase_create("goodput"), *wild = tcase_create("any wire");
	SRunner *sr = srunner_create(su);
	const char *first = getenv("SIM_FIRST"), *count = getenv("SIM_SEEDS");
	int failed, from = first ? atoi(first) : 1000;

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_clean_wire_is_filled);
	tcase_add_test(tc, a_wide_wire_is_filled_with_long_packets);
	tcase_add_test(tc, one_percent_loss_costs_little_on_a_short_wire);
	tcase_add_test(tc, five_percent_loss_goes_on);
	tcase_add_test(tc, bad_times_are_survived_and_good_ones_used);
	tcase_add_test(tc, flows_share_a_link_fairly);
	tcase_add_loop_test(tc, two_senders_share_the_line_to_a_third_host, 0, 2);
	tcase_add_loop_test(tc, a_queue_that_marks_is_filled_and_loses_nothing, 0, 4);
	tcase_add_loop_test(tc, a_router_that_becomes_narrow_is_believed_without_a_timeout, 0, 2);
	suite_add_tcase(su, tc);
	tcase_set_timeout(wild, 120);
	tcase_add_loop_test(wild, bytes_are_exact_and_nothing_is_left_on_any_wire, from,
			    from + (count ? atoi(count) : SEEDS));
	tcase_add_loop_test(wild, nor_over_ipv6, from, from + (count ? atoi(count) : SEEDS / 2));
	tcase_add_loop_test(wild, nor_where_packets_are_long, from,
			    from + (count ? atoi(count) : SEEDS / 2));
	tcase_add_loop_test(tc, a_path_that_becomes_narrow_and_keeps_silent_is_found_out, 0, 2);
	tcase_add_loop_test(tc, a_path_that_becomes_wide_is_used, 0, 2);
	tcase_add_loop_test(
		tc, of_long_packets_what_the_path_swallows_is_found_out_without_a_timeout, 0, 2);
	tcase_add_loop_test(tc, a_path_that_becomes_wide_is_used_with_long_packets, 0, 2);
	tcase_add_test(tc, probes_from_the_start_find_what_a_narrow_path_takes_without_a_timeout);
	tcase_add_loop_test(wild, sudden_ends_leave_nothing, 0, 60);
	suite_add_tcase(su, wild);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
