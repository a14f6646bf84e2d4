import type { EntryId } from "../../entry/id.ts";
import { defineScript } from "../script.ts";
import { type ByHand, decodeByHand, eachByHand, flag, type PendingTarget } from "./by-hand.ts";
import type { Caller } from "./caller.ts";
import { withHolders } from "./holders.ts";
import { NOW_MS } from "./lua/now.ts";
import { REPLAY_CONSUMER } from "./replay-fate.ts";
import { PUT_OFF_CONSUMER } from "./schedule-keys.ts";

/**
 * Lets any worker take pending entries at once, whatever its --claim-idle: those that wait, and those whose worker is gone.
 * What a worker may be running is left alone. An entry waits when the holders say that whoever has it has left it for later
 * (see lua/held.ts), at the delivery count that it still has: every take changes one of the two. Where this user may not read
 * the holders nothing is known to wait but what was put off, which goes to a consumer that workers take from; its record in
 * the schedule is void then (see put-off.ts, add-due.ts).
 *
 * KEYS     the stream; the holders
 * ARGV     group, dry-run ("1": change nothing), min-idle ms, min-deliveries, owner-known ("1": only what is pending for the
 *          next), owner, how many consumers are gone, then for each: its name, and for how many ms what it has must have been
 *          idle; then id …
 * Returns  per id: [state, owner, idle ms, deliveries], as they were before the step;
 *          1 released, 0 not pending, -1 does not match, -2 data gone and left as it is, -3 may be running.
 * Crash    one step; a repeat does the same again.
 */
const releaseScript = defineScript(
  "release",
  `${NOW_MS}
local group, dry_run = ARGV[1], ARGV[2] == '1'
local min_idle, min_deliveries = tonumber(ARGV[3]), tonumber(ARGV[4])
local owner_known, wanted_owner = ARGV[5] == '1', ARGV[6]
local gone, first = {}, 8 + 2 * ARGV[7]
for i = 8, first - 1, 2 do gone[ARGV[i]] = tonumber(ARGV[i + 1]) end

local function held(id)
  return KEYS[2] and redis.call('HGET', KEYS[2], id)
end

local function waits(id, owner, count)
  local noted, who = string.match(held(id) or '', '^(%S+) %S%d+ (.*)$')
  return owner == '${REPLAY_CONSUMER}' or owner == '${PUT_OFF_CONSUMER}' or who == owner and tonumber(noted) == count
end

local function settle(id, owner, idle, count)
  if owner_known and owner ~= wanted_owner or idle < min_idle or count < min_deliveries then return -1 end
  if not waits(id, owner, count) and not (gone[owner] and idle >= gone[owner]) then return -3 end
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then return -2 end
  if dry_run then return 1 end
  local to = owner == '${PUT_OFF_CONSUMER}' and '${REPLAY_CONSUMER}' or owner
  redis.call('XCLAIM', KEYS[1], group, to, 0, id, 'TIME', 0, 'JUSTID')
  local noted, kind = string.match(held(id) or '', '^(%S+) (%S)')
  if noted then redis.call('HSET', KEYS[2], id, noted .. ' ' .. kind .. string.format('%.0f', now_ms()) .. ' ' .. to) end
  return 1
end

${eachByHand("first")}`,
);

export interface ReleaseRule {
  readonly dryRun: boolean;
  readonly minIdleMs: number;
  readonly minDeliveries: number;
  /** Only what is pending for this consumer. */
  readonly from: string | undefined;
}

/** A consumer whose process is gone, and for how long what it has must have been idle to be released. */
export type Gone = ReadonlyMap<string, number>;

/** What became of one ID; see the script. */
export type ReleaseState = "released" | "notPending" | "unmatched" | "missing" | "running";

const STATES: Readonly<Record<number, ReleaseState>> = {
  1: "released",
  0: "notPending",
  [-1]: "unmatched",
  [-2]: "missing",
  [-3]: "running",
};

/** One step, sent once; answers are in the order of the IDs. */
export async function releaseEntries(
  caller: Caller,
  { stream, group }: PendingTarget,
  { dryRun, minIdleMs, minDeliveries, from }: ReleaseRule,
  gone: Gone,
  ids: readonly EntryId[],
): Promise<ByHand<ReleaseState>[]> {
  const filter = [minIdleMs, minDeliveries, flag(from !== undefined), from ?? ""];
  const args = [group, flag(dryRun), ...filter, gone.size, ...[...gone].flat(), ...ids];
  const reply = await withHolders(caller, stream, group, (keys) => caller.run(releaseScript, keys, args));
  return decodeByHand(reply, ids, (code) => STATES[code] ?? "notPending");
}
