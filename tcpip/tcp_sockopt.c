/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPPROTO_TCP options, with Linux's numbers, ranges and errors. Called by sockopt.c; calls
 * tcp_info.c.
 */
#include <errno.h>
#include <string.h>

#include "tcpip/ip6.h"
#include "tcpip/tcp.h"

#define KEEP_MAX_S   32767
#define KEEP_MAX_CNT 127
#define SYN_MAX	     127
#define MSS_LIMIT    32767

/* ---- set ---- */

static int set_in_range(uint32_t *field, int v, int min, int max)
{
	if (v < min || v > max)
		return -EINVAL;
	*field = (uint32_t)v;
	return 0;
}

static int set_congestion(struct tcp_pcb *pcb, const char *name, uint32_t len)
{
	const struct tcp_cc *cc;
	uint32_t n = 0;

	while (n < len && n < TCP_CC_NAME_MAX && name[n])
		n++;
	cc = tcp_cc_find(name, n);
	if (!cc)
		return -ENOENT;
	if (cc != pcb->cc) {
		pcb->cc = cc;
		cc->init(pcb);
	}
	return 0;
}

static int set_nodelay(struct tcp_pcb *pcb, bool on)
{
	pcb->nodelay = on;
	if (on)
		tcp_output(pcb);
	return 0;
}

static int set_cork(struct tcp_pcb *pcb, bool on)
{
	pcb->cork = on;
	if (!on)
		tcp_output(pcb);
	return 0;
}

static int set_quickack(struct tcp_pcb *pcb, bool on)
{
	pcb->pingpong = !on;
	pcb->quick_acks = on ? 16 : 0;
	if (on && pcb->ack_owed == TCP_ACK_LATER)
		tcp_send_ack(pcb);
	return 0;
}

static int set_keepidle(struct tcp_pcb *pcb, int v)
{
	int r = set_in_range(&pcb->keep_idle_s, v, 1, KEEP_MAX_S);

	if (r == 0 && pcb->keepalive && TCPS_IN(pcb->state, TCPS_SYNCED))
		tcp_keep_arm(pcb);
	return r;
}

static int set_fastopen(struct tcp_pcb *pcb, int name, int v)
{
	bool closed = pcb->state == TCPS_CLOSED;

	if (v < 0 || (name != TCPO_FASTOPEN && v > 1))
		return -EINVAL;
	if (name == TCPO_FASTOPEN_CONNECT && !(pcb->st->tcp->set.fastopen & 1)) /* clients */
		return -EOPNOTSUPP;
	if (!closed && (name == TCPO_FASTOPEN_CONNECT || pcb->state != TCPS_LISTEN))
		return -EINVAL;
	if (name == TCPO_FASTOPEN)
		pcb->fo_max = (uint32_t)v;
	else if (name == TCPO_FASTOPEN_CONNECT)
		pcb->fo_connect = v;
	else
		pcb->fo_no_cookie = v;
	return 0;
}

static int set_number(struct tcp_pcb *pcb, int name, int v)
{
	switch (name) {
	case TCPO_NODELAY:
		return set_nodelay(pcb, v != 0);
	case TCPO_CORK:
		return set_cork(pcb, v != 0);
	case TCPO_QUICKACK:
		return set_quickack(pcb, v & 1);
	case TCPO_MAXSEG:
		if (v && (v < (int)TCP_MSS_MIN || v > MSS_LIMIT))
			return -EINVAL;
		pcb->user_mss = (uint16_t)v;
		return 0;
	case TCPO_KEEPIDLE:
		return set_keepidle(pcb, v);
	case TCPO_KEEPINTVL:
		return set_in_range(&pcb->keep_intvl_s, v, 1, KEEP_MAX_S);
	case TCPO_KEEPCNT:
		return set_in_range(&pcb->keep_cnt, v, 1, KEEP_MAX_CNT);
	case TCPO_SYNCNT:
		if (v < 1 || v > SYN_MAX)
			return -EINVAL;
		pcb->syn_retries = (uint8_t)v;
		return 0;
	case TCPO_LINGER2:
		pcb->linger2_s = v < 0 ? -1 : v > 120 ? 120 : v;
		return 0;
	case TCPO_DEFER_ACCEPT:
		pcb->defer_accept_s = v < 0 ? 0 : (uint32_t)v;
		return 0;
	case TCPO_WINDOW_CLAMP:
		pcb->window_clamp = v < 0 ? 0 : v && v < 1152 ? 1152 : (uint32_t)v;
		return 0;
	case TCPO_USER_TIMEOUT:
		if (v < 0)
			return -EINVAL;
		pcb->user_timeout_ms = (uint32_t)v;
		return 0;
	case TCPO_FASTOPEN:
	case TCPO_FASTOPEN_CONNECT:
	case TCPO_FASTOPEN_NO_COOKIE:
		return set_fastopen(pcb, name, v);
	case TCPO_NOTSENT_LOWAT:
		pcb->notsent_lowat = (uint32_t)v;
		tcp_wake(pcb);
		return 0;
	case TCPO_INQ:
		if (v < 0 || v > 1)
			return -EINVAL;
		pcb->inq = v;
		return 0;
	case TCPO_SAVE_SYN:
		if (v < 0 || v > 1) /* Linux knows 2: with the link's header */
			return -EINVAL;
		pcb->save_syn = v;
		return 0;
	case TCPO_THIN_DUPACK: /* Linux, too, takes it and does no more */
		return v < 0 || v > 1 ? -EINVAL : 0;
	case TCPO_TIMESTAMP: /* what checkpointing needs, and a privilege */
	case TCPO_REPAIR:
	case TCPO_REPAIR_QUEUE:
	case TCPO_REPAIR_WINDOW:
		return -EPERM;
	default:
		return -ENOPROTOOPT;
	}
}

