import { StreamctlError } from "../../errors.ts";
import { isTransient } from "../../redis/errors.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { type GroupRates, LagHistory } from "./history.ts";
import { countBudget, type GroupLook, groupLags, type LagRequest } from "./lag.ts";
import { LagMemory } from "./lag-memory.ts";

/** A group at one refresh of a watch. */
export interface WatchedGroup extends GroupLook, GroupRates {
  /** When it was looked at, by the server's clock. */
  readonly at: Date;
  /** The lags of the last refreshes, the oldest first. */
  readonly lags: readonly number[];
}

export interface WatchRequest extends Pick<LagRequest, "group" | "countLimit" | "signal"> {
  /** The streams of the moment: patterns may match others by the next refresh. */
  readonly streams: () => Promise<Pick<LagRequest, "streams" | "named">>;
  readonly intervalMs: number;
  /** Hears why a look failed that may succeed later: no connection, a server that loads. Without it that ends the watch. */
  readonly onTrouble?: (error: StreamctlError) => void;
}

/**
 * Looks at the groups every `intervalMs`, counted from the beginning of a look, until the signal aborts;
 * gives each time all groups, the worst first.
 */
export async function* watchLag(
  connection: Connection,
  request: WatchRequest,
): AsyncGenerator<readonly WatchedGroup[]> {
  const { signal, intervalMs, onTrouble } = request;
  const history = new LagHistory();
  const memory = new LagMemory();
  while (!signal.aborted) {
    const startedAt = performance.now();
    try {
      const [at, looks] = await lookOnce(connection, request, memory);
      if (signal.aborted) return;
      history.add(looks, startedAt);
      yield looks
        .map((look) => ({ ...look, ...history.ratesOf(look), at, lags: history.lagsOf(look) }))
        .sort(byWorst);
    } catch (error) {
      if (!(error instanceof StreamctlError) || !isTransient(error) || !onTrouble) throw error;
      onTrouble(error);
    }
    await sleep(Math.max(0, startedAt + intervalMs - performance.now()), signal);
  }
}

/** What is too long to be counted at one look goes on being counted at the next. */
async function lookOnce(
  connection: Connection,
  { group, countLimit, signal, streams }: WatchRequest,
  memory: LagMemory,
): Promise<[Date, GroupLook[]]> {
  const [nowMs, found] = await Promise.all([serverNowMs(connection), streams()]);
  const budget = Number.isFinite(countLimit) ? countBudget() : undefined;
  return [
    new Date(nowMs),
    await groupLags(connection, { ...found, group, countLimit, budget, memory, signal }),
  ];
}

/** In which order groups can be watched, by its first criterion. */
export type WatchOrder = "age" | "lag" | "pending" | "name";

type Compare = (a: WatchedGroup, b: WatchedGroup) => number;

const byName: Compare = (a, b) => compareText(a.stream, b.stream) || compareText(a.group, b.group);

/** Those that have waited longest first, then those with most to do, then by name. */
export const byWorst: Compare = (a, b) =>
  waitedMs(b) - waitedMs(a) || backlog(b) - backlog(a) || byName(a, b);

const ORDERS: Readonly<Record<WatchOrder, Compare>> = {
  age: byWorst,
  lag: (a, b) => lagOf(b) - lagOf(a) || byWorst(a, b),
  pending: (a, b) => b.pending - a.pending || byWorst(a, b),
  name: byName,
};

export function inOrder(groups: readonly WatchedGroup[], order: WatchOrder): WatchedGroup[] {
  return [...groups].sort(ORDERS[order]);
}

function waitedMs({ oldestPendingMs, oldestUndeliveredMs }: WatchedGroup): number {
  // Two that wait for about as long stay in place from one refresh to the next.
  return Math.round(Math.max(oldestPendingMs ?? 0, oldestUndeliveredMs ?? 0) / 1_000);
}

function lagOf({ lag, lagAtLeast }: WatchedGroup): number {
  return lag ?? lagAtLeast ?? 0;
}

function backlog(group: WatchedGroup): number {
  return lagOf(group) + group.pending;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
