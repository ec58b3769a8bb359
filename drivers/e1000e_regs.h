/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers and descriptors of the Intel 82574 Gigabit Ethernet controller, in the names of its
 * datasheet: chapter 10.2 (registers), 7.1 (receive), 7.2 (transmit), 7.4 (interrupts). Only what
 * the driver uses. Private to e1000e*.c.
 */
#ifndef DRIVERS_E1000E_REGS_H
#define DRIVERS_E1000E_REGS_H

#include <stdint.h>

/* ---- General, 10.2.2 ---- */
#define E1000E_CTRL		0x00000u
#define CTRL_GIO_MASTER_DISABLE (1u << 2)
#define CTRL_SLU		(1u << 6)  /* set link up */
#define CTRL_FRCSPD		(1u << 11) /* force speed; else what the PHY negotiated */
#define CTRL_FRCDPLX		(1u << 12)
#define CTRL_RST		(1u << 26)
#define CTRL_RFCE		(1u << 27) /* obey pause frames */
#define CTRL_TFCE		(1u << 28) /* send pause frames */
#define CTRL_VME		(1u << 30) /* take VLAN tags out of frames */
#define CTRL_PHY_RST		(1u << 31)

#define E1000E_STATUS		 0x00008u
#define STATUS_LU		 (1u << 1)
#define STATUS_TXOFF		 (1u << 4) /* the link partner's pause frame holds us */
#define STATUS_SPEED_SHIFT	 6	   /* 0: 10, 1: 100, 2 and 3: 1000 Mb/s */
#define STATUS_GIO_MASTER_ENABLE (1u << 19)

#define E1000E_EECD  0x00010u
#define EECD_AUTO_RD (1u << 9) /* the EEPROM has been loaded */

#define E1000E_CTRL_EXT	   0x00018u
#define CTRL_EXT_RESERVED1 (1u << 22) /* must be 1 on the 82574 */
#define CTRL_EXT_RESERVED0 (1u << 23) /* must be 0 */
#define CTRL_EXT_EIAME	   (1u << 24) /* an MSI-X message masks the causes in IAM */
#define CTRL_EXT_IAME	   (1u << 27) /* a read of ICR masks the causes in IAM */
#define CTRL_EXT_PBA_CLR   (1u << 31) /* MSI-X: pending bits are supported */

#define E1000E_MDIC	0x00020u
#define MDIC_REG_SHIFT	16
#define MDIC_PHY	(1u << 21) /* the internal PHY has address 1 */
#define MDIC_OP_WRITE	(1u << 26)
#define MDIC_OP_READ	(2u << 26)
#define MDIC_READY	(1u << 28)
#define MDIC_ERROR	(1u << 30)
#define PHY_CONTROL	0u /* IEEE 802.3 clause 22 */
#define PHY_AUTONEG	0x1000u
#define PHY_POWER_DOWN	0x0800u
#define PHY_ISOLATE	0x0400u
#define PHY_AUTONEG_NEW 0x0200u

#define E1000E_FCAL  0x00028u
#define E1000E_FCAH  0x0002cu
#define E1000E_FCT   0x00030u
#define E1000E_FCTTV 0x00170u

#define E1000E_EXTCNF_CTRL    0x00f00u
#define EXTCNF_MDIO_OWNERSHIP (1u << 5)

#define E1000E_GCR    0x05b00u
#define GCR_RESERVED1 (1u << 22) /* must be 1 */

/* KiB of the packet buffer, which has 40, for receive; the rest is for send. */
#define E1000E_PBA 0x01000u

/* ---- Interrupts, 10.2.4 ---- */
#define E1000E_ICR     0x000c0u
#define E1000E_ITR     0x000c4u /* 256 ns units between interrupts; INTx and MSI */
#define E1000E_ICS     0x000c8u
#define E1000E_IMS     0x000d0u
#define E1000E_IMC     0x000d8u
#define E1000E_EIAC    0x000dcu
#define E1000E_IAM     0x000e0u
#define E1000E_IVAR    0x000e4u
#define E1000E_EITR(n) (0x000e8u + 4u * (n))
#define ICR_TXDW       (1u << 0) /* transmit descriptor written back */
#define ICR_LSC	       (1u << 2) /* link status change */
#define ICR_RXDMT0     (1u << 4) /* few receive descriptors left */
#define ICR_RXO	       (1u << 6) /* receiver overrun */
#define ICR_RXT0       (1u << 7) /* receive timer: frames have arrived */
#define ICR_RXQ0       (1u << 20)
#define ICR_TXQ0       (1u << 22)
#define ICR_OTHER      (1u << 24)
#define ICR_ASSERTED   (1u << 31)
#define IVAR_RXQ0(v)   ((8u | (v)) << 0)
#define IVAR_TXQ0(v)   ((8u | (v)) << 8)
#define IVAR_OTHER(v)  ((8u | (v)) << 16)
#define IVAR_ALL_WB    (1u << 31) /* every write-back of a transmit descriptor interrupts */

