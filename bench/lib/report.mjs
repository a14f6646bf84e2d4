// What a run of the benchmarks prints and keeps.
import { mkdirSync, writeFileSync } from "node:fs";
import os from "node:os";
import { median } from "./measure.mjs";

/** True when the "goal now" is reached, or there is none. */
export function reached({ ratios, now, atMost }) {
  return now === undefined || isWithin(median(ratios), now, atMost);
}

function isWithin(ratio, goal, atMost) {
  return atMost ? ratio <= goal : ratio >= goal;
}

/** A line per result; the spread is that of the pairs. */
export function printTable(results) {
  const header = ["", "measure", "ours", "peer", "unit", "ratio", "spread", "goal now", "further goal", ""];
  const rows = results.map((result) => {
    const goals = [goal(result.now, result), goal(result.further, result)];
    return [result.id, result.name, ...measured(result), ...goals, verdict(result)];
  });
  printRows([header, ...rows]);
}

/** The same for two builds: how the new one compares with the old one, and whether all pairs say so. */
export function printComparison(results, build, against) {
  const header = ["", "measure", build, against, "unit", "ratio", "spread", ""];
  const rows = results.map((result) => {
    const name = result.name.replace(/, against .*/, "");
    return [result.id, name, ...measured(result), direction(result)];
  });
  printRows([header, ...rows]);
}

function measured({ ours, peer, unit, ratios }) {
  const spread = `${share(Math.min(...ratios))}–${share(Math.max(...ratios))}`;
  const theirs = peer.length > 0 ? amount(median(peer)) : "";
  return [amount(median(ours)), theirs, unit, share(median(ratios)), spread];
}

function printRows(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column]));
    console.log(cells.join("  ").trimEnd());
  }
}

function direction({ ratios, atMost }) {
  if (ratios.every((ratio) => ratio > 1)) return atMost ? "worse" : "better";
  return ratios.every((ratio) => ratio < 1) ? (atMost ? "better" : "worse") : "";
}

function goal(value, { atMost }) {
  return value === undefined ? "" : `${atMost ? "≤" : "≥"} ${value}`;
}

function verdict({ ratios, now, further, atMost }) {
  if (now === undefined) return "";
  const ratio = median(ratios);
  if (!isWithin(ratio, now, atMost)) return "MISSED";
  return further !== undefined && isWithin(ratio, further, atMost) ? "further" : "reached";
}

function share(value) {
  return value >= 100 ? String(Math.round(value)) : value.toFixed(2);
}

function amount(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

/** Everything measured, as JSON in bench/results/. */
export function keepRecord(results, more = {}) {
  const folder = new URL("../results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const at = new Date().toISOString();
  const machine = { cpus: os.cpus().length, model: os.cpus()[0]?.model, node: process.version };
  const medians = results.map((result) => ({
    ...result,
    ratio: median(result.ratios),
    reached: reached(result),
  }));
  const record = { at, machine, load: os.loadavg(), ...more, results: medians };
  writeFileSync(new URL(`${at.replaceAll(":", "-")}.json`, folder), `${JSON.stringify(record, null, 2)}\n`);
}
