import { type EntryId, parseEntryId } from "../../entry/id.ts";
import { type GroupName, type StreamKey, groupName } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { FACTS } from "./lua/facts.ts";
import { ID_BEFORE } from "./lua/id-before.ts";

/**
 * Trims a stream up to an ID, but never what some group has not been given or has not acked. The bound is
 * computed and applied in one step: nobody can make or rewind a group in between. A group needs what comes
 * after its last-delivered ID, and what is pending and still there: after XGROUP SETID either may come first.
 *
 * KEYS[1]  the stream
 * ARGV     the first ID to keep, or "+" and how many of the newest entries; how: "=" exactly, "~" whole nodes only, "?" not at all; "1" to heed the
 *          groups, "0" not to; how many entries may go at most (about 10,000 hold the server for a ms)
 * Returns  how many entries went, the first ID kept for the groups' sake, the group that holds it, why:
 *          "pending", "undelivered", or "unknown" behind 1,000 pending entries whose data is gone; these
 *          three are nil when no group needs anything before the ID asked for. Then a list: groups, each with
 *          its oldest pending entry whose data is gone, where one was met; and the first ID asked to be kept.
 *          Repeat it until none goes.
 * Servers  before 6.2 can't trim by ID: there entries are deleted one by one, exactly, and Lua reads them.
 */
const trimScript = defineScript(
  "trim",
  `${ID_BEFORE}${FACTS}
local function after(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  local function increment(digits)
    local head, nines = string.match(digits, '^(.-)(9*)$')
    local last = string.match(head, '%d$')
    head = last and string.sub(head, 1, -2) .. tostring(tonumber(last) + 1) or '1'
    return head .. string.rep('0', #nines)
  end
  if seq == '18446744073709551615' then return increment(ms) .. '-0' end
  return ms .. '-' .. increment(seq)
end

local function first_of_newest(most)
  local last, excess = '0-0', math.min(redis.call('XLEN', KEYS[1]) - most, tonumber(ARGV[4]))
  while excess > 0 do
    local page = redis.call('XRANGE', KEYS[1], after(last), '+', 'COUNT', math.min(excess, 100))
    if #page == 0 then break end
    last, excess = page[#page][1], excess - #page
  end
  return last == '0-0' and last or after(last)
end

local newest = string.match(ARGV[1], '^%+(%d+)$')
local asked = newest and first_of_newest(tonumber(newest)) or ARGV[1]
local cut, held, holder, why, stale = asked, nil, nil, nil, {}

local function entry_from(id)
  local entry = redis.call('XRANGE', KEYS[1], id, '+', 'COUNT', 1)[1]
  return entry and entry[1]
end

local function pending_from(group, id)
  local row = redis.call('XPENDING', KEYS[1], group, id, '+', 1)[1]
  return row and row[1]
end

local function need(group, id, reason)
  if id_before(id, cut) then cut, held, holder, why = id, id, group, reason end
end

-- From an entry to what is pending there or later, from that to the entry there or later, until they meet.
local function need_pending(group)
  local entry, oldest = entry_from('-'), pending_from(group, '-')
  local gone = oldest and (not entry or id_before(oldest, entry)) and oldest
  for _ = 1, 1000 do
    local pending = entry and id_before(entry, cut) and pending_from(group, entry)
    if not pending then entry = nil; break end
    entry = entry_from(pending)
    if entry == pending then need(group, entry, 'pending'); entry = nil; break end
    gone = gone or pending
  end
  if entry then need(group, entry, 'unknown') end
  if gone then stale[#stale + 1] = group; stale[#stale + 1] = gone end
end

if ARGV[3] == '1' then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local facts = facts_of(info)
    need(facts['name'], after(facts['last-delivered-id']), 'undelivered')
    if facts['pending'] > 0 then need_pending(facts['name']) end
  end
end

local function delete_before(count)
  local ids = {}
  for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', cut, 'COUNT', count)) do
    if id_before(entry[1], cut) then ids[#ids + 1] = entry[1] end
  end
  return #ids == 0 and 0 or redis.call('XDEL', KEYS[1], unpack(ids))
end

local gone = 0
if ARGV[2] ~= '?' then
  gone = redis.pcall('XTRIM', KEYS[1], 'MINID', '~', cut, 'LIMIT', ARGV[4])
  if type(gone) == 'table' then
    if not string.find(gone.err, 'syntax error') then return gone end
    gone = delete_before(200)
  elseif gone < tonumber(ARGV[4]) / 2 and ARGV[2] == '=' then
    -- What is left before the cut is less than a node.
    gone = gone + redis.call('XTRIM', KEYS[1], 'MINID', '=', cut)
  end
end
return {gone, held or false, holder or false, why or false, stale, asked}
`,
);

export interface TrimStep {
  /** The first ID to keep, or how many of the newest entries. */
  readonly keep: EntryId | { readonly newest: number };
  /** `=` exactly, `~` whole nodes only, `?` not at all: only look. */
  readonly how: "=" | "~" | "?";
  /** Keep what some group has not been given or has not acked. */
  readonly heedGroups: boolean;
  /** How many entries may go in this step. */
  readonly most: number;
}

/** The lowest ID that some group still needs, and which group that is. No entry need stand there. */
export interface TrimBound {
  readonly id: EntryId;
  readonly group: GroupName;
  /**
   * The group has not been given it (perhaps once more), or has not acked it; unknown behind very many
   * pending entries whose data is gone.
   */
  readonly why: "undelivered" | "pending" | "unknown";
}

/** A group with pending entries whose data is gone. They hold nothing, and can never be worked on. */
export interface StalePending {
  readonly group: GroupName;
  readonly oldestId: EntryId;
}

export interface TrimmedStep {
  readonly removed: number;
  /** Undefined: no group needs anything before the ID asked for. */
  readonly bound: TrimBound | undefined;
  readonly stale: readonly StalePending[];
  /** The first ID that was asked to be kept. */
  readonly cut: EntryId;
}

/** One step, repeated until it is answered: after a lost reply it takes nothing that the next one would not. */
export async function trimStep(
  caller: Caller,
  stream: StreamKey,
  { keep, how, heedGroups, most }: TrimStep,
): Promise<TrimmedStep> {
  const args = [typeof keep === "string" ? keep : `+${keep.newest}`, how, heedGroups ? 1 : 0, most];
  const reply = asList(await caller.persist(() => caller.run(trimScript, [stream], args)));
  const [removed, id, group, why, stale, cut] = reply;
  const first = id === null ? undefined : parseEntryId(asText(id));
  const words = asList(stale).map(asText);
  return {
    removed: asNumber(removed),
    bound: first && { id: first, group: groupName(asText(group)), why: asText(why) as TrimBound["why"] },
    stale: words.flatMap((word, n) =>
      n % 2 === 0 ? [{ group: groupName(word), oldestId: words[n + 1] as EntryId }] : [],
    ),
    cut: parseEntryId(asText(cut)) as EntryId,
  };
}