/* ---- Receive, 10.2.5 ---- */
#define E1000E_RCTL	0x00100u
#define RCTL_EN		(1u << 1)
#define RCTL_UPE	(1u << 3) /* unicast promiscuous */
#define RCTL_MPE	(1u << 4) /* multicast promiscuous */
#define RCTL_LPE	(1u << 5) /* frames over 1522 bytes, CRC included */
#define RCTL_BAM	(1u << 15)
#define RCTL_BSIZE_2048 (0u << 16)
#define RCTL_BSIZE_1024 (1u << 16)
#define RCTL_SECRC	(1u << 26)

#define E1000E_RDBAL	     0x02800u
#define E1000E_RDBAH	     0x02804u
#define E1000E_RDLEN	     0x02808u
#define E1000E_RDH	     0x02810u
#define E1000E_RDT	     0x02818u
#define E1000E_RDTR	     0x02820u
#define E1000E_RXDCTL	     0x02828u
#define RXDCTL_WTHRESH_SHIFT 16
#define RXDCTL_GRAN	     (1u << 24) /* thresholds count descriptors */
#define E1000E_RADV	     0x0282cu
#define E1000E_RXCSUM	     0x05000u
#define RXCSUM_IPOFL	     (1u << 8)
#define RXCSUM_TUOFL	     (1u << 9)
#define E1000E_RFCTL	     0x05008u
#define RFCTL_ACK_DIS	     (1u << 12) /* no interrupt of its own for ACKs */
#define RFCTL_EXSTEN	     (1u << 15) /* extended receive descriptors */
#define E1000E_MTA	     0x05200u
#define E1000E_MTA_WORDS     128u
#define E1000E_RAL(n)	     (0x05400u + 8u * (n))
#define E1000E_RAH(n)	     (0x05404u + 8u * (n))
#define E1000E_RAR_COUNT     16u
#define RAH_AV		     (1u << 31)
#define E1000E_MRQC	     0x05818u

/* ---- Transmit, 10.2.6 ---- */
#define E1000E_TCTL   0x00400u
#define TCTL_EN	      (1u << 1)
#define TCTL_PSP      (1u << 3) /* pad short frames */
#define TCTL_CT(n)    ((n) << 4)
#define TCTL_CT_MASK  (0xffu << 4)
#define TCTL_COLD(n)  ((n) << 12)
#define TCTL_COLD_ALL (0x3ffu << 12)
#define E1000E_TIPG   0x00410u
#define TIPG_COPPER   (8u | 8u << 10 | 6u << 20)

#define E1000E_TDBAL	     0x03800u
#define E1000E_TDBAH	     0x03804u
#define E1000E_TDLEN	     0x03808u
#define E1000E_TDH	     0x03810u
#define E1000E_TDT	     0x03818u
#define E1000E_TIDV	     0x03820u
#define E1000E_TXDCTL	     0x03828u
#define TXDCTL_WTHRESH_SHIFT 16
#define TXDCTL_THRESH_ALL    0x003f3f3fu
#define TXDCTL_RESERVED1     (1u << 22) /* must be 1 */
#define TXDCTL_GRAN	     (1u << 24)
#define E1000E_TADV	     0x0382cu
#define E1000E_TARC0	     0x03840u
#define TARC_ENABLE	     (1u << 10)
#define TARC_RESERVED0	     (0xfu << 27)
#define TARC_RESERVED1	     (1u << 26)

/* ---- Statistics, 10.2.7: cleared by reading ---- */
#define E1000E_COUNTERS 12u
#define E1000E_CRCERRS	0x04000u
#define E1000E_ALGNERRC 0x04004u
#define E1000E_RXERRC	0x0400cu
#define E1000E_MPC	0x04010u /* missed: no room in the device */
#define E1000E_ECOL	0x04018u
#define E1000E_LATECOL	0x04020u
#define E1000E_CEXTERR	0x0403cu
#define E1000E_RLEC	0x04040u
#define E1000E_RNBC	0x040a0u /* no buffer in the ring */
#define E1000E_RFC	0x040a8u
#define E1000E_ROC	0x040acu
#define E1000E_RJC	0x040b0u

