import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList } from "../value.ts";
import type { Caller } from "./caller.ts";
import type { Member } from "./member.ts";
import { type Claim, claimArgs, decodeOwned, OWNED, type Owned } from "./owned.ts";

/**
 * Keeps entries from being taken over: resets the idle time of those that this consumer still owns.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, then per entry: id, fence
 * Returns  per entry: 1 kept; 2 pending, but without data: from Redis 7.0 on XCLAIM clears that from the pending list;
 *          else as OWNED.
 */
const keepAliveScript = defineScript(
  "keep-alive",
  `${OWNED}
local answers = {}
for i = 3, #ARGV, 2 do
  local owned = state(ARGV[i], ARGV[i + 1])
  if owned == 1 and #redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'JUSTID') == 0 then owned = 2 end
  answers[#answers + 1] = owned
end
return answers
`,
);

/** A heartbeat, sent once; answers are in the order of the claims. A repeat does the same again. */
export async function keepAlive(
  caller: Caller,
  stream: StreamKey,
  { group, consumer }: Member,
  claims: readonly Claim[],
): Promise<Owned[]> {
  const reply = await caller.run(keepAliveScript, [stream], [group, consumer, ...claimArgs(claims)]);
  return asList(reply).map(decodeOwned);
}
