/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the sandbox image is: $SANDWIRE_IMAGE in tests, the build tree, or where it is installed.
 */
#ifndef SANDWIRED_IMAGE_PATH_H
#define SANDWIRED_IMAGE_PATH_H

#include <stddef.h>

#include "tools/failure.h"

int image_path(char *path, size_t size, struct failure *f); /* 0 or -1 */

#endif
