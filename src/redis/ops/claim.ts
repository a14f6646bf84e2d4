import type { EntryId } from "../../entry/id.ts";
import { defineScript } from "../script.ts";
import { type ByHand, decodeByHand, eachByHand, flag, type PendingTarget } from "./by-hand.ts";
import type { Caller } from "./caller.ts";

/**
 * Gives pending entries to a consumer by hand: those that are still pending and still match, all in one
 * step. A plain XCLAIM would take what another consumer got meanwhile, and from Redis 7.0 on it silently
 * clears entries whose data is gone.
 *
 * KEYS[1]  the stream
 * ARGV     group, consumer,
 *          action: "claim"; "count", which also counts a delivery; "leave": move nothing,
 *          drop-missing ("1": ack what has no data any more), dry-run ("1": change nothing),
 *          min-idle ms, min-deliveries, owner-known ("1": only what is pending for the next), owner,
 *          id …
 * Returns  per id: [state, owner, idle ms, deliveries], as they were before the step;
 *          1 claimed, 2 dropped, 3 pending for that consumer already, 4 left as asked, 0 not pending,
 *          -1 does not match, -2 data gone and left as it is.
 */
const claimScript = defineScript(
  "claim",
  `
local group, consumer, action = ARGV[1], ARGV[2], ARGV[3]
local drop_missing, dry_run = ARGV[4] == '1', ARGV[5] == '1'
local min_idle, min_deliveries = tonumber(ARGV[6]), tonumber(ARGV[7])
local owner_known, wanted_owner = ARGV[8] == '1', ARGV[9]

local function settle(id, owner, idle, count)
  if owner_known and owner ~= wanted_owner or idle < min_idle or count < min_deliveries then return -1 end
  if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
    if not drop_missing then return -2 end
    if not dry_run then redis.call('XACK', KEYS[1], group, id) end
    return 2
  end
  if action == 'leave' then return 4 end
  if owner == consumer then return 3 end
  if dry_run then return 1 end
  if action == 'count' and count < 2 ^ 53 then
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'RETRYCOUNT', count + 1, 'JUSTID')
  else
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
  end
  return 1
end

${eachByHand("10")}`,
);

export interface ClaimRule {
  /** Undefined: move nothing. */
  readonly to: string | undefined;
  readonly countDelivery: boolean;
  readonly dropMissing: boolean;
  readonly dryRun: boolean;
  readonly minIdleMs: number;
  readonly minDeliveries: number;
  /** Only what is pending for this consumer. */
  readonly from: string | undefined;
}

/** What became of one ID; see the script. */
export type ClaimState = "claimed" | "dropped" | "already" | "left" | "notPending" | "unmatched" | "missing";

const CLAIM_STATES: Readonly<Record<number, ClaimState>> = {
  1: "claimed",
  2: "dropped",
  3: "already",
  4: "left",
  0: "notPending",
  [-1]: "unmatched",
  [-2]: "missing",
};

/** One step, sent once; answers are in the order of the IDs. */
export async function claimEntries(
  caller: Caller,
  { stream, group }: PendingTarget,
  rule: ClaimRule,
  ids: readonly EntryId[],
): Promise<ByHand<ClaimState>[]> {
  const { to = "", from = "" } = rule;
  const action = rule.to === undefined ? "leave" : rule.countDelivery ? "count" : "claim";
  const flags = [flag(rule.dropMissing), flag(rule.dryRun), rule.minIdleMs, rule.minDeliveries];
  const args = [group, to, action, ...flags, flag(rule.from !== undefined), from, ...ids];
  const reply = await caller.run(claimScript, [stream], args);
  return decodeByHand(reply, ids, (code) => CLAIM_STATES[code] ?? "notPending");
}
