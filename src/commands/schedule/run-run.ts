import type { Context } from "../../context.ts";
import { ScheduleAdder } from "../../engine/schedule/adder.ts";
import { scheduleOf } from "../../engine/schedule/list.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ExitCode, type ServerError } from "../../errors.ts";
import { LinkWatch } from "../../lib/link-watch.ts";
import { type DueAdded } from "../../redis/ops/add-due.ts";
import { streamsOf } from "../../redis/ops/streams.ts";
import { formatCount, formatDuration } from "../../units.ts";
import { untilTimeIsUp } from "../consume/time-limit.ts";
import { StreamArguments } from "../stream-arguments.ts";
import type { RunFlags } from "./run.ts";

export async function run(
  context: Context,
  [names]: readonly [string[]],
  flags: RunFlags,
): Promise<number | undefined> {
  const { log } = context;
  log.begin({ stream: names.join(", ") });
  await context.mustBeWritable();
  const connection = await context.connect({ untilStopped: !flags.once });
  const args = new StreamArguments(context, connection, names);
  const roster = await args.roster(!flags.once);
  for (const stream of args.named) scheduleOf(connection, stream);
  const counts = { added: 0, givenBack: 0 };
  let troubles = 0;
  const refused = new Map<StreamKey, ServerError>();
  const notice = (level: "info" | "warn", message: string): void => {
    if (level === "warn") troubles++;
    log[level](message);
  };
  const ended = new AbortController();
  const adder = new ScheduleAdder({
    streams: streamsOf(connection),
    settings: roster,
    events: {
      notice,
      scheduled(stream, step) {
        counts.added += step.added;
        counts.givenBack += step.givenBack;
        log.detail(stepText(stream, step), { stream, added: step.added, givenBack: step.givenBack });
      },
    },
    refused(stream, error) {
      refused.set(stream, error);
      // Nothing is left to do.
      if (roster.streams.every((one) => refused.has(one)) && !roster.mayChange) ended.abort();
      else notice("warn", `${stream}: what is scheduled is left to others: ${error.message}`);
    },
  });
  const signal = AbortSignal.any([untilTimeIsUp(context, flags.maxRuntime), ended.signal]);
  if (flags.once) await connection.persist(() => adder.look(signal), { signal });
  else {
    roster.follow({ admit: async () => true, left: (stream) => adder.left(stream) });
    log.info(`adding what is scheduled for ${names.join(", ")} when it is due`);
    await adder.run(signal, new LinkWatch({ notice }));
  }
  summarize(context, counts);
  for (const error of ended.signal.aborted ? refused.values() : []) throw error;
  return flags.once && troubles > 0 ? ExitCode.partial : flags.once ? undefined : ExitCode.ok;
}

interface Counts {
  readonly added: number;
  readonly givenBack: number;
}

function summarize({ log, output }: Context, counts: Counts): void {
  if (log.quiet) return;
  if (output.format === "json") log.stream.write(`${JSON.stringify(counts)}\n`);
  else log.info(`added ${countText(counts)}`);
}

function countText({ added, givenBack }: Counts): string {
  const entries = formatCount(added, "entry", "entries");
  return givenBack > 0 ? `${entries}; ${givenBack} went back to their groups` : entries;
}

/** So late nobody had added them before. */
const LATE_MS = 1_000;

function stepText(stream: StreamKey, step: DueAdded): string {
  const late = step.lateMs > LATE_MS ? `, up to ${formatDuration(step.lateMs)} late` : "";
  return `${stream}: ${countText(step)}${late}`;
}
