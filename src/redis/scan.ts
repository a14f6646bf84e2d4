import { StreamctlError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { asList, asText } from "./value.ts";

/** How many keys SCAN looks at per call: enough for few round trips, few enough not to hold up the server. */
const SCAN_COUNT = 1_000;

/** True for a name that Redis would treat as a pattern: one with `*`, `?` or `[` that no `\` escapes. */
export function isPattern(name: string): boolean {
  return /(^|[^\\])(\\\\)*[*?[]/.test(name);
}

/**
 * The streams that STREAM arguments name, each once: names as they are and in their order, then what the
 * patterns match (SCAN TYPE stream over all primaries of a cluster), sorted. Fails with exit 4 when there
 * are only patterns and none matches.
 */
export async function expandStreams(connection: Connection, names: readonly string[]): Promise<string[]> {
  const patterns = names.filter(isPattern);
  const streams = new Set(names.filter((name) => !isPattern(name)));
  if (patterns.length === 0) return [...streams];
  const matches = await Promise.all(
    patterns.map((pattern) => connection.persist(() => matchStreams(connection, pattern))),
  );
  for (const stream of matches.flat().sort()) streams.add(stream);
  if (streams.size === 0)
    throw new StreamctlError("notFound", `no stream matches ${patterns.join(", ")}`, {
      hint: "`streamctl ls` shows the streams there are",
    });
  return [...streams];
}

async function matchStreams(connection: Connection, pattern: string): Promise<string[]> {
  const nodes = await connection.primaries();
  const found = await Promise.all(
    nodes.map(async (node) => {
      const keys: string[] = [];
      let cursor = "0";
      do {
        const reply = await node.call(
          "SCAN",
          cursor,
          "MATCH",
          pattern,
          "COUNT",
          SCAN_COUNT,
          "TYPE",
          "stream",
        );
        const [next, page] = asList(reply);
        cursor = asText(next);
        for (const key of asList(page)) keys.push(asText(key));
      } while (cursor !== "0");
      return keys;
    }),
  );
  return found.flat();
}
