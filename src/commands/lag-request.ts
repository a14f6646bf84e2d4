import { COUNT_LIMIT, countBudget, type LagRequest } from "../engine/lag/lag.ts";
import { matchingStreams } from "../engine/streams.ts";
import type { Connection } from "../redis/connection.ts";
import { expandStreams, isPattern } from "../redis/scan.ts";
import type { LagFlags } from "./lag-flags.ts";

/** The streams that the arguments name; without any, every stream, and none is no error. */
export async function chooseStreams(
  connection: Connection,
  names: readonly string[],
): Promise<Pick<LagRequest, "streams" | "named">> {
  const named = new Set(names.filter((name) => !isPattern(name)));
  const streams = names.length > 0 ? expandStreams(connection, names) : matchingStreams(connection, "*");
  return { streams: await streams, named };
}

/** How far to count, and which limits have to be decided: a bound that stops short of one would not tell. */
export function countRequest(flags: LagFlags): Pick<LagRequest, "countLimit" | "budget" | "decide"> {
  const { countLimit, exact, maxLag, warnLag, critLag } = flags;
  if (exact) return { countLimit: Number.POSITIVE_INFINITY };
  const decide = [maxLag, warnLag, critLag].filter((limit) => limit !== undefined);
  if (countLimit !== undefined) return { countLimit, decide };
  return { countLimit: COUNT_LIMIT, budget: countBudget(), decide };
}
