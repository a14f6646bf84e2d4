import { defineScript } from "../script.ts";
import { asList, asNumber } from "../value.ts";
import type { PendingTarget } from "./by-hand.ts";
import type { Caller } from "./caller.ts";
import { FORGET } from "./forget-consumer.ts";
import { withHolders } from "./holders.ts";

/**
 * Moves a consumer's pending entries to another one, the oldest first, and removes the consumer once it
 * holds nothing, in one step: nothing can be delivered to it in between and be thrown away with it.
 *
 * KEYS     the stream; the holders (see lua/held.ts)
 * ARGV     group, consumer, heir, at most so many entries
 * Returns  [removed (1, or 0: it still holds entries), moved, acked because their data was gone].
 */
const handOverScript = defineScript(
  "hand-over",
  `
local group, consumer, heir, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
${FORGET}
local rows = redis.call('XPENDING', KEYS[1], group, '-', '+', most + 1, consumer)
local moved, dropped = 0, 0
for i = 1, math.min(#rows, most) do
  local id = rows[i][1]
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
    redis.call('XACK', KEYS[1], group, id)
    dropped = dropped + 1
  else
    redis.call('XCLAIM', KEYS[1], group, heir, 0, id, 'JUSTID')
    moved = moved + 1
  end
end
if #rows > most then return {0, moved, dropped} end
forget({consumer})
return {1, moved, dropped}
`,
);

export interface HandedOver {
  readonly removed: boolean;
  readonly moved: number;
  /** Acked, because their data was gone. */
  readonly dropped: number;
}

/** One step of at most `most` entries, sent once. */
export async function handOver(
  caller: Caller,
  { stream, group }: PendingTarget,
  consumer: string,
  heir: string,
  most: number,
): Promise<HandedOver> {
  const answer = await withHolders(caller, stream, group, (keys) =>
    caller.run(handOverScript, keys, [group, consumer, heir, most]),
  );
  const [removed, moved, dropped] = asList(answer).map((value) => asNumber(value));
  return { removed: removed === 1, moved: moved ?? 0, dropped: dropped ?? 0 };
}
