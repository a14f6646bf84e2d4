import { isUtf8 } from "node:buffer";
import type { Connection } from "../connection.ts";
import { bySlot } from "../keys.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";

/** How many keys SCAN looks at per call. */
const SCAN_COUNT = 1_000;

/** A success marker of --dedupe (see succeed.ts). */
export interface SuccessMark {
  readonly key: string;
  /** What the marker says: the ID of the entry that succeeded. */
  readonly value: string;
  /** For how long it is known; null: for ever, which is another program's doing. */
  readonly ttlMs: number | null;
}

/** The keys that begin so, page by page, over all primaries of a cluster. One may come twice. */
export async function* keysThatBegin(
  connection: Pick<Connection, "primaries">,
  prefix: string,
): AsyncGenerator<string[]> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, "\\$&")}*`;
  for (const { call } of await connection.primaries()) {
    let cursor = "0";
    do {
      const [next, keys] = asList(await call("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT));
      cursor = asText(next);
      const texts = asList(keys).filter((key) => !Buffer.isBuffer(key) || isUtf8(key));
      yield texts.map((key) => asText(key));
    } while (cursor !== "0");
  }
}

/** Those of the markers that are there. */
export async function successMarks(caller: Caller, keys: readonly string[]): Promise<SuccessMark[]> {
  const marks = await Promise.all(keys.map((key) => successMark(caller, key)));
  return marks.filter((mark) => mark !== undefined);
}

async function successMark(caller: Caller, key: string): Promise<SuccessMark | undefined> {
  const [value, ttl] = await Promise.all([caller.call("GET", key), caller.call("PTTL", key)]);
  if (value === null) return undefined;
  const ttlMs = asNumber(ttl);
  return { key, value: asText(value), ttlMs: ttlMs < 0 ? null : ttlMs };
}

/** Deletes markers; gives how many were there. A repeat finds none. */
export async function forgetSuccesses(caller: Caller, keys: readonly string[]): Promise<number> {
  const groups = bySlot(keys, caller.cluster);
  const counts = await Promise.all(groups.map(async (some) => asNumber(await caller.call("DEL", ...some))));
  return counts.reduce((sum, count) => sum + count, 0);
}
