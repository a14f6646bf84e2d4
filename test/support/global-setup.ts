import type { TestProject } from "vitest/node";
import { findServer } from "../../src/sandbox/find-server.ts";
import { SandboxServer } from "../../src/sandbox/server.ts";

/**
 * One server for each test file of a project that runs at once (see server-url.ts); each test uses keys of its own (see
 * `uniqueKey`).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executable = await findServer(process.env, {
    announce: (message) => process.stderr.write(`${message}\n`),
  });
  const atOnce = Math.max(1, project.vitest.config.maxWorkers);
  const starting = Array.from({ length: atOnce }, () => SandboxServer.start({ executable }));
  const servers = await Promise.all(starting);
  project.provide(
    "redisUrls",
    servers.map(({ url }) => url),
  );
  project.provide("redisExecutable", executable);
  return async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
}

declare module "vitest" {
  export interface ProvidedContext {
    redisUrls: readonly string[];
    /** For SandboxServer.start(), where a test needs a server of its own. */
    redisExecutable: string;
  }
}
