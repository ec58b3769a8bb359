/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments into a connection in each state: numbers relative to the connection's, raw options,
 * right checksums; between them calls, time, and ICMP errors that quote the flow.
 *
 *	input: state, settings, then records: op, its bytes
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"

#define PEER_PORT 4000
#define OUR_PORT  80
#define PEER_ISS  0xfffff000u
#define RECORDS	  200

static struct socket *so, *listener;
static uint32_t iss; /* the stack's */
static uint16_t our_port;

static const struct tcp_pcb *pcb_of(void)
{
	uint32_t i;

	for (i = 0; i < fz->tcp_pcbs.high; i++) {
		const struct tcp_pcb *pcb = pool_at(&fz->tcp_pcbs, i);

		if (pcb->state && !pcb->dead && pcb->state != TCPS_LISTEN && pcb->remote_port)
			return pcb;
	}
	return NULL;
}

static void segment(uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window, const uint8_t *opts,
		    size_t n_opts, size_t len, uint16_t urgent)
{
	uint8_t l4[TCP_HDR_LEN + 40 + 1500] = {0};
	size_t hdr = TCP_HDR_LEN + (n_opts + 3) / 4 * 4;

	wire_put16(l4, PEER_PORT);
	wire_put16(l4 + 2, our_port);
	wire_put32(l4 + 4, seq);
	wire_put32(l4 + 8, ack);
	l4[12] = (uint8_t)(hdr / 4 << 4);
	l4[13] = flags;
	wire_put16(l4 + 14, window);
	wire_put16(l4 + 18, urgent);
	if (n_opts)
		memcpy(l4 + TCP_HDR_LEN, opts, n_opts);
	memset(l4 + hdr, 0x33, len);
	net_ip(IPPROTO_TCP, l4, hdr + len);
}

static void plain(uint8_t flags, uint32_t seq, uint32_t ack)
{
	segment(flags, PEER_ISS + seq, iss + ack, 20000, NULL, 0, 0, 0);
}

/* SYN options by the bits of `set`. */
static size_t syn_options(uint8_t set, uint8_t *o)
{
	size_t n = 0;

	if (set & 1) {
		memcpy(o + n, "\2\4\5\264", 4);
		n += 4;
	}
	if (set & 2) {
		memcpy(o + n, "\1\1\4\2", 4);
		n += 4;
	}
	if (set & 4) {
		memcpy(o + n, "\1\1\10\12\0\0\1\0\0\0\0\0", 12);
		n += 12;
	}
	if (set & 8) {
		memcpy(o + n, "\1\3\3\7", 4);
		n += 4;
	}
	return n;
}

static void set_int(struct socket *s, int level, int name, int v)
{
	(void)sock_setopt(s, level, name, &v, sizeof(v));
}

static void configure(struct socket *s, uint8_t set)
{
	if (set & 16)
		set_int(s, SOL_SOCKET, SO_RCVBUF, 3000);
	if (set & 32)
		set_int(s, SOL_SOCKET, SO_SNDBUF, 3000);
	if (set & 64)
		set_int(s, IPPROTO_TCP, TCPO_NODELAY, 1);
	if (set & 128)
		(void)sock_setopt(s, IPPROTO_TCP, TCPO_CONGESTION, "reno", 4);
}

/* A connection whose handshake is done; timestamps would have to go on, so they are not asked for
 * beyond SYN-RECEIVED: records bring them. */
static void passive(uint8_t set, bool whole)
{
	struct sock_addr any = net_name(0, OUR_PORT), from;
	uint8_t o[40];
	size_t n = syn_options(whole ? set & ~4u : set, o);

	FUZZ_MUST(sock_create(fz, AF_INET, SOCK_STREAM, 0, 1, &listener) == 0);
	configure(listener, set);
	FUZZ_MUST(sock_bind(listener, &any) == 0 && sock_listen(listener, 3) == 0);
	our_port = OUR_PORT;
	segment(TCP_SYN, PEER_ISS, 0, 20000, o, n, 0, 0);
	iss = fz_last.seq;
	if (!whole)
		return;
	plain(TCP_ACK, 1, 1);
	FUZZ_MUST(sock_accept(listener, &so, &from) == 0);
}

