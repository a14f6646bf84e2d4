// Measuring as every benchmark here does it: two things in turn, several times, in the same run.
import { spawn } from "node:child_process";

/** @typedef {{id: string, name: string, goal: number, atMost?: boolean, unit: string, ratios: number[], ours: number[], peer: number[]}} Result */

/**
 * Runs ours and the peer in turn and compares each pair; on a shared machine only neighbours in time
 * compare. Both return a number in `unit`. `atMost`: the goal is an upper bound (times, not rates).
 * @returns {Promise<Result>}
 */
export async function compare({ id, name, goal, atMost = false, unit, ours, peer, pairs = 5 }) {
  const result = { id, name, goal, atMost, unit, ratios: [], ours: [], peer: [] };
  for (let pair = 0; pair < pairs; pair++) {
    const mine = await ours();
    const theirs = await peer();
    result.ours.push(mine);
    result.peer.push(theirs);
    result.ratios.push(mine / theirs);
  }
  return result;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Runs a program to its end, and fails when it does.
 * @returns {Promise<{ms: number, stdout: string}>} wall time and what it printed
 */
export function run(program, args, { input = "", env = {} } = {}) {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    const stdout = [];
    let stderr = "";
    child.stdout.on("data", (chunk) => stdout.push(chunk));
    child.stderr.on("data", (chunk) => (stderr = (stderr + chunk).slice(-2_000)));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", reject);
    child.once("close", (code) => {
      const ms = performance.now() - start;
      if (code === 0) return resolve({ ms, stdout: Buffer.concat(stdout).toString() });
      reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}`));
    });
  });
}
