// Finds Node in the versions to measure on: this one, or the npm registry's package of the executable, which is
// kept in the user's cache and nowhere else.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** The executable of a major version; undefined when it can't be had, and that is told. */
export async function findNode(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const folder = join(cache, "streamctl", `bench-node-${major}`);
  const name = `node-${process.platform}-${process.arch}`;
  const path = join(folder, "node_modules", name, "bin", "node");
  if (existsSync(path)) return path;
  try {
    const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", folder];
    await promisify(execFile)("npm", ["install", ...options, `${name}@${major}`]);
    return path;
  } catch (error) {
    console.error(
      `Node ${major} left out: npm has no ${name}@${major} for it (${error.message.split("\n")[0]})`,
    );
    return undefined;
  }
}
