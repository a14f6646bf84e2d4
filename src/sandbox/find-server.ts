import { access, constants, stat } from "node:fs/promises";
import { request } from "node:http";
import { platform } from "node:os";
import { delimiter, join } from "node:path";
import { StreamctlError } from "../errors.ts";
import type { Io } from "../io.ts";

export interface FindOptions {
  /** Told, in a sentence, about steps that take a while. */
  readonly announce?: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** What stands for a server in a container: `docker:redis:7.4`. */
export const CONTAINER_PREFIX = "docker:";

const DEFAULT_IMAGE = "redis:7.4";
const PROGRAMS = ["redis-server", "valkey-server"] as const;

/**
 * Finds a Redis to run on this machine: the path of an executable, or `docker:IMAGE`. The ways, in order:
 * STREAMCTL_REDIS_SERVER; redis-server or valkey-server on PATH; Docker; the distribution's own package,
 * unpacked into the user's cache without installing anything. Fails with an error that names these ways.
 */
export async function findServer(env: Io["env"], options: FindOptions = {}): Promise<string> {
  const named = env["STREAMCTL_REDIS_SERVER"];
  if (named) return mustBeUsable(named);
  for (const program of PROGRAMS) {
    const path = await findOnPath(program, env);
    if (path !== undefined) return path;
  }
  if (await canRunContainers(env)) return CONTAINER_PREFIX + DEFAULT_IMAGE;
  const { unpackDistributionServer } = await import("./distribution-package.ts");
  const unpacked = await unpackDistributionServer(env, options);
  if ("path" in unpacked) return unpacked.path;
  throw new StreamctlError("failed", "found no Redis server to run", {
    hint:
      "name an executable in STREAMCTL_REDIS_SERVER, or put redis-server or valkey-server on PATH, or start " +
      `Docker (with the package testcontainers), or use a system with apt-get (here: ${unpacked.failure})`,
  });
}

async function mustBeUsable(named: string): Promise<string> {
  if (named.startsWith(CONTAINER_PREFIX) || (await isExecutable(named))) return named;
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
 * Whether a Docker engine answers and testcontainers, an optional package, is there. Linux only: the
 * servers use the host's network, so that they can be told their port and form clusters.
 */
async function canRunContainers(env: Io["env"]): Promise<boolean> {
  if (platform() !== "linux" || !(await dockerAnswers(env))) return false;
  return import("testcontainers").then(
    () => true,
    () => false,
  );
}

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
