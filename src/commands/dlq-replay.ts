import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { DeadLetter } from "../engine/dlq/letter.ts";
import type { ReplayReport, ReplayRequest } from "../engine/dlq/replay.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import {
  readChoice,
  reportMissing,
  selectLetters,
  type Selection,
  type SelectionFlags,
  selectionOptions,
} from "./dlq-selection.ts";
import { countOption, rateOption } from "./options.ts";

interface ReplayFlags extends SelectionFlags {
  readonly to?: string;
  readonly rate?: number;
  readonly keep?: boolean;
  readonly edit?: boolean;
  readonly maxReplays?: number;
  readonly yes?: boolean;
}

export function defineDlqReplay(dlq: Command, act: Act): void {
  const command = dlq
    .command("replay")
    .description("put dead letters back into their stream, each exactly once")
    .argument("<stream>", "the source stream, not the queue")
    .argument(
      "[id...]",
      "IDs in the queue; - reads IDs, or rows of dlq list, from stdin; without any and without filters they are chosen on the terminal",
    );
  for (const option of selectionOptions()) command.addOption(option);
  command
    .addOption(new Option("--to <stream>", "another stream than the source"))
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
The replayed entry has the original's fields, byte for byte, and a new ID; how often it has been replayed is
remembered for 30 days. Oldest first, and only what is in the queue at the start. It can be stopped, killed
and repeated at any time: nothing is replayed twice.

Examples:
  streamctl dlq replay orders --all --rate 50/s
  streamctl dlq replay orders --reason '~timeout' --since 2h --max-replays 3 --dry-run
  streamctl dlq list orders --group billing | jq -c 'select(.fields.amount > "9")' | streamctl dlq replay orders -
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
    keep: flags.keep === true,
    maxReplays: flags.maxReplays,
    acceptDoubt,
    ratePerSecond: flags.rate,
    sweep: flags.edit ? undefined : selection.everything,
  };
  if (flags.dryRun) return dryRun(context, stream, selection, request);
  return run(context, connection, selection, request, flags);
}

/** So many letters are looked at before anything is replayed. */
const LOOKED_AT = 50;
const KINDS_TOLD = 5;

/**
 * Says what letters of a doubtful layout were taken for, and asks. True when they are to be replayed all
 * the same; false when none was found, so that one that comes later is left out.
 */
async function settleDoubt(
  context: Context,
  selection: Selection,
  { yes, dryRun }: ReplayFlags,
): Promise<boolean> {
  let looked = 0;
  /** By what they were taken for and why that is in doubt. */
  const doubtful = new Map<string, { count: number; readonly first: DeadLetter }>();
  for await (const page of selection.pages()) {
    for (const letter of page) {
      looked++;
      if (letter.doubt === undefined) continue;
      const kind = `${LAYOUT_WORDS[letter.layout]}, but ${letter.doubt}`;
      const found = doubtful.get(kind);
      if (found) found.count++;
      else doubtful.set(kind, { count: 1, first: letter });
    }
    if (looked >= LOOKED_AT) break;
  }
  if (doubtful.size === 0) return yes === true;
  for (const [kind, { count, first }] of [...doubtful].slice(0, KINDS_TOLD)) {
    const more = count === 1 ? "" : ` (and ${count - 1} more of the ${looked} looked at)`;
    context.log.warn(`${selection.key}: ${first.id} is taken for ${kind}${more}`);
  }
  if (doubtful.size > KINDS_TOLD)
    context.log.warn(`${selection.key}: ${doubtful.size - KINDS_TOLD} more kinds are in doubt`);
  if (!dryRun) await context.confirm("Replay them as they were taken? (--layout says what they are)");
  return true;
}

const LAYOUT_WORDS = {
  native: "a record of streamctl",
  copied: "a copy of the original",
  wrapped: "a wrapped original",
} as const;

type Plan = Omit<ReplayRequest, "signal" | "onProgress" | "onUncounted">;

async function dryRun(
  context: Context,
  stream: string,
  selection: Selection,
  plan: Plan,
): Promise<number | undefined> {
  const [{ leftOut }, { letterColumns }, { printRows }, { replaySummary }] = await Promise.all([
    import("../engine/dlq/replay.ts"),
    import("./dlq-columns.ts"),
    import("../output/rows.ts"),
    import("../output/replay-summary.ts"),
  ]);
  const counts = {
    replayed: 0,
    uncounted: 0,
    doneBefore: 0,
    tooOften: 0,
    doubtful: 0,
    unknown: 0,
    failure: undefined,
  };
  async function* wouldGo(): AsyncGenerator<DeadLetter> {
    for await (const page of selection.pages()) {
      for (const letter of page) {
        const why = leftOut(letter, plan);
        counts[why ?? "replayed"]++;
        if (why === undefined) yield letter;
      }
    }
  }
  await printRows(context, letterColumns(stream, selection.key, Date.now()), wouldGo(), {
    empty: `no letter in ${selection.key} would be replayed`,
  });
  const partial = reportMissing(context, selection);
  replaySummary(context, plan, counts, { dryRun: true, tookMs: 0 });
  return partial ? ExitCode.partial : undefined;
}

async function run(
  context: Context,
  connection: Connection,
  selection: Selection,
  plan: Plan,
  flags: ReplayFlags,
): Promise<number | undefined> {
  const [{ replayLetters }, { createProgress }, { replaySummary }] = await Promise.all([
    import("../engine/dlq/replay.ts"),
    import("../output/progress.ts"),
    import("../output/replay-summary.ts"),
  ]);
  const startedAt = performance.now();
  const label = `replaying ${plan.dlq} to ${plan.target}`;
  // An editor has the terminal for itself.
  const progress = flags.edit ? undefined : createProgress(context.log, { label, unit: "entries" });
  context.defer(() => progress?.stop());
  const pages = flags.edit ? await editedPages(context, selection) : selection.pages();
  const report = await replayLetters(
    connection,
    {
      ...plan,
      signal: context.stop,
      onProgress: (done) => progress?.update(done, selection.total),
      onUncounted: (reason) => context.log.warn(`replays are not counted: ${reason}`),
    },
    pages,
  );
  progress?.stop();
  const partial = report.failure === undefined && reportMissing(context, selection);
  replaySummary(context, plan, report, { dryRun: false, tookMs: performance.now() - startedAt });
  return exitCode(context, report, partial);
}

async function editedPages(
  context: Context,
  selection: Selection,
): Promise<AsyncIterable<readonly DeadLetter[]>> {
  const { editLetters } = await import("./dlq-edit.ts");
  return editLetters(context, selection.pages());
}

function exitCode(context: Context, report: ReplayReport, missing: boolean): number | undefined {
  if (report.failure) throw report.failure;
  if (context.stop.aborted) return undefined;
  return missing || report.doubtful > 0 ? ExitCode.partial : undefined;
}
