import type { Command } from "commander";
import type { Context } from "../context.ts";
import type { Finding, Severity } from "../engine/doctor/finding.ts";
import { ConnectionError, ExitCode, ServerError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import type { Act } from "../program.ts";
import type { Connection } from "../redis/connection.ts";
import { formatCount } from "../units.ts";
import { deadAfterOption } from "./group-consumers.ts";

export function defineDoctor(program: Command, act: Act): void {
  program
    .command("doctor")
    .description("look for what loses, blocks or delays entries, and say what to do about it")
    .argument("[stream...]", "streams or patterns like 'orders:*' (default: every stream)")
    .addOption(deadAfterOption())
    .action(act(doctor))
    .addHelpText("after", HELP);
}

const HELP = `
It looks at the server (version, persistence, eviction, memory, clients, replication, cluster), at what this
user may do with each command, and at streams: dead consumers, pending entries without data, groups that
nobody reads, dead letters, IDs in the future, streams that expire or are never trimmed. It changes nothing
and says what it could not see. Exit 6 when there is a finding of severity error.

Examples:
  streamctl doctor
  streamctl doctor orders -o json`;

async function doctor(
  context: Context,
  names: string[],
  options: Record<string, unknown>,
): Promise<number | undefined> {
  const { deadAfter } = options as { deadAfter?: number };
  const connection = await context.connect();
  const [{ diagnose }, { DEAD_AFTER_MS }, { isPattern }, { printRows }] = await Promise.all([
    import("../engine/doctor/doctor.ts"),
    import("../engine/groups/consumers.ts"),
    import("../redis/scan.ts"),
    import("../output/rows.ts"),
  ]);
  const findings = diagnose(connection, {
    streams: await chooseStreams(context, connection, names),
    named: new Set(names.filter((name) => !isPattern(name))),
    dlqTemplate: context.config.dlqTemplate,
    deadAfterMs: deadAfter ?? DEAD_AFTER_MS,
    signal: context.stop,
  });
  const counts: Record<Severity, number> = { error: 0, warning: 0, info: 0 };
  async function* counted(): AsyncGenerator<Finding> {
    for await (const found of findings) {
      counts[found.severity]++;
      yield found;
    }
  }
  if (context.output.format === "table") {
    const { writeFinding } = await import("../output/findings.ts");
    for await (const found of counted())
      await writeFinding(context.output, { ...found, title: titleOf(found) });
  } else await printRows(context, COLUMNS, counted(), { empty: "" });
  if (context.stop.aborted) return undefined;
  context.log.info(`${formatCount(counts.error, "error")}, ${formatCount(counts.warning, "warning")}`);
  return counts.error > 0 ? ExitCode.threshold : ExitCode.ok;
}

/** Without names: every stream. Whoever can't list them still learns about the server, or what is left of the cluster. */
async function chooseStreams(
  context: Context,
  connection: Connection,
  names: readonly string[],
): Promise<string[]> {
  const [{ matchingStreams }, { expandStreams }] = await Promise.all([
    import("../engine/streams.ts"),
    import("../redis/scan.ts"),
  ]);
  if (names.length > 0) return expandStreams(connection, names);
  try {
    return await matchingStreams(connection, "*");
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

function titleOf({ check, stream, group, consumer }: Finding): string {
  return [check, stream, group, consumer].filter((part) => part !== null).join("  ");
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
