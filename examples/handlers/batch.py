#!/usr/bin/env python3
"""One run for up to N entries; what fd 3 says nothing of goes by the exit code.

streamctl consume orders -g billing --batch 100 -- python3 batch.py
"""

import json
import os
import sys

with os.fdopen(3, "w") as said:
    for line in sys.stdin:
        entry = json.loads(line)
        card = entry["fields"]["card"]
        if card == "declined":
            print(entry["id"], "dead the card was declined", file=said)
        elif card == "busy" and entry["deliveries"] == 1:
            print(entry["id"], "retry in 100ms the bank asks us to wait", file=said)
        else:
            print("billed", entry["id"])
