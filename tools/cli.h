/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the subcommands that ask a running net share: their options, one question and its answer
 * over the control socket, and tables. Calls ask.c, table.c.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "tools/failure.h"

#define CLI_VERSION "0.1.0"

/* ---- options of stat, ss, addr, route, neigh: cli.c ---- */

struct cli {
	const char *net; /* --net, SANDWIRE_NET, "default" */
	bool json;
	int argc; /* what is left: words that are no options */
	char **argv;
};

/* 0; else the exit status has been chosen (help printed: -1 turned into 0 by cli_status). */
int cli_options(struct cli *cli, int argc, char **argv, const char *usage);
#define CLI_HELP (-1)

/* ---- asking: ask.c ---- */

/* A connection to the net's control socket, or -1 with f filled. */
int ask_connect(const char *net, struct failure *f);
/* Sends the question (stolen), returns the answer (the caller's), or NULL with f filled. *got_fd: a
 * descriptor that came with it or -1; NULL: closed if one comes. */
json_t *ask(int sock, json_t *question, int *got_fd, struct failure *f);
/* The whole of a list that comes in parts: an array. */
json_t *ask_rows(int sock, const char *cmd, struct failure *f);
/* Connects, asks, closes. */
json_t *ask_net(const char *net, json_t *question, struct failure *f);
json_t *ask_net_rows(const char *net, const char *cmd, struct failure *f);
/* Asks for a list and prints it, as JSON if the options say so; the exit status. */
int cli_show_rows(const struct cli *cli, const char *cmd, void (*print)(const json_t *rows));
/*
 * A command `WHAT [show]` that prints rows and `WHAT add|del ...`, for which change() asks the
 * daemon (0, or -1 with f set); the exit status.
 */
int cli_show_or_change(int argc, char **argv, const char *usage, void (*print)(const json_t *rows),
		       int (*change)(const struct cli *cli, struct failure *f));

/* ---- being a program of the net: attach.c ---- */

/* To `net`; NULL: SANDWIRE_NET, "default". 0, or -1 with f filled. */
int cli_attach(const char *net, struct failure *f);

/* ---- tables: table.c ---- */

enum column_kind { COL_TEXT, COL_NUMBER };

struct column {
	const char *title;
	enum column_kind kind; /* numbers stand to the right */
};

struct table;
struct table *table_new(const struct column *columns, unsigned n);
/* The next cell, row by row. */
void table_cell(struct table *t, const char *text, ...) __attribute__((format(printf, 2, 3)));
void table_print(struct table *t, FILE *to);
void table_free(struct table *t);

/* Text of a member, "" if there is none. */
const char *cli_text(const json_t *row, const char *key);
long long cli_number(const json_t *row, const char *key);
/* Prints JSON as other tools do, and a newline. */
void cli_print_json(const json_t *j);

#endif
