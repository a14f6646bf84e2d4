// What scripts fetch once, in the user's cache.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "streamctl");

/**
 * A folder of the cache, which `make` fills the first time: it is there as a whole or not at all.
 * @param {(folder: string) => void} make
 */
export function fetchOnce(name, make) {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const work = mkdtempSync(`${folder}-`);
  try {
    make(work);
    // Another run may have been faster.
    if (!existsSync(folder)) renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

/** What a program printed. Fails with what it wrote when it fails. */
export function run(program, args, options = {}) {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], ...options });
}

/** Of a program that failed. */
export function lastLine(error) {
  return String(error.stderr || error.message)
    .trim()
    .split("\n")
    .at(-1);
}
