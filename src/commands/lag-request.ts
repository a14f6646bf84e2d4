import { COUNT_LIMIT, type LagRequest } from "../engine/lag/lag.ts";
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

/** How far to count: a bound that stops short of a limit would not tell on which side the lag is. */
export function countLimit(flags: LagFlags): number {
  if (flags.exact) return Number.POSITIVE_INFINITY;
  const limits = [flags.maxLag, flags.warnLag, flags.critLag].map((limit) => (limit ?? 0) + 1);
  return Math.max(flags.countLimit ?? COUNT_LIMIT, ...limits);
}
