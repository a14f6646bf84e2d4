import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { FACTS } from "./lua/facts.ts";
import type { Member } from "./member.ts";

/** Nothing is pending after it. After the last ID there is, XREADGROUP would begin anew. */
const NEAR_LAST = "18446744073709551615-18446744073709551614";

/**
 * Lets a consumer that reads nothing be heard of: its idle time is 0 then, and nothing else has changed. One that is not
 * there is not made: its absence tells its worker what was thrown away.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, an ID that nothing comes after
 * Returns  1, or 0 when there is no such consumer
 * Crash    one step; a repeat does the same again.
 */
const showUpScript = defineScript(
  "show-up",
  `${FACTS}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if facts_of(info).name == ARGV[2] then
    redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 1, 'STREAMS', KEYS[1], ARGV[3])
    return 1
  end
end
return 0
`,
);

/** One step, sent once. */
export async function showUp(
  caller: Caller,
  stream: StreamKey,
  { group, consumer }: Pick<Member, "group" | "consumer">,
): Promise<void> {
  await caller.run(showUpScript, [stream], [group, consumer, NEAR_LAST]);
}
