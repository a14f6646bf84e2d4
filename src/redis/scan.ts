import { isUtf8 } from "node:buffer";
import type { Connection } from "./connection.ts";
import { asList, asText, nameText } from "./value.ts";

/** How many keys SCAN looks at per call: enough for few round trips, few enough not to hold up the server. */
const SCAN_COUNT = 1_000;

/** True for a name that Redis would treat as a pattern: one with `*`, `?` or `[` that no `\` escapes. */
export function isPattern(name: string): boolean {
  return /(^|[^\\])(\\\\)*[*?[]/.test(name);
}

export interface Scanned {
  readonly streams: string[];
  /** Names that are no UTF-8, as `nameText` shows them. */
  readonly unreadable: string[];
}

/** What streams match a pattern: SCAN TYPE stream over all primaries of a cluster. A name may come twice. */
export async function scanStreams(connection: Connection, pattern: string): Promise<Scanned> {
  const streams: string[] = [];
  const unreadable: string[] = [];
  const nodes = await connection.primaries();
  await Promise.all(
    nodes.map(async ({ call }) => {
      let cursor = "0";
      do {
        const args = ["MATCH", pattern, "COUNT", SCAN_COUNT, "TYPE", "stream"];
        const [next, page] = asList(await call("SCAN", cursor, ...args));
        cursor = asText(next);
        for (const key of asList(page)) {
          if (Buffer.isBuffer(key) && !isUtf8(key)) unreadable.push(nameText(key));
          else streams.push(asText(key));
        }
      } while (cursor !== "0");
    }),
  );
  return { streams, unreadable };
}
