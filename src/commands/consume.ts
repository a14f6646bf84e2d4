import { type Command, Option } from "commander";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import type { Act } from "../program.ts";
import type { PrintFlags } from "./consume-print.ts";
import { groupStartOption, positionOption, whereOption } from "./entry-options.ts";
import { metricsOptions } from "./metrics-options.ts";
import { countOption, durationOption, groupOption, listOption, logOption } from "./options.ts";
import { workerOptions } from "./worker-options.ts";

const HELP = `
Without -g a range of each stream is printed, in its order; with -f what comes later, too, from all the
streams as it comes. Neither changes anything in Redis.

With -g entries are read as a consumer of the group, printed, and acked once stdout has taken them: what
could not be printed stays pending. A consumer named with --consumer first gets what is still pending for
it. A name made up for the run is removed at the end when nothing is pending for it.

With --exec, or a program after --, that command is run for every entry: see streamctl help handlers.

Positions (--from, --to): an entry ID, (ID to leave that one out, - + $ (first, last, the end as it is now),
a time like 2026-03-01T12:00:00Z (without an offset: local time), an age like 15m by the server's clock.

Formats: ndjson (on a pipe), table (on a terminal; long values are cut), json (one array), csv (stream, id
and a column for each --field, else all fields as JSON), raw (values as the bytes they are, tab-separated,
a line end after each entry; --field payload gives that field alone).

Examples:
  streamctl consume orders --from 15m --where status=failed
  streamctl consume orders --from - --reverse --count 10
  streamctl consume 'orders:*' -f -o raw --field payload
  streamctl consume orders -g billing --until-empty > orders.ndjson
  streamctl consume orders -g billing -j 4 --exec './handle-order'`;

export function defineConsume(program: Command, act: Act): void {
  const command = program
    .command("consume")
    .description("print entries, read them as a group's consumer, or run a command for each")
    .argument("<stream...>", "streams, or patterns like 'orders:*'")
    .addHelpText("after", HELP);
  addGroup(command, "Reading a range:", [
    positionOption("--from <position>", "where to start (default: the first entry; with -f: the end)"),
    positionOption("--to <position>", "where to stop (default: the end as it is at the start)"),
    new Option("--reverse", "newest first"),
    new Option("-f, --follow", "go on with entries as they are added"),
    whereOption(),
  ]);
  addGroup(command, "Reading as a consumer:", [
    groupOption(),
    new Option("--consumer <name>", "the consumer's name (default: host-pid-random, for this run alone)"),
    new Option("--create-group", "make the group, and the stream, where they are missing"),
    groupStartOption("--group-start <id>", "where --create-group starts: 0, $ or an ID (default: 0)"),
    new Option("--no-ack", "leave what was printed pending"),
  ]);
  addGroup(command, "Ends:", [
    countOption("--count <n>", "after that many entries, over all streams"),
    new Option("--until-empty", "when nothing is left"),
    durationOption("--idle-exit <duration>", "when nothing came for that long"),
    durationOption("--max-runtime <duration>", "after that long"),
  ]);
  addGroup(command, "Printing:", [listOption("--field <name>", "print this field only; repeatable")]);
  const ofWorker = workerOptions();
  const ofMetrics = metricsOptions("none");
  addGroup(command, "Running a command for each entry:", ofWorker);
  addGroup(command, "Watching a run:", [logOption(), ...ofMetrics]);
  command.action(
    act((context, args, options) => {
      const [streams, handler] = splitAtDashes(program, args);
      const flags = options as ConsumeFlags;
      const runs = flags.exec !== undefined || handler.length > 0;
      const onCommandLine = (name: string): boolean => command.getOptionValueSource(name) === "cli";
      if (!runs) refuseAll([...ofWorker, ...ofMetrics], onCommandLine);
      checkFlags(flags, runs, onCommandLine);
      return runs ? work(context, streams, handler, options) : print(context, streams, flags);
    }),
  );
}

function addGroup(command: Command, heading: string, options: readonly Option[]): void {
  for (const option of options) command.addOption(option.helpGroup(heading));
}

type ConsumeFlags = PrintFlags & { readonly exec?: string };

async function work(
  context: Context,
  patterns: readonly string[],
  program: readonly string[],
  options: Record<string, unknown>,
): Promise<number> {
  const { runWorker } = await import("./consume-worker.ts");
  return runWorker(context, { patterns, options, program });
}

async function print(context: Context, patterns: string[], flags: PrintFlags): Promise<number | void> {
  const { StreamArguments } = await import("./stream-arguments.ts");
  const { printFollowed, printGroup, printRange } = await import("./consume-print.ts");
  const untilStopped = flags.follow === true || flags.group !== undefined;
  const args = new StreamArguments(context, await context.connect({ untilStopped }), patterns);
  if (flags.group !== undefined) return printGroup(context, args, flags.group, flags);
  return flags.follow ? printFollowed(context, args, flags) : printRange(context, args, flags);
}

/**
 * What stands after `--` is the program to run. commander takes it for more operands, so it is told apart
 * by its length.
 */
function splitAtDashes(program: Command, args: readonly string[]): [streams: string[], handler: string[]] {
  const { rawArgs } = program as Command & { readonly rawArgs: readonly string[] };
  const dashes = rawArgs.indexOf("--");
  const handler = dashes < 0 ? [] : rawArgs.slice(dashes + 1);
  const streams = args.slice(0, args.length - handler.length);
  if (streams.length === 0) throw new UsageError("name at least one stream before --");
  return [streams, handler];
}

/** Without a command to run these would silently do nothing. */
function refuseAll(options: readonly Option[], onCommandLine: (name: string) => boolean): void {
  const given = options.filter((option) => onCommandLine(option.attributeName()));
  if (given.length === 0) return;
  const flags = given.map(({ long }) => long).join(", ");
  throw new UsageError(`${flags}: only with --exec, or a program after --`);
}

type Flag = keyof PrintFlags;

/**
 * Refuses flags of the command line that would silently do nothing, or not what they promise. A default
 * from the configuration that does not apply is passed over.
 */
function checkFlags(flags: PrintFlags, runs: boolean, onCommandLine: (name: Flag) => boolean): void {
  const refuse = (names: readonly Flag[], why: string): void => {
    const given = names.filter((name) => flags[name] !== undefined && onCommandLine(name));
    if (given.length > 0) throw new UsageError(`${given.map(asFlag).join(", ")}: ${why}`);
  };
  if (flags.group !== undefined) {
    const why =
      "a group gives each entry once, from where it stands; what is left out would be neither printed nor acked";
    refuse(["from", "to", "reverse", "follow", "where"], why);
  } else {
    if (runs) throw new UsageError("--exec works on behalf of a group: give -g GROUP");
    refuse(["consumer", "createGroup", "groupStart", "ack"], "only with -g GROUP");
    if (flags.follow) refuse(["to", "reverse"], "not with -f: following goes forward and has no last entry");
    else refuse(["untilEmpty", "idleExit"], "only with -f or -g: a range ends by itself");
  }
  if (runs && flags.ack === false)
    throw new UsageError("--no-ack: only for printing: a worker acks what its command has done", {
      hint: "STREAMCTL_NO_ACK and defaults of consume say it, too",
    });
  if (runs) refuse(["field"], "only for printing: --stdin field:NAME gives a command one field");
  if (!flags.createGroup) refuse(["groupStart"], "only with --create-group");
}

function asFlag(name: Flag): string {
  if (name === "ack") return "--no-ack";
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
