// SPDX-License-Identifier: BSD-3-Clause
/*
 * The 82574 model: registers with side effects (10.2), reset (4.6), interrupts (7.4). The rings are
 * in e1000e_rings.c and e1000e_tso.c. Called by the driver under test through the register hooks,
 * and by tests.
 */
#include "tests/fake_nic/e1000e_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/fake_nic/e1000e_private.h"

uint32_t reg_hook_read(volatile uint8_t *regs, uint32_t off);
void reg_hook_write(volatile uint8_t *regs, uint32_t off, uint32_t value);

void nic_fault(struct nic_model *nic, const char *fmt, ...)
{
	va_list ap;

	if (nic->fault[0])
		return;
	va_start(ap, fmt);
	vsnprintf(nic->fault, sizeof(nic->fault), fmt, ap);
	va_end(ap);
}

static void link_update(struct nic_model *nic)
{
	bool up = nic->cable && REG(nic, CTRL) & CTRL_SLU && !(nic->phy[0] & 0x0800);

	REG(nic, STATUS) = (REG(nic, STATUS) & ~(STATUS_LU | STATUS_SPEED)) |
			   (up ? STATUS_LU | STATUS_SPEED_1000 : 0);
}

/* 4.6, 10.2: the address from the EEPROM, initial values. Registers that the datasheet leaves
 * undefined after reset get rubbish, so that a driver which forgets one shows it. */
static void reset(struct nic_model *nic)
{
	static const uint32_t undefined[] = {RDBAL, RDBAH, TDBAL, TDBAH, MTA, MTA + 4, MTA + 508};
	uint32_t pba = REG(nic, PBA); /* what it says comes into effect, and stays */

	nic->frame_len = 0;
	nic->frame_sum = nic->context_known = false;
	memset(&nic->tso, 0, sizeof(nic->tso));
	if (!nic->reset_weak) {
		memset(nic->reg, 0, sizeof(nic->reg));
		for (unsigned i = 0; i < sizeof(undefined) / sizeof(undefined[0]); i++)
			REG(nic, undefined[i]) = 0xdeadbeefu;
		for (unsigned i = 1; i < 16; i++)
			REG(nic, RAL + 8 * i) = 0xdeadbeefu;
		REG(nic, STATUS) = STATUS_MASTER;
		REG(nic, TXDCTL) = 1u << 22;
		REG(nic, TARC0) = 0x3u | 1u << 10;
	}
	REG(nic, PBA) = pba;
	nic->rx_fifo = pba * 1024;
	if (pba > 40)
		nic_fault(nic, "PBA = %u", pba);
	memcpy(&REG(nic, RAL), nic->mac, 4);
	REG(nic, RAH) = nic->mac[4] | nic->mac[5] << 8 | 1u << 31;
	link_update(nic);
}

void nic_init(struct nic_model *nic)
{
	memset(nic, 0, sizeof(*nic));
	memcpy(nic->mac, (const uint8_t[]){0x52, 0x54, 0, 0x82, 0x57, 0x4a}, 6);
	nic->cable = true;
	nic->phy[0] = 0x1140; /* negotiate, full duplex, gigabit */
	REG(nic, PBA) = 20;
	reset(nic);
}

/* ---- Interrupts ---- */

static void message(struct nic_model *nic, uint32_t cause, unsigned ivar_shift)
{
	uint32_t route = REG(nic, IVAR) >> ivar_shift & 0xf;

	if (!(REG(nic, ICR) & REG(nic, IMS) & cause))
		return;
	if (!(route & 8))
		return; /* not routed: lost */
	if ((route & 7) > 4)
		nic_fault(nic, "IVAR routes to vector %u", route & 7);
	nic->interrupts++;
	REG(nic, ICR) &= ~(cause & REG(nic, EIAC));
	if (REG(nic, CTRL_EXT) & 1u << 24)
		REG(nic, IMS) &= ~(cause & REG(nic, IAM));
}

static void irq_update(struct nic_model *nic, uint32_t fresh)
{
	if (nic->msix) {
		if (REG(nic, ICR) & REG(nic, IMS) & ICR_OTHER_CAUSES)
			REG(nic, ICR) |= ICR_OTHER;
		message(nic, ICR_RXQ0, 0);
		message(nic, ICR_TXQ0, 8);
		message(nic, ICR_OTHER, 16);
	} else if (REG(nic, ICR) & REG(nic, IMS) & fresh) {
		nic->interrupts++;
	}
}

void nic_raise(struct nic_model *nic, uint32_t causes)
{
	uint32_t fresh = causes & ~REG(nic, ICR);

	REG(nic, ICR) |= causes;
	irq_update(nic, fresh);
}

void nic_link(struct nic_model *nic, bool up)
{
	nic->cable = up;
	link_update(nic);
	nic_raise(nic, ICR_LSC);
}

void nic_count(struct nic_model *nic, uint32_t reg, uint32_t n)
{
	REG(nic, reg) += n;
}

/* ---- Registers ---- */

static void check_access(struct nic_model *nic, uint32_t off)
{
	if (off % 4 || off >= NIC_REGS)
		nic_fault(nic, "access to register 0x%x", off);
	if (nic->reset_reads && off != CTRL && off != STATUS)
		nic_fault(nic, "register 0x%x touched during reset", off);
}

