/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How every tool speaks of an error: one line "sandwire: WHAT: WHY" on stderr, then a hint line
 * where there is one, most often the command that mends it.
 */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

struct vfio_error;

void say_error(const char *what, const char *why, ...) __attribute__((format(printf, 2, 3)));
void say_hint(const char *hint, ...) __attribute__((format(printf, 1, 2)));
/* Both lines of an error from vfio/. */
void say_vfio_error(const struct vfio_error *err);

#endif
