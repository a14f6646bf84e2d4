import type { Connection } from "../redis/connection.ts";
import { asList, asText } from "../redis/value.ts";

export interface NameLimits {
  readonly names: number;
  readonly timeMs: number;
}

/** What a shell takes as one plain word: other names would need quoting, or do worse things. */
const PLAIN = /^[\w.:@/+={}-]+$/;

/**
 * Names of streams that begin with `prefix`, for Tab: as many as a person wants to see and as can be found
 * while one waits. Names with characters that mean something to a shell are left out.
 */
export async function streamNames(
  connection: Connection,
  prefix: string,
  limits: NameLimits,
): Promise<string[]> {
  const pattern = `${prefix.replace(/[*?[\]\\]/g, "\\$&")}*`;
  const deadline = performance.now() + limits.timeMs;
  const found = new Set<string>();
  const enough = (): boolean => found.size >= limits.names || performance.now() > deadline;
  const nodes = await connection.primaries();
  await Promise.all(
    nodes.map(async (node) => {
      let cursor = "0";
      do {
        const reply = await node.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1_000, "TYPE", "stream");
        const [next, page] = asList(reply);
        cursor = asText(next);
        for (const key of asList(page)) if (PLAIN.test(asText(key))) found.add(asText(key));
      } while (cursor !== "0" && !enough());
    }),
  );
  return [...found].sort().slice(0, limits.names);
}
