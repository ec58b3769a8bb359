/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for the image in unit tests of the daemon: the segment's header and shared area in
 * their places, empty, and a function of the test that is called.
 */
#ifndef TESTS_TOOLS_SANDWIRED_FAKE_IMAGE_H
#define TESTS_TOOLS_SANDWIRED_FAKE_IMAGE_H

#include <stdbool.h>

#include "sandbox/layout.h"
#include "upcall/image_call.h"

/* False under AddressSanitizer, which has taken the range for itself. */
bool fake_image_fits(void);
struct seg_kshared *fake_image_up(image_call_fn *call);
void fake_image_down(void);

#endif
