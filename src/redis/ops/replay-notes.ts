import { compareIds, idMs } from "../../entry/id.ts";
import { asList, asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";

/**
 * How often entries have been replayed, and how often they had been delivered before that: what whoever
 * dead-letters one of them again adds to its record. All of it is one sorted set beside the stream.
 *
 * - An entry that was added anew: the IDs that one script gives follow each other, so a note is a run of them,
 *   `first last replays deliveries`, with the time of `first` as score. Notes older than the retention (by the
 *   stream's own clock) go.
 * - An entry that was made pending again keeps its ID, and only for one group: the member is `ID group`, and the
 *   score holds the rest, as `revivalScore` has it. Below 0, so that runs and these never meet; by day first, so
 *   that what is older than the retention is one range.
 */
const REPLAYS_BITS = 10;
const DELIVERIES_BITS = 27;
const MOST_REPLAYS = 2 ** REPLAYS_BITS - 1;
const MOST_DELIVERIES = 2 ** DELIVERIES_BITS - 1;
/** Until the year 2149 the day fits into the 16 bits that are left of a double's 53. */
const DAY_UNIT = 2 ** (REPLAYS_BITS + DELIVERIES_BITS);
const DAY_MS = 24 * 60 * 60 * 1_000;

/** What is noted of an entry that was replayed. */
export interface ReplayNote {
  readonly replays: number;
  /** Before this life of it. */
  readonly deliveries: number;
}

/** The member for an entry that was made pending again for a group. */
function revivalMember(id: string, group: string): string {
  return `${id} ${group}`;
}

/** What the score of such a member says. */
function decodeRevival(score: number): ReplayNote {
  const facts = -score % DAY_UNIT;
  return { replays: facts % 2 ** REPLAYS_BITS, deliveries: Math.floor(facts / 2 ** REPLAYS_BITS) };
}

/** So many runs of IDs are looked at in one round trip. */
const PAGE = 64;

/**
 * What is noted of the entry of this ID that the group is given; undefined for one that was never replayed. That is
 * noted in one step with the replay and does not change while the entry is out, so it needs no step of its own with
 * what it is read for.
 */
export async function replayNote(
  caller: Caller,
  notes: string,
  group: string,
  id: string,
): Promise<ReplayNote | undefined> {
  const [score, run] = await Promise.all([
    caller.call("ZSCORE", notes, revivalMember(id, group)),
    runOf(caller, notes, id),
  ]);
  // It was added before it was made pending again.
  return score === null ? run : decodeRevival(asNumber(score));
}

/**
 * What is noted of the run of IDs that this one is in. Runs don't overlap, so it is one of those that begin last
 * before it: in its own millisecond, or else in the next one before that; within one they are in no order.
 */
async function runOf(caller: Caller, notes: string, id: string): Promise<ReplayNote | undefined> {
  const milliseconds = new Set<number>();
  for (let offset = 0; ; offset += PAGE) {
    const range = [idMs(id), 0, "LIMIT", offset, PAGE] as const;
    const runs = asList(await caller.call("ZREVRANGEBYSCORE", notes, ...range)).map(asText);
    for (const run of runs) {
      const [first = "", last = "", replays, deliveries] = run.split(" ");
      milliseconds.add(idMs(first));
      if (milliseconds.size > 2) return undefined;
      if (compareIds(first, id) <= 0 && compareIds(id, last) <= 0)
        return { replays: Number(replays), deliveries: Number(deliveries ?? 0) };
    }
    if (runs.length < PAGE) return undefined;
  }
}

/** Notes one entry that was added anew. */
export async function noteAdded(caller: Caller, notes: string, id: string, note: ReplayNote): Promise<void> {
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
