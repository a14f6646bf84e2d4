import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { asText } from "../../redis/value.ts";

/**
 * Whether the server's `lag` stays right after a stream was trimmed past a group's position. Nothing but
 * the version tells: the reply looks the same. Corrected in Redis 7.4.4 and 8.0 and in Valkey 8.1; false
 * for servers that are older, unknown, or don't let us ask.
 */
export async function serverCountsRight(connection: Connection): Promise<boolean> {
  try {
    const reply = await connection.persist(() => connection.call("INFO", "server"));
    return countsRight(asText(reply));
  } catch (error) {
    if (error instanceof ServerError) return false;
    throw error;
  }
}

/** The same for the text of INFO. Valkey and Redict also give a `redis_version`, which says nothing. */
export function countsRight(info: string): boolean {
  const field = (name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1];
  const valkey = field("valkey_version");
  if (valkey !== undefined) return atLeast(valkey, [8, 1, 0]);
  if (field("redict_version") !== undefined || (field("server_name") ?? "redis") !== "redis") return false;
  return atLeast(field("redis_version") ?? "", [7, 4, 4]);
}

function atLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  for (const [index, wanted] of least.entries()) {
    const part = parts[index] ?? 0;
    if (Number.isNaN(part)) return false;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
