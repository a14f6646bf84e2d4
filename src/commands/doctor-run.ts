import type { Context } from "../context.ts";
import { diagnose } from "../engine/doctor/doctor.ts";
import type { Finding, Severity } from "../engine/doctor/finding.ts";
import { DEAD_AFTER_MS, EMPTY_AFTER_MS } from "../engine/groups/consumers.ts";
import type { StreamKey } from "../entry/names.ts";
import { ConnectionError, ExitCode, ServerError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import { writeFinding } from "../output/findings.ts";
import { createProgress } from "../output/progress.ts";
import { printRows } from "../output/rows.ts";
import type { Connection } from "../redis/connection.ts";
import { formatCount } from "../units.ts";
import type { DoctorFlags } from "./doctor.ts";
import { StreamArguments } from "./stream-arguments.ts";

export async function run(
  context: Context,
  [names]: readonly [string[]],
  { deadAfter }: DoctorFlags,
): Promise<number | undefined> {
  const connection = await context.connect();
  const args = new StreamArguments(context, connection, names);
  const streams = names.length > 0 ? await args.findSome() : await everyStream(context, connection, args);
  const progress = createProgress(context.log, { label: "looking at", unit: "streams" });
  context.defer(() => progress.stop());
  const findings = diagnose(connection, {
    streams,
    named: args.named,
    dlqTemplate: context.config.dlqTemplate,
    deadAfterMs: deadAfter ?? DEAD_AFTER_MS,
    emptyAfterMs: deadAfter ?? EMPTY_AFTER_MS,
    user: context.config.connection.username ?? "default",
    signal: context.stop,
    onProgress: (looked) => progress.update(looked, streams.length),
  });
  const all: Finding[] = [];
  try {
    for await (const found of findings) all.push(found);
  } finally {
    progress.stop();
    // What was found is told also when the look fails half-way.
    await print(context, all.sort(byWeight));
  }
  if (context.stop.aborted) return undefined;
  const count = (severity: Severity): number => all.filter((found) => found.severity === severity).length;
  context.log.info(`${formatCount(count("error"), "error")}, ${formatCount(count("warning"), "warning")}`);
  return count("error") > 0 ? ExitCode.threshold : ExitCode.ok;
}

const WEIGHT: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** The worst first. */
function byWeight(a: Finding, b: Finding): number {
  return WEIGHT[a.severity] - WEIGHT[b.severity];
}

async function print(context: Context, findings: readonly Finding[]): Promise<void> {
  if (context.output.format !== "table") {
    await printRows(context, COLUMNS, findings, { empty: "" });
    return;
  }
  for (const found of findings) await writeFinding(context.output, { ...found, title: titleOf(found) });
}

/** Who can't list the streams still learns about the server, or what is left of the cluster. */
async function everyStream(
  context: Context,
  connection: Connection,
  args: StreamArguments,
): Promise<readonly StreamKey[]> {
  try {
    return await args.find();
  } catch (error) {
    const denied = error instanceof ServerError && error.code === "NOPERM";
    const away = connection.cluster && error instanceof ConnectionError;
    if (!denied && !away) throw error;
    const why = denied
      ? "this user may not list the streams (SCAN)"
      : `can't list the streams: ${error.message}`;
    context.log.warn(`${why}: name those to look at`);
    return [];
  }
}

function titleOf({ check, stream, group, consumer }: Finding): string[] {
  return [check, stream, group, consumer].filter((part) => part !== null);
}

const COLUMNS: readonly Column<Finding>[] = [
  { key: "severity", title: "SEVERITY", value: (row) => row.severity },
  { key: "check", title: "CHECK", value: (row) => row.check },
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "consumer", title: "CONSUMER", value: (row) => row.consumer },
  { key: "evidence", title: "FINDING", value: (row) => row.evidence },
  { key: "fix", title: "FIX", value: (row) => row.fix },
];
