// Measuring as every benchmark here does it: two things in turn, several times, in the same run.
import { spawn } from "node:child_process";
import { openSync } from "node:fs";

/**
 * One measured ratio. `now` is the goal that a run of the bench fails without, `further` the one beyond it; both
 * are undefined for what is only told. `atMost`: they are upper bounds (times, memory), not rates.
 * @typedef {{id: string, name: string, now?: number, further?: number, atMost: boolean, unit: string,
 *   ratios: number[], ours: number[], peer: number[]}} Result
 */

/** So many pairs give a median that another run gives, too. */
const PAIRS = 5;

/**
 * Runs ours and the peer in turn and compares each pair; on a shared machine only neighbours in time compare.
 * `ours` gets the command line of the build to measure; both return a number in `unit`. Without a peer the
 * number itself stands for the ratio. When two builds are compared, the other build is the peer of everything.
 * `more` goes into the record. The result is one of `tools.results`.
 */
export async function compare(
  tools,
  { id, name, now, further, atMost = false, unit, ours, peer, pairs, more },
) {
  const { streamctl, against } = tools;
  const goals = against ? {} : { now, further };
  const result = { id, name, ...goals, atMost, unit, ratios: [], ours: [], peer: [], ...more };
  const theirs = against ? () => ours(against) : peer;
  for (let pair = 0; pair < (tools.pairs ?? pairs ?? PAIRS); pair++) {
    if (tools.stopping.aborted) throw new Error("stopped");
    const mine = await ours(streamctl);
    const other = theirs ? await theirs() : 1;
    result.ours.push(mine);
    if (theirs) result.peer.push(other);
    result.ratios.push(mine / other);
  }
  tools.results.push(result);
  console.error(`${id} ${name}: ${median(result.ratios).toFixed(2)}`);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The environment of everything that is measured. Node 20 spends some 60 ms of every start on
 * NODE_EXTRA_CA_CERTS, which would hide what our own start costs.
 */
export function measuredEnvironment(more = {}) {
  const { NODE_EXTRA_CA_CERTS: _slow, ...env } = process.env;
  return { ...env, ...more };
}

/**
 * Runs a program to its end, and fails when it does; `codes` are its exit codes that are no failure.
 * @returns {Promise<{ms: number, stdout: string}>} wall time and what it printed
 */
export function run(program, args, { input = "", env = {}, cwd, codes = [0] } = {}) {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: measuredEnvironment(env),
      cwd,
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
      if (codes.includes(code)) return resolve({ ms, stdout: Buffer.concat(stdout).toString() });
      reject(new Error(`${program} ${args.join(" ")} ended with ${code}: ${stderr}`));
    });
  });
}

/**
 * Runs a program from file to file, so that this process has no part in it.
 * @returns {Promise<number>} wall time in ms
 */
export async function timeFiles([program, ...args], { input = "/dev/null", output = "/dev/null" } = {}) {
  const redirect = 'in=$1 out=$2; shift 2; exec "$@" <"$in" >"$out"';
  return (await run("sh", ["-c", redirect, "sh", input, output, program, ...args])).ms;
}

/** Where output goes that nobody looks at: stdio's "ignore" opens it for reading, too, as Node does for what is closed. */
export function openNowhere() {
  return openSync("/dev/null", "w");
}
