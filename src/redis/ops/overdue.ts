import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { asText, type Value } from "../value.ts";
import type { Question } from "./ask.ts";
import { scheduleKeys } from "./schedule-keys.ts";

/** So late nothing is while a worker of the stream lives. */
const LATE_MS = 1_000;

/**
 * When what a stream's schedule has first is due; `take` hears of it only where there is something, in ms by the server's
 * clock. A user without the right to it is told nothing, nor one whose key is something else. Undefined: the stream's name allows no schedule.
 */
export function firstDueQuestion(
  stream: StreamKey,
  cluster: boolean,
  take: (dueMs: number) => void,
): Question | undefined {
  const keys = scheduleKeys(stream, cluster);
  if (keys === undefined) return undefined;
  return {
    command: ["ZRANGE", keys.due, "0", "0", "WITHSCORES"],
    take(answer) {
      const dueMs = answer instanceof ServerError ? Number.NaN : scoreOf(answer);
      if (Number.isFinite(dueMs)) take(dueMs);
    },
  };
}

/** For how long it has been overdue; undefined: it is not. */
export function overdueMs(dueMs: number, nowMs: number): number | undefined {
  return nowMs - dueMs > LATE_MS ? nowMs - dueMs : undefined;
}

/** The score is the last of a flat list, or of a list of pairs. */
function scoreOf(answer: Value): number {
  const last = Array.isArray(answer) ? answer.flat().at(-1) : undefined;
  return last === undefined || last === null ? Number.NaN : Number(asText(last));
}
