/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/tcpip/twin_desk.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define A     TCP_ACK
#define BATCH 100u

struct frame {
	uint16_t len;
	uint8_t data[TEST_FRAME_MAX];
};

struct desk twin[2];
struct peer twin_peer[2];
struct socket *twin_flows[2][TWIN_FLOWS];
static struct frame batch[BATCH];
static unsigned n;
struct twin_answer twin_sent[2][TWIN_SENT];
unsigned twin_n_sent;
uint8_t twin_got[2][TWIN_BYTES];

void twin_setup(void)
{
	for (unsigned k = 0; k < 2; k++) {
		peer_desk_open(&twin[k]);
		stack_client_add(twin[k].st, 1, 1001);
		twin_peer[k] = peer_make(&twin[k]);
	}
	n = 0;
}

void twin_teardown(void)
{
	peer_desk_close(&twin[0]);
	peer_desk_close(&twin[1]);
}

void twin_accepted(void)
{
	peer_accepted(&twin_peer[0]);
	peer_accepted(&twin_peer[1]);
	ck_assert_uint_eq(twin_peer[0].stack_iss, twin_peer[1].stack_iss);
}

struct twin_seg twin_at(uint32_t seq, uint32_t len)
{
	return (struct twin_seg){.src = 9,
				 .port = 4000,
				 .dport = 80,
				 .flags = A,
				 .seq = seq,
				 .ack = 1,
				 .len = len,
				 .window = 500};
}

/* Into the batch. */
void twin_put(struct twin_seg s)
{
	struct ip4_hdr ih = {.protocol = 6, .ttl = 64, .tos = s.tos};
	struct tcp_hdr h = {
		.sport = s.port, .dport = s.dport, .flags = s.flags, .window = s.window};
	struct frame *f = &batch[n++];
	uint8_t *l4 = f->data + IP4_HDR_LEN;
	unsigned hdr;
	uint16_t sum;

	ck_assert_uint_le(n, BATCH);
	ih.src = ip(10, 0, 0, s.src);
	ih.dst = ip(10, 0, 0, 1);
	h.seq = PEER_ISS + s.seq;
	h.ack = s.flags & A ? twin_peer[0].stack_iss + s.ack : 0;
	h.urgent = s.urgent;
	h.opts.has_ts = s.ts != 0 || s.zero_ts;
	h.opts.ts_val = s.ts;
	h.opts.ts_ecr = s.zero_ts ? 0 : twin_peer[0].ts_ecr - s.ecr_ago;
	h.opts.n_sack = s.sack || s.dsack;
	h.opts.sack[0] = s.dsack ? (struct tcp_sack_block){h.ack - 100, h.ack}
				 : (struct tcp_sack_block){h.ack + TWIN_MSS, h.ack + 2 * TWIN_MSS};
	hdr = tcp_build(l4, &h);
	for (uint32_t i = 0; i < s.len; i++)
		l4[hdr + i] = (uint8_t)((s.seq + i) * 7 + (s.seq + i) / 256);
	ih.total_len = (uint16_t)(IP4_HDR_LEN + hdr + s.len);
	sum = csum_fold(csum_add(csum_pseudo4(ih.src, ih.dst, 6, (uint16_t)(hdr + s.len)), l4,
				 hdr + s.len));
	memcpy(l4 + 16, &sum, 2);
	l4[hdr] ^= s.bad;
	ip4_build(f->data, &ih);
	f->len = ih.total_len;
}

/* count full segments from seq on: what comes behind them. */
uint32_t twin_put_full(uint32_t seq, unsigned count)
{
	while (count--) {
		twin_put(twin_at(seq, TWIN_MSS));
		seq += TWIN_MSS;
	}
	return seq;
}

