import type { Redis } from "ioredis";
import type { Proxy } from "../proxy.ts";
import { NOSY_LINE, RESULTS } from "./manners.ts";
import type { Seat } from "./seat.ts";
import type { Task } from "./tasks.ts";

/** The IDs that dead letters stand for; each must still have the fields of its entry. */
export async function letters(
  redis: Redis,
  queue: string,
  entries: ReadonlyMap<string, Task>,
  violations: string[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const [, [taskName, task, nName, n, ...facts]] of await redis.xrange(queue, "-", "+")) {
    const id = facts[facts.indexOf("dlq.id") + 1] ?? "";
    ids.push(id);
    if (taskName !== "task" || nName !== "n" || n !== id || task !== entries.get(id))
      violations.push(`the dead letter of ${id} has other fields than its entry`);
  }
  return ids;
}

/** The lines that handlers put out. */
export async function emitted(redis: Redis): Promise<string[]> {
  return (await redis.xrange(RESULTS, "-", "+")).map(([, fields]) => fields[1] as string);
}

/** Lines that tell of one entry each; as many as there are failures. */
const OF_AN_ENTRY =
  / failed \(| dead-lettered after | belongs to another consumer | is not pending any more| ignored on fd 3: /;
/** Each fault may be told of by everybody it reaches, at its beginning and at its end. */
const LINES_PER_FAULT_AND_WORKER = 2;

/** The lines that a seat's workers wrote to stderr, without those of nosy handlers. */
export function logOf(seat: Seat<Proxy>): string[] {
  return seat.stderr.split("\n").filter((line) => line !== "" && !NOSY_LINE.test(line));
}

/** What workers wrote that tells of a bug, or that is more than the faults account for. */
export function logStorms(seats: readonly Seat<Proxy>[], faults: number): string[] {
  const found: string[] = [];
  const perFault = LINES_PER_FAULT_AND_WORKER * seats.length;
  for (const seat of seats) {
    const lines = logOf(seat).filter((line) => !OF_AN_ENTRY.test(line));
    if (lines.length > perFault * (faults + seat.workers))
      found.push(`${seat.name} wrote ${lines.length} lines, for example: ${lines.slice(-3).join(" / ")}`);
    const bug = lines.find((line) => /\bat .*:\d+:\d+\)?$|\bbug\b/i.test(line));
    if (bug !== undefined) found.push(`${seat.name} reported a bug: ${bug}`);
  }
  return found;
}
