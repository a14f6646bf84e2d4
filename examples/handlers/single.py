#!/usr/bin/env python3
"""One run per entry; its word goes to fd 3.

streamctl consume orders -g billing -- python3 single.py
"""

import json
import os
import sys


def say(word):
    os.write(3, f"{word}\n".encode())


entry = json.load(sys.stdin)
card = entry["fields"]["card"]
if card == "declined":
    say("dead the card was declined")
elif card == "busy" and os.environ["STREAMCTL_DELIVERIES"] == "1":
    say("retry in 100ms the bank asks us to wait")
else:
    print("billed", entry["id"])
