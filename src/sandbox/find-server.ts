import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { StreamctlError } from "../errors.ts";
import type { Io } from "../io.ts";

/** A way to run a Redis server on this machine. */
export interface ServerSource {
  readonly kind: "executable";
  readonly path: string;
}

/**
 * Finds a Redis to run: STREAMCTL_REDIS_SERVER, then redis-server or valkey-server on PATH.
 */
export async function findServer(env: Io["env"]): Promise<ServerSource> {
  const named = env["STREAMCTL_REDIS_SERVER"];
  if (named) return { kind: "executable", path: named };
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    for (const name of ["redis-server", "valkey-server"]) {
      const path = join(folder, name);
      if (
        await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return { kind: "executable", path };
    }
  }
  throw new StreamctlError("failed", "no Redis server found on this machine", {
    hint: "name an executable in STREAMCTL_REDIS_SERVER, or install redis-server or valkey-server",
  });
}
