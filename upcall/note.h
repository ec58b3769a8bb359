/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control messages: recvmsg(2)'s and sendmsg(2)'s lists (cmsg(3), ip(7), ipv6(7))
 * against the one struct that crosses. For api_io.c.
 */
#ifndef UPCALL_NOTE_H
#define UPCALL_NOTE_H

#include <sys/socket.h>

#include "upcall/upcall_abi.h"

/* What a program sends beside its data. 1: there is something; 0: nothing; -EINVAL: what Linux
 * refuses, too. */
int note_in(const struct msghdr *msg, struct call_note *note);
/* Fills msg's control buffer, sets msg_controllen to what was used, MSG_CTRUNC in msg_flags where
 * it was too short, MSG_ERRQUEUE for an error. */
void note_out(struct msghdr *msg, const struct call_note *note);

#endif
