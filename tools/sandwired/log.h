/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's log: /run/sandwire/NAME/log, and standard error with --foreground. */
#ifndef SANDWIRED_LOG_H
#define SANDWIRED_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_INFO, LOG_DEBUG };

void log_open(int fd, bool to_stderr, enum log_level level); /* fd: taken over; -1: none */
void log_set_level(enum log_level level);
void log_close(void);
void log_write(enum log_level level, const char *text, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
