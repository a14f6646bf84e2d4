// What the benchmarks run against: a private Redis, and the programs that come with it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";

const bin = new URL("../../bin/streamctl.js", import.meta.url).pathname;

/**
 * Starts `streamctl sandbox` and finds redis-cli and redis-benchmark: on PATH, or beside the server.
 * A server without them is passed over for one that the sandbox finds itself. `choices` goes into the tools.
 * @returns {Promise<{tools: {redisUrl: string, server: string, redisCli: string, redisBenchmark: string, tmp: string, streamctl: string[]}, stop: () => Promise<void>}>}
 */
export async function startTools(choices) {
  const first = await startSandbox(process.env);
  const { STREAMCTL_REDIS_SERVER: _named, ...rest } = process.env;
  let sandbox = first;
  if (findTools(first.server) === undefined) {
    await first.stop();
    sandbox = await startSandbox(rest);
  }
  const found = findTools(sandbox.server);
  if (found === undefined) {
    await sandbox.stop();
    throw new Error("the benchmarks compare with redis-cli and redis-benchmark: put them on PATH");
  }
  const tmp = mkdtempSync(join(tmpdir(), "streamctl-bench-"));
  return {
    tools: {
      redisUrl: sandbox.url,
      server: sandbox.server,
      ...found,
      tmp,
      streamctl: [process.execPath, bin],
      ...choices,
    },
    stop: async () => {
      rmSync(tmp, { recursive: true, force: true });
      await sandbox.stop();
    },
  };
}

/** A private server; `args` are more of the command line. */
export async function startSandbox(env, args = []) {
  const child = spawn(process.execPath, [bin, "sandbox", "--json", "-q", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env,
  });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout });
  const line = await Promise.race([once(lines, "line"), closed.then(() => undefined)]);
  if (line === undefined) throw new Error("the sandbox did not start");
  return {
    ...JSON.parse(line[0]),
    args,
    stop: async () => {
      child.kill();
      await closed;
    },
  };
}

function findTools(server) {
  const folders = [dirname(server), ...(process.env.PATH ?? "").split(delimiter)];
  const find = (...names) =>
    folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
  const redisCli = find("redis-cli", "valkey-cli");
  const redisBenchmark = find("redis-benchmark", "valkey-benchmark");
  return redisCli && redisBenchmark ? { redisCli, redisBenchmark } : undefined;
}

export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}
