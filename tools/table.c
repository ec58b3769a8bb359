/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Columns as wide as their widest cell, two blanks between, nothing after the last: what `ss` and
 * `ip -br` print, and what cut and awk like. Called by the asking subcommands.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

#define TABLE_COLUMNS 16

struct table {
	struct column columns[TABLE_COLUMNS];
	unsigned n, filled, room;
	char **cells;
};

struct table *table_new(const struct column *columns, unsigned n)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t || !n || n > TABLE_COLUMNS)
		abort();
	memcpy(t->columns, columns, n * sizeof(*columns));
	t->n = n;
	return t;
}

void table_cell(struct table *t, const char *text, ...)
{
	va_list ap;

	if (t->filled == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->cells = realloc(t->cells, t->room * sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	va_start(ap, text);
	if (vasprintf(&t->cells[t->filled], text, ap) < 0)
		abort();
	va_end(ap);
	/* Names come from other processes: a terminal must not obey them. */
	for (char *c = t->cells[t->filled]; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	t->filled++;
}

static void print_cell(const struct table *t, unsigned col, const char *text, int width, FILE *to)
{
	bool last = col + 1 == t->n;

	if (t->columns[col].kind == COL_NUMBER)
		fprintf(to, "%*s", width, text);
	else
		fprintf(to, "%-*s", last ? 0 : width, text);
	fputs(last ? "\n" : "  ", to);
}

void table_print(struct table *t, FILE *to)
{
	int width[TABLE_COLUMNS];

	for (unsigned c = 0; c < t->n; c++) {
		width[c] = (int)strlen(t->columns[c].title);
		for (unsigned i = c; i < t->filled; i += t->n)
			if ((int)strlen(t->cells[i]) > width[c])
				width[c] = (int)strlen(t->cells[i]);
	}
	for (unsigned c = 0; c < t->n; c++)
		print_cell(t, c, t->columns[c].title, width[c], to);
	for (unsigned i = 0; i < t->filled; i += t->n)
		for (unsigned c = 0; c < t->n && i + c < t->filled; c++)
			print_cell(t, c, t->cells[i + c], width[c], to);
}

void table_free(struct table *t)
{
	for (unsigned i = 0; i < t->filled; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
