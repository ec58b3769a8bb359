/* SPDX-License-Identifier: BSD-3-Clause */
/* Register offsets and bits of the 82574 (datasheet 10.2), for the model's own two files. */
#ifndef FAKE_NIC_E1000E_PRIVATE_H
#define FAKE_NIC_E1000E_PRIVATE_H

#include "tests/fake_nic/e1000e_model.h"

#define REG(nic, off) ((nic)->reg[(off) / 4 % (NIC_REGS / 4)])

enum {
	CTRL = 0x0,
	STATUS = 0x8,
	EECD = 0x10,
	CTRL_EXT = 0x18,
	MDIC = 0x20,
	ICR = 0xc0,
	ICS = 0xc8,
	IMS = 0xd0,
	IMC = 0xd8,
	EIAC = 0xdc,
	IAM = 0xe0,
	IVAR = 0xe4,
	RCTL = 0x100,
	TCTL = 0x400,
	EXTCNF = 0xf00,
	PBA = 0x1000,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	RDH = 0x2810,
	RDT = 0x2818,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	TXDCTL = 0x3828,
	TARC0 = 0x3840,
	STATISTICS = 0x4000,
	MPC = 0x4010,
	RNBC = 0x40a0,
	STATISTICS_END = 0x4128,
	RXCSUM = 0x5000,
	RFCTL = 0x5008,
	MTA = 0x5200,
	RAL = 0x5400,
	RAH = 0x5404,
};

#define NIC_FIFO	    (40u * 1024) /* the packet buffer: receive and send share it */
#define CTRL_MASTER_DISABLE (1u << 2)
#define RCTL_LPE	    (1u << 5)
#define CTRL_SLU	    (1u << 6)
#define CTRL_RST	    (1u << 26)
#define STATUS_LU	    (1u << 1)
#define STATUS_SPEED	    (3u << 6)
#define STATUS_SPEED_1000   (2u << 6)
#define STATUS_MASTER	    (1u << 19)
#define ICR_TXDW	    (1u << 0)
#define ICR_LSC		    (1u << 2)
#define ICR_RXT0	    (1u << 7)
#define ICR_RXQ0	    (1u << 20)
#define ICR_TXQ0	    (1u << 22)
#define ICR_OTHER	    (1u << 24)
#define ICR_OTHER_CAUSES    (ICR_LSC | 1u << 6)

void nic_fault(struct nic_model *nic, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nic_raise(struct nic_model *nic, uint32_t causes);
void nic_doorbell_tx(struct nic_model *nic);
void nic_doorbell_rx(struct nic_model *nic);

/* e1000e_rings.c */
uint16_t nic_ones_sum(const uint8_t *data, size_t from, size_t to, uint32_t sum);
void nic_wire(struct nic_model *nic); /* what is in nic->frame */

/* e1000e_tso.c: a context descriptor with TSE; data of len bytes with TSE and what follows their
 * address in the descriptor; data without it, or a context, in between. */
void nic_tso_context(struct nic_model *nic, const uint8_t *d);
void nic_tso_data(struct nic_model *nic, const uint8_t *from, size_t len, uint64_t cmd);
void nic_tso_broken(struct nic_model *nic);

#endif
