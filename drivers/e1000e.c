// SPDX-License-Identifier: BSD-3-Clause
/*
 * Intel 82574 Gigabit Ethernet controller (82574L, as QEMU's e1000e): reset, bring-up, link,
 * interrupts, address filter, statistics. Called by port.c through the ops at the bottom; frames
 * are in e1000e_ring.c. Follows the datasheet's chapters 4.6 (initialization), 7.4 (interrupts) and
 * 10.2 (registers).
 *
 * Bring-up order: mask interrupts, quiet DMA, reset, wait for the EEPROM, wake the PHY, address,
 * filters, rings, interrupt routing, enable transmit and receive, give receive buffers. No step
 * waits for the link: it comes when the PHYs have agreed (seconds), and watch sees it.
 */
#include "drivers/e1000e.h"

#include <errno.h>
#include <string.h>

#include "drivers/drivers.h"

#define MS		1000000ull /* ns */
#define QUIET_WAIT	(10 * MS)
#define RESET_WAIT	(50 * MS)
#define PHY_CONFIG_WAIT (25 * MS) /* the EEPROM's PHY words are applied after EECD.AUTO_RD */
#define MDIO_WAIT	(100 * MS)
#define THROTTLE_WAIT	(50 * MS)
#define ITR_20K		195u	    /* 256 ns units: 20,000 interrupts a second at most */
#define GONE		0xffffffffu /* what reads give when the device has left the bus */
#define PBA_JUMBO	20u	    /* KiB for receive, as many for send */

#define IRQ_QUEUES (ICR_RXQ0 | ICR_TXQ0 | ICR_OTHER)

/* ---- Reset ---- */

static void wait_ns(struct port *port, uint64_t ns)
{
	uint64_t until = port->clock_ns() + ns;

	while (port->clock_ns() < until)
		__builtin_ia32_pause();
}

static bool wait_bits(struct port *port, uint32_t reg, uint32_t mask, uint32_t want, uint64_t ns)
{
	struct e1000e *e = port->priv;
	uint64_t until = port->clock_ns() + ns;

	for (;;) {
		if ((reg_read(e->regs, reg) & mask) == want)
			return true;
		if (port->clock_ns() >= until)
			return false;
		__builtin_ia32_pause();
	}
}

/* 4.6: stop DMA before the reset, or a transaction in flight can hang the bus. A device that does
 * not get quiet in time is reset all the same. */
static int device_reset(struct port *port)
{
	struct e1000e *e = port->priv;

	if (reg_read(e->regs, E1000E_STATUS) == GONE)
		return -ENODEV;
	reg_write(e->regs, E1000E_IMC, ~0u);
	reg_write(e->regs, E1000E_RCTL, 0);
	reg_write(e->regs, E1000E_TCTL, TCTL_PSP);
	reg_write(e->regs, E1000E_CTRL, reg_read(e->regs, E1000E_CTRL) | CTRL_GIO_MASTER_DISABLE);
	(void)wait_bits(port, E1000E_STATUS, STATUS_GIO_MASTER_ENABLE, 0, QUIET_WAIT);
	/* The reset puts this into effect but does not undo it, and the kernel's driver leaves 8
	 * KiB to send from. A frame has to be there whole for its checksum to be inserted, so a
	 * larger one would never go. Half and half, as after power-on, is two of the largest each.
	 */
	if (port->mtu > PORT_MTU_WHOLE)
		reg_write(e->regs, E1000E_PBA, PBA_JUMBO);
	reg_write(e->regs, E1000E_CTRL, reg_read(e->regs, E1000E_CTRL) | CTRL_RST);
	wait_ns(port, MS); /* no register may be touched for a microsecond; be generous */
	if (!wait_bits(port, E1000E_CTRL, CTRL_RST, 0, RESET_WAIT) ||
	    !wait_bits(port, E1000E_EECD, EECD_AUTO_RD, EECD_AUTO_RD, RESET_WAIT))
		return -EIO;
	/* The reset unmasks nothing, but causes may be left over. */
	reg_write(e->regs, E1000E_IMC, ~0u);
	(void)reg_read(e->regs, E1000E_ICR);
	return 0;
}

/* ---- PHY ---- */

