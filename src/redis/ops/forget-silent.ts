import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FORGET } from "./forget-consumer.ts";
import { FACTS } from "./lua/facts.ts";
import { type Member, settlingKeys } from "./member.ts";

/**
 * Removes those of the named consumers that hold nothing and were not heard of for so long. Both are looked at in the
 * step that removes them: what is delivered to one before it keeps it, what comes after makes it anew.
 *
 * KEYS     the stream; the holders (see lua/held.ts)
 * ARGV     group, then per consumer: name, idle for at least so many ms
 * Returns  per consumer: -1 gone, by this step or before; -2 kept, it holds entries; else kept, and idle for so many ms.
 */
const forgetSilentScript = defineScript(
  "forget-silent",
  `
local group = ARGV[1]
${FORGET}${FACTS}
local consumers, answers, silent = {}, {}, {}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  local facts = facts_of(info)
  consumers[facts.name] = facts
end
for i = 2, #ARGV, 2 do
  local facts, answer = consumers[ARGV[i]], -1
  if facts and facts.pending > 0 then answer = -2
  elseif facts and facts.idle < tonumber(ARGV[i + 1]) then answer = facts.idle
  elseif facts then silent[#silent + 1] = ARGV[i] end
  answers[#answers + 1] = answer
end
forget(silent)
return answers
`,
);

export interface SilentConsumer {
  readonly name: string;
  /** It goes when it has been idle for at least so long. */
  readonly silentMs: number;
}

export type Forgotten =
  | { readonly kind: "gone" }
  | { readonly kind: "holdsEntries" }
  | { readonly kind: "heardOf"; readonly idleMs: number };

/** One step, in the order of the consumers; a repeat finds those gone that it has removed. */
export async function forgetSilent(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  consumers: readonly SilentConsumer[],
): Promise<Forgotten[]> {
  const args = consumers.flatMap(({ name, silentMs }) => [name, Math.ceil(silentMs)]);
  const reply = await caller.run(forgetSilentScript, settlingKeys(member, stream), [member.group, ...args]);
  return asList(reply).map((value) => {
    const answer = asNumber(value);
    if (answer === -1) return { kind: "gone" };
    return answer === -2 ? { kind: "holdsEntries" } : { kind: "heardOf", idleMs: answer };
  });
}
