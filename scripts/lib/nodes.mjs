// Gets Node's executables from the npm registry, which has each version as a package, into the user's cache: for
// tests, for benchmarks and for the executables that people install.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache, fetchOnce, lastLine, run } from "./cache.mjs";

const here = `${process.platform}-${process.arch}`;

/**
 * The newest Node of a line ("24", "20.19"), or the one that a whole version names. Offline it is the newest that is
 * here already. Undefined when it can't be had, and that is told.
 * @returns {{version: string, executable: string} | undefined}
 */
export function findNode(wanted) {
  try {
    const version = /^\d+\.\d+\.\d+$/.test(wanted) ? wanted : newest(wanted);
    if (version === process.versions.node) return { version, executable: process.execPath };
    return { version, executable: fetchNode(version).executable };
  } catch (error) {
    console.error(`Node ${wanted} left out: npm has no node-${here} of it (${lastLine(error)})`);
    return undefined;
  }
}

function newest(line) {
  const ofLine = (versions) =>
    versions.filter((version) => version.startsWith(`${line}.`)).sort(compareVersions);
  try {
    const answer = npm("view", `node-${here}`, "versions", "--json");
    const [last] = ofLine(JSON.parse(answer)).slice(-1);
    if (last === undefined) throw new Error("no such version");
    return last;
  } catch (error) {
    const [last] = ofLine([...cached(), process.versions.node]).slice(-1);
    if (last === undefined) throw error;
    return last;
  }
}

function cached() {
  const names = existsSync(cache) ? readdirSync(cache) : [];
  return names.map((name) => new RegExp(`^node-([\\d.]+)-${here}$`).exec(name)?.[1] ?? "");
}

/**
 * Where a version's executable and licence are; fetched once. `platform` is `linux-arm64`, by default this machine's;
 * `integrity` is what its package must have.
 * @returns {{executable: string, license: string}}
 */
export function fetchNode(version, { platform = here, integrity } = {}) {
  const folder = fetchOnce(`node-${version}-${platform}`, (work) => {
    const name = npm("pack", `node-${platform}@${version}`, "--silent", "--pack-destination", work).trim();
    const tarball = join(work, name);
    const is = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (integrity !== undefined && is !== integrity)
      throw new Error(`${name} is not the one that is expected: ${is}`);
    run("tar", ["-xzf", tarball, "-C", work, "package/bin/node", "package/LICENSE"]);
    rmSync(tarball);
  });
  return { executable: join(folder, "package/bin/node"), license: join(folder, "package/LICENSE") };
}

function npm(...args) {
  return run("npm", args);
}

/** For sorting `20.19.0` and its like. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number));
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}
