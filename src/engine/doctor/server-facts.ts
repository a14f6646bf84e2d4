import { ConnectionError, ServerError } from "../../errors.ts";
import type { Connection, Node } from "../../redis/connection.ts";
import { configValue, serverInfo } from "../../redis/ops/server.ts";

/** What one server says of itself. */
export interface ServerFacts {
  /** Which of a cluster's nodes it is. */
  readonly node?: string | undefined;
  /** Why it does not answer, though others of the cluster do. */
  readonly unreachable?: string;
  /** The lines of INFO; undefined: the user may not ask. */
  readonly info: ReadonlyMap<string, string> | undefined;
  /** Those of SETTINGS that CONFIG GET told. */
  readonly config: ReadonlyMap<string, string>;
}

const SETTINGS = ["save", "maxclients", "client-output-buffer-limit"] as const;

/** Asks every primary of a cluster, or the one server. */
export async function serverFacts(connection: Connection): Promise<ServerFacts[]> {
  return Promise.all((await connection.primaries()).map(factsOf));
}

async function factsOf(node: Node): Promise<ServerFacts> {
  const { address } = node;
  try {
    const [info, ...settings] = await Promise.all([
      allowed(serverInfo(node)),
      ...SETTINGS.map((name) => allowed(configValue(node, name))),
    ]);
    const config = new Map<string, string>();
    for (const [n, name] of SETTINGS.entries()) {
      const value = settings[n];
      if (value !== undefined) config.set(name, value);
    }
    return { node: address, info, config };
  } catch (error) {
    if (address === undefined || !(error instanceof ConnectionError)) throw error;
    return { node: address, unreachable: error.message, info: undefined, config: new Map() };
  }
}

/** Undefined where the server refuses. */
async function allowed<T>(reply: Promise<T>): Promise<T | undefined> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}
