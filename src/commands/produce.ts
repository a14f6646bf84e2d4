import { type Command, InvalidArgumentError, Option } from "commander";
import type { Context } from "../context.ts";
import type { LagRule } from "../engine/produce/wait-lag.ts";
import type { ProduceReport } from "../engine/produce/request.ts";
import { ExitCode } from "../errors.ts";
import type { Act } from "../program.ts";
import { countOption, durationOption, rateOption, sizeOption } from "./options.ts";
import { parseCount } from "../units.ts";
import { INPUT_FORMS, type ProducePlan, readProduceOptions } from "./produce-options.ts";

export function defineProduce(program: Command, act: Act): void {
  program
    .command("produce")
    .description("add entries to a stream")
    .argument("<stream>", "the stream's key")
    .argument("[field=value...]", "the fields of one entry; without any, entries are read from stdin")
    .optionsGroup("Input:")
    .option("--file <file>", "read entries from this file (- is stdin; gzip is unpacked)")
    .addOption(new Option("--input <form>", "what a line is (default: ndjson)").choices([...INPUT_FORMS]))
    .option("--field <name>", "with --input lines: the field that holds the line (default: payload)")
    .addOption(countOption("--skip-lines <n>", "pass over the first n lines: resumes an earlier run", 0))
    .addOption(sizeOption("--max-line <size>", "the longest line accepted (default: 32mb)"))
    .option("--schema <file>", "a JSON Schema: what does not match it is a bad line")
    .addOption(new Option("--on-error <what>", "at a bad line (default: stop)").choices(["stop", "skip"]))
    .option("--rejects <file>", "append bad lines to this file as they are; implies --on-error skip")
    .optionsGroup("Entries:")
    .option("--id <id>", "the entry's ID: <ms>-<seq>, <ms>, or <ms>-* (Redis 7.0)")
    .option("--id-field <name>", "take the ID of each entry from this field")
    .option("--keep-id", "with --input entries: keep the IDs")
    .option("--idempotency-key <field>", "add an entry only if none with this field's value was added before")
    .addOption(durationOption("--idempotency-ttl <duration>", "how long such keys are known (default: 24h)"))
    .option("--ids", "print the ID of every entry (that of a single one is always printed)")
    .optionsGroup("Stream:")
    .option("--no-create", "fail when the stream does not exist (Redis 6.2)")
    .addOption(countOption("--maxlen <n>", "trim the stream to about n entries", 0))
    .addOption(durationOption("--max-age <duration>", "trim entries older than that (Redis 6.2)"))
    .option("--exact", "trim exactly, not by whole nodes")
    .option("--keep-unread", "trim only what every group has been given and has acked")
    .addOption(countOption("--partitions <n>", "spread the entries over <stream>:0 … <stream>:<n-1>"))
    .option("--partition-by <field>", "entries with one value of this field go to one partition, in order")
    .optionsGroup("Pace:")
    .addOption(rateOption("--rate <rate>", "send no more than this, e.g. 500/s"))
    .addOption(waitLagOption())
    .addHelpText("after", HELP)
    .action(act(produceCommand));
}

/** `--wait-lag group:1000`; the name of a group may have colons, too. */
function waitLagOption(): Option {
  const flags = "--wait-lag <group:n>";
  return new Option(flags, "wait while this group has more than n entries to be given").argParser(
    (text): LagRule => {
      const colon = text.lastIndexOf(":");
      const most = parseCount(text.slice(colon + 1));
      if (colon < 1 || most === undefined)
        throw new InvalidArgumentError("Give a group and a count, like billing:1000 (10k is understood).");
      return { group: text.slice(0, colon), most };
    },
  );
}

const HELP = `
Forms of input:
  ndjson    one JSON object a line, one field per key, in the order written. A string is sent as its
            characters, any other value as the exact JSON text of the input (64-bit integers, 1.10)
  lines     each line is the value of one field
  csv, tsv  the first record names the fields; in tsv nothing is quoted
  entries   what consume prints: {"id":"…","fields":{…}}, with {"base64":"…"} for binary values
Empty lines are passed over in every form, and counted.

An entry with an ID of its own (--id, --id-field, --keep-id) that is there already with the same fields
counts as done, so such a run can be repeated without harm. So it can with --idempotency-key, on any server:
a key next to the stream remembers each value for --idempotency-ttl. Without either, an entry whose reply is
lost is never sent again: the run ends with exit code 7 and says which lines are in doubt.

--maxlen and --max-age trim whatever groups still need, and warn when they do; --keep-unread trims up to that.

A schema sees the JSON of an ndjson line, and of other forms an object of strings, one per field. Under it, a
name that stands twice makes a line bad, and numbers are compared exactly as they are written. The
partition of an entry is the CRC-32 of the field's value modulo n.

Examples:
  streamctl produce orders orderId=42 amount=9.99
  streamctl produce orders --file orders.ndjson --on-error skip --rejects bad.ndjson
  tail -f app.log | streamctl produce logs --input lines --field line --maxlen 1m
  streamctl produce orders --file orders.ndjson --maxlen 1m --keep-unread
  streamctl produce orders --file orders.ndjson --idempotency-key orderId --schema order.schema.json
  streamctl produce orders --partitions 8 --partition-by customer --wait-lag billing:10k < orders.ndjson
  streamctl consume orders | streamctl produce copy --input entries --keep-id
  streamctl produce restored --input entries --keep-id --file archive.ndjson.gz`;

async function produceCommand(
  context: Context,
  [stream = "", ...pairs]: string[],
  options: Record<string, unknown>,
): Promise<number | void> {
  const plan = readProduceOptions(pairs, options);
  await context.mustBeWritable();
  const [{ produce }, { openSource }, { ProduceOutputs }] = await Promise.all([
    import("../engine/produce/produce.ts"),
    import("../entry/sources/open-source.ts"),
    import("./produce-outputs.ts"),
  ]);
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
  const report = await produce(connection, request, outputs);
  await outputs.close();
  await summarize(context, stream, plan, report, performance.now() - startedAt);
  return codeOf(report);
}

async function summarize(
  context: Context,
  stream: string,
  plan: ProducePlan,
  report: ProduceReport,
  elapsedMs: number,
): Promise<void> {
  if (report.holds.size > 0) {
    const { holdText } = await import("./trim-rows.ts");
    for (const [key, hold] of report.holds) context.log.info(holdText(key, hold));
  }
  if (plan.single) return;
  const { partitionTexts, summaryJson, summaryText } = await import("../output/produce-summary.ts");
  if (plan.request.partitions && !plan.json)
    for (const text of partitionTexts(report)) context.log.detail(text);
  if (plan.json) context.io.stderr.write(`${summaryJson(stream, report, elapsedMs)}\n`);
  else if (report.failure === undefined) context.log.info(summaryText(stream, report, elapsedMs));
  // What a failed run has done is no mere summary: -q does not hide it.
  else context.log.warn(summaryText(stream, report, elapsedMs));
}

/** Nothing stands for a signal that stopped the run: the run's own code says which. */
function codeOf(report: ProduceReport): number | undefined {
  if (report.failure) throw report.failure;
  if (!report.complete) return undefined;
  return report.rejected > 0 ? ExitCode.partial : ExitCode.ok;
}
