import type { TestProject } from "vitest/node";
import { findServer } from "../../src/sandbox/find-server.ts";
import { SandboxServer } from "../../src/sandbox/server.ts";

/** One server for all test files of a project; each test uses keys of its own (see `uniqueKey`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executable = await findServer(process.env, {
    announce: (message) => process.stderr.write(`${message}\n`),
  });
  const server = await SandboxServer.start({ executable });
  project.provide("redisUrl", server.url);
  project.provide("redisExecutable", executable);
  return () => server.stop();
}

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string;
    /** For SandboxServer.start(), where a test needs a server of its own. */
    redisExecutable: string;
  }
}
