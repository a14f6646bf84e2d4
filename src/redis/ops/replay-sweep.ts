import { type EntryId, parseEntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { MAX_SCRIPT_VALUES } from "./limits.ts";
import { headOf, keysOf, type ReplayRule } from "./replay.ts";
import { FATE } from "./replay-fate.ts";
import { NOTES } from "./replay-notes.ts";

/**
 * Replays the next records of a queue that are exactly as streamctl writes them. It needs no client to look
 * at them, which makes it several times as fast as moveLetters. All others stay for whoever knows more.
 *
 * KEYS     the dead-letter queue, the target stream in the same slot, optionally its notes
 * ARGV     reach, retention of notes in ms, the day as dayOf has it, first ID, last ID, about how many records to
 *          look at, the number of replays from which on a record stays
 * Returns  how many were added, revived and awaited; where to go on: the ID to go on after, "" to begin at the
 *          first ID again because all that was looked at has gone, nil when the range has been swept; the error
 *          of an XADD that failed, or nil: what was replayed before it has been deleted from the queue like the
 *          rest.
 */
const sweepScript = defineScript(
  "replay-all",
  `local reach, target = ARGV[1], KEYS[2]
${NOTES}${FATE}
local failure = find_groups()
if failure then return failure end

-- How many values the original has, when a complete block in the writer's order follows it, where the block's
-- reason stands, and how often it was replayed and delivered; nil for a record that is for others to look at.
local function original(fields)
  local n = #fields
  local deliveries
  if fields[n - 1] == 'dlq.deliveries-total' then
    deliveries = tonumber(fields[n])
    n = n - 2
  end
  if n > ${MAX_SCRIPT_VALUES} or fields[n - 1] ~= 'dlq.replays' or fields[n - 3] ~= 'dlq.failed-at'
    or fields[n - 5] ~= 'dlq.stderr'
  then return nil end
  local at = fields[n - 7] == 'dlq.exit' and n - 9 or n - 7
  if fields[at] ~= 'dlq.reason' or fields[at - 2] ~= 'dlq.deliveries' or fields[at - 4] ~= 'dlq.consumer'
    or fields[at - 6] ~= 'dlq.group' or fields[at - 8] ~= 'dlq.id' or fields[at - 10] ~= 'dlq.stream'
    or at < 13
  then return nil end
  -- More digits than this may be no ID.
  local ms, seq = string.match(fields[at - 7], '^(%d+)%-(%d+)$')
  if not ms or #ms > 19 or #seq > 19 then return nil end
  return at - 11, at, tonumber(fields[n]), deliveries or tonumber(fields[at - 1])
end

-- The oldest records of a queue go by whole nodes, which takes a fraction of the time of an XDEL.
local function delete(ids, are_oldest)
  local trimmed = are_oldest and redis.pcall('XTRIM', KEYS[1], 'MINID', '=', ids[#ids])
  if type(trimmed) == 'number' then redis.call('XDEL', KEYS[1], ids[#ids])
  else redis.call('XDEL', KEYS[1], unpack(ids)) end
end

local count, most = tonumber(ARGV[6]), tonumber(ARGV[7])
local counts = {[ADDED] = 0, [REVIVED] = 0, [AWAITED] = 0}
local moved, bytes, go_on = 0, 0, ''
-- Looked up once: this is the whole work of a long replay.
local pcall, unpack = redis.pcall, unpack

-- Replays what it may of so many records; true when all of them went, and so the next ones are first in the range.
local function step(size)
  local records = redis.call('XRANGE', KEYS[1], ARGV[4], ARGV[5], 'COUNT', size)
  local gone, taken = {}, 0
  for i = 1, #records do
    local record = records[i]
    local fields = record[2]
    local length, at, replays, deliveries = original(fields)
    if replays and replays >= 0 and replays < most and deliveries then
      local group, id = fields[at - 5], fields[at - 7]
      local fate = fate_of(group, fields[at - 9] == target and id or '', fields, length)
      if fate == ADDED then
        local new = pcall('XADD', target, '*', unpack(fields, 1, length))
        if type(new) == 'table' then
          failure = new
          break
        end
        note(new, replays + 1, deliveries)
      elseif fate ~= HELD then
        if fate == REVIVED then fate = revive(group, id) end
        note_revival(id, group, replays + 1, deliveries)
      end
      if fate ~= HELD then
        counts[fate] = counts[fate] + 1
        taken = taken + 1
        gone[taken] = record[1]
        for i = 2, length, 2 do bytes = bytes + #fields[i] end
      end
    end
  end
  local all = taken == #records
  if taken > 0 then delete(gone, all and ARGV[4] == '0-0') end
  moved = moved + taken
  if not all then go_on = records[#records][1] end
  if #records < size and all then go_on = false end
  return all and #records == size
end

-- Records may be large, and Lua holds what it has read until it collects its garbage.
local size = 10
while step(size) and moved < count and bytes < 500000 do
  size = math.max(1, math.min(100, math.floor(500000 / (bytes / moved + 1))))
end
write_notes(KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3]))
return {counts[ADDED], counts[REVIVED], counts[AWAITED], go_on, failure and failure.err or false}
`,
);

export interface SweepRange {
  readonly from: EntryId;
  readonly to: EntryId;
  /** About how many records to look at. */
  readonly count: number;
  /** From this number of replays on a record stays. */
  readonly maxReplays: number;
}

/** What one sweep has done. */
export interface Swept {
  readonly added: number;
  readonly revived: number;
  readonly awaited: number;
  /** Where to go on. `after`: records up to this ID were passed over. `from`: all that was looked at has gone. */
  readonly next: { readonly after: EntryId } | "from" | undefined;
  /** The error of an XADD that failed. What was replayed before it has gone from the queue. */
  readonly failure: string | undefined;
}

/** One step, sent once. After a lost reply a repeat moves others, and nobody knows how many the first one moved. */
export async function sweepLetters(
  caller: Caller,
  dlq: StreamKey,
  rule: ReplayRule,
  { from, to, count, maxReplays }: SweepRange,
): Promise<Swept> {
  const args = [...headOf(rule), from, to, count, maxReplays];
  const reply = asList(await caller.run(sweepScript, keysOf(rule, dlq, rule.target), args));
  const [added, revived, awaited, goOn, failure] = reply;
  const after = goOn === null ? undefined : asText(goOn);
  return {
    added: asNumber(added),
    revived: asNumber(revived),
    awaited: asNumber(awaited),
    next: after === undefined ? undefined : after === "" ? "from" : { after: parseEntryId(after) as EntryId },
    failure: failure === null ? undefined : asText(failure),
  };
}
