#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What goodput's runs say. RESULT has a line for each flow: PROFILE out|in ours|kernel BITS-A-SECOND.

goodput_rows.py json RESULT, table|check RESULT PROFILE: medians side by side; check fails where the stack reaches too little.
goodput_rows.py undecided RESULT PROFILE: the ways (out, in) of which more runs could still turn the verdict: flows differ by half of their
median where loss limits them, so that the ratio of two medians of 40 is off by a tenth one time in three."""
import json
import random
import statistics
import sys

RESAMPLES = 400


def read(path):
    found = {}
    with open(path, encoding="ascii") as f:
        for line in f:
            name, way, who, bits = line.split()
            found.setdefault((name, way), {}).setdefault(who, []).append(int(bits) / 1e6)
    return found


def ratio(ours, kernel):
    return statistics.median(ours) / max(statistics.median(kernel), 1e-9)


def least(name):
    return 1 if name == "clean" else 0.95


def bounds(flows):
    """What nine of ten ratios are above, and below, if the flows were drawn anew from those there are."""
    rng = random.Random(1)
    ratios = sorted(ratio(*(rng.choices(flows[who], k=len(flows[who])) for who in ("ours", "kernel"))) for _ in range(RESAMPLES))
    return ratios[RESAMPLES // 10], ratios[-RESAMPLES // 10]


def undecided(found, name):
    for way in ("out", "in"):
        low, high = bounds(found[name, way])
        if low < least(name) <= high:
            yield way


def row(name, way, flows):
    ours, kernel = (statistics.median(flows[who]) for who in ("ours", "kernel"))
    spread = max(abs(x - ours) for x in flows["ours"]) / max(ours, 1e-9)
    return {"measure": f"{name}, {'sent' if way == 'out' else 'received'}", "unit": "Mbit/s", "ours": round(ours, 2),
            "peer_name": "the kernel", "peer": round(kernel, 2), "ratio": round(ratio(flows["ours"], flows["kernel"]), 3),
            "runs": len(flows["ours"]), "spread": round(spread, 2)}


def main():
    form, found = sys.argv[1], read(sys.argv[2])
    if form == "undecided":
        print(*undecided(found, sys.argv[3]))
        return 0
    if form == "json":
        print(json.dumps({"bench": "goodput", "rows": [row(name, way, flows) for (name, way), flows in found.items()]}))
        return 0
    failed, need = False, least(sys.argv[3])
    for way in ("out", "in"):
        r = row(sys.argv[3], way, found[sys.argv[3], way])
        good = r["ratio"] >= need
        failed |= not good
        what = f"{r['ours']:9.2f} Mbit/s, kernel {r['peer']:9.2f}: {r['ratio']:.2f} ({r['runs']} flows, spread {r['spread']:.2f})"
        if form == "check":
            print(f"ok goodput {r['measure']:28} {what}" if good else f"FAIL goodput {r['measure']}: {what}, {need} asked for")
        else:
            print(f"{r['measure']:28} {what}")
    return form == "check" and failed


sys.exit(main())
