import type { Context } from "../../context.ts";
import { mustDiffer } from "../../engine/dlq/replay.ts";
import type { StreamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import { formatCount } from "../../units.ts";
import { chooseLetters } from "./choose.ts";
import { settleDoubt } from "./doubt.ts";
import { dryRun, replayLetters } from "./replay-letters.ts";
import type { ReplayFlags } from "./replay.ts";
import { countLetters, readChoice, selectLetters, type Selection } from "./selection.ts";

export async function run(
  context: Context,
  [stream, ids]: readonly [StreamKey, string[]],
  flags: ReplayFlags,
): Promise<number | undefined> {
  const choice = await readChoice(context, stream, ids, flags);
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  let selection: Selection;
  if (choice.kind === "none") {
    const all = await selectLetters(context, connection, stream, flags, { kind: "filtered" });
    const chosen = await chooseLetters(context, all);
    if (chosen.length === 0) throw new UsageError("nothing chosen: nothing was replayed");
    selection = await selectLetters(context, connection, stream, flags, {
      kind: "named",
      ids: chosen,
      badLines: 0,
    });
  } else selection = await selectLetters(context, connection, stream, flags, choice);
  const target = flags.to ?? stream;
  mustDiffer(selection.key, target);
  const acceptDoubt = await settleDoubt(context, selection, flags);
  const request = {
    dlq: selection.key,
    target,
    revive: flags.to === undefined,
    allGroups: flags.allGroups,
    keep: flags.keep,
    maxReplays: flags.maxReplays,
    acceptDoubt,
    ratePerSecond: flags.rate,
    sweep: flags.edit ? undefined : selection.everything,
  };
  if (flags.dryRun) return dryRun(context, connection, stream, selection, request);
  if (choice.kind === "filtered" && !flags.edit && !flags.yes && context.atTerminal) {
    const count = selection.everything ? (selection.total ?? 0) : await countLetters(selection);
    if (count > 0)
      await context.confirm(`Replay ${formatCount(count, "dead letter")} of ${selection.key} to ${target}?`);
  }
  return replayLetters(context, connection, selection, request, { edit: flags.edit });
}
