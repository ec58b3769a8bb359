# SPDX-License-Identifier: BSD-3-Clause
"""Reads `sandwire stat --json` after a hoard: prints what is wrong if not half of each pool was in use at most, or not nearly.

More than half are those of others: the bystander's and, of packet buffers, the rings', and those on their way.
"""
import json
import sys

OTHERS = {"sockets": 16, "tcp_pcbs": 80, "pktbufs": 1500}
stat = json.load(sys.stdin)
for p in stat["pools"]:
    others = OTHERS.get(p["name"])
    if others is not None and not p["count"] * (0.4 if p["name"] != "tcp_pcbs" else 0.2) < p["high"] <= p["count"] // 2 + others:
        print(f"{p['high']} of {p['count']} {p['name']}", end=" ")
for name in "QuotaSockets", "QuotaPktbufs":
    if not stat["counters"][name]:
        print(f"{name} is 0", end=" ")
