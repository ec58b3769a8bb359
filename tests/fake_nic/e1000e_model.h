/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A register-level model of the Intel 82574, written from its datasheet and not from the driver:
 * it shares no header with drivers/. The driver's register accesses come in through reg_hook_read
 * and reg_hook_write (REG_HOOKS); a register pointer is a pointer to the model. Its DMA goes
 * through a function of the test, which refuses what no device should reach.
 *
 * The model works at once: a doorbell is served before the write returns. It notes in `fault` the
 * first thing the driver does that the datasheet forbids. Knobs make it break, lie or vanish.
 */
#ifndef FAKE_NIC_E1000E_MODEL_H
#define FAKE_NIC_E1000E_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_REGS   0x20000u
#define NIC_FRAMES 16384u /* bytes */

/* A TCP segmentation context (7.2, 7.3), and how far the frame is that uses it. */
struct nic_tso {
	bool known, bad; /* bad: its fields cannot be; what follows it is thrown away */
	bool ip4, sum_ip, sum_tcp;
	uint8_t ipcss, ipcso, tucss, tucso, hdrlen;
	uint16_t ipcse, mss;
	uint32_t paylen;
	bool started;
	uint8_t prototype[240];
	uint32_t fill, done; /* bytes in nic->frame behind the headers; bytes sent before */
	uint32_t segments;   /* sent */
};

struct nic_model {
	uint32_t reg[NIC_REGS / 4];

	/* The test's: memory at [iova, iova + len), or NULL when there is none; its end of the
	 * wire. */
	uint8_t *(*dma)(void *arg, uint64_t iova, size_t len, bool write);
	void (*sent)(void *arg, const uint8_t *frame, size_t len);
	void *arg;
	uint8_t mac[6]; /* in the EEPROM; with bit 0 of mac[0] an EEPROM of rubbish */

	/* Knobs. */
	bool cable;	    /* link partner present: use nic_link() to change it */
	bool gone;	    /* off the bus: reads give all ones, writes are lost */
	bool tx_hangs;	    /* descriptors are not served */
	bool tx_no_done;    /* served, but never written back */
	bool reset_hangs;   /* CTRL.RST stays set */
	bool reset_weak;    /* as QEMU 7.2's: brings back the address, leaves the other registers */
	bool counters_stay; /* some of QEMU's statistics do not clear when read */
	bool busy_forever;  /* the master enable bit never clears */
	bool no_mdio;	    /* firmware keeps the MDIO wires */
	bool msix;	    /* the bus driver enabled MSI-X */
	bool crc_spills;    /* the CRC is taken off only after it has had its room in buffers */
	uint64_t rx_lie; /* written instead of the second half of rx descriptors, lie_count times */
	unsigned lie_count;

	/* What happened. */
	char fault[128];
	unsigned resets, interrupts, tdt_writes, rdt_writes, contexts, icr_reads;
	uint64_t frames_out, frames_in, frames_refused, cut_up;

	/* Inside. */
	uint16_t phy[32];
	unsigned reset_reads, eeprom_reads; /* until the bit shows */
	uint8_t frame[NIC_FRAMES];
	size_t frame_len, rx_fifo; /* rx_fifo: bytes of the packet buffer, of NIC_FIFO */
	uint8_t context_start, context_offset;
	bool frame_sum, context_known;
	struct nic_tso tso;
};

/* Power-on. */
void nic_init(struct nic_model *nic);
/* A frame without its CRC arrives from the wire; true if it went into memory. */
bool nic_receive(struct nic_model *nic, const uint8_t *frame, size_t len);
void nic_link(struct nic_model *nic, bool up);
/* Serves what waits, after tx_hangs was taken back. */
void nic_serve(struct nic_model *nic);
/* Adds to a statistics register. */
void nic_count(struct nic_model *nic, uint32_t reg, uint32_t n);

#endif
