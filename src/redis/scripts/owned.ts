/**
 * The start of every script that acts only on entries which this consumer still owns. A plain XCLAIM or
 * XACK checks no owner: it would steal back, or settle, what another worker has taken.
 *
 * state(id): 1 pending for this consumer, -1 pending for another, 0 not pending.
 */
export const OWNED = `
local group, consumer = ARGV[1], ARGV[2]
local function state(id)
  local row = redis.call('XPENDING', KEYS[1], group, id, id, 1)[1]
  if not row then return 0 end
  return row[2] == consumer and 1 or -1
end
`;

/** What such a script answers for an entry. */
export const Owned = { done: 1, notPending: 0, takenByOther: -1 } as const;
