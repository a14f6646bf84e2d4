#!/usr/bin/env node
// One process per place, which stays: a line in for each entry, a word out. What it emits is that entry's output.
//   streamctl consume orders -g billing --persistent --emit billed -- node persistent.mjs
import { createInterface } from "node:readline";

function handle({ id, deliveries, fields }) {
  if (fields.card === "declined") return "dead the card was declined";
  if (fields.card === "busy" && deliveries === 1) return "retry in 100ms the bank asks us to wait";
  console.log(`emit billed ${id}`);
  return "ok";
}

for await (const line of createInterface({ input: process.stdin })) console.log(handle(JSON.parse(line)));
