/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a segment the path takes: told by ICMP (RFC 1191, 8201), found out by timeouts where
 * nobody tells, and by probes (RFC 4821). A probe is one segment of new data, longer than the
 * others; if it arrives, all may be as long; if it alone is lost, its data goes again in pieces and
 * cwnd stays. A segment may be of several buffers (tcp_tso.c) where the first link takes that.
 * Called by tcp_ack.c, tcp_recovery.c and tcp_timer.c (what became of a segment), tcp_in.c (an ICMP
 * error), tcp_out.c (there is something to send), tcp_pcb.c.
 *
 * Sizes are those of IPv4's packets; IPv6's are 20 bytes longer, as ip4_mtu() has it. RFC 4821 7.1
 * in our words: path_mtu is eff_pmtu and search_low in one, for nothing longer is sent than what is
 * known to arrive; 0 is the link's. mtu.high is search_high; 0, its initial value, is what link,
 * peer and application allow.
 *
 *	path_mtu 0    nothing is in the way, nothing to look for
 *	resting	      until path_mtu_at; then an ACK wakes the search
 *	mtu_search    the next occasion to send with enough data sends a probe
 *	mtu.probe     that is in flight
 */
#include <errno.h>
#include <string.h>

#include "tcpip/ip6.h"
#include "tcpip/tcp.h"

#define HDR_LEN	     (IP4_HDR_LEN + TCP_HDR_LEN)
#define LEAST4_ICMP  552u /* Linux's ip_rt_min_pmtu; a host of 68 bytes would be an attack */
#define LEAST4	     296u /* by timeouts: no link is slower, and 48 bytes a segment is an attack too */
#define LEAST6	     (IP6_MTU_MIN - (IP6_HDR_LEN - IP4_HDR_LEN))
#define PROBE_CWND   5u	  /* so that what follows the probe shows its loss */
#define VERIFY_LEAST 64u  /* segments after a raise until losses say something about it, */
#define VERIFY_MOST  256u /* and from where on they say nothing any more */

/* ---- sizes ---- */

static uint32_t least(const struct tcp_pcb *pcb)
{
	return ip_is6(pcb->remote_ip) ? LEAST6 : LEAST4;
}

/* RFC 4821 7.2: search_low at first. */
static uint32_t base(const struct tcp_pcb *pcb)
{
	uint32_t mtu = pcb->st->tcp->set.base_mss + HDR_LEN;

	return mtu > least(pcb) ? mtu : least(pcb);
}

/* The payload of a segment on a path that takes mtu: what the peer and the application allow too
 * (RFC 9293 3.7.1), less the options every segment carries (RFC 6691), and the port's buffers. */
static uint16_t mss_for(const struct tcp_pcb *pcb, uint32_t mtu)
{
	uint32_t mss = mtu > HDR_LEN ? mtu - HDR_LEN : 0;

	if (mss > pcb->peer_mss)
		mss = pcb->peer_mss;
	if (pcb->user_mss && mss > pcb->user_mss)
		mss = pcb->user_mss;
	if (pcb->ts_ok && mss > 12)
		mss -= 12;
	/* A peer whose whole window is small must not wait for a segment that never fits. */
	if (pcb->max_window > TCP_MSS_DEFAULT && mss > pcb->max_window / 2)
		mss = pcb->max_window / 2;
	if (mss > TCP_MSS_MAX && !pcb->pieces)
		mss = TCP_MSS_MAX;
	return (uint16_t)(mss < TCP_MSS_MIN ? TCP_MSS_MIN : mss);
}

static uint32_t mtu_for(const struct tcp_pcb *pcb, uint32_t mss)
{
	return mss + HDR_LEN + (pcb->ts_ok ? 12 : 0);
}

/* What path and link take. */
static uint32_t takes(const struct tcp_pcb *pcb)
{
	uint32_t mtu = ip4_mtu(pcb->st, pcb->remote_ip);

	return pcb->path_mtu && pcb->path_mtu < mtu ? pcb->path_mtu : mtu;
}

/* A segment of `mss` bytes in buffers alike, the fewest that hold it. For little more than one it
 * is not worth two half empty. Of an even length, as there may be others behind. */