/* It quotes the first byte of what was written. */
void twin_put_icmp(void)
{
	struct ip4_hdr ih = {.protocol = IPPROTO_ICMP, .ttl = 64}, q = {.protocol = 6, .ttl = 64};
	struct icmp_hdr h = {ICMP4_DEST_UNREACH, ICMP4_FRAG_NEEDED, 0, 1000};
	struct frame *f = &batch[n++];
	uint8_t *m = f->data + IP4_HDR_LEN, *l4 = m + ICMP_HDR_LEN + IP4_HDR_LEN;
	uint16_t sum;

	ih.src = q.dst = ip(10, 0, 0, 9);
	ih.dst = q.src = ip(10, 0, 0, 1);
	q.total_len = IP4_HDR_LEN + TWIN_MSS;
	ih.total_len = 2 * IP4_HDR_LEN + ICMP_HDR_LEN + 8;
	ip4_build(f->data, &ih);
	icmp_build(m, &h);
	ip4_build(m + ICMP_HDR_LEN, &q);
	wire_put16(l4, 80);
	wire_put16(l4 + 2, 4000);
	wire_put32(l4 + 4, twin_peer[0].stack_iss + 1);
	memset(m + 2, 0, 2);
	sum = csum_fold(csum_add(0, m, ih.total_len - IP4_HDR_LEN));
	memcpy(m + 2, &sum, 2);
	f->len = ih.total_len;
}

static uint64_t flow_of(const struct twin_answer *a)
{
	return (uint64_t)a->dst << 32 | (uint32_t)a->h.dport << 16 | a->h.sport;
}

/* Flow by flow, as between flows there is no order. */
static unsigned answers(unsigned k)
{
	struct packet pk;
	unsigned m = 0;

	memset(twin_sent[k], 0, sizeof(twin_sent[k]));
	while (desk_sent(&twin[k], 0, &pk)) {
		struct twin_answer *a = &twin_sent[k][m++];

		ck_assert(pk.csum_ok);
		if (pk.ip.protocol != 6)
			continue;
		ck_assert_int_eq(tcp_parse(&a->h, pk.l4, pk.l4_len), 0);
		a->h.opts.fo = NULL;
		a->h.checksum = 0; /* of what the two applications wrote, too */
		a->dst = pk.ip.dst;
		a->len = pk.l4_len;
		a->tos = pk.ip.tos;
	}
	for (unsigned i = 1; i < m; i++) /* stable, unlike qsort */
		for (unsigned j = i; j && flow_of(&twin_sent[k][j - 1]) > flow_of(&twin_sent[k][j]);
		     j--) {
			struct twin_answer a = twin_sent[k][j];

			twin_sent[k][j] = twin_sent[k][j - 1];
			twin_sent[k][j - 1] = a;
		}
	return m;
}

static void same_counters(void)
{
	uint64_t v[2];
	const char *name;

	for (uint32_t i = 0; (name = stack_counter(twin[0].st, i, &v[0])); i++) {
		(void)stack_counter(twin[1].st, i, &v[1]);
		if (strcmp(name, "TcpTrains") != 0)
			ck_assert_msg(v[0] == v[1], "%s: %lu, %lu", name, (unsigned long)v[0],
				      (unsigned long)v[1]);
	}
}

static void same_socket(struct socket *a, struct socket *b)
{
	struct peer x = twin_peer[0], y = twin_peer[1];
	struct tcp_info_abi i, j;

	x.so = a;
	y.so = b;
	i = peer_info(&x);
	j = peer_info(&y);
	ck_assert_mem_eq(&i, &j, sizeof(i));
	ck_assert_uint_eq(a->events, b->events);
	ck_assert_uint_eq(a->tcp->rcv_nxt, b->tcp->rcv_nxt);
	ck_assert_uint_eq(a->tcp->snd_wl1, b->tcp->snd_wl1);
	ck_assert_uint_eq(a->tcp->rcv_bufs, b->tcp->rcv_bufs);
	ck_assert_uint_eq(a->tcp->rcvq_bytes, b->tcp->rcvq_bytes);
	ck_assert_uint_eq(a->tcp->rcvq.count, b->tcp->rcvq.count);
	ck_assert_uint_eq(a->tcp->ack_owed, b->tcp->ack_owed);
	ck_assert_uint_eq(a->tcp->quick_acks, b->tcp->quick_acks);
}

