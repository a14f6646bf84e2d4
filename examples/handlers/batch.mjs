#!/usr/bin/env node
// One run for up to N entries; what fd 3 says nothing of goes by the exit code.
//   streamctl consume orders -g billing --batch 100 -- node batch.mjs
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";

const say = (id, word) => writeSync(3, `${id} ${word}\n`);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, deliveries, fields } = JSON.parse(line);
  if (fields.card === "declined") say(id, "dead the card was declined");
  else if (fields.card === "busy" && deliveries === 1) say(id, "retry in 100ms the bank asks us to wait");
  else console.log("billed", id);
}
