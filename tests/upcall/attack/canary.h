/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The canary's file: how many transfers it has done. Written by canary.c, read by all
 * attacks.
 */
#ifndef TESTS_UPCALL_ATTACK_CANARY_H
#define TESTS_UPCALL_ATTACK_CANARY_H

#include <stdatomic.h>
#include <stdint.h>

struct canary {
	_Atomic uint64_t rounds, wrong, longest_us;
	_Atomic uint64_t newcomers; /* exact transfers of processes that attached for one */
};

#endif
