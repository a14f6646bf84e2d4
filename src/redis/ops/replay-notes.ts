import { type EntryId, idMs } from "../../entry/id.ts";
import type { GroupName } from "../../entry/names.ts";
import { errorCode, isDenied } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText, type Value } from "../value.ts";
import type { Caller } from "./caller.ts";
import { ID_BEFORE } from "./lua/id-before.ts";

/**
 * How often entries have been replayed, and how often they had been delivered before that: what whoever
 * dead-letters one of them again adds to its record. All of it is one sorted set beside the stream.
 *
 * - An entry that was added anew: the IDs that one script gives follow each other, so a note is a run of them,
 *   `first last replays deliveries`, with the time of `first` as score. Notes older than the retention (by the
 *   stream's own clock) go.
 * - An entry that was made pending again keeps its ID, and only for one group: the member is `ID group`, and the
 *   score holds the rest, as `note_revival` has it. Below 0, so that runs and these never meet; by day first, so
 *   that what is older than the retention is one range.
 */
const REPLAYS_BITS = 10;
const DELIVERIES_BITS = 27;
const MOST_REPLAYS = 2 ** REPLAYS_BITS - 1;
const MOST_DELIVERIES = 2 ** DELIVERIES_BITS - 1;
/** Until the year 2149 the day fits into the 16 bits that are left of a double's 53. */
const DAY_UNIT = 2 ** (REPLAYS_BITS + DELIVERIES_BITS);
const DAY_MS = 24 * 60 * 60 * 1_000;

/** What is noted of an entry; 0 of each for one that was never replayed. */
export interface ReplayNote {
  readonly replays: number;
  /** Before this life of it. */
  readonly deliveries: number;
}

export const NO_NOTE: ReplayNote = { replays: 0, deliveries: 0 };

/** So many runs of IDs are looked at in one command. */
const PAGE = 64;

/**
 * Lua: note_of(notes, group, id) gives the replays and the deliveries that are noted of the entry of this ID that the
 * group is given, 0 and 0 for one that was never replayed; then, when the notes could not be read, the error. That is
 * noted in one step with the replay and does not change while the entry is out. All numbers are whole and below 2^53,
 * as a double holds them; the units of a revival's score are powers of two.
 *
 * What was made pending again was added before that, so its score comes first. Runs don't overlap, so an ID is in one of
 * those that begin last before it: in its own millisecond, or else in the next one before that; within one they are in no
 * order.
 */
export const NOTE_OF = `${ID_BEFORE}
local function note_of_run(notes, id)
  local at, seen, begins, offset, page = string.match(id, '^%d+'), nil, 0, 0, nil
  repeat
    page = redis.pcall('ZREVRANGEBYSCORE', notes, at, 0, 'LIMIT', offset, ${PAGE})
    if page.err then return 0, 0, page.err end
    for _, run in ipairs(page) do
      local first, last, replays, deliveries = string.match(run, '^(%d+%-%d+) (%d+%-%d+) (%d+) ?(%d*)$')
      if first then
        local ms = tonumber(string.match(first, '^%d+'))
        if ms ~= seen then seen, begins = ms, begins + 1 end
        if begins > 2 then return 0, 0 end
        if not id_before(id, first) and not id_before(last, id) then
          return tonumber(replays), tonumber(deliveries) or 0
        end
      end
    end
    offset = offset + ${PAGE}
  until #page < ${PAGE}
  return 0, 0
end

local function note_of(notes, group, id)
  local score = redis.pcall('ZSCORE', notes, id .. ' ' .. group)
  if not score then return note_of_run(notes, id) end
  if type(score) == 'table' then return 0, 0, score.err end
  local facts = -tonumber(score) % ${DAY_UNIT}
  return facts % ${2 ** REPLAYS_BITS}, math.floor(facts / ${2 ** REPLAYS_BITS})
end
`;

/**
 * Looks a note up.
 *
 * KEYS[1]  the notes
 * ARGV     group, id
 * Returns  replays, deliveries as text; the error when the notes could not be read, or nil.
 */
