// SPDX-License-Identifier: BSD-3-Clause
/*
 * The 82574 model's data path: descriptors, frames, checksums (7.1, 7.2), address filter (10.2.5).
 * Frames that it cuts up are in e1000e_tso.c.
 * Called by e1000e_model.c on doorbells and by tests with frames from the wire.
 */
#include <string.h>

#include "tests/fake_nic/e1000e_private.h"

#define LONG_PACKET 1522u /* with the CRC; longer ones need RCTL.LPE */
#define LONGEST	    9234u

static uint8_t *reach(struct nic_model *nic, uint64_t iova, size_t len, bool write)
{
	uint8_t *at = nic->dma(nic->arg, iova, len, write);

	if (!at)
		nic_fault(nic, "DMA %s 0x%llx, %zu bytes", write ? "to" : "from",
			  (unsigned long long)iova, len);
	return at;
}

static uint8_t *descriptor(struct nic_model *nic, uint32_t low, uint32_t high, uint32_t index)
{
	uint64_t base = (uint64_t)REG(nic, high) << 32 | REG(nic, low);

	return reach(nic, base + (uint64_t)index * 16, 16, true);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, 8);
	return v;
}

static void put64(uint8_t *at, uint64_t v)
{
	memcpy(at, &v, 8);
}

/* RFC 1071 over [from, to), not inverted. */
uint16_t nic_ones_sum(const uint8_t *data, size_t from, size_t to, uint32_t sum)
{
	for (size_t i = from; i < to; i++)
		sum += (uint32_t)data[i] << ((i - from) % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- Transmit ---- */

void nic_wire(struct nic_model *nic)
{
	/* Who sends long ones is expected to receive them. 16 bytes go with each in the buffer. */
	size_t most = REG(nic, RCTL) & RCTL_LPE ? LONGEST : LONG_PACKET;

	if (nic->frame_len < 17 || nic->frame_len + 4 > most ||
	    nic->frame_len + 16 > NIC_FIFO - nic->rx_fifo)
		nic_fault(nic, "frame of %zu bytes sent", nic->frame_len);
	nic->frames_out++;
	if (nic->sent && REG(nic, STATUS) & STATUS_LU)
		nic->sent(nic->arg, nic->frame, nic->frame_len);
}

static void send_frame(struct nic_model *nic)
{
	if (nic->frame_sum) {
		size_t at = nic->context_offset;
		uint16_t sum;

		if (!nic->context_known || at + 2 > nic->frame_len)
			nic_fault(nic, "checksum asked for without a fitting context");
		sum = (uint16_t)~nic_ones_sum(nic->frame, nic->context_start, nic->frame_len, 0);
		nic->frame[at] = (uint8_t)(sum >> 8);
		nic->frame[at + 1] = (uint8_t)sum;
	}
	nic_wire(nic);
	nic->frame_len = 0;
	nic->frame_sum = false;
}

static void data_descriptor(struct nic_model *nic, const uint8_t *d)
{
	uint64_t cmd = get64(d + 8);
	size_t len = cmd & 0xfffff;
	const uint8_t *from = reach(nic, get64(d), len, false);

	if (!(cmd & 1u << 25))
		nic_fault(nic, "data descriptor without IFCS");
	if (from && cmd & 1u << 26) {
		nic_tso_data(nic, from, len, cmd);
		return;
	}
	nic_tso_broken(nic);
	if (!from || nic->frame_len + len > sizeof(nic->frame)) {
		nic_fault(nic, "transmit buffer of %zu bytes", len);
		return;
	}
	if (!nic->frame_len)
		nic->frame_sum = cmd >> 41 & 1; /* 7.2: options are the first descriptor's */
	memcpy(nic->frame + nic->frame_len, from, len);
	nic->frame_len += len;
	if (cmd & 1u << 24)
		send_frame(nic);
}

static void serve_one(struct nic_model *nic, uint8_t *d)
{
	uint64_t cmd = get64(d + 8);
	unsigned type = cmd >> 20 & 15;

	if (!(cmd & 1u << 29)) {
		nic_fault(nic, "legacy transmit descriptor: the model has none");
	} else if (type == 0 && cmd & 1u << 26) {
		nic->contexts++;
		nic->context_known = false; /* it may be the same one: nobody should rely on it */
		nic_tso_context(nic, d);
	} else if (type == 0) {
		nic->contexts++;
		nic_tso_broken(nic);
		nic->tso.known = false;
		nic->context_known = true;
		nic->context_start = d[4];
		nic->context_offset = d[5];
	} else if (type == 1) {
		data_descriptor(nic, d);
	} else {
		nic_fault(nic, "descriptor type %u", type);
	}
	if (cmd & 1u << 27 && !nic->tx_no_done) {
		put64(d + 8, cmd | 1ull << 32);
		nic_raise(nic, ICR_TXDW | (nic->msix ? ICR_TXQ0 : 0));
	}
}

void nic_serve(struct nic_model *nic)
{
	uint32_t count = REG(nic, TDLEN) / 16;

	while (REG(nic, TCTL) & 2 && REG(nic, TARC0) & 1u << 10 && !nic->tx_hangs &&
	       REG(nic, TDH) != REG(nic, TDT)) {
		uint8_t *d = descriptor(nic, TDBAL, TDBAH, REG(nic, TDH));

		if (!d)
			return;
		serve_one(nic, d);
		REG(nic, TDH) = (REG(nic, TDH) + 1) % count;
	}
}

void nic_doorbell_tx(struct nic_model *nic)
{
	if (!(REG(nic, TCTL) & 2))
		return; /* the zero at bring-up */
	nic->tdt_writes++;
	if (REG(nic, TDT) >= REG(nic, TDLEN) / 16) {
		nic_fault(nic, "TDT = %u", REG(nic, TDT));
		REG(nic, TDT) = REG(nic, TDH);
	}
	nic_serve(nic);
}

/* ---- Receive ---- */

void nic_doorbell_rx(struct nic_model *nic)
{
	if (!(REG(nic, RCTL) & 2))
		return;
	nic->rdt_writes++;
	if (REG(nic, RDT) >= REG(nic, RDLEN) / 16) {
		nic_fault(nic, "RDT = %u", REG(nic, RDT));
		REG(nic, RDT) = REG(nic, RDH);
	}
}

static bool wanted(struct nic_model *nic, const uint8_t *frame)
{
	static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};
	uint32_t rctl = REG(nic, RCTL), hash = (uint32_t)frame[5] << 4 | frame[4] >> 4;

	if (!memcmp(frame, everybody, 6))
		return rctl & 1u << 15;
	if (frame[0] & 1)
		return rctl & 1u << 4 || REG(nic, MTA + hash / 32 * 4) >> hash % 32 & 1;
	if (rctl & 1u << 3)
		return true;
	for (unsigned i = 0; i < 16; i++) {
		uint8_t mac[6];

		memcpy(mac, &REG(nic, RAL + 8 * i), 4);
		memcpy(mac + 4, &REG(nic, RAH + 8 * i), 2);
		if (REG(nic, RAH + 8 * i) >> 31 && !memcmp(mac, frame, 6))
			return true;
	}
	return false;
}

/* Checksum bits of status and errors for an IPv4 frame, as RXCSUM asks. */
static uint64_t checksum_bits(struct nic_model *nic, const uint8_t *f, size_t len)
{
	uint64_t bits = 0;
	size_t ihl, total;

	if (len < 34 || f[12] != 8 || f[13] != 0 || f[14] >> 4 != 4)
		return 0;
	ihl = (f[14] & 15) * 4u;
	total = (size_t)f[16] << 8 | f[17];
	if (ihl < 20 || total < ihl || 14 + total > len)
		return 0;
	if (REG(nic, RXCSUM) & 1u << 8)
		bits |= 1ull << 38 | (nic_ones_sum(f, 14, 14 + ihl, 0) == 0xffff ? 0 : 1ull << 46);
	if (REG(nic, RXCSUM) & 1u << 9 && f[23] == 6) {
		uint32_t pseudo = nic_ones_sum(f, 26, 34, 6 + (uint32_t)(total - ihl));

		bits |= 1ull << 37 |
			(nic_ones_sum(f, 14 + ihl, 14 + total, pseudo) == 0xffff ? 0 : 1ull << 45);
	}
	return bits;
}

static size_t buffer_size(uint32_t rctl)
{
	static const size_t plain[] = {2048, 1024, 512, 256}, extended[] = {0, 16384, 8192, 4096};

	return (rctl & 1u << 25 ? extended : plain)[rctl >> 16 & 3];
}

static bool ring_has(struct nic_model *nic, size_t descriptors)
{
	uint32_t count = REG(nic, RDLEN) / 16;

	return (REG(nic, RDT) + count - REG(nic, RDH)) % count >= descriptors;
}

/* 7.1: DD; only on the last descriptor of a frame do status and errors mean something. */
static uint64_t write_back(uint64_t len, bool last, uint64_t sums)
{
	return len | 1ull << 32 | (last ? 1ull << 33 | sums : 0xfffcull << 32);
}

bool nic_receive(struct nic_model *nic, const uint8_t *frame, size_t len)
{
	bool strip = REG(nic, RCTL) & 1u << 26;
	size_t most = REG(nic, RCTL) & RCTL_LPE ? LONGEST : LONG_PACKET, at = 0;
	size_t room = buffer_size(REG(nic, RCTL)), all = len + (strip && !nic->crc_spills ? 0 : 4);
	uint64_t sums = checksum_bits(nic, frame, len);

	if (!(REG(nic, RCTL) & 2) || !(REG(nic, STATUS) & STATUS_LU) || len + 4 > most ||
	    len + 4 > nic->rx_fifo || !wanted(nic, frame)) {
		nic->frames_refused++;
		return false;
	}
	if (!ring_has(nic, (all + room - 1) / room)) {
		REG(nic, RNBC)++;
		REG(nic, MPC)++;
		return false;
	}
	do {
		size_t part = all - at < room ? all - at : room;
		size_t data = at + part <= len ? part : at < len ? len - at : 0;
		uint8_t *d = descriptor(nic, RDBAL, RDBAH, REG(nic, RDH)), *to;

		if (!d || !(to = reach(nic, get64(d), part, true)))
			return false;
		memcpy(to, frame + at, data);
		put64(d + 8, write_back(strip ? data : part, at + part == all, sums));
		if (nic->lie_count) {
			nic->lie_count--;
			put64(d + 8, nic->rx_lie);
		}
		REG(nic, RDH) = (REG(nic, RDH) + 1) % (REG(nic, RDLEN) / 16);
		at += part;
	} while (at < all);
	nic->frames_in++;
	nic_raise(nic, ICR_RXT0 | (nic->msix ? ICR_RXQ0 : 0));
	return true;
}
