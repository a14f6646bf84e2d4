import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { type Arg, asList, asNumber, asText, type Value } from "../value.ts";
import type { Caller } from "./caller.ts";
import { decodeEntry } from "./entry.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import { TAKING } from "./lua/taking.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Takes pending entries that are due: whose owner has been silent, or whose retry delay has passed.
 *
 * KEYS     the stream; the holders (see held.ts), unless the user may not: one that is there is now this consumer's,
 *          and what was taken from another is noted there (see takes.ts)
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, own, id …
 *          own = "1" or "2": entries already pending for this consumer are taken whatever their idle time; with
 *          "1" without counting a delivery (their first reply was lost on the way); with "3" unless they wait
 *          for a retry.
 * Returns  for each entry taken: [id, deliveries, previous owner, fields]; fields is nil when the data has
 *          gone from the stream, and then the entry is acked: nothing is left to deliver.
 *          Entries that are not pending, or not due, are left out.
 * Crash    one atomic step; after a lost reply the entry is pending for this consumer and heartbeated by
 *          nobody, so it comes due again.
 */
export const takeScript = defineScript(
  "take",
  `
local group, consumer = ARGV[1], ARGV[2]
${TAKING}${TAKES_OF_GROUP}
for i = 7, #ARGV do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = owner == consumer and may_take_own(ARGV[6], id, idle, count, KEYS[2])
    if mine or is_due(owner, idle, count) then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      take(id, count, owner, found and found[2], not mine or ARGV[6] ~= '1')
      if KEYS[2] and found and not mine then note_take(KEYS[2], id, count + 1) end
      local held = KEYS[2] and redis.call('HGET', KEYS[2], id)
      if held and not found then redis.call('HDEL', KEYS[2], id)
      elseif held then
        local deliveries = string.format('%.0f', math.min(taken[#taken][2], 2 ^ 53))
        redis.call('HSET', KEYS[2], id, deliveries .. string.match(held, '^%S+( %S)') .. ' ' .. consumer)
      end
    end
  end
end
return taken
`,
);

/** An entry that was taken. */
export interface Taken {
  readonly id: EntryId;
  readonly deliveries: number;
  readonly from: string;
  /** Undefined: the data had gone from the stream, and the entry was acked. */
  readonly fields: Buffer[] | undefined;
}

/** When entries may be taken, in ms. */
export interface DueRule {
  readonly claimIdleMs: number;
  readonly delayMs: number;
  readonly maxDelayMs: number;
}

export interface TakeRule extends DueRule {
  readonly own: OwnRule;
}

/**
 * What to do with entries that are pending for this consumer already. due: treat them like everybody's; lost:
 * take them whatever their idle time, because the reply that brought them was lost, and don't count that twice;
 * given: take them whatever their idle time, and count it; left: the same, unless they wait for a retry.
 */
export type OwnRule = "due" | "lost" | "given" | "left";

const OWN_FLAGS = { due: 0, lost: 1, given: 2, left: 3 } as const;

/** One step, sent once. */
export async function takeEntries(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  rule: TakeRule,
  ids: readonly EntryId[],
): Promise<Taken[]> {
  const args = [...dueArgs(member, rule), ownFlag(rule), ...ids];
  return asList(await caller.run(takeScript, settlingKeys(member, stream), args)).map(decodeTaken);
}

/** The first arguments of the scripts that take. */
export function dueArgs(member: Member, { claimIdleMs, delayMs, maxDelayMs }: DueRule): Arg[] {
  return [member.group, member.consumer, claimIdleMs, delayMs, maxDelayMs];
}

export function ownFlag({ own }: TakeRule): number {
  return OWN_FLAGS[own];
}

/** Decodes `[id, deliveries, previous owner, fields]`. */
export function decodeTaken(row: Value): Taken {
  const [id = null, deliveries, from, fields = null] = asList(row);
  return { ...decodeEntry([id, fields]), deliveries: asNumber(deliveries), from: asText(from) };
}