static int mdio(struct port *port, uint32_t command, uint16_t *data)
{
	struct e1000e *e = port->priv;
	uint32_t got;

	reg_write(e->regs, E1000E_MDIC, command | MDIC_PHY | *data);
	if (!wait_bits(port, E1000E_MDIC, MDIC_READY, MDIC_READY, 10 * MS))
		return -EIO;
	got = reg_read(e->regs, E1000E_MDIC);
	if (got & MDIC_ERROR)
		return -EIO;
	*data = (uint16_t)got;
	return 0;
}

/*
 * The kernel's driver may have left the PHY powered down, and a MAC reset does not wake it. A PHY
 * that negotiates already is left alone: its link stays up. The management firmware uses the same
 * wires, hence the ownership bit, which reads back as set when it is ours.
 */
static int phy_wake(struct port *port)
{
	struct e1000e *e = port->priv;
	uint64_t until;
	uint16_t control = 0;
	int err;

	wait_ns(port, PHY_CONFIG_WAIT);
	until = port->clock_ns() + MDIO_WAIT;
	for (;;) {
		reg_write(e->regs, E1000E_EXTCNF_CTRL,
			  reg_read(e->regs, E1000E_EXTCNF_CTRL) | EXTCNF_MDIO_OWNERSHIP);
		if (reg_read(e->regs, E1000E_EXTCNF_CTRL) & EXTCNF_MDIO_OWNERSHIP)
			break;
		/* Asked before the clock: in a machine that stands still at times it may be late.
		 */
		if (port->clock_ns() >= until)
			return -EBUSY;
		__builtin_ia32_pause();
	}

	err = mdio(port, MDIC_OP_READ | PHY_CONTROL << MDIC_REG_SHIFT, &control);
	if (!err && (control & (PHY_POWER_DOWN | PHY_ISOLATE) || !(control & PHY_AUTONEG))) {
		control = PHY_AUTONEG | PHY_AUTONEG_NEW;
		err = mdio(port, MDIC_OP_WRITE | PHY_CONTROL << MDIC_REG_SHIFT, &control);
	}
	reg_write(e->regs, E1000E_EXTCNF_CTRL,
		  reg_read(e->regs, E1000E_EXTCNF_CTRL) & ~EXTCNF_MDIO_OWNERSHIP);
	return err;
}

/* ---- Addresses ---- */

/* 10.2.5: the EEPROM has put the address into the first pair of receive address registers. */
static int read_mac(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t low = reg_read(e->regs, E1000E_RAL(0)), high = reg_read(e->regs, E1000E_RAH(0));

	for (unsigned i = 0; i < 4; i++)
		port->mac[i] = (uint8_t)(low >> 8 * i);
	port->mac[4] = (uint8_t)high;
	port->mac[5] = (uint8_t)(high >> 8);
	if (!(high & RAH_AV) || port->mac[0] & 1 || !(low | (high & 0xffff)))
		return -EADDRNOTAVAIL;
	return 0;
}

/* 10.2.5, multicast table: bit number = bits 47:36 of the address (RCTL.MO = 0). */
static void write_filter(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t table[E1000E_MTA_WORDS] = {0}, rctl = reg_read(e->regs, E1000E_RCTL);

	for (unsigned i = 0; i < E1000E_MULTICAST; i++) {
		const uint8_t *mac = e->multicast[i].mac;
		uint32_t bit = (uint32_t)mac[5] << 4 | mac[4] >> 4;

		if (e->multicast[i].refs)
			table[bit / 32] |= 1u << bit % 32;
	}
	for (uint32_t i = 0; i < E1000E_MTA_WORDS; i++)
		reg_write(e->regs, E1000E_MTA + 4 * i, table[i]);
	rctl &= ~(RCTL_UPE | RCTL_MPE);
	if (e->promiscuous)
		rctl |= RCTL_UPE | RCTL_MPE;
	if (e->multicast_more)
		rctl |= RCTL_MPE;
	reg_write(e->regs, E1000E_RCTL, rctl);
}

static int count_ref(uint32_t *refs, bool on)
{
	if (!on && !*refs)
		return -ENOENT;
	*refs += on ? 1 : ~0u;
	return 0;
}

