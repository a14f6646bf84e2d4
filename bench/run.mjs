// usage: npm run bench [-- ID…]   e.g. npm run bench -- P1 P3
// Prints each measure as a ratio to its peer against its goal, and keeps a record in bench/results/.
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import { median } from "./lib/measure.mjs";
import { startTools } from "./lib/tools.mjs";

const MEASURES = [
  { file: "./produce.mjs", ids: ["P1"] },
  { file: "./read.mjs", ids: ["P2"] },
  { file: "./exec.mjs", ids: ["P3", "P4"] },
  { file: "./drain.mjs", ids: ["P5"] },
  { file: "./start.mjs", ids: ["P6"] },
  { file: "./lag.mjs", ids: ["P9"] },
  { file: "./replay.mjs", ids: ["P7"] },
  { file: "./memory.mjs", ids: ["P8"] },
];

const wanted = process.argv.slice(2);
const known = MEASURES.flatMap(({ ids }) => ids);
const unknown = wanted.filter((id) => !known.includes(id));
if (unknown.length > 0) {
  console.error(`no measure ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(2);
}

const results = [];
const { tools, stop } = await startTools();
try {
  for (const { file, ids } of MEASURES) {
    if (wanted.length > 0 && !ids.some((id) => wanted.includes(id))) continue;
    console.error(`measuring ${ids.join(", ")} …`);
    const { bench } = await import(file);
    results.push(...(await bench(tools)));
  }
} finally {
  await stop();
}

printTable(results);
record(results);
process.exitCode = results.every(reached) ? 0 : 1;

function reached({ ratios, goal, atMost }) {
  return atMost ? median(ratios) <= goal : median(ratios) >= goal;
}

function printTable(measured) {
  const header = ["", "measure", "ours", "peer", "unit", "ratio", "spread", "goal", ""];
  const rows = measured.map((result) => [
    result.id,
    result.name,
    amount(median(result.ours)),
    amount(median(result.peer)),
    result.unit,
    median(result.ratios).toFixed(2),
    `${Math.min(...result.ratios).toFixed(2)}–${Math.max(...result.ratios).toFixed(2)}`,
    `${result.atMost ? "≤" : "≥"} ${result.goal}`,
    reached(result) ? "reached" : "MISSED",
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column].length)));
  for (const row of [header, ...rows])
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    );
}

function amount(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

function record(measured) {
  const folder = new URL("results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const now = new Date().toISOString();
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version };
  const file = new URL(`${now.replaceAll(":", "-")}.json`, folder);
  writeFileSync(file, `${JSON.stringify({ at: now, machine, results: measured }, null, 2)}\n`);
}
