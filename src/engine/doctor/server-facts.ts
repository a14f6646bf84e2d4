import { ConnectionError, ServerError } from "../../errors.ts";
import type { Connection, Node } from "../../redis/connection.ts";
import { asList, asText } from "../../redis/value.ts";

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
      allowed(node.call("INFO")),
      ...SETTINGS.map((name) => allowed(node.call("CONFIG", "GET", name))),
    ]);
    const config = new Map<string, string>();
    for (const setting of settings) {
      const [name, value] = asList(setting);
      if (name !== undefined) config.set(asText(name), asText(value));
    }
    return { node: address, info: info === undefined ? undefined : parseInfo(asText(info)), config };
  } catch (error) {
    if (address === undefined || !(error instanceof ConnectionError)) throw error;
    return { node: address, unreachable: error.message, info: undefined, config: new Map() };
  }
}

/** `name:value` lines as a map. */
export function parseInfo(text: string): Map<string, string> {
  const facts = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) facts.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return facts;
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
