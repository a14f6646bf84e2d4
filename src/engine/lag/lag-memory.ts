import { compareIds } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { serverInfo } from "../../redis/ops/server.ts";
import type { FoundGroup } from "./find-groups.ts";
import type { GroupCounter } from "./group-counter.ts";

interface Known {
  readonly found: FoundGroup;
  readonly lag: number;
  /** When it was not reckoned by differences, by performance.now(). */
  readonly countedAt: number;
}

const RECOUNT_MS = 60_000;

/**
 * What earlier looks of one run have counted. A lag that was counted once goes on by differences of the
 * server's counters, and a count that was not finished goes on at the next look: so what looks again and
 * again seldom counts a long stream. All of it holds only while no server has been started anew in between,
 * because a restart may set the counters back. Nor do they show each time that they were set by hand, so what goes on
 * by differences is counted anew from time to time, one group after another, those first that were counted longest ago.
 */
export class LagMemory {
  readonly #recountMs: number;
  #servers: string | undefined;
  #known = new Map<string, Known>();
  #counters = new Map<string, GroupCounter>();
  #seen = new Set<string>();
  /** The group that is counted anew, and how far that has come. */
  #recount: { readonly key: string; counter: GroupCounter | undefined } | undefined;

  constructor({ recountMs = RECOUNT_MS } = {}) {
    this.#recountMs = recountMs;
  }

  /** Before anything is looked at. Groups that the last look did not see are forgotten. */
  async begin(connection: Connection): Promise<void> {
    const servers = await runIds(connection);
    const same = servers !== undefined && servers === this.#servers;
    for (const map of [this.#known, this.#counters])
      for (const key of map.keys()) if (!same || !this.#seen.has(key)) map.delete(key);
    this.#servers = servers;
    this.#seen = new Set();
    if (this.#recount === undefined || !this.#known.has(this.#recount.key))
      this.#recount = this.#nextRecount();
  }

  /** When the groups have been found: they may come from a server that was started anew since the look began. */
  async confirm(connection: Connection): Promise<void> {
    if (this.#servers === undefined || (await runIds(connection)) === this.#servers) return;
    this.#servers = undefined;
    this.#known.clear();
    this.#counters.clear();
  }

  lagOf(now: FoundGroup): number | undefined {
    const earlier = this.#known.get(keyOf(now));
    const changed = earlier && difference(earlier.found, now);
    if (earlier === undefined || changed === undefined) return undefined;
    const lag = earlier.lag + changed;
    // Something was delivered and something was not; what says otherwise was set by hand.
    return lag > 0 && lag < now.info.length ? lag : undefined;
  }

  counterOf(now: FoundGroup): GroupCounter | undefined {
    return this.#counters.get(keyOf(now));
  }

  /** What was counted, or proven. */
  know(found: FoundGroup, lag: number): void {
    const key = keyOf(found);
    this.#seen.add(key);
    this.#counters.delete(key);
    if (this.#recount?.key === key) this.#recount = undefined;
    if (this.#servers !== undefined) this.#known.set(key, { found, lag, countedAt: performance.now() });
  }

  /** What `lagOf` gave. */
  goOn(found: FoundGroup, lag: number): void {
    const key = keyOf(found);
    this.#seen.add(key);
    const countedAt = this.#known.get(key)?.countedAt;
    if (countedAt !== undefined) this.#known.set(key, { found, lag, countedAt });
  }

  /** Whose turn it is to be counted anew goes on where it stopped, or begins with `fresh`; undefined for all others. */
  recountOf(fresh: GroupCounter): GroupCounter | undefined {
    const recount = this.#recount;
    if (recount?.key !== keyOf(fresh.found)) return undefined;
    const going = recount.counter;
    const goesOn = going !== undefined && !going.error && difference(going.found, fresh.found) !== undefined;
    return (recount.counter = goesOn ? going : fresh);
  }

  /** A count that is not finished. */
  keep(counter: GroupCounter): void {
    const key = keyOf(counter.found);
    this.#seen.add(key);
    this.#known.delete(key);
    if (this.#servers !== undefined) this.#counters.set(key, counter);
  }

  #nextRecount(): { readonly key: string; counter: undefined } | undefined {
    let key: string | undefined;
    let before = performance.now() - this.#recountMs;
    for (const [name, { countedAt }] of this.#known) {
      if (countedAt > before) continue;
      before = countedAt;
      key = name;
    }
    return key === undefined ? undefined : { key, counter: undefined };
  }
}

/**
 * By how much a group's lag has changed between two looks, by the server's counters; undefined where they
 * don't tell. They do while nothing ahead of the group was removed and the group stands within the stream:
 * then each entry added counts one, and each one delivered.
 */
export function difference(before: FoundGroup, now: FoundGroup): number | undefined {
  const position = before.group.lastDeliveredId;
  const moved = compareIds(now.group.lastDeliveredId, position);
  const added = risen(before.info.entriesAdded, now.info.entriesAdded);
  const read = risen(before.group.entriesRead, now.group.entriesRead);
  if (added === undefined || read === undefined || moved < 0 || moved > 0 !== read > 0) return undefined;
  const { firstId, maxDeletedId, length } = now.info;
  // Entries ahead were trimmed, or deleted: by how many is not told.
  if (before.info.firstId === undefined || compareIds(before.info.firstId, position) > 0) return undefined;
  if (firstId === undefined || compareIds(firstId, position) > 0) return undefined;
  if (maxDeletedId === undefined || compareIds(maxDeletedId, position) > 0) return undefined;
  const visiblyRemoved = firstId !== before.info.firstId || maxDeletedId !== before.info.maxDeletedId;
  const removed = before.info.length + added - length;
  if (removed < 0 || (removed > 0 && !visiblyRemoved)) return undefined;
  return added - read;
}

/** A counter that has gone back was set anew. */
function risen(before: number | null | undefined, now: number | null | undefined): number | undefined {
  return before == null || now == null || now < before ? undefined : now - before;
}

/** Changes when a server is started anew or takes another's place; undefined where this user may not ask. */
async function runIds(connection: Connection): Promise<string | undefined> {
  try {
    const nodes = await connection.primaries();
    const infos = await Promise.all(
      nodes.map((node) => connection.persist(() => serverInfo(node, "server"))),
    );
    const ids = infos.flatMap((info) => info.get("run_id") ?? []);
    return ids.length < nodes.length ? undefined : ids.sort((a, b) => (a < b ? -1 : 1)).join(" ");
  } catch (error) {
    if (error instanceof ServerError) return undefined;
    throw error;
  }
}

function keyOf({ stream, group }: FoundGroup): string {
  return JSON.stringify([stream, group.name]);
}
