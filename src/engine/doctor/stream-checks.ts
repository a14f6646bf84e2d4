import { idMs } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type StreamInfo, streamInfo } from "../../redis/ops/info.ts";
import { rangePage } from "../../redis/ops/range.ts";
import { ask } from "../../redis/ops/ask.ts";
import { firstDueQuestion, overdueMs } from "../../redis/ops/overdue.ts";
import { timeToLive } from "../../redis/ops/key.ts";
import { formatCount, formatDuration, formatNumber } from "../../units.ts";
import { shellWord } from "../groups/missing.ts";
import { type Finding, finding, unseen } from "./finding.ts";

export interface StreamEnvironment {
  /** The server's clock. */
  readonly nowMs: number;
  /** The server may drop keys that have a time to live. */
  readonly evictsVolatile: boolean;
  /** The stream's dead-letter queue; undefined for a stream that is one. */
  readonly dlq: StreamKey | undefined;
}

/** Clocks of two machines may differ by so much. */
const CLOCK_SKEW_MS = 60_000;
/** Shorter streams need no trimming yet. Without entries-added only the length tells, so it must tell more. */
const LONG = 100_000;
const VERY_LONG = 1_000_000;
const HOUR_MS = 3_600_000;
/** Recent dead letters are counted no further. */
const RECENT = 100;

/** What is wrong with a stream by itself. */
export async function checkStream(
  connection: Connection,
  stream: StreamKey,
  info: StreamInfo,
  environment: StreamEnvironment,
): Promise<Finding[]> {
  const found = [...futureIds(stream, info, environment.nowMs), ...neverTrimmed(stream, info)];
  found.push(...(await expiry(connection, stream, environment)));
  found.push(...(await overdue(connection, stream, environment.nowMs)));
  if (environment.dlq !== undefined)
    found.push(...(await deadLetters(connection, stream, environment.dlq, environment.nowMs)));
  return found;
}

function futureIds(stream: StreamKey, { lastGeneratedId }: StreamInfo, nowMs: number): Finding[] {
  const ahead = idMs(lastGeneratedId) - nowMs;
  if (ahead <= CLOCK_SKEW_MS) return [];
  const evidence =
    `its last ID is ${lastGeneratedId}, ${formatDuration(ahead)} in the future: until then every new entry gets ` +
    "that time, and ages and --max-age are wrong";
  const fix = `delete those entries and XSETID ${shellWord(stream)} to the last true ID, or go on in a new stream`;
  return [finding("warning", "future-id", evidence, fix, { stream })];
}

function neverTrimmed(stream: StreamKey, { length, entriesAdded }: StreamInfo): Finding[] {
  const never = entriesAdded === undefined ? length >= VERY_LONG : entriesAdded === length && length >= LONG;
  if (!never) return [];
  const fact = entriesAdded === undefined ? "hold" : "and nothing was ever removed: they hold";
  const evidence = `${formatNumber(length)} entries ${fact} memory that only grows`;
  const fix = `streamctl trim ${shellWord(stream)} --max-age 7d from cron, or produce with --maxlen`;
  return [finding("warning", "never-trimmed", evidence, fix, { stream })];
}

async function expiry(
  connection: Connection,
  stream: StreamKey,
  { evictsVolatile }: StreamEnvironment,
): Promise<Finding[]> {
  try {
    const ms = await timeToLive(connection, stream);
    if (ms === undefined) return [];
    const fix = `PERSIST ${shellWord(stream)}`;
    const evidence = `the whole stream expires in ${formatDuration(ms)}, its groups with it`;
    if (!evictsVolatile) return [finding("warning", "expiry", evidence, fix, { stream })];
    const sooner = `${evidence}, and sooner when memory is short (maxmemory-policy volatile-…)`;
    return [finding("error", "eviction", sooner, fix, { stream })];
  } catch (error) {
    if (error instanceof ServerError)
      return [unseen("the time to live", "the user may not call PTTL", { stream })];
    throw error;
  }
}

async function overdue(connection: Connection, stream: StreamKey, nowMs: number): Promise<Finding[]> {
  let lateMs: number | undefined;
  const question = firstDueQuestion(
    stream,
    connection.cluster,
    (dueMs) => (lateMs = overdueMs(dueMs, nowMs)),
  );
  await ask(connection, undefined, question ? [question] : []);
  if (lateMs === undefined) return [];
  const evidence = `what is scheduled for it has been overdue for ${formatDuration(lateMs)}: no worker of the stream adds it`;
  const fix = `streamctl schedule run ${shellWord(stream)}, or start a worker with the right to the schedule`;
  return [finding("error", "schedule-overdue", evidence, fix, { stream })];
}

async function deadLetters(
  connection: Connection,
  stream: StreamKey,
  dlq: StreamKey,
  nowMs: number,
): Promise<Finding[]> {
  try {
    const { length } = await streamInfo(connection, dlq);
    if (length === 0) return [];
    const since = `${nowMs - HOUR_MS}-0`;
    const recent = await rangePage(connection, dlq, { from: since, to: "+", count: RECENT });
    const fix = `streamctl dlq list ${shellWord(stream)} --by reason, then dlq replay or dlq purge`;
    const evidence = `${formatCount(length, "dead letter")} in ${dlq}`;
    if (recent.length === 0) return [finding("warning", "dead-letters", evidence, fix, { stream })];
    const growing = `${evidence}, ${recent.length < RECENT ? "" : "≥"}${recent.length} of them from the last hour`;
    return [finding("error", "dead-letters", growing, fix, { stream })];
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    if (error.kind === "notFound") return [];
    return [unseen(`the dead-letter queue ${dlq}`, error.message, { stream })];
  }
}
