import type { Connection } from "./connection.ts";
import { asMap, asText } from "./value.ts";

/** `redis 8.6.0`, `valkey 9.0.1`; undefined where the server does not say. No right is needed to ask. */
export async function serverName(connection: Connection): Promise<string | undefined> {
  try {
    const facts = asMap(await connection.call("HELLO", 2));
    return `${asText(facts.get("server"))} ${asText(facts.get("version"))}`;
  } catch {
    return undefined;
  }
}
