import type { Context } from "../../context.ts";
import { findings, nothingToJudge } from "../../engine/lag/check.ts";
import { groupLags } from "../../engine/lag/lag.ts";
import { StreamctlError } from "../../errors.ts";
import { PLUGIN_EXIT, pluginLine } from "../../output/lag-plugin.ts";
import type { Connection } from "../../redis/connection.ts";
import type { LagFlags } from "./lag.ts";
import { countRequest } from "./request.ts";
import { chooseStreams } from "../stream-arguments.ts";

/** Answers as a monitoring plugin does. What is thrown here and before becomes UNKNOWN, too: see src/run.ts. */
export async function checkLags(
  context: Context,
  connection: Connection,
  names: readonly string[],
  flags: LagFlags,
): Promise<number> {
  const { group } = flags;
  const request = {
    ...(await chooseStreams(context, connection, names)),
    group,
    ...countRequest(flags),
    signal: context.stop,
  };
  const rows = await groupLags(connection, request);
  if (context.stop.aborted) throw new StreamctlError("failed", "stopped before all groups were looked at");
  if (rows.length === 0) {
    const what = group === undefined ? "there are no groups" : `no group "${group}" on any of the streams`;
    throw new StreamctlError("notFound", what);
  }
  const limits = {
    warning: { maxLag: flags.warnLag, maxPending: flags.warnPending, maxAgeMs: flags.warnAge },
    critical: { maxLag: flags.critLag, maxPending: flags.critPending, maxAgeMs: flags.critAge },
  };
  const found = findings(rows, limits);
  const nothing = nothingToJudge(request.named, new Set(rows.map(({ stream }) => stream)));
  // What is known to be wrong is worse than what is not known.
  if (nothing !== undefined && found.every(({ level }) => level === "unknown"))
    throw new StreamctlError("notFound", nothing);
  await context.output.write(pluginLine(rows, found, limits));
  return PLUGIN_EXIT[found[0]?.level ?? "ok"];
}
