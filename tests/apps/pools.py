# SPDX-License-Identifier: BSD-3-Clause
"""Reads `sandwire stat --json`, prints NAME=USED for each pool: what must return to where it was.

The receive ring holds up to 512 packet buffers, and a few less until it is next refilled: of those
only what goes beyond counts.
"""
import json
import sys

for p in json.load(sys.stdin)["pools"]:
    used = max(p["used"] - 512, 0) if p["name"] == "pktbufs" else p["used"]
    print(f"{p['name']}={used}", end=" ")
