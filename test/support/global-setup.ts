import type { TestProject } from "vitest/node";
import { findServer } from "../../src/sandbox/find-server.ts";
import { SandboxServer } from "../../src/sandbox/server.ts";

/** One server for all test files of a project; each test uses keys of its own (see `uniqueKey`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { path } = await findServer(process.env);
  const server = await SandboxServer.start({ executable: path });
  project.provide("redisUrl", server.url);
  project.provide("redisExecutable", path);
  return () => server.stop();
}

declare module "vitest" {
  export interface ProvidedContext {
    redisUrl: string;
    redisExecutable: string;
  }
}