static int e1000e_filter(struct port *port, const uint8_t *mac, bool on)
{
	struct e1000e *e = port->priv;
	int free = -1, at = -1, err = 0;

	for (int i = 0; mac && i < (int)E1000E_MULTICAST; i++) {
		if (!e->multicast[i].refs)
			free = i;
		else if (!memcmp(e->multicast[i].mac, mac, 6))
			at = i;
	}
	if (!mac) {
		err = count_ref(&e->promiscuous, on);
	} else if (at >= 0) {
		e->multicast[at].refs = (uint16_t)(e->multicast[at].refs + (on ? 1 : -1));
	} else if (on && free >= 0) {
		memcpy(e->multicast[free].mac, mac, 6);
		e->multicast[free].refs = 1;
	} else {
		err = count_ref(&e->multicast_more, on);
	}
	if (!err)
		write_filter(port);
	return err;
}

/* ---- Statistics and link ---- */

static const uint16_t counters[E1000E_COUNTERS] = {E1000E_CRCERRS, E1000E_ALGNERRC, E1000E_RXERRC,
						   E1000E_CEXTERR, E1000E_RLEC,	    E1000E_RFC,
						   E1000E_ROC,	   E1000E_RJC,	    E1000E_MPC,
						   E1000E_RNBC,	   E1000E_ECOL,	    E1000E_LATECOL};

/*
 * What a counter has gained. Reading clears (10.2.7), but QEMU's device keeps some: a second
 * reading tells which kind it is. Most of the time both are 0 and there is no second.
 */
static uint32_t gained(struct e1000e *e, unsigned i)
{
	uint32_t first = reg_read(e->regs, counters[i]), second, before = e->counted[i];

	if (!first)
		return 0;
	second = reg_read(e->regs, counters[i]);
	e->counted[i] = second < first ? 0 : second;
	return second < first ? first + second : second - before;
}

/* RUC (short frames) is left out: QEMU counts there each frame that it pads and delivers. */
static void harvest(struct port *port)
{
	struct e1000e *e = port->priv;
	struct port_stats *s = &port->stats;

	for (unsigned i = 0; i < E1000E_COUNTERS; i++) {
		uint32_t n = gained(e, i);

		if (counters[i] == E1000E_MPC)
			s->in_missed += n;
		else if (counters[i] == E1000E_RNBC)
			s->in_no_buffer += n;
		else if (counters[i] == E1000E_ECOL || counters[i] == E1000E_LATECOL)
			s->out_errors += n;
		else
			s->in_errors += n;
	}
}

static bool read_link(struct port *port)
{
	struct e1000e *e = port->priv;
	static const uint16_t mbps[4] = {10, 100, 1000, 1000};
	uint32_t status = reg_read(e->regs, E1000E_STATUS);

	if (status == GONE) {
		port_link(port, false, 0);
		return false;
	}
	port_link(port, status & STATUS_LU, mbps[status >> STATUS_SPEED_SHIFT & 3]);
	return true;
}

static bool e1000e_watch(struct port *port)
{
	if (!read_link(port))
		return false; /* the device is gone: nothing to read, no use in resetting */
	harvest(port);
	e1000e_rx_refill(port);
	return e1000e_stalled(port, port->clock_ns());
}

/* ---- Interrupts ---- */

/*
 * 7.4. MSI-X: everything on vector 0; a message clears its causes (EIAC) and masks them (IAM with
 * EIAME), so the hot path neither reads nor writes a register but to re-arm. MSI and INTx: causes
 * are in ICR; with IAME a read clears it and masks what is in IAM.
 */
static void irq_setup(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t ext = reg_read(e->regs, E1000E_CTRL_EXT) & ~(CTRL_EXT_IAME | CTRL_EXT_EIAME);

	e->msix = port->conf.irq_vectors && !port->conf.irq_msi;
	e->armed = false;
	if (!e->msix) {
		e->irq_mask = ICR_RXT0 | ICR_RXDMT0 | ICR_RXO | ICR_LSC;
		reg_write(e->regs, E1000E_CTRL_EXT, ext | CTRL_EXT_IAME);
		reg_write(e->regs, E1000E_IAM, ~0u);
		reg_write(e->regs, E1000E_ITR, ITR_20K);
		return;
	}
	e->irq_mask = ICR_RXQ0 | ICR_OTHER | ICR_LSC;
	reg_write(e->regs, E1000E_CTRL_EXT, ext | CTRL_EXT_EIAME | CTRL_EXT_PBA_CLR);
	reg_write(e->regs, E1000E_IVAR,
		  IVAR_RXQ0(0u) | IVAR_TXQ0(0u) | IVAR_OTHER(0u) | IVAR_ALL_WB);
	reg_write(e->regs, E1000E_EIAC, IRQ_QUEUES);
	reg_write(e->regs, E1000E_IAM, IRQ_QUEUES | ICR_LSC);
	reg_write(e->regs, E1000E_EITR(0), ITR_20K);
	/* Without ACK_DIS the 82574 raises interrupts without a cause in this mode. */
	reg_write(e->regs, E1000E_RFCTL, reg_read(e->regs, E1000E_RFCTL) | RFCTL_ACK_DIS);
}

