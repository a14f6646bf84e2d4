import { isUtf8 } from "node:buffer";
import { type StreamKey, streamKey } from "../../entry/names.ts";
import type { Connection, Node } from "../connection.ts";
import { asList, asText, nameText } from "../value.ts";

/** How many keys SCAN looks at per call: enough for few round trips, few enough not to hold up the server. */
const SCAN_COUNT = 1_000;

/** True for a name that Redis would treat as a pattern: one with `*`, `?` or `[` that no `\` escapes. */
export function isPattern(name: string): boolean {
  return /(^|[^\\])(\\\\)*[*?[]/.test(name);
}

export interface Scanned {
  readonly streams: StreamKey[];
  /** Names that are no UTF-8, as `nameText` shows them. */
  readonly unreadable: string[];
}

/** What streams match a pattern: SCAN TYPE stream over all primaries of a cluster. A name may come twice. */
export async function scanStreams(connection: Connection, pattern: string): Promise<Scanned> {
  const streams: StreamKey[] = [];
  const unreadable: string[] = [];
  await scanEach(connection, pattern, (page) => {
    streams.push(...page.streams);
    unreadable.push(...page.unreadable);
    return true;
  });
  return { streams, unreadable };
}

/** The same page by page, of several nodes in turns, for as long as `onPage` gives true. */
export async function scanEach(
  connection: Pick<Connection, "primaries">,
  pattern: string,
  onPage: (page: Scanned) => boolean,
): Promise<void> {
  const nodes = await connection.primaries();
  await Promise.all(nodes.map((node) => scanNode(node, pattern, onPage)));
}

async function scanNode({ call }: Node, pattern: string, onPage: (page: Scanned) => boolean): Promise<void> {
  let cursor = "0";
  do {
    const reply = await call("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT, "TYPE", "stream");
    const [next, keys] = asList(reply);
    cursor = asText(next);
    const page: Scanned = { streams: [], unreadable: [] };
    for (const key of asList(keys)) {
      if (Buffer.isBuffer(key) && !isUtf8(key)) page.unreadable.push(nameText(key));
      else page.streams.push(streamKey(asText(key)));
    }
    if (!onPage(page)) return;
  } while (cursor !== "0");
}