static void same(void)
{
	twin_n_sent = answers(0);
	ck_assert_uint_eq(twin_n_sent, answers(1));
	ck_assert_mem_eq(twin_sent[0], twin_sent[1], sizeof(twin_sent[0]));
	same_counters();
	ck_assert_uint_eq(twin[0].pool.avail, twin[1].pool.avail);
	if (twin_peer[0].so)
		same_socket(twin_peer[0].so, twin_peer[1].so);
	for (unsigned i = 0; i < TWIN_FLOWS; i++)
		if (twin_flows[0][i])
			same_socket(twin_flows[0][i], twin_flows[1][i]);
}

/* The batch comes; afterwards all is the same. */
void twin_arrive(void)
{
	struct pktbuf *in[BATCH];

	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 0; i < n; i++)
			in[i] = desk_pieces(&twin[k], batch[i].data, batch[i].len);
		for (unsigned i = 0, step = k ? 1 : n; i < n; i += step)
			stack_input(twin[k].st, &twin[k].port[0].port, in + i, step);
		desk_flush(&twin[k]);
	}
	n = 0;
	same();
}

void twin_pass(uint64_t ns)
{
	desk_pass(&twin[0], ns);
	desk_pass(&twin[1], ns);
	same();
}

/* All there is of a flow is read; it begins at `from`. */
int64_t twin_read_from(struct socket *a, struct socket *b, uint32_t from)
{
	struct socket *so[2] = {a, b};
	int64_t r, sum[2] = {0, 0};

	for (unsigned k = 0; k < 2; k++) {
		while ((r = desk_recv(so[k], twin_got[k] + sum[k], 65536, 0, NULL, NULL)) > 0)
			sum[k] += r;
		desk_flush(&twin[k]);
	}
	ck_assert_int_eq(sum[0], sum[1]);
	ck_assert(memcmp(twin_got[0], twin_got[1], (size_t)sum[0]) == 0);
	for (uint32_t i = 0; i < sum[0]; i++)
		ck_assert_uint_eq(twin_got[0][i], (uint8_t)((from + i) * 7 + (from + i) / 256));
	same();
	return sum[0];
}

int64_t twin_read_all(uint32_t from)
{
	return twin_read_from(twin_peer[0].so, twin_peer[1].so, from);
}

void twin_connect_flows(unsigned count)
{
	struct sock_addr from;

	for (unsigned k = 0; k < 2; k++) {
		peer_listener(&twin_peer[k], TWIN_FLOWS);
		for (unsigned i = 0; i < count; i++) {
			twin_peer[k].port = (uint16_t)(4000 + i);
			peer_send(&twin_peer[k], TCP_SYN, 0, 0, 0);
			(void)peer_get(&twin_peer[k]);
			peer_send(&twin_peer[k], A, 1, 1, 0);
			ck_assert_int_eq(
				sock_accept(twin_peer[k].listener, &twin_flows[k][i], &from), 0);
		}
	}
}

/* twin_put() gives the ACK of the last flow's numbers. */
struct twin_seg twin_of_flow(unsigned i, uint32_t seq, uint32_t len)
{
	struct twin_seg s = twin_at(seq, len);

	s.port = (uint16_t)(4000 + i);
	s.ack = twin_flows[0][i]->tcp->snd_una - twin_peer[0].stack_iss;
	return s;
}

unsigned twin_batched(void)
{
	return n;
}

uint64_t twin_trains(void)
{
	ck_assert_uint_eq(desk_count(&twin[1], "TcpTrains"), 0);
	return desk_count(&twin[0], "TcpTrains");
}

void twin_last_ack(uint32_t ack)
{
	ck_assert_uint_ge(twin_n_sent, 1);
	ck_assert_uint_eq(twin_sent[0][twin_n_sent - 1].h.ack - PEER_ISS, ack);
}
