import { idMs } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../../redis/connection.ts";
import { endOf, FIRST_ID, type IdRange, type Position, resolveRange, startOf } from "../position.ts";
import { serverNowMs } from "../../redis/ops/server.ts";

/** What `--since` and `--until` mean: a part of the queue, and times of failure. */
export interface LetterWindow {
  /** Undefined: no letter can lie in it. */
  readonly range: IdRange | undefined;
  readonly failedFromMs: number | undefined;
  readonly failedToMs: number | undefined;
}

/**
 * A time or an age is about when the entries failed, by the clocks of their workers; the queue may have got them
 * much later, or have been restored, so all of it is read. Any other position is a place in the queue.
 */
export async function letterWindow(
  connection: Connection,
  queue: StreamKey,
  { since, until }: { readonly since?: Position | undefined; readonly until?: Position | undefined },
): Promise<LetterWindow> {
  const place = (position: Position | undefined): Position | undefined =>
    isTime(position) ? undefined : position;
  const needsClock = since?.kind === "age" || until?.kind === "age";
  const facts = { nowMs: needsClock ? await serverNowMs(connection) : 0, lastId: FIRST_ID };
  const from = isTime(since) ? startOf(since, facts) : undefined;
  const to = isTime(until) ? endOf(until, facts) : undefined;
  return {
    range: await resolveRange(connection, queue, { from: place(since), to: place(until) }),
    failedFromMs: from && idMs(from),
    failedToMs: to && idMs(to),
  };
}

function isTime(position: Position | undefined): position is Position {
  return position?.kind === "time" || position?.kind === "age";
}