static void share_out(struct tcp_pcb *pcb, uint32_t mss)
{
	uint32_t n = mss < TCP_MSS_MAX * 3 / 2 ? 1 : (mss + TCP_MSS_MAX - 1) / TCP_MSS_MAX;
	uint32_t each = mss < n * TCP_MSS_MAX ? mss / n : TCP_MSS_MAX;

	if (pcb->pieces)
		each &= ~1u;
	pcb->snd_mss = (uint16_t)each;
	pcb->wire_mss = (uint16_t)(n == 1 ? each : mss);
	pcb->train_max = (uint16_t)n;
}

/* Segments that the port cuts from one frame. */
static uint16_t cuts(const struct tcp_pcb *pcb, const struct port *port)
{
	uint32_t most = 65000 / pcb->snd_mss; /* IP's length has 16 bits, and there are headers */

	if (!port || !(port->caps & PORT_CAP_TX_L4_CSUM))
		return 0;
	return port->tso_max < most ? port->tso_max : (uint16_t)most;
}

/* The port by number: it may be gone before the connection is. What ip4_out sends by another, as
 * the route has changed, it refuses (-EMSGSIZE) where that one does not take trains as these. */
void tcp_sync_mss(struct tcp_pcb *pcb)
{
	const struct port *port = ip4_port(pcb->st, pcb->remote_ip);

	pcb->port_scope = port ? port->index + 1 : 0;
	pcb->pieces = port && port->caps & PORT_CAP_PIECES && port->mtu > PORT_MTU_WHOLE;
	share_out(pcb, mss_for(pcb, takes(pcb)));
	if (pcb->train_max < 2)
		pcb->train_max = cuts(pcb, port);
}

uint32_t tcp_path_mtu(const struct tcp_pcb *pcb)
{
	uint32_t mtu = takes(pcb);

	return ip_is6(pcb->remote_ip) ? mtu + (IP6_HDR_LEN - IP4_HDR_LEN) : mtu;
}

/* ---- when to look ---- */

/* Only packets that no router cuts tell anything; and the loss of one alone must show at once. */
static bool can_probe(const struct tcp_pcb *pcb)
{
	return pcb->st->tcp->set.mtu_probing && pcb->sack_ok &&
	       pcb->mtu_discover != PMTUDISC_DONT && pcb->mtu_discover < PMTUDISC_INTERFACE;
}

static void rest(struct tcp_pcb *pcb, uint64_t ns)
{
	pcb->mtu_search = false;
	pcb->path_mtu_at = pcb->st->now + ns;
}

/* RFC 4821 7.3: for the long interval; then from search_high's initial value on. */
static void rest_long(struct tcp_pcb *pcb)
{
	rest(pcb, pcb->st->tcp->set.probe_interval * TCP_S);
	pcb->mtu.high = 0;
	pcb->mtu.top = true;
}

static void rest_short(struct tcp_pcb *pcb, uint64_t trips)
{
	uint64_t ns = trips * pcb->srtt_us * TCP_US, most;

	most = pcb->st->tcp->set.probe_interval * TCP_S;
	rest(pcb, ns < most ? ns : most);
}

static void search(struct tcp_pcb *pcb)
{
	pcb->mtu_search = true;
	pcb->path_mtu_at = UINT64_MAX;
}

static void settle(struct tcp_pcb *pcb, uint32_t mtu)
{
	pcb->path_mtu = (uint16_t)mtu;
	tcp_sync_mss(pcb);
}

/* Nothing is left between what arrives and what may not: the path's size is known, also to those
 * who come after us. */
static void converged(struct tcp_pcb *pcb)
{
	uint32_t link = ip4_mtu(pcb->st, pcb->remote_ip), peer = pcb->peer_mss + HDR_LEN;
	bool found =
		pcb->mtu.high && pcb->mtu.high < pcb->path_mtu + pcb->st->tcp->set.probe_threshold;

	rest_long(pcb);
	if (pcb->path_mtu >= (link < peer ? link : peer)) {
		if (!pmtu_of(pcb->st, pcb->remote_ip))
			settle(pcb, 0);
	} else if (found) {
		(void)pmtu_learn_for(pcb->st, pcb->remote_ip, pcb->path_mtu,
				     pcb->path_mtu_at - pcb->st->now);
	}
}

