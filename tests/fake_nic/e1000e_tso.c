// SPDX-License-Identifier: BSD-3-Clause
/*
 * The 82574 model's TCP segmentation (7.3): the headers become a prototype, and each MSS bytes of
 * what follows go out behind a copy of it. Called by e1000e_rings.c for descriptors with TSE.
 *
 * Nothing the driver writes makes it touch more than `prototype` and `frame` hold, and it sends no
 * more segments than bytes it was given: a context that cannot be is a fault, and its data are
 * dropped.
 */
#include <string.h>

#include "tests/fake_nic/e1000e_private.h"

#define MSS_MORE_THAN 16u
#define FIN_PSH	      0x09u

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

/* Everything the device reads and changes lies within the prototype. */
static bool fits(const struct nic_tso *t)
{
	return t->hdrlen <= sizeof(t->prototype) && t->mss > MSS_MORE_THAN &&
	       t->hdrlen + t->mss <= (int)NIC_FRAMES && t->ipcss + 20 <= t->tucss &&
	       t->tucss + 20 <= t->hdrlen && t->tucso >= t->tucss && t->tucso + 2 <= t->hdrlen &&
	       (!t->ip4 ||
		(t->ipcso >= t->ipcss && t->ipcso + 2 <= t->tucss && t->ipcse == t->tucss - 1)) &&
	       (t->ip4 || t->ipcss + 40 <= t->tucss);
}

void nic_tso_context(struct nic_model *nic, const uint8_t *d)
{
	struct nic_tso *t = &nic->tso;

	nic_tso_broken(nic);
	memset(t, 0, sizeof(*t));
	t->known = true;
	t->ipcss = d[0];
	t->ipcso = d[1];
	t->ipcse = (uint16_t)(d[2] | d[3] << 8);
	t->tucss = d[4];
	t->tucso = d[5];
	t->paylen = d[8] | (uint32_t)d[9] << 8 | (d[10] & 15u) << 16;
	t->ip4 = d[11] & 2;
	t->hdrlen = d[13];
	t->mss = (uint16_t)(d[14] | d[15] << 8);
	t->bad = !fits(t) || !(d[11] & 1) || d[6] || d[7];
	if (t->bad)
		nic_fault(nic, "segmentation context: headers of %u, segments of %u", t->hdrlen,
			  t->mss);
}

/* 7.3.6.2: what is changed in the headers of each segment. The lengths of the prototype are 0. */
static void segment_out(struct nic_model *nic)
{
	struct nic_tso *t = &nic->tso;
	uint8_t *ip = nic->frame + t->ipcss, *tcp = nic->frame + t->tucss, *sum;
	uint32_t seq, len = t->hdrlen - t->ipcss + t->fill;
	uint8_t *length = ip + (t->ip4 ? 2 : 4);

	memcpy(nic->frame, t->prototype, t->hdrlen);
	if (get16(length))
		nic_fault(nic, "IP length of %u in a prototype", get16(length));
	put16(length, t->ip4 ? len : len - 40);
	if (t->ip4)
		put16(ip + 4, get16(ip + 4) + t->segments);
	if (t->sum_ip) {
		sum = nic->frame + t->ipcso;
		put16(sum, (uint16_t)~nic_ones_sum(nic->frame, t->ipcss, t->ipcse + 1u, 0));
	}
	seq = ((uint32_t)get16(tcp + 4) << 16 | get16(tcp + 6)) + t->done;
	put16(tcp + 4, seq >> 16);
	put16(tcp + 6, seq);
	if (t->done + t->fill < t->paylen)
		tcp[13] &= (uint8_t)~FIN_PSH;
	nic->frame_len = t->hdrlen + t->fill;
	if (t->sum_tcp) {
		sum = nic->frame + t->tucso;
		put16(sum, (uint16_t)~nic_ones_sum(nic->frame, t->tucss, nic->frame_len,
						   (uint32_t)nic->frame_len - t->tucss));
	}
	nic_wire(nic);
	nic->frame_len = 0;
	t->done += t->fill;
	t->fill = 0;
	t->segments++;
}

static void payload(struct nic_model *nic, const uint8_t *from, size_t len)
{
	struct nic_tso *t = &nic->tso;

	if (len > t->paylen - t->done - t->fill) {
		nic_fault(nic, "more than PAYLEN %u", t->paylen);
		t->bad = true;
		return;
	}
	while (len) {
		size_t part = t->mss - t->fill < len ? t->mss - t->fill : len;

		memcpy(nic->frame + t->hdrlen + t->fill, from, part);
		t->fill += (uint32_t)part;
		from += part;
		len -= part;
		if (t->fill == t->mss || t->done + t->fill == t->paylen)
			segment_out(nic);
	}
}

/* The first data descriptor has the headers, whole (7.3.6). One of headers alone is not forbidden
 * there, but drivers avoid it on this family. */
static void headers(struct nic_model *nic, const uint8_t *from, size_t len, uint64_t cmd)
{
	struct nic_tso *t = &nic->tso;

	if (!t->known || nic->frame_len)
		nic_fault(nic, "segmentation without a context, or inside a frame");
	if (!t->bad && len <= t->hdrlen)
		nic_fault(nic, "%zu bytes of %u of headers in one descriptor", len, t->hdrlen);
	t->bad |= !t->known || nic->frame_len || len < t->hdrlen;
	t->started = true;
	t->sum_ip = cmd >> 40 & 1;
	t->sum_tcp = cmd >> 41 & 1;
	t->fill = t->done = t->segments = 0;
	nic->cut_up++;
	if (t->bad)
		return;
	if (t->sum_ip && !t->ip4) {
		nic_fault(nic, "IP checksum of an IPv6 frame");
		t->bad = true;
		return;
	}
	memcpy(t->prototype, from, t->hdrlen);
	payload(nic, from + t->hdrlen, len - t->hdrlen);
}

void nic_tso_data(struct nic_model *nic, const uint8_t *from, size_t len, uint64_t cmd)
{
	struct nic_tso *t = &nic->tso;

	if (!t->started)
		headers(nic, from, len, cmd);
	else if (!t->bad)
		payload(nic, from, len);
	if (!(cmd & 1u << 24))
		return;
	if (!t->bad && t->done != t->paylen)
		nic_fault(nic, "%u of PAYLEN %u", t->done + t->fill, t->paylen);
	t->started = false;
	t->bad |= t->done != t->paylen;
}

void nic_tso_broken(struct nic_model *nic)
{
	if (nic->tso.started)
		nic_fault(nic, "a frame to be cut up ends without EOP");
	nic->tso.started = false;
}
