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
export function revivalMember(id: string, group: string): string {
  return `${id} ${group}`;
}

/** What the score of such a member says. */
export function readRevivalScore(score: number): ReplayNote {
  const facts = -score % DAY_UNIT;
  return { replays: facts % 2 ** REPLAYS_BITS, deliveries: Math.floor(facts / 2 ** REPLAYS_BITS) };
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
