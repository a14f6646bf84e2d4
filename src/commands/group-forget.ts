import { Option, type Command } from "commander";
import type { Context } from "../context.ts";
import type { ForgottenConsumer } from "../engine/groups/forget.ts";
import { UsageError } from "../errors.ts";
import type { Column } from "../output/column.ts";
import type { Act } from "../program.ts";
import { formatCount, formatDuration } from "../units.ts";
import { durationOption, requiredGroupOption } from "./options.ts";

export function defineGroupForget(group: Command, act: Act): void {
  group
    .command("forget-consumer")
    .description("remove a consumer that holds nothing, or all such that are idle")
    .argument("<stream>", "the stream")
    .argument("[consumer]", "the consumer")
    .addOption(requiredGroupOption())
    .addOption(new Option("--claim-to <consumer>", "give what it holds to this consumer first"))
    .addOption(new Option("--all-empty", "every consumer that holds nothing and was idle for --idle"))
    .addOption(
      durationOption("--idle <duration>", "with --all-empty: not heard of for this long (default: 1d)"),
    )
    .addOption(new Option("--dry-run", "with --all-empty: only show which would go"))
    .action(act(forgetConsumer))
    .addHelpText("after", HELP);
}

const HELP = `
It refuses while the consumer holds entries: Redis would throw them away with it. With --claim-to they move,
and nothing is lost even while the consumer goes on reading.

With --all-empty each consumer is looked at once more in the step that removes it. One that is alive all the
same loses nothing: its next read makes it anew.

Examples:
  streamctl group forget-consumer orders worker-1 -g billing --claim-to worker-2
  streamctl group forget-consumer orders -g billing --all-empty --idle 1d --dry-run`;

interface ForgetFlags {
  readonly group?: string;
  readonly claimTo?: string;
  readonly allEmpty?: boolean;
  readonly idle?: number;
  readonly dryRun?: boolean;
}

async function forgetConsumer(
  context: Context,
  [stream = "", consumer]: string[],
  options: Record<string, unknown>,
): Promise<void> {
  const flags = options as ForgetFlags;
  const { group, claimTo: heir } = flags;
  if (group === undefined) throw new UsageError("a consumer of which group? Give it with -g GROUP");
  if (flags.allEmpty) {
    if (consumer !== undefined) throw new UsageError("give either a consumer or --all-empty");
    if (heir !== undefined)
      throw new UsageError("--claim-to goes with a consumer: those that go hold nothing");
    return forgetAll(context, stream, group, flags);
  }
  if (consumer === undefined) throw new UsageError("which consumer? Give its name, or --all-empty");
  if (flags.idle !== undefined) throw new UsageError("--idle goes with --all-empty");
  if (flags.dryRun) throw new UsageError("--dry-run goes with --all-empty");
  if (heir === consumer) throw new UsageError("--claim-to must name another consumer");
  if (heir === "") throw new UsageError("--claim-to needs a name");
  await forgetOne(context, stream, group, consumer, heir);
}

async function forgetOne(
  context: Context,
  stream: string,
  group: string,
  consumer: string,
  heir: string | undefined,
): Promise<void> {
  await context.mustBeWritable();
  const connection = await context.connect();
  const [{ forget }, { printRows }, { createProgress }] = await Promise.all([
    import("../engine/groups/forget.ts"),
    import("../output/rows.ts"),
    import("../output/progress.ts"),
  ]);
  const progress = createProgress(context.log, { label: `moving what ${consumer} holds`, unit: "entries" });
  context.defer(() => progress.stop());
  let moved = 0;
  const signal = context.stop;
  const onProgress = (count: number): void => progress.update((moved = count));
  const forgotten = await forget(connection, { stream, group, consumer, heir, signal, onProgress });
  progress.stop();
  if (forgotten) await printRows(context, COLUMNS, [forgotten], { empty: "" });
  else context.log.warn(`stopped: ${consumer} is still there, ${moved} of its entries have moved to ${heir}`);
}

async function forgetAll(
  context: Context,
  stream: string,
  group: string,
  { idle, dryRun = false }: ForgetFlags,
): Promise<void> {
  if (!dryRun) await context.mustBeWritable();
  const connection = await context.connect();
  const [{ countEmpty, forgetEmpty }, { EMPTY_AFTER_MS }, { printRows }] = await Promise.all([
    import("../engine/groups/forget-empty.ts"),
    import("../engine/groups/consumers.ts"),
    import("../output/rows.ts"),
  ]);
  const idleMs = idle ?? EMPTY_AFTER_MS;
  const rule = { stream, group, idleMs };
  const empty = await countEmpty(connection, rule);
  const where = `of ${group} on ${stream}`;
  if (empty === 0) {
    await printRows(context, COLUMNS, [], { empty: "" });
    context.log.info(`no consumer ${where} is empty and was not heard of for ${formatDuration(idleMs)}`);
    return;
  }
  const those = `${formatCount(empty, "consumer")} ${where}`;
  if (!dryRun)
    await context.confirm(`Remove ${those}, empty and not heard of for ${formatDuration(idleMs)}?`);
  const rows = forgetEmpty(connection, { ...rule, dryRun, signal: context.stop });
  let gone = 0;
  async function* counted(): AsyncGenerator<ForgottenConsumer> {
    for await (const row of rows) {
      gone++;
      yield row;
    }
  }
  try {
    await printRows(context, COLUMNS, counted(), { empty: "" });
  } finally {
    context.log.info(`${dryRun ? "would remove" : "removed"} ${formatCount(gone, "consumer")} ${where}`);
  }
}

const COLUMNS: readonly Column<ForgottenConsumer>[] = [
  { key: "stream", title: "STREAM", value: (row) => row.stream },
  { key: "group", title: "GROUP", value: (row) => row.group },
  { key: "consumer", title: "FORGOTTEN", value: (row) => row.consumer },
  { key: "claimedTo", title: "CLAIMED TO", value: (row) => row.claimedTo },
  { key: "moved", title: "MOVED", align: "right", value: (row) => row.moved },
  { key: "dropped", title: "WITHOUT DATA", align: "right", value: (row) => row.dropped },
];