const noteScript = defineScript(
  "replay-note",
  `${NOTE_OF}
local replays, deliveries, failure = note_of(KEYS[1], ARGV[1], ARGV[2])
return {string.format('%.0f', replays), string.format('%.0f', deliveries), failure or false}
`,
);

/** By connection, the notes that its user may not read: found out once. */
const UNREADABLE = new WeakMap<Caller, Set<string>>();

/** Whether the user of this connection may read these notes, as far as has been found out. */
export function mayReadNotes(caller: Caller, notes: string): boolean {
  return UNREADABLE.get(caller)?.has(notes) !== true;
}

/** Takes what a script says of notes that it could not read, if it was so. Another type of key may yet be put right. */
export function noteFailure(caller: Caller, notes: string, failure: Value | undefined): void {
  if (failure === undefined || failure === null) return;
  if (errorCode(asText(failure)) === "NOPERM") refuse(caller, notes);
}

function refuse(caller: Caller, notes: string): void {
  const refused = UNREADABLE.get(caller) ?? new Set();
  UNREADABLE.set(caller, refused.add(notes));
}

/**
 * What is noted of the entry of this ID that the group is given. Undefined where the user may not have the key; nothing
 * is noted for one who may not read it, or where it holds something else.
 */
export async function replayNote(
  caller: Caller,
  notes: string,
  group: GroupName,
  id: EntryId,
): Promise<ReplayNote | undefined> {
  if (!mayReadNotes(caller, notes)) return undefined;
  try {
    const [replays, deliveries, failure] = asList(await caller.run(noteScript, [notes], [group, id]));
    noteFailure(caller, notes, failure);
    return { replays: asNumber(replays), deliveries: asNumber(deliveries) };
  } catch (error) {
    if (!isDenied(error)) throw error;
    refuse(caller, notes);
    return undefined;
  }
}

/** Notes one entry that was added anew. */
export async function noteAdded(caller: Caller, notes: string, id: EntryId, note: ReplayNote): Promise<void> {
  await caller.call("ZADD", notes, idMs(id), `${id} ${id} ${note.replays} ${note.deliveries}`);
}

/** Rejects where this user may not write notes. Changes no more than when they expire. */
export async function proveNoting(caller: Caller, notes: string, retentionMs: number): Promise<void> {
  await caller.persist(() => caller.call("ZADD", notes, "XX", 0, ""));
  await caller.persist(() => caller.call("ZREMRANGEBYSCORE", notes, "(0", "(0"));
  await caller.persist(() => caller.call("PEXPIRE", notes, retentionMs));
}

/** Days since 1970, as the scripts take it. */
export function dayOf(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS);
}

/** Lua: note(id, replays, deliveries) and note_revival(id, group, replays, deliveries), then write_notes once. */
export const NOTES = `
local runs, run, revivals = {}, {}, {}

local function note(id, replays, deliveries)
  if run[3] == replays and run[4] == deliveries then run[2] = id
  else
    run = {id, id, replays, deliveries}
    runs[#runs + 1] = run
  end
end

local function note_revival(id, group, replays, deliveries)
  revivals[#revivals + 1] = {id .. ' ' .. group,
    math.min(replays, ${MOST_REPLAYS}) + math.min(deliveries, ${MOST_DELIVERIES}) * ${2 ** REPLAYS_BITS}}
end

-- Without a key nothing is noted. retention in ms; day: days since 1970 by the server's clock.
local function write_notes(key, retention, day)
  if not key or #runs == 0 and #revivals == 0 then return end
  if #runs > 0 then
    local ms
    for _, run in ipairs(runs) do
      ms = string.match(run[1], '^%d+')
      redis.call('ZADD', key, ms, string.format('%s %s %d %d', run[1], run[2], run[3], run[4]))
    end
    redis.call('ZREMRANGEBYSCORE', key, 0, string.format('(%.0f', tonumber(ms) - retention))
  end
  if #revivals > 0 then
    for _, revival in ipairs(revivals) do
      redis.call('ZADD', key, string.format('%.0f', -(day * ${DAY_UNIT} + revival[2])), revival[1])
    end
    local cut = day - math.floor(retention / ${DAY_MS})
    redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', -(cut * ${DAY_UNIT})), '(0')
  end
  redis.call('PEXPIRE', key, retention)
end
`;
