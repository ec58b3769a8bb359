# SPDX-License-Identifier: BSD-3-Clause
"""pools.py WAITING: reads `sandwire stat --json`, prints NAME=USED for each pool: what must return to where it was.

Packet buffers that wait in receive rings are not in use: a ring holds a few less until it is next
refilled. Nor are the TCP connections that wait in TIME-WAIT, WAITING of them.
"""
import json
import sys

stat = json.load(sys.stdin)
idle = {"pktbufs": sum(port["rx_held"] for port in stat["ports"]), "tcp_pcbs": int(sys.argv[1])}
for p in stat["pools"]:
    print(f"{p['name']}={p['used'] - idle.get(p['name'], 0)}", end=" ")
