import type { Connection } from "../../redis/connection.ts";
import type { GroupInfo } from "../../redis/ops/info.ts";
import type { PendingRow } from "../../redis/ops/pending.ts";
import { missingIds } from "../../redis/ops/presence.ts";
import { formatCount, formatNumber } from "../../units.ts";
import { shellWord } from "../groups/missing.ts";
import { pendingPages } from "../pending/pages.ts";
import { type Finding, finding, type GroupPlace } from "./finding.ts";

/** A longer pending list is looked through no further. */
const LOOKED_AT = 10_000;
/** The worker's default for dead-lettering: what was delivered more often was dropped by those who got it. */
const MANY_DELIVERIES = 5;

/** What is wrong with what a group has pending. */
export async function checkPending(
  connection: Connection,
  group: GroupInfo,
  place: GroupPlace,
): Promise<Finding[]> {
  const missing = new Missing();
  const redelivered = new Redelivered();
  let looked = 0;
  for await (const page of pendingPages(connection, place)) {
    const gone = await missingIds(
      connection,
      place.stream,
      page.map(({ id }) => id),
    );
    looked += page.length;
    for (const row of page) {
      if (gone.has(row.id)) missing.add(row);
      else redelivered.add(row);
    }
    if (looked >= LOOKED_AT) break;
  }
  const of = `${looked >= group.pending ? "" : "the first "}${formatNumber(looked)} pending entries`;
  return [...missing.findings(of, place), ...redelivered.findings(of, place)];
}

/** Entries whose data has gone from the stream. */
class Missing {
  #count = 0;
  #first: string | undefined;

  add({ id }: PendingRow): void {
    this.#count++;
    this.#first ??= id;
  }

  findings(of: string, place: GroupPlace): Finding[] {
    if (this.#first === undefined) return [];
    const evidence = `${formatNumber(this.#count)} of ${of} ${this.#count === 1 ? "has" : "have"} no data any more, from ${this.#first} on: that can never be worked on`;
    const fix = `streamctl claim ${shellWord(place.stream)} -g ${shellWord(place.group)} --all --drop-missing`;
    return [finding("error", "missing-data", evidence, fix, place)];
  }
}

/** Entries that come back again and again: nobody who gets one lives to ack it or to give it up. */
class Redelivered {
  #count = 0;
  #worst: PendingRow | undefined;

  add(row: PendingRow): void {
    if (row.deliveries <= MANY_DELIVERIES) return;
    this.#count++;
    if (row.deliveries > (this.#worst?.deliveries ?? 0)) this.#worst = row;
  }

  findings(of: string, place: GroupPlace): Finding[] {
    const worst = this.#worst;
    if (worst === undefined) return [];
    const were = this.#count === 1 ? "was" : "were";
    const evidence =
      `${formatNumber(this.#count)} of ${of} ${were} delivered more than ${MANY_DELIVERIES} times: workers die of ` +
      `them or fail without end, the most often of ${worst.id} (${formatCount(worst.deliveries, "delivery", "deliveries")}, ` +
      `now with ${worst.consumer})`;
    const look = `streamctl pending ${shellWord(place.stream)} -g ${shellWord(place.group)} --list --min-deliveries ${MANY_DELIVERIES + 1} --payload`;
    const fix = `${look} shows them; a worker (consume --exec) dead-letters what was delivered more often than its --max-deliveries`;
    return [finding("warning", "redelivered", evidence, fix, place)];
  }
}
