import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList } from "../value.ts";
import type { Caller } from "./caller.ts";
import { DELETE_UNNEEDED } from "./lua/delete-unneeded.ts";
import { NOW_MS } from "./lua/now.ts";
import { SETTLED } from "./lua/settled.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import { type Member, settlingKeys } from "./member.ts";
import { type Claim, claimArgs, decodeOwned, OWNED, type Owned } from "./owned.ts";

/**
 * Being pending for this consumer is the token of each step that settles (here, in dead-letter.ts and succeed.ts): a
 * blind repeat after a lost reply finds the token gone and changes nothing. With holders (see lua/held.ts) an entry goes
 * from there in the step that settles it, and comes there in the one that leaves it for later.
 */

/**
 * Acks entries.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, delete ("1": also delete what no group needs), note ("1": the ack is the last step of more,
 *          see takes.ts), then per entry: id, fence
 * Returns  per entry: 1 acked, else as OWNED.
 */
const ackScript = defineScript(
  "ack",
  `${OWNED}${DELETE_UNNEEDED}${SETTLED}${TAKES_OF_GROUP}
local answers = {}
for i = 5, #ARGV, 2 do
  local owned = state(ARGV[i], ARGV[i + 1])
  if owned > 0 then
    if ARGV[3] == '1' then ack_and_delete(KEYS[1], group, ARGV[i])
    else redis.call('XACK', KEYS[1], group, ARGV[i]) end
    settled(KEYS[2], ARGV[i])
    if ARGV[4] == '1' then note_done(KEYS[2], ARGV[i]) end
  end
  answers[#answers + 1] = owned
end
keep_last(KEYS[2])
return answers
`,
);

/** One step, sent once; answers are in the order of the claims. `remove`: also delete what no group needs; `note`: it ends more. */
export async function ackOwned(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  claims: readonly Claim[],
  { remove, note = false }: { readonly remove: boolean; readonly note?: boolean },
): Promise<Owned[]> {
  const args = [member.group, member.consumer, remove ? 1 : 0, note ? 1 : 0, ...claimArgs(claims)];
  return asList(await caller.run(ackScript, settlingKeys(member, stream), args)).map(decodeOwned);
}

/**
 * Leaves entries pending with an idle time that says when they may be taken again.
 *
 * KEYS     the stream; the holders
 * ARGV     group, consumer, then per entry: id, fence, idle ms, delivery count, in how many ms it is due
 * Returns  per entry: 1 done; 2 it was pending, but without data, and is so no more; else as OWNED.
 */
const requeueScript = defineScript(
  "requeue",
  `${OWNED}${NOW_MS}
local answers = {}
for i = 3, #ARGV, 5 do
  local id, fence, idle, count, wait = unpack(ARGV, i, i + 4)
  local owned = state(id, fence)
  if owned == 1 then
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
      redis.call('XACK', KEYS[1], group, id)
      if KEYS[2] then redis.call('HDEL', KEYS[2], id) end
      owned = 2
    else
      if KEYS[2] then
        local kind = string.match(redis.call('HGET', KEYS[2], id) or '', '^%S+ (%S)') or '-'
        local due = string.format('%.0f', now_ms() + wait)
        redis.call('HSET', KEYS[2], id, count .. ' ' .. kind .. due .. ' ' .. consumer)
        redis.call('PERSIST', KEYS[2])
      end
      redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'IDLE', idle, 'RETRYCOUNT', count, 'JUSTID')
    end
  end
  answers[#answers + 1] = owned
end
return answers
`,
);

/** How an entry is left pending. */
export interface LeftPending {
  readonly deliveries: number;
  /** The idle time to set. */
  readonly idleMs: number;
  /** In how long it is due; 0: others may have it at once. */
  readonly waitMs: number;
}

/** One step of one entry, sent once. */
export async function requeueOwned(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  { id, fence }: Claim,
  { deliveries, idleMs, waitMs }: LeftPending,
): Promise<Owned> {
  const args = [member.group, member.consumer, id, fence, idleMs, deliveries, Math.ceil(waitMs)];
  const [answer] = asList(await caller.run(requeueScript, settlingKeys(member, stream), args));
  return decodeOwned(answer);
}
