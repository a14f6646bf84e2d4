import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import { settleDoubt } from "./dlq-doubt.ts";
import { dryRun, runReplay } from "./dlq-replay-run.ts";
import {
  countLetters,
  readChoice,
  selectLetters,
  type Selection,
  type SelectionFlags,
  selectionOptions,
} from "./dlq-selection.ts";
import { countOption, rateOption } from "./options.ts";
import { formatCount } from "../units.ts";

interface ReplayFlags extends SelectionFlags {
  readonly to?: string;
  readonly allGroups?: boolean;
  readonly rate?: number;
  readonly keep?: boolean;
  readonly edit?: boolean;
  readonly maxReplays?: number;
  readonly yes?: boolean;
}

export function defineDlqReplay(dlq: Command, act: Act): void {
  const command = dlq
    .command("replay")
    .description("give dead letters back to the group they failed in, each exactly once")
    .argument("<stream>", "the source stream, not the queue")
    .argument(
      "[id...]",
      "IDs in the queue; - reads IDs, or rows of dlq list, from stdin; without any and without filters they are chosen on the terminal",
    );
  for (const option of selectionOptions()) command.addOption(option);
  command
    .addOption(new Option("--to <stream>", "add them to this stream, as new entries"))
    .addOption(
      new Option(
        "--all-groups",
        "where only a new entry can be added, other groups of the stream may get it, too",
      ),
    )
    .addOption(
      new Option("--keep", "leave the letters in the queue, marked so that they are not replayed again"),
    )
    .addOption(new Option("--edit", "open each entry in $EDITOR first"))
    .addOption(countOption("--max-replays <n>", "leave out what has been replayed that often"))
    .addOption(rateOption("--rate <rate>", "no more than this, e.g. 50/s"))
    .action(act(replay))
    .addHelpText("after", HELP);
}

const HELP = `
An entry that still stands in the stream is made pending again for the group it failed in, at once and with all
its tries; no other group sees it. One that is gone is added anew, with the original's fields, byte for byte; where
other groups would get it, too, that is asked first (--all-groups agrees). How often an entry has been replayed is
remembered for 30 days. Oldest first, and only what is in the queue at the start. It can be stopped, killed and
repeated at any time: nothing is replayed twice.

Examples:
  streamctl dlq replay orders --all --rate 50/s
  streamctl dlq replay orders --reason '~timeout' --since 2h --max-replays 3 --dry-run
  streamctl dlq list orders --group billing | jq -c 'select((.fields.amount | tonumber) > 9)' | streamctl dlq replay orders -
  streamctl dlq replay orders 1694012345678-0 --edit`;

async function replay(
  context: Context,
  [stream = "", ...ids]: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const flags = options as ReplayFlags;
  const choice = await readChoice(context, ids, flags);
  if (!flags.dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const { mustDiffer } = await import("../engine/dlq/replay.ts");
  let selection: Selection;
  if (choice.kind === "none") {
    const { chooseLetters } = await import("./dlq-choose.ts");
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
    allGroups: flags.allGroups === true,
    keep: flags.keep === true,
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
  return runReplay(context, connection, selection, request, { edit: flags.edit === true });
}
