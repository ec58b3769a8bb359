/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/tcp_peer.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

void peer_desk_open(struct desk *d)
{
	desk_open_caps(d, PORT_CAP_RAW_IP);
}

void peer_desk_close(struct desk *d)
{
	struct tcp_pcb *pcb;
	uint32_t i;

	for (i = 0; i < d->st->tcp_pcbs.high; i++) {
		pcb = pool_at(&d->st->tcp_pcbs, i);
		if (pcb->state && !pcb->dead && pcb->state != TCPS_LISTEN)
			tcp_done(pcb, 0);
	}
	for (i = 0; i < d->st->sockets.high; i++) {
		struct socket *so = pool_at(&d->st->sockets, i);

		if (so->kind)
			sock_close(so);
	}
	tcp_reap(d->st);
	ck_assert_uint_eq(d->st->tcp_pcbs.used, 0);
	desk_close(d);
}

struct peer peer_make(struct desk *d)
{
	struct peer p = {.d = d,
			 .port = 4000,
			 .stack_port = 80,
			 .iss = PEER_ISS,
			 .sack = true,
			 .wscale = true,
			 .mss = 1460,
			 .window = 65535,
			 .ts_val = 1000};
	return p;
}

void peer_send_opts(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len,
		    const struct tcp_opts *opts)
{
	struct ip4_hdr iph = {.protocol = 6, .src = ip(10, 0, 0, 9), .dst = ip(10, 0, 0, 1)};
	struct tcp_hdr h = {.sport = p->port, .dport = p->stack_port, .flags = flags};
	uint8_t l4[TEST_FRAME_MAX];
	unsigned n, i;
	uint16_t sum;

	iph.tos = p->tos;
	h.seq = p->iss + seq;
	h.ack = flags & TCP_ACK ? p->stack_iss + ack : 0;
	h.window = p->window;
	h.opts = *opts;
	if (p->ts && !h.opts.has_ts) {
		h.opts.has_ts = true;
		h.opts.ts_val = p->ts_val;
		h.opts.ts_ecr = flags & TCP_ACK ? p->ts_ecr : 0;
	}
	n = tcp_build(l4, &h);
	for (i = 0; i < len; i++)
		l4[n + i] = (uint8_t)(seq + i);
	sum = csum_fold(
		csum_add(csum_pseudo4(iph.src, iph.dst, 6, (uint16_t)(n + len)), l4, n + len));
	memcpy(l4 + 16, &sum, 2);
	desk_ip4(p->d, &iph, l4, n + len);
}

void peer_send(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct tcp_opts o = {0};

	if (flags & TCP_SYN) {
		o.has_mss = p->mss != 0;
		o.mss = p->mss;
		o.sack_ok = p->sack;
		o.has_wscale = p->wscale;
		o.wscale = 7;
	}
	peer_send_opts(p, flags, seq, ack, len, &o);
}

void peer_sack(struct peer *p, uint32_t ack, uint32_t from, uint32_t to)
{
	struct tcp_opts o = {.n_sack = 1};

	o.sack[0] = (struct tcp_sack_block){p->stack_iss + from, p->stack_iss + to};
	peer_send_opts(p, TCP_ACK, 1, ack, 0, &o);
}

bool peer_got(struct peer *p, struct segment *s)
{
	static struct packet pk;

	if (!desk_sent(p->d, 0, &pk))
		return false;
	ck_assert_uint_eq(pk.ip.protocol, 6);
	ck_assert(pk.csum_ok);
	ck_assert(pk.ip.df);
	ck_assert_int_eq(tcp_parse(&s->h, pk.l4, pk.l4_len), 0);
	ck_assert_uint_eq(s->h.dport, p->port);
	if (s->h.flags & TCP_SYN)
		p->stack_iss = s->h.seq;
	if (s->h.opts.has_ts)
		p->ts_ecr = s->h.opts.ts_val;
	s->tos = pk.ip.tos;
	s->seq = s->h.seq - p->stack_iss;
	s->ack = s->h.flags & TCP_ACK ? s->h.ack - p->iss : 0;
	s->len = pk.l4_len - s->h.hdr_len;
	s->payload = pk.l4 + s->h.hdr_len;
	return true;
}

