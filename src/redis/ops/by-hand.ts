import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import { asList, asNumber, asText, type Value } from "../value.ts";

/** One step looks at so many entries: the server is held up for a ms at most. */
export const STEP = 100;
/** So many steps may be under way where a round trip takes long: of one connection the server takes in 16 KB, six of them, before it sees to others. */
export const MOST_STEPS = 20;

/** The group of a stream whose pending list is changed by hand. */
export interface PendingTarget {
  readonly stream: StreamKey;
  readonly group: GroupName;
}

/** An entry of the pending list as a step by hand found it, and what the step did. */
export interface ByHand<State> {
  readonly id: EntryId;
  readonly state: State;
  /** The owner, idle time and delivery count before the step; empty and 0 when it is not pending. */
  readonly owner: string;
  readonly idleMs: number;
  readonly deliveries: number;
}

/**
 * Lua: the end of a script that asks its settle(id, owner, idle ms, deliveries) for the state of every ID in ARGV from
 * `first` on, and returns them as decodeByHand takes them; one that is not pending is 0. Wants `group`, and the stream as KEYS[1].
 */
export function eachByHand(first: string): string {
  return `local answers = {}
for i = ${first}, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], group, ARGV[i], ARGV[i], 1)[1]
  if row then
    answers[#answers + 1] = {settle(ARGV[i], row[2], row[3], row[4]), row[2], row[3], row[4]}
  else
    answers[#answers + 1] = {0, '', 0, 0}
  end
end
return answers
`;
}

/** Decodes `[state, owner, idle ms, deliveries]` per ID, in the order of the IDs. */
export function decodeByHand<State>(
  reply: Value,
  ids: readonly EntryId[],
  stateOf: (code: number) => State,
): ByHand<State>[] {
  return asList(reply).map((answer, index) => {
    const [code, owner, idleMs, deliveries] = asList(answer);
    return {
      id: ids[index] as EntryId,
      state: stateOf(asNumber(code)),
      owner: asText(owner),
      idleMs: asNumber(idleMs),
      deliveries: asNumber(deliveries),
    };
  });
}

/** A flag as the scripts take it. */
export function flag(on: boolean): number {
  return on ? 1 : 0;
}
