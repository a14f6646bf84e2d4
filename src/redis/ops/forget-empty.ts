import { defineScript } from "../script.ts";
import { asList, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FACTS } from "./lua/facts.ts";

/**
 * Removes consumers that hold nothing and were not heard of for long. Each is looked at in the step that
 * removes it, so one that was given something meanwhile keeps it.
 *
 * KEYS[1]  the stream
 * ARGV     group, idle for at least so many ms, at most so many consumers, write (1, or 0: only tell)
 * Returns  the names of the consumers that went, or would.
 */
const forgetEmptyScript = defineScript(
  "forget-empty",
  `${FACTS}
local group, idle, most, write = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local gone = {}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  if #gone >= most then break end
  local facts = facts_of(info)
  if facts.pending == 0 and facts.idle >= idle then
    if write then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, facts.name) end
    gone[#gone + 1] = facts.name
  end
end
return gone
`,
);

/** One step: the names of the consumers that went, `most` at once; with `dryRun` of those that would. */
export async function forgetEmpty(
  caller: Caller,
  stream: string,
  rule: {
    readonly group: string;
    readonly idleMs: number;
    readonly most: number;
    readonly dryRun: boolean;
  },
): Promise<string[]> {
  const args = [rule.group, rule.idleMs, rule.most, rule.dryRun ? 0 : 1];
  return asList(await caller.run(forgetEmptyScript, [stream], args)).map((name) => asText(name));
}
