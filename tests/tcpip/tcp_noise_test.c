/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile peer and a restless application: random segments near and far from the window, random
 * options, random calls, in every state. Nothing may crash, leak or disagree with itself.
 */
#include <errno.h>
#include <sys/socket.h>

#include "tests/tcpip/cases.h"
#include "tests/tcpip/splitmix.h"
#include "tests/tcpip/tcp_check.h"
#include "tests/tcpip/tcp_peer.h"

static struct desk d;
static struct peer p;
static uint64_t rng;

static uint32_t below(uint32_t n)
{
	return (uint32_t)(splitmix64(&rng) % n);
}

static void setup(void)
{
	peer_desk_open(&d);
	p = peer_make(&d);
	peer_listener(&p, 3);
}

static void teardown(void)
{
	peer_desk_close(&d);
}

static void check_all(void)
{
	const char *bad = tcp_check_all(d.st);

	ck_assert_msg(!bad, "not so: %s", bad);
}

/* A number near `at`, in a window of data, or anywhere. */
static uint32_t about(uint32_t at)
{
	switch (below(8)) {
	case 0:
		return at + below(3) - 1;
	case 1:
		return at + below(40000) - 20000;
	case 2:
		return below(2) ? below(UINT32_MAX) : at + 0x80000000u;
	default:
		return at;
	}
}

static void noise_segment(void)
{
	static const uint8_t kinds[] = {TCP_ACK,	   TCP_ACK,	      TCP_ACK,
					TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN, TCP_SYN,
					TCP_SYN | TCP_ACK, TCP_RST,	      TCP_RST | TCP_ACK};
	struct tcp_pcb *pcb = p.so ? p.so->tcp : NULL;
	uint32_t nxt = pcb && pcb->irs ? pcb->rcv_nxt - p.iss : 0, una = 1, out = 0, i;
	uint8_t flags = below(40) ? kinds[below(below(10) ? 5 : 9)] : (uint8_t)below(256);
	struct tcp_opts o = {0};

	if (pcb && pcb->snd_nxt) {
		p.stack_iss = pcb->iss;
		una = pcb->snd_una - pcb->iss;
		out = pcb->snd_nxt - pcb->snd_una;
		p.stack_port = pcb->local_port;
	}
	p.window = (uint16_t)(below(3) ? 65535 : below(4000));
	if (below(3) == 0) {
		o.n_sack = (uint8_t)(1 + below(3));
		for (i = 0; i < o.n_sack; i++) {
			o.sack[i].start = about(p.stack_iss + una + below(out + 1));
			o.sack[i].end = about(o.sack[i].start + below(6000));
		}
	}
	if (flags & TCP_SYN) {
		o.has_mss = below(2);
		o.mss = (uint16_t)below(65536);
		o.sack_ok = below(2);
		o.has_wscale = below(2);
		o.wscale = (uint8_t)below(256);
	}
	if (below(4) == 0) {
		o.has_ts = true;
		o.ts_val = about(pcb ? pcb->ts_recent : 0);
		o.ts_ecr = about(pcb ? tcp_ts_now(pcb) : 0);
	}
	peer_send_opts(&p, flags, about(nxt), about(una + below(out + 1)),
		       below(3) ? 0 : below(1400), &o);
}

static void noise_call(void)
{
	struct sock_addr from;
	struct socket *so;
	int v = (int)below(100000);

	switch (below(12)) {
	case 0:
		if (!p.so || below(20) == 0) {
			if (p.so)
				sock_close(p.so);
			p.port++;
			p.so = desk_socket(&d, SOCK_STREAM, 0);
			(void)desk_connect(p.so, ip(10, 0, 0, 9), p.port);
		}
		break;
	case 1:
		if (sock_accept(p.listener, &so, &from) == 0) {
			if (p.so)
				sock_close(p.so);
			p.so = so;
		}
		break;
	case 2:
		if (p.so && below(10) == 0) {
			sock_close(p.so);
			p.so = NULL;
			p.stack_port = 80;
		}
		break;
	case 3:
		if (p.so && below(10) == 0)
			(void)sock_shutdown(p.so, (int)below(3));
		break;
	case 4:
		if (p.so)
			(void)sock_setopt(p.so, 6, (int)below(30), &v, sizeof(v));
		break;
	case 5:
		if (p.so)
			(void)sock_setopt(p.so, SOL_SOCKET, below(2) ? SO_RCVBUF : SO_SNDBUF, &v,
					  sizeof(v));
		break;
	case 6:
	case 7:
	case 8:
		if (p.so)
			(void)peer_write(&p, 1 + below(below(2) ? 20000 : 100));
		break;
	default:
		if (p.so)
			(void)peer_read(&p, 1 + below(20000));
		break;
	}
	desk_flush(&d);
}

