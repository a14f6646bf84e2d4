import type { EntryId } from "../../entry/id.ts";
import { ServerError } from "../../errors.ts";
import type { Question } from "../../redis/ops/ask.ts";
import type { Caller } from "../../redis/ops/caller.ts";
import { pendingQuestion, type PendingSpan } from "../../redis/ops/pending.ts";
import { eachAtMost } from "../each-at-most.ts";
import { PENDING_PAGE, pendingPages } from "../pending/pages.ts";
import { type Asker, type FoundGroup, leftOut } from "./find-groups.ts";

/** What is known of a group's pending entries; undefined is none. */
export interface Facts {
  oldestPendingId: EntryId | undefined;
  /** The highest delivery count among the pending entries, 0 without any. Null: too many to look through. */
  maxDeliveries: number | null;
}

/** Pending lists of several pages that are read side by side. */
const LISTS_AT_ONCE = 16;

/** Of a longer pending list the highest delivery count is not worth the round trips. */
const PENDING_LOOKED_AT = 10_000;

/** Facts in the making. */
interface Search {
  readonly item: FoundGroup;
  readonly facts: Facts;
  /** The pending list goes on after its first page. */
  goesOn: boolean;
  error?: ServerError;
}

/** The facts of each group; undefined for one that has gone since it was found on a stream not `named`. */
export async function findFacts(
  connection: Caller,
  asker: Asker,
  groups: readonly FoundGroup[],
  named: ReadonlySet<string>,
): Promise<(Facts | undefined)[]> {
  const searches = groups.map(startSearch);
  await asker(searches.flatMap(questionsFor));
  const long = searches.filter(({ goesOn }) => goesOn);
  await eachAtMost(LISTS_AT_ONCE, long, (search) => lookThroughPending(connection, search));
  const found: (Facts | undefined)[] = [];
  for (const { item, facts, error } of searches)
    found.push(error ? await leftOut(connection, item, named, error) : facts);
  return found;
}

function startSearch(item: FoundGroup): Search {
  return { item, facts: { oldestPendingId: undefined, maxDeliveries: 0 }, goesOn: false };
}

function questionsFor(search: Search): Question[] {
  const { stream, group } = search.item;
  if (group.pending === 0) return [];
  return [pendingQuestion(stream, group.name, PENDING_PAGE, (answer) => takePending(search, answer))];
}

function takePending(search: Search, answer: PendingSpan | ServerError): void {
  if (answer instanceof ServerError) {
    search.error ??= answer;
    return;
  }
  const { count, firstId, maxDeliveries } = answer;
  search.facts.oldestPendingId = firstId;
  const whole = count < PENDING_PAGE;
  // A maximum over a part would be a guess.
  const tooLong = !whole && search.item.group.pending > PENDING_LOOKED_AT;
  search.facts.maxDeliveries = tooLong ? null : maxDeliveries;
  search.goesOn = !whole && !tooLong;
}

async function lookThroughPending(connection: Caller, search: Search): Promise<void> {
  const { stream, group } = search.item;
  try {
    for await (const page of pendingPages(connection, { stream, group: group.name })) {
      for (const { deliveries } of page)
        search.facts.maxDeliveries = Math.max(search.facts.maxDeliveries ?? 0, deliveries);
    }
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    search.error = error;
  }
}
