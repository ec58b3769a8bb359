# SPDX-License-Identifier: BSD-3-Clause
"""Reads `sandwire stat --json`, prints NAME=USED for each pool: what must return to where it was."""
import json
import sys

print(" ".join(f"{p['name']}={p['used']}" for p in json.load(sys.stdin)["pools"]))
