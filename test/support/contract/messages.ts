import { VERDICT_WORDS } from "../../../src/output/verdict-words.ts";
import {
  count,
  type Field,
  list,
  lineRanges,
  milliseconds,
  object,
  only,
  oneOf,
  orNull,
  someOf,
  text,
  time,
  yesNo,
} from "./kinds.ts";
import type { Shape } from "./rows.ts";

const TOOK = milliseconds("how long it took");
const ERROR = orNull(text("what ended it early"), "nothing did");

/** What a worker has done, as its summary and as part of its last log line. */
const WORK: Readonly<Record<string, Field>> = {
  ok: count("entries whose handlers succeeded"),
  retried: count("failures that were left for a retry"),
  snoozed: count("entries whose handlers asked for them later"),
  dead: count("entries that were dead-lettered"),
  lost: count("entries that had another owner when their handler ended"),
  missing: count("pending entries that had no data left"),
  duplicates: count("entries acked without a run, because their key had succeeded before"),
  unmatched: count("entries acked without a run, because they did not match"),
  killed: count("handlers that the worker could not wait for"),
};

const optional = (when: string, fields: Readonly<Record<string, Field>>): Readonly<Record<string, Field>> =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, only(when, field)]));

/** What is said on stderr as JSON: summaries with -o json, lines with --log json. By names of files in docs/schemas. */
export const MESSAGES: Readonly<Record<string, Shape>> = {
  "produce-summary": {
    title: "What produce has done; all lines up to lastLine are done",
    fields: {
      stream: text("the stream"),
      inRedis: count("entries that are in Redis"),
      alreadyThere: count("of these, those that were there before"),
      rejected: count("lines that are no entries"),
      unknownLines: lineRanges("lines that may be in Redis: their reply was lost"),
      unconfirmedLines: lineRanges("lines that are in Redis, and that replicas did not confirm in time"),
      lastLine: count("every line up to this one is done: --skip-lines goes on behind it"),
      laterLines: lineRanges("lines behind lastLine that are in Redis, too"),
      complete: yesNo("the whole input was read"),
      bytesRead: count("how much of the input was read, in bytes"),
      elapsedMs: TOOK,
      error: ERROR,
      scheduled: only(
        "with `--delay`, `--at`, `--delay-field`",
        yesNo("what is in Redis is in the stream's schedule"),
      ),
      partitions: only(
        "with `--partitions`",
        list(
          "what is in each partition",
          object({
            stream: text("the partition's key"),
            inRedis: count("entries that are in Redis"),
            alreadyThere: count("of these, those that were there before"),
          }),
        ),
      ),
    },
  },
  "consume-summary": {
    title: "What consume has printed",
    fields: {
      entries: count("entries that were printed"),
      lookedAt: only("with `--where`", count("entries that were looked at")),
      ...optional("with `-g`", {
        consumer: text("the consumer that read"),
        acked: count("entries that were printed and acked"),
        unmatched: only("with `--where`", count("entries that did not match and were acked")),
        pending: orNull(count("entries that the consumer has pending now"), "not known"),
        missing: count("entries that were left out, because their data is gone"),
      }),
      tookMs: TOOK,
    },
  },
  "worker-summary": {
    title: "What a worker has done: consume with a handler",
    fields: { ...WORK, tookMs: TOOK },
  },
  "dlq-replay-summary": {
    title: "What a replay has done, or would do",
    fields: {
      dlq: text("the dead-letter queue's key"),
      to: text("the stream that the entries go to"),
      dryRun: yesNo("nothing was done"),
      replayed: count("letters that were replayed"),
      revived: count("of these, those that are pending again for their group"),
      awaited: count("of these, those that their group had pending, or had not come to yet"),
      held: count("letters left in the queue: other groups would get them, too"),
      uncounted: count("at most so many more were replayed, in steps whose reply was lost"),
      doneBefore: count("letters that were gone, or replayed before"),
      tooOften: count("letters left out because of --max-replays"),
      doubtful: count("letters left out because what they are is in doubt"),
      unknown: count("letters that were sent and never answered"),
      unchanged: count("letters that the editor left as they were"),
      tookMs: TOOK,
      error: ERROR,
    },
  },
  "dlq-purge-summary": {
    title: "What a purge has deleted",
    fields: {
      dlq: text("the dead-letter queue's key"),
      deleted: count("letters that were deleted"),
      archived: count("letters that were written to the archive before"),
      error: ERROR,
    },
  },
  "schedule-cancel-summary": {
    title: "What schedule cancel has done",
    fields: {
      stream: text("the stream"),
      cancelled: count("what is scheduled no longer"),
      givenBack: count("of these, entries that were put off: their group has them again"),
      archived: count("entries that were written to the archive before"),
      error: ERROR,
    },
  },
  "schedule-run-summary": {
    title: "What schedule run has done",
    fields: {
      added: count("entries that were added to their streams"),
      givenBack: count("entries that had been put off and went back to their groups"),
    },
  },
  log: {
    title: "A line of --log json",
    fields: {
      time: time("when it was written, by this machine's clock"),
      level: oneOf("how bad it is", ["debug", "info", "warn", "error"]),
      message: text("for people; it may change"),
      ...optional("of a worker", {
        stream: text("the streams as they were asked for; of an entry: its own"),
        group: text("the group"),
        consumer: text("the worker's name"),
      }),
      ...optional("at the start", {
        version: text("of streamctl"),
        server: orNull(text("what runs there, and its version"), "not known"),
        target: text("where the server is"),
        jobs: count("how many handlers run at once"),
      }),
      ...optional("of an entry", {
        id: text("the entry's ID"),
        deliveries: count("how often it has been delivered"),
        verdict: someOf("what became of it", VERDICT_WORDS),
        durationMs: milliseconds("how long its handler took"),
        reason: text("why it failed"),
        retryInMs: milliseconds("when it comes again"),
        from: text("the consumer that it was taken over from"),
      }),
      count: only("where a line stands for several", count("how many")),
      ...optional("at a stop", {
        signal: text("what the worker stops for"),
        running: count("handlers that run"),
        inFlight: count("entries that the worker has"),
      }),
      ...optional("at the end", { ...WORK, tookMs: TOOK }),
      url: only("of a metrics endpoint", text("where it is")),
      stack: only("with `-v`, of an error", text("for whoever mends streamctl")),
    },
  },
};
