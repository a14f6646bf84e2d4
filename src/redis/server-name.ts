import { errorText } from "../errors.ts";
import { WrongServer } from "./connect-error.ts";
import type { Connection } from "./connection.ts";
import { asMap, asText, type Value } from "./value.ts";

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

/**
 * Why a server that speaks the protocol is none for us, by its reply to HELLO: a Sentinel, or a Redis older than that command, which
 * is of 6.0. Where HELLO is renamed or a proxy does not know it, INFO decides; without that the server is taken as it is.
 */
export async function wrongServer(
  hello: Promise<unknown>,
  info: () => Promise<string>,
): Promise<WrongServer | undefined> {
  try {
    const facts = asMap((await hello) as Value);
    return facts.get("mode") === "sentinel" ? new WrongServer("sentinel") : undefined;
  } catch (error) {
    if (!/unknown command/i.test(errorText(error))) return undefined;
  }
  const text = await info().catch(() => "");
  if (/^redis_mode:sentinel/m.test(text)) return new WrongServer("sentinel");
  const [, old] = /^redis_version:([0-5]\.\S*)/m.exec(text) ?? [];
  return old === undefined ? undefined : new WrongServer(`Redis ${old}`);
}
