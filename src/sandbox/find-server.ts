import { execFile } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { request } from "node:http";
import { platform } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { StreamctlError } from "../errors.ts";
import type { Io } from "../io.ts";

export interface FindOptions {
  /** Told, in a sentence, about steps that take a while. */
  readonly announce?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** What stands for a server in a container: `docker:redis:7.4`. */
export const CONTAINER_PREFIX = "docker:";
/** The same where a program has to start it, because testcontainers is not installed: `run:/usr/bin/podman:redis:7.4`. */
export const ENGINE_PREFIX = "run:";

const DEFAULT_IMAGE = `${CONTAINER_PREFIX}redis:7.4`;
const PROGRAMS = ["redis-server", "valkey-server"] as const;

/**
 * Finds a Redis to run on this machine: the path of an executable, `docker:IMAGE` or `run:ENGINE:IMAGE`. The ways, in order:
 * STREAMCTL_REDIS_SERVER; redis-server or valkey-server on PATH; Docker or Podman; the distribution's own package,
 * unpacked into the user's cache without installing anything. Fails with an error that names these ways.
 */
export async function findServer(env: Io["env"], options: FindOptions = {}): Promise<string> {
  const named = env["STREAMCTL_REDIS_SERVER"];
  if (named) return mustBeUsable(named, env);
  for (const program of PROGRAMS) {
    const path = await findOnPath(program, env);
    if (path !== undefined) return path;
  }
  const container = platform() === "linux" ? await runnable(DEFAULT_IMAGE, env) : undefined;
  if (container !== undefined) return container;
  const { unpackDistributionServer } = await import("./distribution-package.ts");
  const unpacked = await unpackDistributionServer(env, options);
  if ("path" in unpacked) return unpacked.path;
  throw new StreamctlError("failed", "found no Redis server to run", {
    hint:
      "name an executable in STREAMCTL_REDIS_SERVER, or put redis-server or valkey-server on PATH, or start " +
      `Docker or Podman, or use a system with apt-get (here: ${unpacked.failure})`,
  });
}

async function mustBeUsable(named: string, env: Io["env"]): Promise<string> {
  if (named.startsWith(ENGINE_PREFIX)) return named;
  if (named.startsWith(CONTAINER_PREFIX)) {
    const container = await runnable(named, env);
    if (container !== undefined) return container;
    throw new StreamctlError("failed", `nothing runs containers here: can't start ${named}`, {
      hint: "start Docker or Podman, or name an executable in STREAMCTL_REDIS_SERVER",
    });
  }
  if (await isExecutable(named)) return named;
  throw new StreamctlError("failed", `STREAMCTL_REDIS_SERVER names no executable file: ${named}`);
}

/** The full path of a program on PATH. */
export async function findOnPath(program: string, env: Io["env"]): Promise<string | undefined> {
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, program);
    if (folder !== "" && (await isExecutable(path))) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/**
 * How the container that `docker:IMAGE` stands for can be run: by testcontainers, an optional package, or by a program;
 * undefined when nothing runs containers. Their servers use the host's network, so that they can be told their port and
 * form clusters: that works on Linux alone.
 */
async function runnable(container: string, env: Io["env"]): Promise<string | undefined> {
  if ((await dockerAnswers(env)) && (await hasTestcontainers())) return container;
  const engine = await findEngine(env);
  return engine && `${ENGINE_PREFIX}${engine}:${container.slice(CONTAINER_PREFIX.length)}`;
}

function hasTestcontainers(): Promise<boolean> {
  return import("testcontainers").then(
    () => true,
    () => false,
  );
}

/** The path of a docker or podman on PATH that has an engine to talk to. */
async function findEngine(env: Io["env"]): Promise<string | undefined> {
  for (const program of ENGINES) {
    const path = await findOnPath(program, env);
    if (path !== undefined && (await engineAnswers(path, env))) return path;
  }
  return undefined;
}

async function engineAnswers(engine: string, env: Io["env"]): Promise<boolean> {
  return promisify(execFile)(engine, ["ps", "--quiet"], { env, timeout: ENGINE_ANSWER_MS }).then(
    () => true,
    () => false,
  );
}

const ENGINES = ["docker", "podman"] as const;
/** podman's first call after a boot takes seconds. */
const ENGINE_ANSWER_MS = 10_000;
const DOCKER_ANSWER_MS = 2_000;

/** Asks the engine's `GET /_ping`; a client without an engine must not hold anybody up. */
export function dockerAnswers(env: Io["env"]): Promise<boolean> {
  const engine = engineAddress(env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock");
  if (engine === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const ping = request({ ...engine, path: "/_ping", timeout: DOCKER_ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.on("timeout", () => ping.destroy(new Error("no answer")));
    ping.on("error", () => resolve(false));
    ping.end();
  });
}

/** Where to send a request for a DOCKER_HOST; undefined for forms other than unix:// and tcp://. */
function engineAddress(host: string): { socketPath: string } | { host: string; port: string } | undefined {
  if (!URL.canParse(host)) return undefined;
  const { protocol, hostname, port, pathname } = new URL(host);
  if (protocol === "unix:") return { socketPath: pathname };
  return protocol === "tcp:" ? { host: hostname, port: port || "2375" } : undefined;
}