void tcp_mtu_start(struct tcp_pcb *pcb)
{
	uint16_t known = pmtu_of(pcb->st, pcb->remote_ip);
	uint32_t low = base(pcb);

	if (known && !pcb->path_mtu) {
		pcb->path_mtu = known;
		rest_long(pcb);
	}
	if (pcb->st->tcp->set.mtu_probing != 2 || !can_probe(pcb) ||
	    (pcb->path_mtu && pcb->path_mtu <= low))
		return;
	pcb->path_mtu = (uint16_t)low;
	rest_long(pcb);
	search(pcb);
}

/* ---- a probe goes out ---- */

/* Of a path behind a link that takes more. */
static uint32_t ethernets(const struct tcp_pcb *pcb)
{
	return PORT_MTU_WHOLE - (ip_is6(pcb->remote_ip) ? IP6_HDR_LEN - IP4_HDR_LEN : 0);
}

/* The size of the next; 0: there is none worth it. The greatest first, for most paths take what the
 * link does or did so before; then what most networks take; then the middle (RFC 4821 7.3). */
static uint32_t probe_size(const struct tcp_pcb *pcb)
{
	uint32_t low = mtu_for(pcb, mss_for(pcb, takes(pcb)));
	uint32_t high = ip4_mtu(pcb->st, pcb->remote_ip);

	if (pcb->mtu.high && pcb->mtu.high < high)
		high = pcb->mtu.high;
	high = mtu_for(pcb, mss_for(pcb, high));
	if (high <= low || high - low < pcb->st->tcp->set.probe_threshold)
		return 0;
	if (pcb->mtu.top)
		return high;
	return low < ethernets(pcb) && ethernets(pcb) < high ? ethernets(pcb)
							     : (low + high + 1) / 2;
}

/* A probe has told what it had to: the next after so many round trips, or none. */
static void go_on(struct tcp_pcb *pcb, uint64_t trips)
{
	pcb->mtu.probe = 0;
	if (!probe_size(pcb))
		converged(pcb);
	else if (trips)
		rest_short(pcb, trips);
	else
		search(pcb);
}

/* RFC 4821 7.4: nothing is lost or late, and three segments go after the probe. */
static bool conditions(struct tcp_pcb *pcb, uint32_t len)
{
	uint32_t need = len + TCP_DUPTHRESH * pcb->snd_mss;

	if (pcb->ca_state != TCP_CA_OPEN || pcb->sacked_out || pcb->lost_out || pcb->retrans_out ||
	    pcb->backoff || pcb->tlp_high_seq)
		return false;
	if (pcb->cwnd < PROBE_CWND || tcp_flight(pcb) >= pcb->cwnd)
		return false;
	if (pcb->snd_end - pcb->snd_nxt < need ||
	    (int32_t)(tcp_wnd_end(pcb) - pcb->snd_nxt) < (int32_t)need)
		return false;
	return !tcp_pool_low(pcb->st) && !(pcb->max_pacing && tcp_pace_holds(pcb));
}

/* Moves up to n bytes from the front of the next buffer behind p's. */
static void draw(struct tcp_pcb *pcb, struct pktbuf *p, uint32_t n)
{
	struct pktbuf *q = p->tcp.link;

	if (n > q->tcp.payload_len)
		n = q->tcp.payload_len;
	memcpy(p->buf + p->tcp.payload_off + p->tcp.payload_len, q->buf + q->tcp.payload_off, n);
	p->tcp.payload_len += (uint16_t)n;
	p->tcp.seq_end += n;
	if (n < q->tcp.payload_len) {
		q->tcp.seq += n;
		q->tcp.payload_off += (uint16_t)n;
		q->tcp.payload_len -= (uint16_t)n;
		return;
	}
	p->tcp.flags |= q->tcp.flags;
	p->tcp.link = q->tcp.link;
	pcb->snd_bufs--;
	pktbuf_free(q);
}

