import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

export const ROOT = join(import.meta.dirname, "..", "..");

declare module "vitest" {
  interface ProvidedContext {
    /** Where the programs of all tests keep their compiled code. */
    codeCache: string;
  }
}

/** For e2e tests: builds dist/ when it is missing or older than what it is made of. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const sources = ["package.json", "scripts/build.mjs", "scripts/slim-packages.mjs"].map((path) =>
    join(ROOT, path),
  );
  for (const entry of await readdir(join(ROOT, "src"), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sources.push(join(entry.parentPath, entry.name));
  }
  const built = await modified(join(ROOT, "dist", "main.cjs")).catch(() => 0);
  const newest = Math.max(...(await Promise.all(sources.map(modified))));
  if (newest > built) await promisify(execFile)("node", [join(ROOT, "scripts", "build.mjs")]);
  const codeCache = await mkdtemp(join(tmpdir(), "streamctl-code-"));
  project.provide("codeCache", codeCache);
  return () => rm(codeCache, { recursive: true });
}

async function modified(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}
