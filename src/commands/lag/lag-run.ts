import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import type { LagFlags } from "./lag.ts";

/** One of the ways in which `lag` shows what it finds. Undefined: the run's exit code says it. */
export type LagMode = (
  context: Context,
  connection: Connection,
  names: readonly string[],
  flags: LagFlags,
) => Promise<number | undefined>;

export async function run(
  context: Context,
  [names]: readonly [string[]],
  flags: LagFlags,
): Promise<number | undefined> {
  if (flags.watch && (flags.output === "prometheus" || flags.output === "json"))
    throw new UsageError(`--watch has no end, and -o ${flags.output} is one document`, {
      hint: "use -o ndjson",
    });
  if (flags.check) mustHaveLimits(flags);
  // Loaded while connecting: cron and prompts call this often.
  const [connection, mode] = await Promise.all([
    context.connect({ untilStopped: flags.watch }),
    loadMode(flags),
  ]);
  return mode(context, connection, names, flags);
}

/** A check that can't fail would pass for health. */
function mustHaveLimits(flags: LagFlags): void {
  const pairs = [
    ["lag", flags.warnLag, flags.critLag],
    ["pending", flags.warnPending, flags.critPending],
    ["age", flags.warnAge, flags.critAge],
  ] as const;
  if (pairs.every(([, warning, critical]) => warning === undefined && critical === undefined))
    throw new UsageError("--check needs a limit, such as --warn-lag 1000 --crit-lag 10k");
  for (const [what, warning = 0, critical = Number.POSITIVE_INFINITY] of pairs)
    if (warning > critical) throw new UsageError(`--warn-${what} is above --crit-${what}`);
}

async function loadMode({ watch, check }: LagFlags): Promise<LagMode> {
  if (watch) return (await import("./watch.ts")).watchLags;
  if (check) return (await import("./check.ts")).checkLags;
  return (await import("./print.ts")).printLags;
}
