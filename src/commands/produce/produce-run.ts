import type { Context } from "../../context.ts";
import type { StreamKey } from "../../entry/names.ts";
import { openSource } from "../../entry/sources/open-source.ts";
import { namingType } from "../../engine/groups/missing.ts";
import { produce } from "../../engine/produce/produce.ts";
import type { ProduceReport } from "../../engine/produce/request.ts";
import { ExitCode } from "../../errors.ts";
import { partitionTexts, summaryJson, summaryText } from "../../output/produce-summary.ts";
import { holdText } from "../trim/rows.ts";
import { ProduceOutputs } from "./outputs.ts";
import { planProduce, type ProducePlan } from "./plan.ts";
import type { ProduceFlags } from "./produce.ts";

export async function run(
  context: Context,
  [stream, pairs]: readonly [StreamKey, string[]],
  flags: ProduceFlags,
): Promise<number | void> {
  const plan = planProduce(pairs, flags);
  await context.mustBeWritable();
  const { cwd, stdin } = context.io;
  const onWarning = (message: string): void => context.log.warn(message);
  const environment = { cwd, stdin, signal: context.stop, onWarning };
  const { source, size } = await openSource({ ...plan.input, ...environment });
  context.defer(() => source.close());
  const connection = await context.connect();
  const typed = !plan.single && plan.input.file === undefined && stdin.isTTY === true;
  const outputs = await ProduceOutputs.open(context, { stream, plan, size, typed, source });
  context.defer(() => outputs.close());
  if (typed) context.log.info(`reading ${plan.input.form} from the terminal, one line each: end with Ctrl-D`);
  const startedAt = performance.now();
  const request = { ...plan.request, stream, source, signal: context.stop };
  const made = await produce(connection, request, outputs);
  const report = { ...made, failure: await namingType(connection, made.failure) };
  await outputs.close();
  summarize(context, stream, plan, report, performance.now() - startedAt);
  return codeOf(report);
}

function summarize(
  context: Context,
  stream: StreamKey,
  plan: ProducePlan,
  report: ProduceReport,
  elapsedMs: number,
): void {
  for (const [key, hold] of report.holds) context.log.info(holdText(key, hold));
  if (plan.single) return;
  if (plan.request.partitions && !plan.json)
    for (const text of partitionTexts(report)) context.log.detail(text);
  const scheduled = plan.request.later !== undefined;
  if (plan.json) context.io.stderr.write(`${summaryJson(stream, report, elapsedMs, scheduled)}\n`);
  else {
    const text = summaryText(scheduled ? `the schedule of ${stream}` : stream, report, elapsedMs);
    // What a failed run has done is no mere summary: -q does not hide it.
    if (report.failure === undefined) context.log.info(text);
    else context.log.warn(text);
  }
}

/** Nothing stands for a signal that stopped the run: the run's own code says which. */
function codeOf(report: ProduceReport): number | undefined {
  if (report.failure) throw report.failure;
  if (!report.complete) return undefined;
  return report.rejected > 0 ? ExitCode.partial : ExitCode.ok;
}