int tcp_setopt(struct socket *so, int name, const void *value, uint32_t len)
{
	int v;

	if (name == TCPO_CONGESTION)
		return len < 1 ? -EINVAL : set_congestion(so->tcp, value, len);
	if (name == TCPO_ULP) /* "tls": who asks for it (OpenSSL) does without, then */
		return len < 1 ? -EINVAL : -ENOENT;
	if (len < sizeof(v))
		return -EINVAL;
	memcpy(&v, value, sizeof(v));
	return set_number(so->tcp, name, v);
}

/* ---- get ---- */

static int put(void *value, uint32_t *len, const void *from, uint32_t size)
{
	if (*len > size)
		*len = size;
	memcpy(value, from, *len);
	return 0;
}

static int get_number(const struct tcp_pcb *pcb, int name, int *v)
{
	switch (name) {
	case TCPO_NODELAY:
		*v = pcb->nodelay;
		return 0;
	case TCPO_CORK:
		*v = pcb->cork;
		return 0;
	case TCPO_QUICKACK:
		*v = !pcb->pingpong;
		return 0;
	case TCPO_MAXSEG:
		*v = pcb->wire_mss > pcb->snd_mss ? pcb->wire_mss : pcb->snd_mss;
		if (pcb->user_mss && (pcb->state == TCPS_CLOSED || pcb->state == TCPS_LISTEN))
			*v = pcb->user_mss;
		return 0;
	case TCPO_KEEPIDLE:
		*v = (int)pcb->keep_idle_s;
		return 0;
	case TCPO_KEEPINTVL:
		*v = (int)pcb->keep_intvl_s;
		return 0;
	case TCPO_KEEPCNT:
		*v = (int)pcb->keep_cnt;
		return 0;
	case TCPO_SYNCNT:
		*v = pcb->syn_retries;
		return 0;
	case TCPO_LINGER2:
		*v = pcb->linger2_s == 0 ? 60 : pcb->linger2_s;
		return 0;
	case TCPO_DEFER_ACCEPT:
		*v = (int)pcb->defer_accept_s;
		return 0;
	case TCPO_WINDOW_CLAMP:
		*v = (int)pcb->window_clamp;
		return 0;
	case TCPO_USER_TIMEOUT:
		*v = (int)pcb->user_timeout_ms;
		return 0;
	case TCPO_NOTSENT_LOWAT:
		*v = (int)pcb->notsent_lowat;
		return 0;
	case TCPO_FASTOPEN:
		*v = (int)pcb->fo_max;
		return 0;
	case TCPO_FASTOPEN_CONNECT:
		*v = pcb->fo_connect;
		return 0;
	case TCPO_FASTOPEN_NO_COOKIE:
		*v = pcb->fo_no_cookie;
		return 0;
	case TCPO_TIMESTAMP:
		*v = (int)tcp_ts_now(pcb);
		return 0;
	case TCPO_INQ:
		*v = pcb->inq;
		return 0;
	case TCPO_SAVE_SYN:
		*v = pcb->save_syn;
		return 0;
	case TCPO_THIN_DUPACK:
	case TCPO_IS_MPTCP:
		*v = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Read once, and whole. */
static int take_saved_syn(struct tcp_pcb *pcb, void *value, uint32_t *len)
{
	struct pktbuf *p = pcb->saved_syn;

	if (p && *len < p->len)
		return -EINVAL;
	*len = p ? p->len : 0;
	if (!p)
		return 0;
	memcpy(value, pktbuf_data(p), p->len);
	pktbuf_free(p);
	pcb->saved_syn = NULL;
	return 0;
}

int tcp_getopt(struct socket *so, int name, void *value, uint32_t *len)
{
	struct tcp_info_abi info;
	char cc_name[TCP_CC_NAME_MAX] = {0};
	int v, r;

	switch (name) {
	case TCPO_INFO:
		tcp_info(so->tcp, &info);
		return put(value, len, &info, sizeof(info));
	case TCPO_SAVED_SYN:
		return take_saved_syn(so->tcp, value, len);
	case TCPO_CC_INFO:
	case TCPO_ULP:
		*len = 0;
		return 0;
	case TCPO_CONGESTION:
		for (v = 0; so->tcp->cc->name[v] && v < (int)TCP_CC_NAME_MAX - 1; v++)
			cc_name[v] = so->tcp->cc->name[v];
		return put(value, len, cc_name, sizeof(cc_name));
	default:
		r = get_number(so->tcp, name, &v);
		return r < 0 ? r : put(value, len, &v, sizeof(v));
	}
}
