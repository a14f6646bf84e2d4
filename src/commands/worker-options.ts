import { Option } from "commander";
import { UsageError } from "../errors.ts";
import type { StdinForm } from "../engine/worker/payload.ts";
import { countOption, durationOption, listOption, rateOption } from "./options.ts";

/** The flags of the exec worker; `consume` adds them in a help group of their own. */
export function workerOptions(): Option[] {
  return [
    new Option("--exec <command>", "run this shell command for every entry (or give a program after --)"),
    countOption("-j, --jobs <n>", "how many run at once (default: 1)"),
    new Option(
      "--stdin <form>",
      "what the command reads: entry, fields, field:NAME (field:NAME? where it may be missing) or none (default: entry)",
    ),
    countOption(
      "--batch <n>",
      "give one run up to that many entries, a line of stdin for each; what it writes to fd 3 settles single ones",
    ),
    durationOption(
      "--batch-wait <duration>",
      "how long the first entry of a batch waits for others (default: 1s)",
    ),
    new Option(
      "--persistent",
      "keep the command running: it gets a line per entry and answers ok, retry REASON or dead REASON",
    ),
    countOption(
      "--ahead <n>",
      "the most entries that a fast persistent command is given before it has answered (default: 100)",
    ),
    new Option("--env-fields", "also set FIELD_<NAME> for every field"),
    new Option(
      "--tag",
      "prefix every line of the command's output with the entry's ID (with --batch: the first..the last)",
    ),
    durationOption(
      "--timeout <duration>",
      "end a run that takes longer, its whole process group (default: never, as with 0)",
    ),
    durationOption("--kill-after <duration>", "from TERM to KILL (default: 5s)"),
    countOption(
      "--max-deliveries <n>",
      "dead-letter an entry after that many, the first one counts (default: 5)",
    ),
    durationOption(
      "--retry-delay <duration>",
      "wait before the first retry; doubles each time (default: 1s)",
    ),
    durationOption("--retry-max-delay <duration>", "the longest wait (default: 5m)"),
    listOption("--dead-on <codes>", "exit codes that dead-letter at once, besides 65 and 100"),
    listOption("--retry-on <codes>", "exit codes to retry that otherwise dead-letter at once: 65, 100"),
    new Option("--dlq <key>", "the dead-letter queue (default: STREAM:dlq)"),
    new Option(
      "--order-by <field>",
      "run entries with one value of this field one at a time, in stream order, over all workers of the group",
    ),
    rateOption("--rate <rate>", "start no more than that many, over all of this worker: 50/s, 600/m"),
    countOption(
      "--pause-after <n>",
      "after that many failures in a row run one at a time, until one succeeds",
    ),
    new Option("--dedupe <field>", "ack without a run when this field's value has succeeded before"),
    durationOption("--dedupe-ttl <duration>", "how long a success is remembered (default: 24h)"),
    new Option(
      "--emit <stream>",
      "each line the command prints becomes an entry there, together with the ack",
    ),
    new Option("--delete", "also delete an acked entry from the stream, once no group needs it any more"),
    new Option("--fail-on-dead", "exit 5 when any entry was dead-lettered"),
    durationOption(
      "--claim-idle <duration>",
      "take over entries whose owner was silent that long (default: 1m)",
    ),
    durationOption(
      "--shutdown-timeout <duration>",
      "how long a stop waits for running commands (default: 30s)",
    ),
  ];
}

/** Refuses combinations of which one part would silently do nothing. */
export function checkManner(flags: {
  readonly batch?: number;
  readonly batchWait?: number;
  readonly persistent?: boolean;
  readonly ahead?: number;
  readonly envFields?: boolean;
  readonly emit?: string;
  readonly stdin?: string;
}): void {
  const manner = flags.persistent ? "--persistent" : flags.batch === undefined ? undefined : "--batch";
  if (flags.persistent && flags.batch !== undefined)
    throw new UsageError("give --batch or --persistent, not both");
  if (flags.batchWait !== undefined && flags.batch === undefined)
    throw new UsageError("--batch-wait: only with --batch");
  if (flags.ahead !== undefined && !flags.persistent) throw new UsageError("--ahead: only with --persistent");
  if (flags.envFields && manner)
    throw new UsageError(`--env-fields: not with ${manner}, where a run has more than one entry`);
  if (flags.emit !== undefined && manner)
    throw new UsageError(`--emit: not with ${manner}, where a printed line belongs to no one entry`);
  if (flags.persistent && flags.stdin === "none")
    throw new UsageError("--stdin none: a persistent command learns of entries by its stdin only");
}

/** `entry`, `fields`, `none`, `field:NAME`, or `field:NAME?` for a field that may be missing. */
export function parseStdinForm(text: string): StdinForm {
  if (text === "entry" || text === "fields" || text === "none") return { kind: text };
  const [, name, mark] = /^field:(.+?)(\?)?$/s.exec(text) ?? [];
  if (name !== undefined) return { kind: "field", name, optional: mark !== undefined };
  throw new UsageError(`--stdin ${text}: give entry, fields, none, field:NAME or field:NAME?`);
}

/** `3,4` or `--dead-on 3 --dead-on 4` → a set of exit codes from 1 to 255. */
export function parseExitCodes(flag: string, texts: readonly string[]): Set<number> {
  const codes = new Set<number>();
  for (const text of texts.flatMap((list) => list.split(","))) {
    const code = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
    if (code < 1 || code > 255)
      throw new UsageError(`${flag} ${text}: an exit code is a number from 1 to 255`);
    codes.add(code);
  }
  return codes;
}
