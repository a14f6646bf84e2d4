import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

export const ROOT = join(import.meta.dirname, "..", "..");

/** For e2e tests: builds dist/ when it is missing or older than what it is made of. */
export default async function setup(): Promise<void> {
  const sources = [join(ROOT, "package.json"), join(ROOT, "scripts", "build.mjs")];
  for (const entry of await readdir(join(ROOT, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sources.push(join(entry.parentPath, entry.name));
  }
  const built = await modified(join(ROOT, "dist", "main.js")).catch(() => 0);
  const newest = Math.max(...(await Promise.all(sources.map(modified))));
  if (newest > built) await promisify(execFile)("node", [join(ROOT, "scripts", "build.mjs")]);
}

async function modified(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}
