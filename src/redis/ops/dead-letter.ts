import { ServerError } from "../../errors.ts";
import { translateReply } from "../errors.ts";
import { defineScript } from "../script.ts";
import type { Caller } from "./caller.ts";
import { SETTLED } from "./lua/settled.ts";
import { type Member, settlingKeys } from "./member.ts";
import { type Claim, decodeOwned, OWNED, type Owned } from "./owned.ts";

/**
 * Moves one entry to the dead-letter queue in the same slot: still mine → XADD → XACK, in one step.
 *
 * KEYS     the stream, the dead-letter queue; the holders
 * ARGV     group, consumer, id, fence, then the record's names and values
 * Returns  1 moved, else as OWNED. An XADD that fails (memory, type) fails the script before the XACK.
 */
const deadLetterScript = defineScript(
  "dead-letter",
  `${OWNED}${SETTLED}
local owned = state(ARGV[3], ARGV[4])
if owned > 0 then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
  redis.call('XACK', KEYS[1], group, ARGV[3])
  settled(KEYS[3], ARGV[3])
  keep_last(KEYS[3])
end
return owned
`,
);

/** One step, sent once. `record`: at most MAX_SCRIPT_VALUES names and values. */
export async function deadLetter(
  caller: Caller,
  stream: string,
  member: Member,
  { id, fence }: Claim,
  { dlq, record }: { readonly dlq: string; readonly record: readonly Buffer[] },
): Promise<Owned> {
  const args = [member.group, member.consumer, id, fence, ...record];
  try {
    return decodeOwned(await caller.run(deadLetterScript, settlingKeys(member, stream, dlq), args));
  } catch (error) {
    // The script reads the stream without fault, so a wrong type is the queue's.
    if (error instanceof ServerError && error.code === "WRONGTYPE")
      throw translateReply(error.reply, { command: "XADD", key: dlq });
    throw error;
  }
}
