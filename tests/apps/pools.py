# SPDX-License-Identifier: BSD-3-Clause
"""Reads `sandwire stat --json`, prints NAME=USED for each pool: what must return to where it was.

Packet buffers that wait in receive rings are not in use: a ring holds a few less until it is next
refilled.
"""
import json
import sys

stat = json.load(sys.stdin)
held = sum(port["rx_held"] for port in stat["ports"])
for p in stat["pools"]:
    used = p["used"] - held if p["name"] == "pktbufs" else p["used"]
    print(f"{p['name']}={used}", end=" ")
