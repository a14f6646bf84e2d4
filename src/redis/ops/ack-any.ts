import type { EntryId } from "../../entry/id.ts";
import { defineScript } from "../script.ts";
import { type ByHand, decodeByHand, flag, type PendingTarget } from "./by-hand.ts";
import type { Caller } from "./caller.ts";

/**
 * Acks entries whoever owns them, and tells what they were. XACK alone says neither which of several IDs
 * were pending nor whose they were.
 *
 * KEYS[1]  the stream
 * ARGV     group, dry-run ("1": change nothing), id …
 * Returns  per id: [state, owner, idle ms, deliveries], as they were before the step; 1 acked, 0 not pending.
 */
const ackAnyScript = defineScript(
  "ack-any",
  `
local answers = {}
for i = 3, #ARGV do
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if row then
    if ARGV[2] ~= '1' then redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) end
    answers[#answers + 1] = {1, row[2], row[3], row[4]}
  else
    answers[#answers + 1] = {0, '', 0, 0}
  end
end
return answers
`,
);

/** One step, sent once; answers are in the order of the IDs. */
export async function ackAny(
  caller: Caller,
  { stream, group }: PendingTarget,
  dryRun: boolean,
  ids: readonly EntryId[],
): Promise<ByHand<"acked" | "notPending">[]> {
  const reply = await caller.run(ackAnyScript, [stream], [group, flag(dryRun), ...ids]);
  return decodeByHand(reply, ids, (code) => (code === 1 ? "acked" : "notPending"));
}
