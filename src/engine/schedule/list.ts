import type { GroupName, StreamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { type ScheduleKeys, scheduleKeys } from "../../redis/ops/schedule-keys.ts";
import {
  type Scheduled,
  type ScheduleCursor,
  scheduledByToken,
  schedulePage,
} from "../../redis/ops/schedule-page.ts";
import { type Filter, fitting } from "../fitting.ts";
import { type Condition, entryFilter } from "../where.ts";

/** Which of what is scheduled; the same choice in every command that takes it by filters. */
export interface ScheduleFilter {
  /** When it is due, both ends included, in ms since 1970. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Only what this group has put off. */
  readonly group?: GroupName | undefined;
  /** About the fields of entries: what was put off has none here. */
  readonly where?: readonly Condition[] | undefined;
  readonly limit?: number | undefined;
}

/** The keys of a stream's schedule. Throws UsageError for a name that allows none. */
export function scheduleOf(connection: Pick<Connection, "cluster">, stream: StreamKey): ScheduleKeys {
  const keys = scheduleKeys(stream, connection.cluster);
  if (keys === undefined)
    throw new UsageError(`no other key can share the slot of ${stream}: it has no schedule`);
  return keys;
}

/** What is scheduled and fits, page by page, what is due first coming first; no page is empty. What was set aside comes last. */
export async function* schedulePages(
  connection: Connection,
  stream: StreamKey,
  filter: ScheduleFilter,
  signal: AbortSignal,
): AsyncGenerator<Scheduled[]> {
  const keys = scheduleOf(connection, stream);
  const test = scheduleTest(filter);
  const last = filter.toMs === undefined ? "inf" : String(filter.toMs);
  let after: ScheduleCursor = {
    score: filter.fromMs === undefined ? "-inf" : String(filter.fromMs),
    token: "",
  };
  let left = filter.limit ?? Number.POSITIVE_INFINITY;
  while (left > 0 && !signal.aborted) {
    const page = await schedulePage(connection, keys, after, last);
    const end = page.at(-1);
    if (end === undefined) return;
    after = { score: end.dueMs === null ? "inf" : String(end.dueMs), token: end.token };
    const fit = (await fitting(page, test, { signal, nameOf: ({ token }) => `${keys.due} ${token}` })).slice(
      0,
      left,
    );
    left -= fit.length;
    if (fit.length > 0) yield fit;
  }
}

/** So many are asked for at once by their tokens. */
const NAMED_AT_ONCE = 10;

/** Those with these tokens, page by page, in the order given. `onMissing` hears of tokens that are not scheduled. */
export async function* namedScheduled(
  connection: Connection,
  stream: StreamKey,
  tokens: readonly string[],
  onMissing: (token: string) => void,
): AsyncGenerator<Scheduled[]> {
  const keys = scheduleOf(connection, stream);
  for (let at = 0; at < tokens.length; at += NAMED_AT_ONCE) {
    const some = tokens.slice(at, at + NAMED_AT_ONCE);
    const found = await scheduledByToken(connection, keys, some);
    for (const [i, token] of some.entries()) if (found[i] === undefined) onMissing(token);
    const page = found.filter((one) => one !== undefined);
    if (page.length > 0) yield page;
  }
}

function scheduleTest({ group, where }: ScheduleFilter): Filter<Scheduled> {
  const fields = where === undefined ? undefined : entryFilter(where);
  return {
    fits: ({ record }) =>
      (group === undefined || (record.kind === "putOff" && record.group === group)) &&
      (fields === undefined || (record.kind === "entry" && fields.fits(record))),
    mayRunAway: fields?.mayRunAway ?? false,
  };
}
