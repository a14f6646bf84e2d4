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
export const OWNED = `
local group, consumer = ARGV[1], ARGV[2]

local fate
local function fate_of_consumer()
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
    local facts = {}
    for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
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

/** What such a script answers for an entry. */
export const Owned = {
  /**
   * Its data has gone from the stream, and its place in the pending list with it: nobody will be given it any
   * more, so whoever has it in hand is the only one to have it.
   */
  orphaned: 2,
  done: 1,
  notPending: 0,
  takenByOther: -1,
  /** Not pending, and neither is anything else that this consumer had: Redis has thrown it away. */
  thrownAway: -2,
  /** Not pending, and this server does not tell whether it was thrown away. */
  perhapsThrownAway: -3,
} as const;

/** Whether an entry was not pending any more. */
export function isGone(answer: number): boolean {
  return answer === Owned.notPending || answer <= Owned.thrownAway;
}

/** A fence for a consumer whose name no other process has: higher than any delivery count. */
export const NO_FENCE = 1e19;
