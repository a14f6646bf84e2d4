#!/usr/bin/env node
// One run per entry; its word goes to fd 3.
//   streamctl consume orders -g billing -- node single.mjs
import { readFileSync, writeSync } from "node:fs";

const say = (word) => writeSync(3, `${word}\n`);

const entry = JSON.parse(readFileSync(0, "utf8"));
const { card } = entry.fields;
if (card === "declined") say("dead the card was declined");
else if (card === "busy" && process.env.STREAMCTL_DELIVERIES === "1")
  say("retry in 100ms the bank asks us to wait");
else console.log("billed", entry.id);