struct segment peer_get(struct peer *p)
{
	struct segment s;

	ck_assert_msg(peer_got(p, &s), "nothing was sent");
	return s;
}

void peer_expect(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	struct segment s = peer_get(p);

	ck_assert_msg(s.h.flags == flags && s.seq == seq && s.ack == ack && s.len == len,
		      "sent flags %#x seq %u ack %u len %u, expected %#x %u %u %u", s.h.flags,
		      s.seq, s.ack, s.len, flags, seq, ack, len);
}

void peer_quiet(struct peer *p)
{
	struct segment s;

	ck_assert_msg(!peer_got(p, &s), "sent flags %#x seq %u ack %u len %u", s.h.flags, s.seq,
		      s.ack, s.len);
}

unsigned peer_drain(struct peer *p)
{
	struct segment s;
	unsigned n = 0;

	while (peer_got(p, &s))
		n++;
	return n;
}

void peer_listener(struct peer *p, int backlog)
{
	p->listener = desk_socket(p->d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_bind(p->listener, 0, p->stack_port), 0);
	ck_assert_int_eq(sock_listen(p->listener, backlog), 0);
}

void peer_accepted(struct peer *p)
{
	struct sock_addr from;

	if (!p->listener)
		peer_listener(p, 16);
	peer_send(p, TCP_SYN, 0, 0, 0);
	peer_expect(p, TCP_SYN | TCP_ACK, 0, 1, 0);
	desk_pass(p->d, p->rtt);
	peer_send(p, TCP_ACK, 1, 1, 0);
	peer_quiet(p);
	ck_assert_int_eq(sock_accept(p->listener, &p->so, &from), 0);
	ck_assert_uint_eq(from.port, p->port);
}

void peer_connected(struct peer *p)
{
	p->so = desk_socket(p->d, SOCK_STREAM, 0);
	ck_assert_int_eq(desk_connect(p->so, ip(10, 0, 0, 9), p->port), -EINPROGRESS);
	desk_flush(p->d);
	p->stack_port = p->so->local_port;
	peer_expect(p, TCP_SYN, 0, 0, 0);
	peer_send(p, TCP_SYN | TCP_ACK, 0, 1, 0);
	peer_expect(p, TCP_ACK, 1, 1, 0);
}

int64_t peer_write(struct peer *p, uint32_t len)
{
	static uint8_t data[1 << 20];
	static uint32_t at;
	uint32_t i;

	for (i = 0; i < len; i++)
		data[i] = (uint8_t)at++;
	return desk_send(p->d, p->so, data, len, NULL);
}

int64_t peer_read(struct peer *p, uint32_t len)
{
	static uint8_t data[1 << 20];
	uint64_t full;
	int64_t n = desk_recv(p->so, data, len, 0, NULL, &full);

	desk_flush(p->d);
	return n;
}

void peer_read_exact(struct peer *p, uint32_t from, uint32_t len)
{
	uint8_t data[8192];
	uint64_t full;
	uint32_t i;

	ck_assert_int_eq(desk_recv(p->so, data, sizeof(data), 0, NULL, &full), len);
	for (i = 0; i < len; i++)
		ck_assert_uint_eq(data[i], (uint8_t)(from + i));
}

struct tcp_info_abi peer_info(struct peer *p)
{
	struct tcp_info_abi i;
	uint32_t len = sizeof(i);

	ck_assert_int_eq(sock_getopt(p->so, IPPROTO_TCP, TCPO_INFO, &i, &len), 0);
	ck_assert_uint_eq(len, sizeof(i));
	return i;
}

void peer_option(struct peer *p, int name, int value)
{
	ck_assert_int_eq(sock_setopt(p->so, IPPROTO_TCP, name, &value, sizeof(value)), 0);
	desk_flush(p->d);
}