/* Makes snd_next a segment of len bytes. The conditions hold: there is more data behind it, so no
 * FIN is in it, nor the queue's last buffer. */
static bool gather(struct tcp_pcb *pcb, uint32_t len)
{
	struct pktbuf *p = pcb->snd_next;

	if (p->tcp.payload_off + len > PKTBUF_SIZE)
		return false;
	while (p->tcp.payload_len < len)
		draw(pcb, p, len - p->tcp.payload_len);
	return p->tcp.payload_len == len || tcp_split(pcb, p, len);
}

/* A probe of several buffers, those that are next; the last may have to be cut. To cwnd each is a
 * segment: it must have room for all, and for others that show their loss. */
static int send_several(struct tcp_pcb *pcb, uint32_t len)
{
	struct pktbuf *p = pcb->snd_next;
	uint32_t n = 1;

	for (; p->tcp.payload_len < len; p = p->tcp.link, n++) {
		if (p->tcp.payload_len % 2 || p->refs > 1)
			return 0;
		len -= p->tcp.payload_len;
	}
	if (p->refs > 1 || pcb->cwnd < n + PROBE_CWND - 1)
		return 0;
	if (tcp_flight(pcb) + n > pcb->cwnd)
		return -EAGAIN;
	if (p->tcp.payload_len > len && !tcp_split(pcb, p, len))
		return 0;
	return tcp_send_as_one(pcb, n);
}

static int send_probe(struct tcp_pcb *pcb, uint32_t len)
{
	if (len > TCP_MSS_MAX)
		return send_several(pcb, len);
	if (!gather(pcb, len))
		return 0;
	tcp_send_long(pcb);
	return 1;
}

int tcp_mtu_probe(struct tcp_pcb *pcb)
{
	uint32_t size, len, seq = pcb->snd_nxt;
	int r;

	if (!conditions(pcb, pcb->snd_mss))
		return 0;
	size = can_probe(pcb) ? probe_size(pcb) : 0;
	if (!size) {
		converged(pcb);
		return 0;
	}
	len = mss_for(pcb, size);
	r = conditions(pcb, len) ? send_probe(pcb, len) : 0;
	if (r <= 0)
		return r;
	pcb->mtu_search = false;
	pcb->mtu.probe = (uint16_t)size;
	pcb->mtu.probe_seq = seq;
	pcb->mtu.probe_end = pcb->snd_nxt;
	COUNT(pcb->st, TcpMtuProbes);
	return 1;
}

/* ---- what became of it ---- */

static struct pktbuf *probe_of(const struct tcp_pcb *pcb)
{
	struct pktbuf *p = pcb->snd_head;

	while (p != pcb->snd_next && p->tcp.seq != pcb->mtu.probe_seq)
		p = p->tcp.link;
	return p == pcb->snd_next ? NULL : p;
}

/* RFC 4821 7.6.1. */
static void arrived(struct tcp_pcb *pcb)
{
	struct tcp_mtu *m = &pcb->mtu;

	m->before = pcb->path_mtu;
	m->sent = pcb->data_segs_out;
	m->again = pcb->total_retrans;
	settle(pcb, m->probe);
	go_on(pcb, 0);
}

/* RFC 4821 7.6.2: losses that cwnd does not answer must be rarer than those it does, whose distance
 * is some cwnd round trips. 7.6.3: five times that after a timeout. */
static void too_long(struct tcp_pcb *pcb, uint32_t size, uint64_t trips)
{
	COUNT(pcb->st, TcpMtuProbesLost);
	pcb->mtu.high = (uint16_t)(size - 1);
	pcb->mtu.top = false;
	go_on(pcb, trips);
}

/* Its data goes again at once, as segments that fit, and counts as sent anew: the loss is answered,
 * the scoreboard need not know of it. */