static void active(uint8_t set, bool whole)
{
	struct sock_addr to = net_name(fz_peer, PEER_PORT);
	uint8_t o[40];

	FUZZ_MUST(sock_create(fz, AF_INET, SOCK_STREAM, 0, 1, &so) == 0);
	configure(so, set);
	FUZZ_MUST(sock_connect(so, &to) == -EINPROGRESS);
	net_flush();
	iss = fz_last.seq;
	our_port = fz_last.sport;
	if (whole)
		segment(TCP_SYN | TCP_ACK, PEER_ISS, iss + 1, 20000, o, syn_options(set & ~4u, o),
			0, 0);
}

static void reach(uint8_t state, uint8_t set)
{
	static const uint8_t want[] = {0,
				       TCPS_SYN_SENT,
				       TCPS_SYN_RCVD,
				       TCPS_ESTABLISHED,
				       TCPS_ESTABLISHED,
				       TCPS_FIN_WAIT_1,
				       TCPS_FIN_WAIT_2,
				       TCPS_CLOSING,
				       TCPS_TIME_WAIT,
				       TCPS_CLOSE_WAIT,
				       TCPS_LAST_ACK,
				       TCPS_SYN_RCVD};
	const struct tcp_pcb *pcb;

	so = listener = NULL;
	if (state == 1 || state == 4 || state == 11)
		active(set, state == 4);
	else
		passive(set, state >= 3);
	if (state == 0) { /* the embryo goes, the listener stays */
		plain(TCP_RST, 1, 0);
		return;
	}
	if (state == 11) /* both opened */
		segment(TCP_SYN, PEER_ISS, 0, 20000, NULL, 0, 0, 0);
	if (state >= 5 && state <= 8)
		(void)sock_shutdown(so, SHUT_WR);
	net_flush();
	if (state == 6)
		plain(TCP_ACK, 1, 2);
	if (state == 7 || state == 9 || state == 10)
		plain(TCP_ACK | TCP_FIN, 1, 1);
	if (state == 8)
		plain(TCP_ACK | TCP_FIN, 1, 2);
	if (state == 10)
		(void)sock_shutdown(so, SHUT_WR);
	net_flush();
	pcb = pcb_of();
	FUZZ_MUST(pcb && pcb->state == want[state]);
}

/* ---- records ---- */

static uint32_t seq_near(const struct tcp_pcb *pcb, struct input *in, uint8_t how)
{
	uint32_t at = pcb ? pcb->rcv_nxt : PEER_ISS + 1;

	switch (how & 7) {
	case 0:
	case 1:
		return at;
	case 2:
		return at + (uint32_t)(int16_t)in16(in);
	case 3:
		return (pcb ? pcb->rcv_adv : at) + (uint32_t)(int8_t)in8(in);
	case 4:
		return PEER_ISS + (uint32_t)(int8_t)in8(in);
	case 5:
		return at + 1460u * in8(in);
	case 6:
		return at + 0x80000000u + (uint32_t)(int8_t)in8(in);
	default:
		return in32(in);
	}
}

static uint32_t ack_near(const struct tcp_pcb *pcb, struct input *in, uint8_t how)
{
	uint32_t una = pcb ? pcb->snd_una : iss + 1, nxt = pcb ? pcb->snd_nxt : iss + 1;

	switch (how & 7) {
	case 0:
		return nxt;
	case 1:
		return una;
	case 2:
		return una + (uint32_t)(int16_t)in16(in);
	case 3:
		return nxt + (uint32_t)(int8_t)in8(in);
	case 4:
		return una + 1460u * in8(in);
	case 5:
		return iss + (uint32_t)(int8_t)in8(in);
	case 6:
		return una + 0x80000000u + (uint32_t)(int8_t)in8(in);
	default:
		return in32(in);
	}
}

/* Right timestamps, or SACK blocks near what is out, or raw bytes. */
static size_t options(const struct tcp_pcb *pcb, struct input *in, uint8_t how, uint8_t *o)
{
	size_t n = 0, i, blocks;
	uint32_t at;

	if ((how & 1) && pcb) {
		memcpy(o, "\1\1\10\12", 4);
		wire_put32(o + 4, pcb->ts_recent + in8(in));
		wire_put32(o + 8, tcp_ts_now(pcb) - in8(in));
		n = 12;
	}
	if ((how & 2) && pcb) {
		blocks = 1 + (how >> 4) % 3;
		memcpy(o + n, "\1\1\5", 3);
		o[n + 3] = (uint8_t)(2 + 8 * blocks);
		n += 4;
		for (i = 0; i < blocks; i++, n += 8) {
			at = pcb->snd_una + 100u * in8(in);
			wire_put32(o + n, at);
			wire_put32(o + n + 4, at + 100u * in8(in));
		}
	}
	if (how & 4) {
		i = in8(in) % 41;
		n += in_bytes(in, o + n, i < 40 - n ? i : 40 - n);
	}
	return n;
}

