import type { StreamKey } from "../../entry/names.ts";
import { translateReply } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { GIVE_BACK } from "./put-off.ts";
import type { ScheduleKeys } from "./schedule-keys.ts";
import { asSchedule } from "./schedule-page.ts";

/**
 * Takes records out of a schedule. What was put off goes back to its group at once: it is pending, and nothing else would
 * ever give it to a worker.
 *
 * KEYS     the stream, its schedule's two keys
 * ARGV     token …
 * Returns  [cancelled, given back, the error that ended it or nil]; a repeat finds none of those that are done
 */
const cancelScript = defineScript(
  "cancel-scheduled",
  `${GIVE_BACK}
redis.call('ZREM', KEYS[2], '')
redis.call('HDEL', KEYS[3], '')
local cancelled, given = 0, 0
for _, token in ipairs(ARGV) do
  if redis.call('ZSCORE', KEYS[2], token) then
    local readable, record = pcall(cmsgpack.unpack, redis.call('HGET', KEYS[3], token))
    if readable and type(record) == 'table' and #record == 3 then
      local answer = give_back(record[1], record[2])
      if type(answer) == 'table' then return {cancelled, given, answer.err} end
      given = given + answer
    end
    redis.call('ZREM', KEYS[2], token)
    redis.call('HDEL', KEYS[3], token)
    cancelled = cancelled + 1
  end
end
return {cancelled, given, false}
`,
);

/** So many take the server less than a millisecond. */
export const CANCELLED_AT_ONCE = 200;

export interface Cancelled {
  /** Records that are scheduled no longer. */
  readonly cancelled: number;
  /** Those of them that were put off, and may be taken by their group now. */
  readonly givenBack: number;
}

/** One step, which may be repeated; what an earlier attempt has done is not counted then. */
export async function cancelScheduled(
  caller: Caller,
  stream: StreamKey,
  { due, records }: ScheduleKeys,
  tokens: readonly string[],
): Promise<Cancelled> {
  const answer = asSchedule(due, caller.run(cancelScript, [stream, due, records], tokens));
  const [cancelled, givenBack, failure = null] = asList(await answer);
  if (failure !== null) throw translateReply(asText(failure), { command: "XCLAIM", key: stream });
  return { cancelled: asNumber(cancelled), givenBack: asNumber(givenBack) };
}