static void e1000e_irq(struct port *port, bool on)
{
	struct e1000e *e = port->priv;
	bool frames = port->stats.in_packets != e->frames_at_arm, link;

	if (!on) {
		reg_write(e->regs, E1000E_IMC, ~0u);
		e->armed = false;
		return;
	}
	if (e->msix) {
		/* RXQ0 is not cleared here: that write would still be under way while the caller
		 * looks at port_pending(), and could wipe out the cause of a frame that comes in
		 * between. So what came while nobody slept ends the next sleep at once, one time.
		 * LSC does not clear by itself, and while it is set OTHER comes again. Which
		 * cause it was is not read: no frames means that it may have been the link. */
		reg_write(e->regs, E1000E_ICR, ICR_LSC | ICR_OTHER);
		link = e->armed && !frames;
	} else {
		uint32_t causes = reg_read(e->regs, E1000E_ICR);

		link = causes & ICR_LSC && causes != GONE;
		frames = causes & (ICR_RXT0 | ICR_RXDMT0 | ICR_RXO | ICR_TXDW);
	}
	if (e->armed && frames)
		port->stats.interrupts++;
	if (link) {
		uint64_t changes = port->stats.link_changes;

		read_link(port);
		port->stats.interrupts += e->armed && changes != port->stats.link_changes;
	}
	e->frames_at_arm = port->stats.in_packets;
	e->armed = true;
	/* Sent frames interrupt only when others wait for their room. */
	reg_write(e->regs, E1000E_IMS,
		  e->irq_mask | (port->txq.count ? ICR_TXDW | (e->msix ? ICR_TXQ0 : 0) : 0));
}

/* ---- Start and stop ---- */

/* 10.2.2, and the reserved bits that must not stay as the EEPROM may have left them. No pause
 * frames are sent or obeyed: a peer must not be able to hold us. */
static void setup_mac(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t ctrl = reg_read(e->regs, E1000E_CTRL);
	uint32_t ext = reg_read(e->regs, E1000E_CTRL_EXT);

	ctrl &= ~(CTRL_FRCSPD | CTRL_FRCDPLX | CTRL_RFCE | CTRL_TFCE | CTRL_VME |
		  CTRL_GIO_MASTER_DISABLE);
	reg_write(e->regs, E1000E_CTRL, ctrl | CTRL_SLU);
	reg_write(e->regs, E1000E_CTRL_EXT, (ext & ~CTRL_EXT_RESERVED0) | CTRL_EXT_RESERVED1);
	reg_write(e->regs, E1000E_GCR, reg_read(e->regs, E1000E_GCR) | GCR_RESERVED1);
	reg_write(e->regs, E1000E_FCAL, 0);
	reg_write(e->regs, E1000E_FCAH, 0);
	reg_write(e->regs, E1000E_FCT, 0);
	reg_write(e->regs, E1000E_FCTTV, 0);
	for (uint32_t i = 1; i < E1000E_RAR_COUNT; i++) {
		reg_write(e->regs, E1000E_RAL(i), 0);
		reg_write(e->regs, E1000E_RAH(i), 0);
	}
}

/*
 * 10.2.5, 10.2.6: write descriptors back one by one, at once: latency before bus efficiency. All
 * that matters is set and nothing taken to be as after power-on: QEMU's CTRL.RST resets little.
 */