static void send_again(struct tcp_pcb *pcb, struct pktbuf *p)
{
	uint32_t end = pcb->mtu.probe_end;
	bool head = p == pcb->snd_head;

	for (; p != pcb->snd_next && seq_lt(p->tcp.seq, end); p = p->tcp.link) {
		if (p->tcp.sacked & TCP_SACKED)
			continue;
		if (p->tcp.sacked & TCP_LOST) {
			p->tcp.sacked &= (uint8_t)~TCP_LOST;
			pcb->lost_out--;
		}
		p->tcp.pieces = 0; /* that a probe is lost says nothing of what is known to fit */
		if (!tcp_retransmit(pcb, p))
			break; /* its time has not changed: RACK finds it lost again */
		p->tcp.sacked &= (uint8_t)~TCP_RETRANS;
		pcb->retrans_out--;
	}
	if (head && pcb->rexmit_kind != TCP_T_REORDER)
		tcp_rto_restart(pcb);
}

/* RFC 4821 7.8: since segments became longer one of ten is lost; some of several paths may not take
 * them. */
static void verify(struct tcp_pcb *pcb)
{
	struct tcp_mtu *m = &pcb->mtu;
	uint32_t sent = pcb->data_segs_out - m->sent, again = pcb->total_retrans - m->again;
	uint32_t size = mtu_for(pcb, pcb->wire_mss);

	sent *= pcb->wire_mss / pcb->snd_mss; /* buffers, which is what goes again */
	if (!m->before || sent < VERIFY_LEAST)
		return;
	if (sent <= VERIFY_MOST && again * 10 > sent && m->before < size) {
		settle(pcb, m->before);
		too_long(pcb, size, 5ull * pcb->cwnd);
	}
	m->before = 0;
}

/* RFC 4821 7.7 for segments of several buffers. These go again one by one and arrive, so there are
 * no timeouts in a row. It is the second loss that tells: what the first took was half of what has
 * been sent since, or more. If that was chance, the first probe says so. */
static void suspect_long(struct tcp_pcb *pcb)
{
	struct tcp_mtu *m = &pcb->mtu;
	uint32_t sent = m->long_sent, again = m->long_again;

	m->long_sent = m->long_again = 0;
	if (!pcb->st->tcp->set.mtu_probing || pcb->wire_mss <= pcb->snd_mss ||
	    again < 2u * pcb->snd_mss || again < sent / 2)
		return;
	COUNT(pcb->st, TcpBlackHoles);
	settle(pcb, mtu_for(pcb, TCP_MSS_MAX));
	m->before = m->probe = 0;
	rest_long(pcb);
	if (can_probe(pcb))
		search(pcb);
}

/* How many buffers of the probe are marked lost; p is its first. */
static uint32_t lost_of_probe(const struct tcp_pcb *pcb, const struct pktbuf *p)
{
	uint32_t n = 0;

	for (; p != pcb->snd_next && seq_lt(p->tcp.seq, pcb->mtu.probe_end); p = p->tcp.link)
		n += (p->tcp.sacked & TCP_LOST) != 0;
	return n;
}

void tcp_mtu_acked(struct tcp_pcb *pcb, uint32_t ack)
{
	struct pktbuf *p;

	if (pcb->mtu.probe && seq_ge(ack, pcb->mtu.probe_end)) {
		p = probe_of(pcb);
		if (p && !(p->tcp.sacked & TCP_EVER)) {
			arrived(pcb);
		} else { /* which of the copies was it? */
			pcb->mtu.probe = 0;
			search(pcb);
		}
	}
	if (pcb->st->now < pcb->path_mtu_at || pcb->mtu.probe)
		return;
	if (can_probe(pcb))
		search(pcb);
	else /* RFC 1191 6.3 */
		settle(pcb, 0);
}

bool tcp_mtu_lost(struct tcp_pcb *pcb)
{
	struct pktbuf *p;

	verify(pcb);
	suspect_long(pcb);
	if (!pcb->mtu.probe)
		return false;
	p = probe_of(pcb);
	if (p && !(p->tcp.sacked & TCP_LOST))
		return false; /* others are: it may arrive yet */
	if (!p || pcb->lost_out > lost_of_probe(pcb, p)) {
		pcb->mtu.probe = 0; /* RFC 4821 7.6.4: that says nothing, again when all is well */
		search(pcb);
		return false;
	}
	too_long(pcb, pcb->mtu.probe, pcb->cwnd);
	send_again(pcb, p);
	return true;
}