static void record_segment(struct input *in)
{
	static const uint8_t usual[] = {TCP_ACK,	   TCP_ACK,	     TCP_ACK | TCP_PSH,
					TCP_ACK | TCP_FIN, TCP_SYN,	     TCP_SYN | TCP_ACK,
					TCP_RST,	   TCP_RST | TCP_ACK};
	const struct tcp_pcb *pcb = pcb_of();
	uint8_t kind = in8(in), how = in8(in), opt = in8(in), o[40];
	uint8_t flags = kind & 128 ? in8(in) : usual[kind & 7];
	uint32_t seq = seq_near(pcb, in, how), ack = ack_near(pcb, in, how >> 3);
	size_t n = options(pcb, in, opt, o), len = kind & 8 ? (size_t)in8(in) * 6 : 0;
	uint16_t window = how & 64 ? in16(in) : 20000;

	segment(flags, seq, ack, window, o, n, len < 1460 ? len : 1460, how & 128 ? in16(in) : 0);
}

static void record_icmp(struct input *in)
{
	const struct tcp_pcb *pcb = pcb_of();
	uint8_t m[ICMP_HDR_LEN + IP4_HDR_LEN + 8] = {0}, *l4 = m + ICMP_HDR_LEN + IP4_HDR_LEN;
	struct ip4_hdr ip = {.hdr_len = IP4_HDR_LEN,
			     .ttl = 60,
			     .protocol = IPPROTO_TCP,
			     .total_len = 1500,
			     .src = fz_us,
			     .dst = fz_peer};

	m[0] = in8(in) % 20;
	m[1] = in8(in) % 20;
	wire_put32(m + 4, in16(in));
	ip4_build(m + ICMP_HDR_LEN, &ip);
	wire_put16(l4, our_port);
	wire_put16(l4 + 2, PEER_PORT);
	wire_put32(l4 + 4, (pcb ? pcb->snd_una : iss) + (uint32_t)(int8_t)in8(in));
	net_ip(IPPROTO_ICMP, m, sizeof(m));
}

static void close_one(struct socket **s)
{
	sock_close(*s);
	*s = NULL;
	net_flush();
}

static void record_call(struct input *in)
{
	uint8_t what = in8(in), arg = in8(in);
	struct sock_addr from;
	uint8_t value[64];
	uint32_t len;
	int v = (int)in16(in);

	if (what % 9 == 0 && !so && listener)
		(void)sock_accept(listener, &so, &from);
	if (!so)
		return;
	switch (what % 9) {
	case 1:
		(void)net_send(so, arg * 40u, NULL, what & 128 ? MSG_MORE : 0);
		break;
	case 2:
		(void)net_recv(so, arg * 40u, what & 128 ? MSG_PEEK : what & 64 ? MSG_OOB : 0);
		break;
	case 3:
		(void)sock_shutdown(so, arg % 3);
		break;
	case 4:
		set_int(so, IPPROTO_TCP, arg % 40, v);
		break;
	case 5:
		set_int(so, SOL_SOCKET, arg % 70, v);
		break;
	case 6:
		len = sizeof(value);
		(void)sock_getopt(so, what & 128 ? SOL_SOCKET : IPPROTO_TCP, arg % 70, value, &len);
		FUZZ_MUST(len <= sizeof(value));
		break;
	case 7:
		if (arg > 250)
			close_one(&so);
		else if (arg > 240 && listener)
			close_one(&listener);
		break;
	default:
		(void)net_send(so, arg, NULL, what & 128 ? MSG_OOB : 0);
		break;
	}
	net_flush();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t state, op;
	unsigned n;

	if (size < 3)
		return -1;
	net_open();
	state = in8(&in) % 12;
	reach(state, in8(&in));
	for (n = 0; in.left && n < RECORDS; n++) {
		op = in8(&in);
		net_hold = op < 160 && op & 64;
		if (op < 160)
			record_segment(&in);
		else if (op < 216)
			record_call(&in);
		else if (op < 240)
			net_pass(FUZZ_MS << in8(&in) % 16);
		else
			record_icmp(&in);
	}
	net_close();
	return 0;
}