#define E1000E_BAR_SIZE 0x20000u

/* ---- Descriptors, little endian as all x86 ---- */

/* 7.1: legacy receive descriptor. The driver reads the second half in one load. Without RXD_EOP
 * only the length means something, and RXD_DD. */
struct e1000e_rx_desc {
	uint64_t addr;
	uint64_t done; /* length, checksum, status, errors, special: RXD_* */
};
#define RXD_LENGTH(d) ((uint32_t)((d)&0xffff))
#define RXD_DD	      (1ull << 32)
#define RXD_EOP	      (1ull << 33)
#define RXD_IXSM      (1ull << 34) /* checksum indications mean nothing */
#define RXD_VP	      (1ull << 35)
#define RXD_TCPCS     (1ull << 37) /* TCP checksum was checked */
#define RXD_IPCS      (1ull << 38)
#define RXD_ERR_CE    (1ull << 40) /* CRC or alignment */
#define RXD_ERR_SE    (1ull << 41)
#define RXD_ERR_SEQ   (1ull << 42)
#define RXD_ERR_CXE   (1ull << 44)
#define RXD_ERR_TCPE  (1ull << 45)
#define RXD_ERR_IPE   (1ull << 46)
#define RXD_ERR_RXE   (1ull << 47)
#define RXD_ERR_FRAME (RXD_ERR_CE | RXD_ERR_SE | RXD_ERR_SEQ | RXD_ERR_CXE | RXD_ERR_RXE)

/* 7.2: extended transmit data descriptor, and the context descriptor that tells where a checksum
 * goes and how to cut up a TCP segment. `cmd` holds what follows the address. */
struct e1000e_tx_desc {
	uint64_t addr;
	uint64_t cmd;
};
#define TXD_LENGTH(n) ((uint64_t)(n))
#define TXD_DTYP_DATA (1ull << 20)
#define TXD_EOP	      (1ull << 24)
#define TXD_IFCS      (1ull << 25) /* append the CRC */
#define TXD_TSE	      (1ull << 26) /* part of a frame to be cut up */
#define TXD_RS	      (1ull << 27) /* write back when done */
#define TXD_DEXT      (1ull << 29) /* not a legacy descriptor */
#define TXD_DD	      (1ull << 32)
#define TXD_IXSM      (1ull << 40) /* insert the IPv4 header's checksum */
#define TXD_TXSM      (1ull << 41) /* insert the TCP or UDP checksum */

/* In `addr`: IP's checksum from where, into where, up to which last byte; TCP's likewise, to the
 * end of the frame. */
#define TXC_IPCSS(n) ((uint64_t)(n))
#define TXC_IPCSO(n) ((uint64_t)(n) << 8)
#define TXC_IPCSE(n) ((uint64_t)(n) << 16)
#define TXC_TUCSS(n) ((uint64_t)(n) << 32)
#define TXC_TUCSO(n) ((uint64_t)(n) << 40)
/* In `cmd`. */
#define TXC_PAYLEN(n) ((uint64_t)(n)) /* bytes after the headers, of all segments */
#define TXC_TCP	      (1ull << 24)
#define TXC_IP	      (1ull << 25) /* IPv4; else IPv6 */
#define TXC_TSE	      (1ull << 26)
#define TXC_HDRLEN(n) ((uint64_t)(n) << 40)
#define TXC_MSS(n)    ((uint64_t)(n) << 48)

/* ---- Access ---- */

/*
 * A register is a 32-bit word in a mapping that is never cached: a plain volatile access is one
 * bus transaction, in program order with other volatile ones. Unit tests compile the driver with
 * REG_HOOKS, and a model of the device takes the accesses.
 */
#ifdef REG_HOOKS
uint32_t reg_hook_read(volatile uint8_t *regs, uint32_t off);
void reg_hook_write(volatile uint8_t *regs, uint32_t off, uint32_t value);
#endif

static inline uint32_t reg_read(volatile uint8_t *regs, uint32_t off)
{
#ifdef REG_HOOKS
	return reg_hook_read(regs, off);
#else
	return *(volatile uint32_t *)(volatile void *)(regs + off);
#endif
}

static inline void reg_write(volatile uint8_t *regs, uint32_t off, uint32_t value)
{
#ifdef REG_HOOKS
	reg_hook_write(regs, off, value);
#else
	*(volatile uint32_t *)(volatile void *)(regs + off) = value;
#endif
}

#endif
