// Wall time and memory of one run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, readFileSync } from "node:fs";
import { measuredEnvironment, openNowhere } from "./measure.mjs";

const POLL_MS = 20;

/**
 * Runs a command to its end; `mb` is the most memory that it ever had. Linux tells. `source` writes its stdin.
 * @returns {Promise<{mb: number, ms: number}>}
 */
export async function peakOf(tools, [node, ...bin], args, source) {
  const start = performance.now();
  const stdout = openNowhere();
  const child = spawn(node, [...bin, "-u", tools.redisUrl, ...args], {
    stdio: ["pipe", stdout, "pipe"],
    env: measuredEnvironment(),
  });
  closeSync(stdout);
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr = (stderr + chunk).slice(-2_000)));
  const closed = once(child, "close");
  let mb = 0;
  const timer = setInterval(() => {
    mb = Math.max(mb, highWater(child.pid));
  }, POLL_MS);
  await source?.(child.stdin);
  child.stdin.end();
  const [code] = await closed;
  const ms = performance.now() - start;
  clearInterval(timer);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${stderr}`);
  return { mb, ms };
}

/** 0 for a process that has ended. */
function highWater(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
  } catch {
    return 0;
  }
}