/* RFC 4821 7.7: full segments that are lost again and again may be too long for a router that does
 * not say so. What nearly every path takes, half of it at each further timeout; not a sign of
 * congestion beyond what the timeout was. */
static void suspect_black_hole(struct tcp_pcb *pcb)
{
	uint32_t size = mtu_for(pcb, pcb->snd_head->tcp.payload_len), low = base(pcb);

	if (!pcb->st->tcp->set.mtu_probing || pcb->backoff < 2)
		return;
	while (size <= low && low > least(pcb))
		low = low / 2 > least(pcb) ? low / 2 : least(pcb);
	if (size <= low)
		return;
	COUNT(pcb->st, TcpBlackHoles);
	settle(pcb, low);
	pcb->mtu.before = 0;
	rest_long(pcb);
	if (can_probe(pcb))
		search(pcb);
}

void tcp_mtu_timeout(struct tcp_pcb *pcb)
{
	struct tcp_mtu *m = &pcb->mtu;

	verify(pcb);
	suspect_long(pcb);
	if (m->probe && pcb->snd_head->tcp.seq == m->probe_seq) {
		too_long(pcb, m->probe, 5ull * pcb->prior_cwnd);
	} else if (m->probe) {
		m->probe = 0;
		search(pcb);
	}
	suspect_black_hole(pcb);
}

/* ---- ICMP ---- */

/* Was the segment it is in too long? At most as long as that many full buffers, whose length was
 * `full`: a shorter one may have arrived, and goes again for nothing. */
static bool too_long_for_path(const struct tcp_pcb *pcb, const struct pktbuf *p, uint32_t full)
{
	if (p->tcp.pieces)
		return p->tcp.pieces * full > pcb->wire_mss;
	return p->tcp.payload_len > pcb->wire_mss;
}

/* RFC 1191 6.5: not a sign of congestion, so the window stays. */
static void lost_to_mtu(struct tcp_pcb *pcb, uint32_t full)
{
	struct pktbuf *p = pcb->snd_head;

	for (; p != pcb->snd_next; p = p->tcp.link)
		if (too_long_for_path(pcb, p, full))
			tcp_mark_lost(pcb, p);
	if (pcb->lost_out <= pcb->retrans_out)
		return;
	if (pcb->ca_state < TCP_CA_RECOVERY) {
		pcb->ca_state = TCP_CA_LOSS;
		pcb->high_seq = pcb->snd_nxt;
		pcb->undo_on = false;
	}
	tcp_mark_pending(pcb);
}

/* RFC 4821 7.6.2: a router says of the probe what it would have taken, which is tried next. */
static void probe_refused(struct tcp_pcb *pcb, uint32_t mtu)
{
	struct pktbuf *p = probe_of(pcb);

	COUNT(pcb->st, TcpMtuProbesLost);
	pcb->mtu.high = (uint16_t)mtu;
	pcb->mtu.top = true;
	go_on(pcb, pcb->cwnd);
	if (p && !(p->tcp.sacked & (TCP_SACKED | TCP_EVER)))
		send_again(pcb, p);
}

void tcp_mtu_icmp(struct tcp_pcb *pcb, uint32_t mtu, uint32_t seq)
{
	struct tcp_mtu *m = &pcb->mtu;
	uint32_t full = pcb->snd_mss;

	if (pcb->mtu_discover >= PMTUDISC_INTERFACE)
		return;
	if (mtu < LEAST4_ICMP)
		mtu = LEAST4_ICMP;
	(void)pmtu_learn(pcb->st, pcb->remote_ip, mtu);
	if (m->probe && seq == m->probe_seq && mtu >= pcb->path_mtu && mtu < m->probe) {
		probe_refused(pcb, mtu);
	} else if (!pcb->path_mtu || mtu < pcb->path_mtu) {
		m->probe = 0;
		m->before = 0;
		settle(pcb, mtu);
		rest_long(pcb);
		lost_to_mtu(pcb, full);
	}
}
