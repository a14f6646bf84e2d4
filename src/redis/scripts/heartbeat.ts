import { defineScript } from "../script.ts";
import { OWNED } from "./owned.ts";

/**
 * Keeps entries from being taken over: resets the idle time of those that this consumer still owns.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer, id …
 * Returns  per id: 1 kept, -1 owned by another consumer, 0 not pending any more; 2 as 1 (see OWNED).
 */
export const heartbeat = defineScript(
  "heartbeat",
  `${OWNED}
local answers = {}
for i = 3, #ARGV do
  local owned = state(ARGV[i])
  if owned > 0 then redis.call('XCLAIM', KEYS[1], group, consumer, 0, ARGV[i], 'JUSTID') end
  answers[#answers + 1] = owned
end
return answers
`,
);