static void noise_icmp(void)
{
	struct ip4_hdr h = {
		.protocol = 6, .src = ip(10, 0, 0, 1), .dst = ip(10, 0, 0, 9), .ttl = 60};
	struct icmp_hdr icmp = {.type = 3, .code = 4, .rest = 500 + below(d.port[0].port.mtu)};
	const struct tcp_pcb *pcb = p.so->tcp;
	uint8_t quote[28] = {0};

	h.total_len = 1500;
	ip4_build(quote, &h);
	wire_put16(quote + 20, p.stack_port);
	wire_put16(quote + 22, p.port);
	wire_put32(quote + 24, pcb->mtu.probe && below(2) ? pcb->mtu.probe_seq : pcb->snd_una);
	desk_icmp(&d, ip(10, 0, 0, 7), ip(10, 0, 0, 1), &icmp, quote, sizeof(quote));
}

/* An ACK of some of what is out, or of all; now and then SACK blocks, a small window. */
static void noise_ack(void)
{
	const struct tcp_pcb *pcb = p.so->tcp;
	uint32_t una = pcb->snd_una - pcb->iss, out = pcb->snd_nxt - pcb->snd_una, ack = una;
	struct tcp_opts o = {0};
	const struct pktbuf *b;

	for (b = pcb->snd_head; b != pcb->snd_next && below(8); b = b->tcp.link)
		ack = b->tcp.seq_end - pcb->iss;
	if (below(20) == 0)
		ack = una + below(out + 1);
	for (; b != pcb->snd_next && below(4) == 0 && o.n_sack < 3; b = b->tcp.link) {
		if (below(2))
			continue;
		o.sack[o.n_sack].start = b->tcp.seq + below(30) / 29;
		o.sack[o.n_sack++].end = b->tcp.seq_end;
	}
	if (below(30) == 0) {
		o.n_sack = 1;
		o.sack[0] = (struct tcp_sack_block){pcb->snd_una - below(3000), pcb->snd_una};
	}
	p.window = (uint16_t)(below(10) ? 65535 : below(8000));
	peer_send_opts(&p, TCP_ACK, pcb->rcv_nxt - p.iss, ack, 0, &o);
}

/* A port that cuts trains up, a path that is searched for its MTU all the time. */
static void while_the_path_is_searched(uint64_t seed)
{
	uint32_t most = d.port[0].port.mtu;
	unsigned i;
	int v;

	rng = seed * 104729;
	if (below(2)) {
		d.port[0].port.caps |= PORT_CAP_TX_L4_CSUM;
		d.port[0].port.tso_max = 16;
		d.port[0].finishes = true;
	}
	ck_assert_int_eq(stack_tcp_set(d.st, "mtu_probing", 1 + below(2)), 0);
	ck_assert_int_eq(stack_tcp_set(d.st, "probe_interval", 1), 0);
	ck_assert_int_eq(stack_tcp_set(d.st, "base_mss", 200 + below(1200)), 0);
	peer_accepted(&p);
	for (i = 0; i < 700 && p.so->tcp->state == TCPS_ESTABLISHED; i++) {
		switch (below(12)) {
		case 0:
			desk_pass(&d, below(20) ? below(300) * MS_NS : below(10) * SEC_NS);
			break;
		case 1:
			noise_icmp();
			break;
		case 2:
			v = (int)below(most);
			(void)sock_setopt(p.so, 6, below(2) ? TCPO_MAXSEG : TCPO_CORK, &v,
					  sizeof(v));
			break;
		case 3:
		case 4:
		case 5:
			(void)peer_write(&p, 1 + below(below(2) ? 40000 : 100));
			break;
		default:
			noise_ack();
			break;
		}
		check_all();
		desk_drop_sent(&d, 0);
	}
}

START_TEST(nothing_breaks_while_the_path_is_searched)
{
	while_the_path_is_searched((uint64_t)_i);
}
END_TEST

START_TEST(nor_where_segments_are_of_several_buffers)
{
	desk_wide(&d);
	p.mss = 8960;
	p.ts = _i % 2;
	while_the_path_is_searched((uint64_t)_i);
}
END_TEST

START_TEST(nothing_breaks)
{
	unsigned i;

	rng = (uint64_t)_i * 7919;
	p.sack = true;
	for (i = 0; i < 700; i++) {
		switch (below(8)) {
		case 0:
			desk_pass(&d, below(8) ? below(300) * MS_NS : below(100) * SEC_NS);
			break;
		case 1:
		case 2:
			noise_call();
			break;
		default:
			noise_segment();
			break;
		}
		check_all();
		desk_drop_sent(&d, 0);
	}
}
END_TEST

int main(void)
{
	Suite *su = suite_create("tcp_noise");
	TCase *tc = tcase_create("tcp_noise");
	const char *first = getenv("NOISE_FIRST"), *count = getenv("NOISE_SEEDS");
	SRunner *sr = srunner_create(su);
	int failed, from = first ? atoi(first) : 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, nothing_breaks, from, from + (count ? atoi(count) : 60));
	tcase_add_loop_test(tc, nothing_breaks_while_the_path_is_searched, from,
			    from + (count ? atoi(count) : 60));
	tcase_add_loop_test(tc, nor_where_segments_are_of_several_buffers, from,
			    from + (count ? atoi(count) : 60));
	suite_add_tcase(su, tc);
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