static void setup_queues(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t tarc = reg_read(e->regs, E1000E_TARC0);
	uint32_t txdctl = reg_read(e->regs, E1000E_TXDCTL) & ~TXDCTL_THRESH_ALL;

	e1000e_rings_reset(port);
	reg_write(e->regs, E1000E_RDTR, 0);
	reg_write(e->regs, E1000E_RADV, 0);
	reg_write(e->regs, E1000E_RXDCTL, RXDCTL_GRAN | 1u << RXDCTL_WTHRESH_SHIFT);
	reg_write(e->regs, E1000E_RFCTL, reg_read(e->regs, E1000E_RFCTL) & ~RFCTL_EXSTEN);
	reg_write(e->regs, E1000E_MRQC, 0); /* one queue, no RSS: legacy descriptors allow none */
	reg_write(e->regs, E1000E_RXCSUM,
		  port->caps & PORT_CAP_RX_CSUM ? RXCSUM_IPOFL | RXCSUM_TUOFL : 0);
	reg_write(e->regs, E1000E_TIDV, 0);
	reg_write(e->regs, E1000E_TADV, 0);
	reg_write(e->regs, E1000E_TXDCTL,
		  txdctl | TXDCTL_GRAN | TXDCTL_RESERVED1 | 1u << TXDCTL_WTHRESH_SHIFT);
	reg_write(e->regs, E1000E_TARC0, (tarc & ~TARC_RESERVED0) | TARC_RESERVED1 | TARC_ENABLE);
	reg_write(e->regs, E1000E_TIPG, TIPG_COPPER);
}

static void enable(struct port *port)
{
	struct e1000e *e = port->priv;
	uint32_t tctl = reg_read(e->regs, E1000E_TCTL) & ~(TCTL_CT_MASK | TCTL_COLD_ALL);
	/* See the head of e1000e_ring.c. */
	uint32_t size = port->mtu > PORT_MTU_WHOLE ? RCTL_LPE | RCTL_BSIZE_1024 : RCTL_BSIZE_2048;

	reg_write(e->regs, E1000E_TCTL, tctl | TCTL_EN | TCTL_PSP | TCTL_CT(15u) | TCTL_COLD(64u));
	/* SECRC takes the CRC off. */
	reg_write(e->regs, E1000E_RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC | size);
	write_filter(port);
	/* 4.6: the tail moves only after RCTL.EN. */
	e1000e_rx_refill(port);
}

static void e1000e_stop(struct port *port)
{
	/* Only a device that is reset leaves the buffers alone. If it does not answer it is gone,
	 * or the daemon's reset through VFIO and the end of bus mastering come next. */
	(void)device_reset(port);
	e1000e_rings_free(port);
	/* Message interrupts are switched off next, unless this is a reset. QEMU (7.2) aborts when
	 * that happens while its throttle timer runs, which its main loop may serve late. */
	if (!port->broken)
		wait_ns(port, THROTTLE_WAIT);
}

static int e1000e_start(struct port *port)
{
	struct e1000e *e = port->priv;
	int err;

	if (!port->conf.bar[0] || port->conf.bar_size[0] < E1000E_BAR_SIZE)
		return -EINVAL;
	if (port->mtu > PORT_MTU_MAX)
		return -EMSGSIZE;
	e->regs = port->conf.bar[0];
	port->caps = PORT_CAP_IRQ;
	if (port->mtu > PORT_MTU_WHOLE)
		port->caps |= PORT_CAP_PIECES;
	if (port->conf.offload)
		port->caps |= PORT_CAP_RX_CSUM | PORT_CAP_TX_L4_CSUM;
	err = e1000e_rings_alloc(port);
	if (err)
		return err;
	err = device_reset(port);
	if (err)
		return err;
	err = phy_wake(port);
	if (!err)
		err = read_mac(port);
	if (err)
		return err; /* reset and masked, holds no buffer: nothing to undo */
	setup_mac(port);
	setup_queues(port);
	irq_setup(port);
	enable(port);
	if (e->rx_clean == e->rx_fill) {
		e1000e_stop(port);
		return -ENOBUFS;
	}
	for (unsigned i = 0; i < E1000E_COUNTERS; i++)
		(void)gained(e, i); /* what was counted before is not ours */
	read_link(port);
	return 0;
}

const struct port_ops e1000e_ops = {
	.name = "e1000e",
	.priv_size = sizeof(struct e1000e),
	.start = e1000e_start,
	.stop = e1000e_stop,
	.rx = e1000e_rx,
	.tx = e1000e_tx,
	.pending = e1000e_pending,
	.irq = e1000e_irq,
	.watch = e1000e_watch,
	.filter = e1000e_filter,
};
