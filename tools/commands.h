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

#endif
