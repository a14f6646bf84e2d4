import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { defineScript } from "../script.ts";
import { asNumber } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FACTS } from "./lua/facts.ts";

/**
 * Makes a group that begins after `at` (`0`, `$` or an ID), and the stream where that is asked for; one that is there
 * stays where it stands, so this may be repeated. Rejects with a ServerError of code NOKEY when there is no stream.
 */
export async function ensureGroup(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  { at, makeStream }: { readonly at: string; readonly makeStream: boolean },
): Promise<"made" | "exists"> {
  try {
    await caller.call("XGROUP", "CREATE", stream, group, at, ...(makeStream ? ["MKSTREAM"] : []));
    return "made";
  } catch (error) {
    if (error instanceof ServerError && error.code === "BUSYGROUP") return "exists";
    throw error;
  }
}

export async function destroyGroup(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<"destroyed" | "noGroup"> {
  return asNumber(await caller.call("XGROUP", "DESTROY", stream, group)) === 1 ? "destroyed" : "noGroup";
}

/**
 * Sets a group's last-delivered ID if the group still stands where it stood when a person was told what
 * the change would skip or replay.
 *
 * KEYS[1]  the stream
 * ARGV     group, the last-delivered ID it had, the new one
 * Returns  1 done, 0 the group has moved or is gone.
 */
const setPositionScript = defineScript(
  "set-position",
  `${FACTS}
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = facts_of(row)
  if info['name'] == ARGV[1] and info['last-delivered-id'] == ARGV[2] then
    redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[3])
    return 1
  end
end
return 0
`,
);

/** One step, sent once. `moved`: the group does not stand at `from` any more, or is gone; nothing was changed. */
export async function setPosition(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<"set" | "moved"> {
  return (await caller.run(setPositionScript, [stream], [group, from, to])) === 1 ? "set" : "moved";
}
