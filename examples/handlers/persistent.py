#!/usr/bin/env python3
"""One process per place, which stays: a line in for each entry, a word out. What it emits is that entry's output.

streamctl consume orders -g billing --persistent --emit billed -- python3 persistent.py
"""

import json
import sys


def handle(entry):
    card = entry["fields"]["card"]
    if card == "declined":
        return "dead the card was declined"
    if card == "busy" and entry["deliveries"] == 1:
        return "retry in 100ms the bank asks us to wait"
    print("emit billed", entry["id"])
    return "ok"


for line in sys.stdin:
    # Each answer at once: a worker waits for it.
    print(handle(json.loads(line)), flush=True)
