/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments into a connection in each state: numbers relative to the connection's, raw options,
 * right checksums; between them calls, time, and ICMP errors that quote the flow.
 *
 *	input: state, settings, then records: op, its bytes
 *	or: 0xf0 and bits of enum extra, state (from 240 on: a link of 9,000 bytes), settings, bits
 *of enum how and a count, so many settings of the stack, then records, whose op has a tuple and the
 *packet's ECN field, too
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tcpip/ip6.h"
#include "tests/fuzz/fuzz.h"

#define PEER_PORT 4000
#define OUR_PORT  80
#define PEER_ISS  0xfffff000u
#define RECORDS	  200
#define TUPLES	  8u /* ports of the neighbour: more than a SYN queue of the listener holds */
#define SYN_DATA  50u

static struct socket *so, *listener;
static uint16_t our_port;

/* What the handshake has beyond the settings' options. */
enum extra { IP6 = 1, STAMPS = 2, ECN = 4, FAST_OPEN = 8 };
static uint8_t extra;
static bool wide;  /* the long form of the input */
static bool jumbo; /* the link takes 9,000 bytes */
/* Low bits: backlog, and the stack's settings that follow. Of the one that connects: by
 * TCP_FASTOPEN_CONNECT, without a cookie; how much of the SYN's data the peer takes. */
enum how { BACKLOG = 3, N_SETTINGS = 12, DEFERRED = 16, NO_COOKIE = 32, TAKES = 64, HALF = 128 };
static uint8_t handshake;

/* What the stack said last to a port of the neighbour's. */
static struct tuple {
	uint32_t iss, ack, ts;
	bool has_ts;
	uint8_t cookie_len, cookie[16];
} tuples[TUPLES];
static uint32_t given; /* data of the first tuple's SYN that the stack took */
static uint32_t peer_clock;

static void heard(const struct tcp_hdr *h)
{
	struct tuple *t = &tuples[(uint16_t)(h->dport - PEER_PORT) % TUPLES];

	if (h->opts.has_ts) {
		t->ts = h->opts.ts_val;
		t->has_ts = true;
	}
	if (!(h->flags & TCP_SYN))
		return;
	t->iss = h->seq;
	t->ack = h->ack;
	our_port = h->sport;
	if (h->opts.fo && h->opts.fo_len) {
		t->cookie_len = h->opts.fo_len;
		memcpy(t->cookie, h->opts.fo, t->cookie_len);
	}
}

static const struct tcp_pcb *pcb_of(unsigned k)
{
	uint32_t i;

	for (i = 0; i < fz->tcp_pcbs.high; i++) {
		const struct tcp_pcb *pcb = pool_at(&fz->tcp_pcbs, i);

		if (pcb->state && !pcb->dead && pcb->state != TCPS_LISTEN &&
		    pcb->remote_port == PEER_PORT + k)
			return pcb;
	}
	return NULL;
}

