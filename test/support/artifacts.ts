import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";
import { ROOT } from "./build.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The folder of what `npm run package` builds. */
    artifacts: string;
  }
}

const BUILD = `
const { buildArtifacts } = await import(process.argv[1]);
buildArtifacts(process.argv[2], { executables: process.argv[3] === "executables" });
`;

/** Builds the artefacts of the checkout at `root`, whose program is built already. */
export async function buildArtifacts(root: string, out: string, executables: boolean): Promise<void> {
  const argv = [join(root, "scripts", "package", "artifacts.mjs"), out, executables ? "executables" : ""];
  await promisify(execFile)(process.execPath, ["--input-type=module", "-e", BUILD, ...argv]);
}

/** Those that STREAMCTL_ARTIFACTS names, or new ones, without the executables, whose Node has to be fetched. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const named = process.env["STREAMCTL_ARTIFACTS"];
  if (named) {
    project.provide("artifacts", named);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), "streamctl-artifacts-"));
  await buildArtifacts(ROOT, join(folder, "out"), false);
  project.provide("artifacts", join(folder, "out"));
  return () => rm(folder, { recursive: true });
}
