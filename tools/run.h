/* SPDX-License-Identifier: BSD-3-Clause */
/* What `sandwire run` finds out about a program before it starts it. For run.c and its test. */
#ifndef TOOLS_RUN_H
#define TOOLS_RUN_H

#include <stdbool.h>
#include <stddef.h>

/* The file that a command's name means, by the directories of `path`. */
bool run_find(const char *name, const char *path, char *found, size_t size);
/* Why LD_PRELOAD has no effect on the file (or the interpreter of the script); NULL: it has. */
const char *run_why_not(const char *file);

#endif
