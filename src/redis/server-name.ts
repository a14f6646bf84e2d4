import type { Connection } from "./connection.ts";
import { asMap, asText } from "./value.ts";

/** Whether XINFO CONSUMERS tells a consumer that has got entries from one that has only asked: since 7.2. */
export function tellsInactive(name: string | undefined): boolean {
  const [major = 0, minor = 0] =
    /(\d+)\.(\d+)/
      .exec(name ?? "")
      ?.slice(1)
      .map(Number) ?? [];
  return major > 7 || (major === 7 && minor >= 2);
}

/** `redis 8.6.0`, `valkey 9.0.1`; undefined where the server does not say. No right is needed to ask. */
export async function serverName(connection: Connection): Promise<string | undefined> {
  try {
    const facts = asMap(await connection.call("HELLO", 2));
    return `${asText(facts.get("server"))} ${asText(facts.get("version"))}`;
  } catch {
    return undefined;
  }
}
