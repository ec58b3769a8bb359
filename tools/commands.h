/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The subcommands of `sandwire`, one file each. argv[0] is the subcommand's name. Each prints its
 * own errors and returns the exit status: 0 done, 1 failed, 2 misused.
 */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int cmd_bind(int argc, char **argv);
int cmd_unbind(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_ss(int argc, char **argv);
int cmd_addr(int argc, char **argv);
int cmd_route(int argc, char **argv);
int cmd_neigh(int argc, char **argv);
int cmd_ext(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_ping(int argc, char **argv);

#endif
