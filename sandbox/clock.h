/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The segment's clock. A new calibration may step it back: turn_clock() (turn.h) does not follow.
 * A leaf header. mult 0 stops the clock at ns_base, as tests wish.
 */
#ifndef SANDBOX_CLOCK_H
#define SANDBOX_CLOCK_H

#include <stdint.h>

#include "sandbox/layout.h"

/* ns. The caller sees to it that nobody changes *c meanwhile. */
uint64_t clock_read(const struct seg_clock *c);

#endif
