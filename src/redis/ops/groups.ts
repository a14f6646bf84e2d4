import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { isRefused } from "../errors.ts";
import { sameSlot } from "../keys.ts";
import { defineScript } from "../script.ts";
import { asNumber } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FACTS } from "./lua/facts.ts";
import { pauseKey } from "./pause.ts";

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

/**
 * Destroys a group, and its pause with it: one made anew by that name is another group.
 *
 * KEYS     the stream, the pause
 * ARGV     group
 * Returns  1 destroyed, 0 there is no such group
 * Crash    one step; a repeat finds no group.
 */
const destroyScript = defineScript(
  "destroy-group",
  `
if redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.pcall('DEL', KEYS[2])
return 1
`,
);

/** One step, sent once. A user without the right to pauses, or to scripts, destroys the group alone. */
export async function destroyGroup(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<"destroyed" | "noGroup"> {
  const pause = pauseKey(stream, group, caller.cluster);
  const destroyed = sameSlot(stream, pause, caller.cluster)
    ? await caller.run(destroyScript, [stream, pause], [group]).catch((error: unknown) => {
        if (!isRefused(error)) throw error;
        return caller.call("XGROUP", "DESTROY", stream, group);
      })
    : await caller.call("XGROUP", "DESTROY", stream, group);
  return asNumber(destroyed) === 1 ? "destroyed" : "noGroup";
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
