import type { GroupName, StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FORGET, TAKE_ALONG } from "./forget-consumer.ts";
import { withHolders } from "./holders.ts";
import { FACTS } from "./lua/facts.ts";

/**
 * Removes consumers that hold nothing and were not heard of for long. Each is looked at in the step that
 * removes it, so one that was given something meanwhile keeps it.
 *
 * KEYS     the stream; the holders (see lua/held.ts)
 * ARGV     group, idle for at least so many ms, at most so many consumers, write (1, or 0: only tell)
 * Returns  the names of the consumers that went, or would.
 */
const forgetEmptyScript = defineScript(
  "forget-empty",
  `local group, idle, most, write = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
${FACTS}${FORGET}${TAKE_ALONG}
local gone = {}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  if #gone >= most then break end
  local facts = facts_of(info)
  if facts.pending == 0 and facts.idle >= idle then gone[#gone + 1] = facts.name end
end
if write then
  forget(gone)
  take_along()
end
return gone
`,
);

/** One step: the names of the consumers that went, `most` at once; with `dryRun` of those that would. */
export async function forgetEmpty(
  caller: Caller,
  stream: StreamKey,
  rule: {
    readonly group: GroupName;
    readonly idleMs: number;
    readonly most: number;
    readonly dryRun: boolean;
  },
): Promise<string[]> {
  const args = [rule.group, rule.idleMs, rule.most, rule.dryRun ? 0 : 1];
  const answer = await withHolders(caller, stream, rule.group, (keys) =>
    caller.run(forgetEmptyScript, keys, args),
  );
  return asList(answer).map((name) => asText(name));
}