static void segment(unsigned k, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t window,
		    const uint8_t *opts, size_t n_opts, size_t len, uint16_t urgent)
{
	uint8_t l4[TCP_HDR_LEN + 40 + 1500] = {0};
	size_t hdr = TCP_HDR_LEN + (n_opts + 3) / 4 * 4;

	wire_put16(l4, (uint16_t)(PEER_PORT + k));
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

/* The timestamps of a segment behind the handshake. */
static size_t stamps(const struct tuple *t, uint8_t *o)
{
	if (!(extra & STAMPS) || !t->has_ts)
		return 0;
	memcpy(o, "\1\1\10\12", 4);
	wire_put32(o + 4, ++peer_clock);
	wire_put32(o + 8, t->ts);
	return 12;
}

static void plain(uint8_t flags, uint32_t seq, uint32_t ack)
{
	uint8_t o[12];
	size_t n = stamps(&tuples[0], o);

	segment(0, flags, PEER_ISS + given + seq, tuples[0].iss + ack, 20000, o, n, 0, 0);
}

/* SYN options by the bits of `set`. */
static size_t syn_options(uint8_t set, uint8_t *o)
{
	size_t n = 0;

	if (set & 1) {
		memcpy(o + n, jumbo ? "\2\4\43\0" : "\2\4\5\264", 4);
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

/* Fast Open's: nothing, the wish for a cookie, the right one (or a new one for the stack), a wrong
 * one. */
static size_t fo_option(const struct tuple *t, uint8_t kind, uint8_t *o)
{
	size_t len = t->cookie_len ? t->cookie_len : 8;

	memset(o, 1, 20);
	if (kind == 0)
		return 0;
	o[2] = 34;
	o[3] = 2;
	if (kind == 1)
		return 4;
	o[3] = (uint8_t)(2 + len);
	memset(o + 4, 0x77, 16);
	if (t->cookie_len)
		memcpy(o + 4, t->cookie, len);
	if (kind == 3)
		o[4] ^= 1;
	memset(o + 4 + len, 1, 16 - len);
	return (4 + len + 3) / 4 * 4;
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

/* One of the stack's settings, small values mostly. */
static void turn(struct input *in)
{
	static const struct {
		const char *name;
		uint8_t mask, shift;
	} knob[] = {
		{"syncookies", 3, 0},
		{"ecn", 3, 0},
		{"fastopen", 3, 0},
		{"mtu_probing", 3, 0},
		{"base_mss", 255, 3},
		{"probe_interval", 255, 0},
		{"probe_threshold", 63, 0},
		{"recovery_probes", 1, 0},
		{"sack", 1, 0},
		{"timestamps", 1, 0},
		{"window_scaling", 1, 0},
		{"rmem_default", 63, 11},
		{"rmem_max", 255, 12},
		{"wmem_default", 63, 11},
		{"wmem_max", 255, 12},
	};
	uint8_t which = in8(in) % (sizeof(knob) / sizeof(knob[0])), v = in8(in) & knob[which].mask;

	(void)stack_tcp_set(fz, knob[which].name, (uint32_t)v << knob[which].shift);
}

static void syn(uint8_t set, uint8_t fo, size_t len)
{
	uint8_t flags = extra & ECN ? TCP_SYN | TCP_ECE | TCP_CWR : TCP_SYN, o[44];
	size_t n = syn_options(extra & STAMPS ? set | 4 : set, o);

	n += fo_option(&tuples[0], fo, o + n);
	segment(0, flags, PEER_ISS, 0, 20000, o, n, len, 0);
}

/* A connection whose handshake is done; in the short form timestamps would have to go on, so they
 * are not asked for beyond SYN-RECEIVED: records bring them. */
static void passive(uint8_t set, bool whole)
{
	struct sock_addr any = net_at(false, OUR_PORT), from;

	FUZZ_MUST(sock_create(fz, any.family, SOCK_STREAM, 0, 1, &listener) == 0);
	configure(listener, set);
	FUZZ_MUST(sock_bind(listener, &any) == 0);
	FUZZ_MUST(sock_listen(listener, wide ? handshake & BACKLOG : 3) == 0);
	our_port = OUR_PORT;
	if (extra & FAST_OPEN) { /* a cookie comes first */
		set_int(listener, IPPROTO_TCP, TCPO_FASTOPEN, 2);
		syn(set, 1, 0);
		plain(TCP_RST, 1, 0);
	}
	syn(whole && !(extra & STAMPS) ? set & ~4u : set, extra & FAST_OPEN ? 2 : 0,
	    extra & FAST_OPEN ? SYN_DATA : 0);
	given = tuples[0].ack - PEER_ISS - 1;
	if (!whole)
		return;
	plain(TCP_ACK, 1, 1);
	FUZZ_MUST(sock_accept(listener, &so, &from) == 0);
}

/* The stack's SYN, with data if it may. */
static void start(uint8_t set)
{
	struct sock_addr to = net_at(true, PEER_PORT);
	int64_t r = -EOPNOTSUPP;

	FUZZ_MUST(sock_create(fz, to.family, SOCK_STREAM, 0, 1, &so) == 0);
	configure(so, set);
	if (handshake & NO_COOKIE)
		set_int(so, IPPROTO_TCP, TCPO_FASTOPEN_NO_COOKIE, 1);
	if (handshake & DEFERRED)
		set_int(so, IPPROTO_TCP, TCPO_FASTOPEN_CONNECT, 1);
	else if (extra & FAST_OPEN)
		r = net_send(so, SYN_DATA, &to, MSG_FASTOPEN);
	if (r == -EOPNOTSUPP)
		r = sock_connect(so, &to);
	if (r == 0 && (handshake & DEFERRED))
		r = net_send(so, SYN_DATA, NULL, 0);
	FUZZ_MUST(r == -EINPROGRESS || r == SYN_DATA);
	net_flush();
}

static void syn_ack(uint8_t set, uint8_t fo, uint32_t taken)
{
	uint8_t flags = extra & ECN ? TCP_SYN | TCP_ACK | TCP_ECE : TCP_SYN | TCP_ACK, o[44];
	size_t n = syn_options(extra & STAMPS ? set | 4 : set & ~4u, o);

	if (extra & STAMPS) /* it echoes the SYN's */
		wire_put32(o + (set & 1 ? 4 : 0) + (set & 2 ? 4 : 0) + 8, tuples[0].ts);
	n += fo_option(&tuples[0], fo, o + n);
	segment(0, flags, PEER_ISS, tuples[0].iss + 1 + taken, 20000, o, n, 0, 0);
}

static void close_one(struct socket **s)
{
	sock_close(*s);
	*s = NULL;
	net_flush();
}

static void active(uint8_t set, bool whole)
{
	const struct tcp_pcb *pcb;
	uint32_t taken;

	if (extra & ECN)
		(void)stack_tcp_set(fz, "ecn", 1);
	if (extra & FAST_OPEN) { /* the first time brings a cookie */
		start(set);
		tuples[0].cookie_len = 0;
		syn_ack(set, 2, 0);
		plain(TCP_RST, 1, 1);
		close_one(&so);
	}
	start(set);
	pcb = pcb_of(0);
	FUZZ_MUST(pcb != NULL);
	taken = handshake & TAKES ? pcb->snd_end - pcb->iss - 1 : 0;
	if (whole)
		syn_ack(set, 0, handshake & HALF ? taken / 2 : taken);
}

/* What was offered is agreed upon, where the stack may. */
static void check_agreed(uint8_t state, const struct tcp_pcb *pcb)
{
	const struct tcp_settings *set = &fz->tcp->set;

	if (state != 1 && (extra & STAMPS) && set->timestamps)
		FUZZ_MUST(pcb->ts_ok);
	if (state != 1 && state != 11 && (extra & ECN) && set->ecn && set->syncookies < 2)
		FUZZ_MUST(pcb->ecn_ok);
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
		syn(wide ? set : 0, 0, 0);
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
	pcb = pcb_of(0);
	if (!pcb && state == 2 && fz->tcp->set.syncookies == 2)
		return;
	FUZZ_MUST(pcb && pcb->state == want[state]);
	check_agreed(state, pcb);
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

static uint32_t ack_near(const struct tcp_pcb *pcb, uint32_t iss, struct input *in, uint8_t how)
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

/* Right timestamps (in the long form also wrong ones; and where they were agreed upon, without
 * being asked for), or SACK blocks near what is out, or raw bytes. */
static size_t options(const struct tcp_pcb *pcb, struct input *in, uint8_t how, uint8_t *o)
{
	size_t n = 0, i, blocks;
	uint32_t at;

	if (pcb && ((how & 1) != 0) != (wide && pcb->ts_ok)) {
		memcpy(o, "\1\1\10\12", 4);
		wire_put32(o + 4, pcb->ts_recent + in8(in));
		wire_put32(o + 8, tcp_ts_now(pcb) - in8(in));
		if (wide && (how & 8))
			wire_put32(o + 4, pcb->ts_recent - in16(in));
		if (wide && (how & 128))
			wire_put32(o + 8, in32(in));
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

/* A step of a handshake on any tuple: the SYN, or what completes it as the answer asked for. */
static void record_open(unsigned k, struct input *in)
{
	const struct tuple *t = &tuples[k];
	uint8_t what = in8(in), set = in8(in), flags, o[44];
	size_t n, len = what & 16 ? SYN_DATA : 0;

	if (what & 1) {
		flags = what & 8 ? TCP_SYN | TCP_ECE | TCP_CWR : TCP_SYN;
		n = syn_options(set, o);
		n += fo_option(t, what >> 1 & 3, o + n);
		segment(k, flags, PEER_ISS, 0, 20000, o, n, len, 0);
		return;
	}
	memcpy(o, "\1\1\10\12", 4);
	wire_put32(o + 4, ++peer_clock);
	wire_put32(o + 8, what & 4 ? t->ts ^ set : t->ts);
	segment(k, TCP_ACK, what & 2 ? t->ack : PEER_ISS + 1,
		t->iss + 1 + (what & 8 ? (uint32_t)(int8_t)set : 0), 20000, o, t->has_ts ? 12 : 0,
		len, 0);
}

/* op: in the long form the low bits say the tuple, bits 4 and 5 the packet's ECN field. */
static void record_segment(struct input *in, unsigned k)
{
	static const uint8_t usual[] = {TCP_ACK,	   TCP_ACK,	     TCP_ACK | TCP_PSH,
					TCP_ACK | TCP_FIN, TCP_SYN,	     TCP_SYN | TCP_ACK,
					TCP_RST,	   TCP_RST | TCP_ACK};
	const struct tcp_pcb *pcb = pcb_of(k);
	uint8_t kind = in8(in), how = in8(in), opt = in8(in), o[40];
	uint8_t flags = kind & 128 ? in8(in) : usual[kind & 7];
	uint32_t seq = seq_near(pcb, in, how), ack = ack_near(pcb, tuples[k].iss, in, how >> 3);
	size_t n = options(pcb, in, opt, o), len = kind & 8 ? (size_t)in8(in) * 6 : 0;
	uint16_t window = how & 64 ? in16(in) : 20000;

	if (wide && kind & 64) {
		record_open(k, in);
		return;
	}
	segment(k, flags, seq, ack, window, o, n, len < 1460 ? len : 1460,
		how & 128 ? in16(in) : 0);
}

static void record_icmp6(struct input *in, unsigned k)
{
	const struct tcp_pcb *pcb = pcb_of(k);
	uint8_t m[ICMP_HDR_LEN + IP6_HDR_LEN + 8] = {0}, *l4 = m + ICMP_HDR_LEN + IP6_HDR_LEN;
	struct ip6_hdr ip = {.next = IP6_TCP, .hop_limit = 60, .payload_len = 1400};
	struct sock_addr peer = net_at(true, 0);

	m[0] = 1 + in8(in) % 5;
	m[1] = in8(in) % 8;
	wire_put32(m + 4, in16(in));
	memcpy(ip.src, peer.addr, 16);
	memcpy(ip.dst, peer.addr, 16);
	ip.src[15] = 1;
	ip6_build(m + ICMP_HDR_LEN, &ip);
	wire_put16(l4, our_port);
	wire_put16(l4 + 2, (uint16_t)(PEER_PORT + k));
	wire_put32(l4 + 4, (pcb ? pcb->snd_una : tuples[k].iss) + (uint32_t)(int8_t)in8(in));
	net_ip(IP6_ICMP, m, sizeof(m));
}

static void record_icmp(struct input *in, unsigned k)
{
	const struct tcp_pcb *pcb = pcb_of(k);
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
	wire_put16(l4 + 2, (uint16_t)(PEER_PORT + k));
	wire_put32(l4 + 4, (pcb ? pcb->snd_una : tuples[k].iss) + (uint32_t)(int8_t)in8(in));
	net_ip(IPPROTO_ICMP, m, sizeof(m));
}

static void record_call(struct input *in)
{
	uint8_t what = in8(in), arg = in8(in);
	struct sock_addr from;
	uint8_t value[64];
	uint32_t len;
	int v = (int)in16(in);

	if (wide && what % 9 == 0 && what & 128) {
		turn(in);
		return;
	}
	if (wide && what % 9 == 0 && so && listener)
		close_one(&so);
	if (what % 9 == 0 && !so && listener)
		(void)sock_accept(listener, &so, &from);
	if (!so)
		return;
	switch (what % 9) {
	case 1:
		(void)net_send(so, arg * (jumbo ? 200u : 40u), NULL, what & 128 ? MSG_MORE : 0);
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

static void open_net(struct input *in)
{
	uint8_t first = in8(in), state, set, n;

	memset(tuples, 0, sizeof(tuples));
	wide = first >= 240;
	extra = wide ? first & 15 : 0;
	jumbo = false;
	handshake = 0;
	given = 0;
	peer_clock = 0x100; /* as syn_options() has it */
	net_open();
	net_heard = heard;
	if (extra & IP6)
		net_use_ip6();
	if (!wide) {
		reach(first % 12, in8(in));
		return;
	}
	state = in8(in);
	jumbo = state >= 240;
	if (jumbo)
		net_wide();
	state %= 12;
	set = in8(in);
	handshake = in8(in);
	for (n = (handshake & N_SETTINGS) / 4; n; n--)
		turn(in);
	reach(state, set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned n, k;
	uint8_t op;

	if (size < 3)
		return -1;
	open_net(&in);
	for (n = 0; in.left && n < RECORDS; n++) {
		op = in8(&in);
		k = wide ? op % TUPLES : 0;
		net_hold = op < 160 && op & 64;
		net_tos = wide && op < 160 ? op >> 4 & 3 : 0;
		if (op < 160)
			record_segment(&in, k);
		else if (op < 216)
			record_call(&in);
		else if (op < 240)
			net_pass(FUZZ_MS << in8(&in) % 16);
		else if (extra & IP6)
			record_icmp6(&in, k);
		else
			record_icmp(&in, k);
	}
	net_close();
	return 0;
}
