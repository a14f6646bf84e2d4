// Runs vitest for a project, one run after the other, and prints what came of them as a table.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";
import { stripVTControlCharacters } from "node:util";

const root = new URL("../..", import.meta.url).pathname;
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

let running;
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM"])
  process.on(signal, () => {
    stopped = true;
    running?.kill(signal);
  });

/** After a signal: what has run until then is printed, and nothing more is started. */
export function isStopped() {
  return stopped;
}

/**
 * One project, or some files of it, on a Node: vitest runs on it, and everything that tests start as `node`.
 * Shows its output as it comes.
 * @returns {Promise<{ok: boolean, passed: number, failed: number, skipped: number, failures: string[], minutes: number}>}
 */
export async function runProject(project, { node = process.execPath, files = [], env = {} } = {}) {
  const start = performance.now();
  running = spawn(node, [vitest, "run", "--project", project, ...files], {
    cwd: root,
    env: { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of ["stdout", "stderr"]) {
    running[stream].setEncoding("utf8").on("data", (chunk) => {
      output += chunk;
      process[stream].write(chunk);
    });
  }
  const code = await new Promise((resolve) => running.once("close", resolve));
  const text = stripVTControlCharacters(output);
  const count = (line) => Number(line.exec(text)?.[1] ?? 0);
  const failures = new Set([...text.matchAll(/^ *FAIL +(.+)$/gm)].map(([, name]) => name));
  return {
    ok: code === 0,
    passed: count(/^(\d+) passed, \d+ failed$/m),
    failed: count(/^\d+ passed, (\d+) failed$/m),
    skipped: count(/^(\d+) skipped$/m),
    failures: [...failures],
    minutes: (performance.now() - start) / 60_000,
  };
}

/** The project that a path of tests belongs to: `test/e2e/bin.test.ts`, also without the end of its name. */
export function projectOf(path) {
  return /^(?:\.\/)?test\/(\w+)(?:\/|$)/.exec(path)?.[1];
}

/** Rows of texts with their columns under each other. */
export function printTable(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd();
  console.log(`\n${[head, ...rows].map(line).join("\n")}`);
}

/** `812 passed, 2 failed, 1 skipped (6 min)` */
export function summary({ ok, passed, failed, skipped, minutes }) {
  const parts = [`${passed} passed`];
  // A run that broke off has no totals.
  if (failed > 0 || !ok) parts.push(failed > 0 ? `${failed} failed` : "broken off");
  if (skipped > 0) parts.push(`${skipped} skipped`);
  return `${parts.join(", ")} (${minutes < 1 ? "<1" : Math.round(minutes)} min)`;
}

/** What failed, by run. */
export function printFailures(runs) {
  for (const { name, failures } of runs)
    for (const failure of failures) console.log(`failed on ${name}: ${failure}`);
}
