import type { EntryId } from "../../entry/id.ts";
import { asNumber, type Value } from "../value.ts";
import { FACTS } from "./lua/facts.ts";

/**
 * The start of every script that acts only on entries which this consumer still has. A plain XCLAIM or XACK
 * checks no owner: it would steal back, or settle, what another worker has taken.
 *
 * The token of a take is the entry's owner together with its delivery count. A higher count than that of the
 * take (the fence) means that the entry was taken again since, by another process of the same name. A lower one
 * is an older state, of a replica that became the primary. A name that no other process has needs no count:
 * the fence is then too high for any.
 *
 * state(id, fence): 1 pending for this consumer since that take, -1 for another. Not pending: 0; -2 when the
 * consumer is gone, or is there only because it has asked for more since: then XGROUP DELCONSUMER, or a group destroyed
 * and made again, has thrown the entry away; -3 when this server (before 7.2) does not tell the latter.
 */
export const OWNED = `${FACTS}
local group, consumer = ARGV[1], ARGV[2]

local fate
local function fate_of_consumer()
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
    local facts = facts_of(info)
    if facts['name'] == consumer then
      if not facts['inactive'] then return -3 end
      return facts['inactive'] == -1 and -2 or 0
    end
  end
  return -2
end

local function state(id, fence)
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if row then return row[2] == consumer and row[4] <= tonumber(fence) and 1 or -1 end
  fate = fate or fate_of_consumer()
  return fate
end
`;

/**
 * What became of a step for one entry:
 * - `done`: it was this consumer's, and the step is carried out.
 * - `orphaned`: it was, too, but its data has gone from the stream, and its place in the pending list with it. Nobody
 *   else will be given it any more.
 * - `notPending`: it was settled before, by this consumer or by hand.
 * - `takenByOther`: it is pending for another consumer, or was taken again since under the same name.
 * - `thrownAway`: not pending, and neither is anything else that this consumer had: Redis has thrown it away.
 * - `perhapsThrownAway`: not pending, and this server (before 7.2) does not tell whether it was thrown away.
 */
export type Owned = "done" | "orphaned" | "notPending" | "takenByOther" | "thrownAway" | "perhapsThrownAway";

const ANSWERS: Readonly<Record<number, Owned>> = {
  1: "done",
  2: "orphaned",
  0: "notPending",
  [-1]: "takenByOther",
  [-2]: "thrownAway",
  [-3]: "perhapsThrownAway",
};

/** Decodes what such a script answers for one entry. */
export function decodeOwned(answer: Value | undefined): Owned {
  const owned = ANSWERS[asNumber(answer)];
  if (owned === undefined) throw new TypeError("unexpected reply: no state of an entry");
  return owned;
}

/** Whether the step found the entry this consumer's, and so has been carried out. */
export function isDone(owned: Owned): boolean {
  return owned === "done" || owned === "orphaned";
}

/** Whether the entry was not pending any more. */
export function isGone(owned: Owned): boolean {
  return owned === "notPending" || owned === "thrownAway" || owned === "perhapsThrownAway";
}

/** One take of an entry: `fence` is the delivery count that it had then, or NO_FENCE. */
export interface Claim {
  readonly id: EntryId;
  readonly fence: number;
}

/** A fence for a consumer whose name no other process has: higher than any delivery count. */
export const NO_FENCE = 1e19;

/** Claims as the scripts take them. */
export function claimArgs(claims: readonly Claim[]): (string | number)[] {
  return claims.flatMap(({ id, fence }) => [id, fence]);
}
