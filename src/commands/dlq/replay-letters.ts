import type { Context } from "../../context.ts";
import type { DeadLetter } from "../../engine/dlq/letter.ts";
import { groupNames } from "../../engine/dlq/mover.ts";
import { leftOut, planReplay } from "../../engine/dlq/replay-plan.ts";
import {
  emptyCounts,
  replayLetters as replay,
  type ReplayReport,
  type ReplayRequest,
} from "../../engine/dlq/replay.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, Interrupted, UsageError } from "../../errors.ts";
import { createProgress, type Progress } from "../../output/progress.ts";
import { replaySummary } from "../../output/replay-summary.ts";
import { printPages } from "../../output/rows.ts";
import type { Connection } from "../../redis/connection.ts";
import { letterColumns } from "./columns.ts";
import { editLetters } from "./edit.ts";
import { noLetters, reportMissing, type Selection } from "./selection.ts";

/** What a replay is to do, without what only a running one needs. */
export type Plan = Omit<ReplayRequest, "signal" | "onProgress" | "onUncounted" | "mayReachOthers">;

/** Prints the letters that would be replayed, and says on stderr what would become of them. */
export async function dryRun(
  context: Context,
  connection: Connection,
  stream: StreamKey,
  selection: Selection,
  plan: Plan,
): Promise<number | undefined> {
  const counts = emptyCounts();
  async function* wouldGo(): AsyncGenerator<readonly DeadLetter[]> {
    for await (const page of selection.pages()) {
      const wanted = page.filter((letter) => {
        const why = leftOut(letter, plan);
        if (why !== undefined) counts[why]++;
        return why === undefined;
      });
      const fates = await planReplay(connection, plan, wanted);
      for (const fate of fates) {
        if (fate !== "held") counts.replayed++;
        if (fate === "held" || fate === "revived" || fate === "awaited") counts[fate]++;
      }
      yield wanted.filter((_, at) => fates[at] !== "held");
    }
  }
  await printPages(context, letterColumns(stream, selection.key, Date.now()), wouldGo(), {
    empty: () =>
      isNothing(counts)
        ? noLetters(selection.key, selection.length)
        : `no letter in ${selection.key} would be replayed`,
  });
  const partial = reportMissing(context, selection);
  const report = { ...counts, failure: undefined, interrupted: false };
  replaySummary(context, plan, report, { dryRun: true, unchanged: 0, tookMs: 0 });
  return partial ? ExitCode.partial : undefined;
}

/** Replays, asks what has to be asked on the way, and tells what came of it. */
export async function replayLetters(
  context: Context,
  connection: Connection,
  selection: Selection,
  plan: Plan,
  { edit }: { readonly edit: boolean },
): Promise<number | undefined> {
  const startedAt = performance.now();
  const label = `replaying ${plan.dlq} to ${plan.target}`;
  let progress: Progress | undefined;
  // An editor has the terminal for itself.
  const showProgress = (): void => {
    if (!edit) progress = createProgress(context.log, { label, unit: "entries" });
  };
  showProgress();
  context.defer(() => progress?.stop());
  let unchanged = 0;
  let others = "";
  const report = await replay(
    connection,
    {
      ...plan,
      signal: context.stop,
      onProgress: (done) => progress?.update(done, selection.total),
      onUncounted: (reason) => context.log.warn(`replays are not counted: ${reason}`),
      mayReachOthers: async () => {
        progress?.stop();
        const { count, groups } = await countHeld(connection, selection, plan);
        others = groups;
        if (!context.answered) return false;
        // Of letters that are kept, some may have been added by an earlier run.
        const gone = `${plan.keep ? "Some" : count} of the originals can only be added to ${plan.target} anew`;
        const agreed = await context.agrees(`${gone}, and ${groups} would get them, too. Add them?`);
        if (agreed) context.log.info(`new entries of ${plan.target}: ${groups} will get them, too`);
        showProgress();
        return agreed;
      },
    },
    edit ? editLetters(context, selection, () => unchanged++) : selection.pages(),
  );
  progress?.stop();
  const { failure, interrupted, ...counts } = report;
  if (
    isNothing(counts) &&
    selection.missing.length === 0 &&
    !failure &&
    !interrupted &&
    !context.stop.aborted
  )
    context.log.info(noLetters(selection.key, selection.length));
  const missing = failure === undefined && !interrupted && reportMissing(context, selection);
  const tookMs = performance.now() - startedAt;
  replaySummary(context, plan, report, { dryRun: false, unchanged, tookMs });
  return exitCode(context, report, { missing, others, target: plan.target });
}

/** No letter was found. */
function isNothing(counts: ReturnType<typeof emptyCounts>): boolean {
  return Object.values(counts).every((count) => count === 0);
}

/** How many letters can only be added where other groups get them, and which groups these are. */
async function countHeld(
  connection: Connection,
  selection: Selection,
  plan: Plan,
): Promise<{ count: number; groups: string }> {
  const names = await groupNames(connection, plan.target);
  const own = new Set<string | null>();
  let count = 0;
  for await (const page of selection.pagesLeft()) {
    const wanted = page.filter((letter) => leftOut(letter, plan) === undefined);
    const fates = await planReplay(connection, plan, wanted);
    wanted.forEach(({ group }, at) => {
      if (fates[at] !== "held") return;
      count++;
      if (own.size < 2) own.add(group);
    });
  }
  // Letters of several groups: each is another one's.
  const [only] = own.size === 1 ? own : [];
  return { count, groups: names.filter((name) => name !== only).join(", ") };
}

function exitCode(
  context: Context,
  report: ReplayReport,
  {
    missing,
    others,
    target,
  }: { readonly missing: boolean; readonly others: string; readonly target: StreamKey },
): number | undefined {
  if (report.failure) throw report.failure;
  if (report.interrupted) throw new Interrupted();
  if (context.stop.aborted) return undefined;
  if (report.held > 0) {
    const message = `${report.held} of the originals can only be added to ${target} anew, and ${others} would get them, too`;
    const hint = "they stay in the queue; --all-groups adds them all the same";
    if (report.replayed === 0) throw new UsageError(message, { hint });
    context.log.warn(`${message}: ${hint}`);
    return ExitCode.partial;
  }
  return missing || report.doubtful > 0 ? ExitCode.partial : undefined;
}