/* 7.4: cleared if no cause is unmasked, or if an interrupt is asserted and IAME is set, which
 * masks what is in IAM. */
static uint32_t read_icr(struct nic_model *nic)
{
	uint32_t value = REG(nic, ICR);
	bool asserted = value & REG(nic, IMS);

	nic->icr_reads++;
	if (!REG(nic, IMS))
		REG(nic, ICR) = 0;
	if (asserted && REG(nic, CTRL_EXT) & 1u << 27) {
		REG(nic, ICR) = 0;
		REG(nic, IMS) &= ~REG(nic, IAM);
	}
	return value | (asserted ? 1u << 31 : 0);
}

uint32_t reg_hook_read(volatile uint8_t *regs, uint32_t off)
{
	struct nic_model *nic = (struct nic_model *)(uintptr_t)regs;
	uint32_t value;

	if (nic->gone)
		return ~0u;
	check_access(nic, off);
	value = REG(nic, off);
	if (off == CTRL && nic->reset_reads) {
		value |= CTRL_RST;
		if (!nic->reset_hangs)
			nic->reset_reads--;
	} else if (off == EECD) {
		value = nic->eeprom_reads ? 0 : 1u << 9;
		nic->eeprom_reads -= nic->eeprom_reads != 0;
	} else if (off == ICR) {
		value = read_icr(nic);
	} else if (off >= STATISTICS && off < STATISTICS_END && !nic->counters_stay) {
		REG(nic, off) = 0;
	} else if (off == EXTCNF && nic->no_mdio) {
		value &= ~(1u << 5);
	}
	return value;
}

static void write_ctrl(struct nic_model *nic, uint32_t value)
{
	if (value & CTRL_MASTER_DISABLE && !nic->busy_forever)
		REG(nic, STATUS) &= ~STATUS_MASTER;
	else
		REG(nic, STATUS) |= STATUS_MASTER;
	if (value & CTRL_RST) {
		if (REG(nic, RCTL) & 2 || REG(nic, TCTL) & 2)
			nic_fault(nic, "reset with the receiver or transmitter on");
		if (!(value & CTRL_MASTER_DISABLE))
			nic_fault(nic, "reset without master disable");
		reset(nic);
		nic->resets++;
		nic->reset_reads = 3;
		nic->eeprom_reads = 5;
		return;
	}
	REG(nic, CTRL) = value;
	link_update(nic);
}

static void write_mdic(struct nic_model *nic, uint32_t value)
{
	unsigned reg = value >> 16 & 31, phy = value >> 21 & 31;

	if (!(REG(nic, EXTCNF) & 1u << 5) || nic->no_mdio)
		nic_fault(nic, "MDIC without owning the wires");
	if (phy != 1) {
		REG(nic, MDIC) = value | 1u << 28 | 1u << 30;
		return;
	}
	if (value >> 26 & 1)
		nic->phy[reg] = (uint16_t)value;
	REG(nic, MDIC) = (value & ~0xffffu) | nic->phy[reg] | 1u << 28;
	link_update(nic);
}

static void check_enable(struct nic_model *nic, uint32_t off, uint32_t value)
{
	uint32_t len = REG(nic, off == RCTL ? RDLEN : TDLEN);
	uint32_t base = REG(nic, off == RCTL ? RDBAL : TDBAL);

	if (!(value & 2))
		return;
	if (!len || len % 128 || base % 16)
		nic_fault(nic, "0x%x enabled with ring at 0x%x of %u bytes", off, base, len);
	if (REG(nic, CTRL_EXT) & 1u << 23 || !(REG(nic, CTRL_EXT) & 1u << 22))
		nic_fault(nic, "reserved bits of CTRL_EXT: 0x%x", REG(nic, CTRL_EXT));
	if (off == TCTL && !(REG(nic, TXDCTL) & 1u << 22))
		nic_fault(nic, "reserved bit of TXDCTL");
}

void reg_hook_write(volatile uint8_t *regs, uint32_t off, uint32_t value)
{
	struct nic_model *nic = (struct nic_model *)(uintptr_t)regs;

	if (nic->gone)
		return;
	check_access(nic, off);
	switch (off) {
	case CTRL:
		write_ctrl(nic, value);
		return;
	case STATUS:
		return;
	case MDIC:
		write_mdic(nic, value);
		return;
	case ICR: /* write 1 to clear */
		REG(nic, ICR) &= ~value;
		return;
	case ICS:
		nic_raise(nic, value);
		return;
	case IMS:
		REG(nic, IMS) |= value;
		irq_update(nic, ~0u);
		return;
	case IMC:
		REG(nic, IMS) &= ~value;
		return;
	case RCTL:
	case TCTL:
		check_enable(nic, off, value);
		break;
	case RDBAL:
	case RDBAH:
	case RDLEN:
	case RDH:
		if (REG(nic, RCTL) & 2)
			nic_fault(nic, "0x%x written while receiving", off);
		break;
	case TDBAL:
	case TDBAH:
	case TDLEN:
	case TDH:
		if (REG(nic, TCTL) & 2)
			nic_fault(nic, "0x%x written while transmitting", off);
		break;
	default:
		break;
	}
	REG(nic, off) = value;
	if (off == TDT)
		nic_doorbell_tx(nic);
	if (off == RDT)
		nic_doorbell_rx(nic);
}
