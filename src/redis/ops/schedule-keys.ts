import type { StreamKey } from "../../entry/names.ts";
import { sameSlot, siblingKey } from "../keys.ts";

/**
 * A stream's schedule: what is to be added to it later, in two keys beside it. A sorted set has the due time, in ms by the
 * server's clock, of each token; a hash has the record of each token (see scheduled-record.ts). Both are written in one
 * step, so a token without a record, or the other way round, is the work of other hands.
 *
 * A token is the server's clock in µs, of 16 digits, when the record came: those that are due at the same ms
 * come in the order in which they were scheduled. One whose time can't be told any more has the score `inf` (see
 * add-due.ts).
 */
export interface ScheduleKeys {
  readonly due: string;
  readonly records: string;
}

/** Undefined where the stream's name allows no key in its slot. */
export function scheduleKeys(stream: StreamKey, cluster: boolean): ScheduleKeys | undefined {
  const due = siblingKey(stream, ":scheduled", cluster);
  const records = siblingKey(stream, ":scheduled:entries", cluster);
  const together = sameSlot(stream, due, cluster) && sameSlot(stream, records, cluster);
  return together ? { due, records } : undefined;
}

/** What stands before a token wherever people meet it, so that it passes for no entry's ID. */
export const TOKEN_PREFIX = "scheduled:";

/** The consumer that has what is pending and was put off (see put-off.ts). No process reads by that name. */
export const PUT_OFF_CONSUMER = "streamctl-scheduled";

/**
 * Lua: now_ms() by the server's clock, which stands still during a script and gives XADD's IDs, too; prove_schedule(due,
 * records) gives the error, before anything has changed, when memory, the keys' types or the user's rights don't allow what
 * follows: a script that is refused half-way keeps what it has done. put_record(due, records, record, ms) gives the token.
 */
export const SCHEDULE = `
local clock = redis.call('TIME')

local function now_ms()
  return tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
end

local function prove_schedule(due, records)
  for _, try in ipairs({{'ZADD', due, 'XX', 0, ''}, {'ZREM', due, ''}, {'HDEL', records, ''}}) do
    local answer = redis.pcall(unpack(try))
    if type(answer) == 'table' and answer.err then
      if not string.match(answer.err, 'WRONGTYPE') then return answer end
      local kind = try[2] == due and 'sorted set' or 'hash'
      return redis.error_reply('NOSCHEDULE ' .. try[2] .. ' is not a ' .. kind)
    end
  end
end

local function put_record(due, records, record, ms)
  local micros = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  local token = string.format('%016.0f', micros)
  -- No record is empty.
  while redis.call('HSTRLEN', records, token) > 0 do
    micros = micros + 1
    token = string.format('%016.0f', micros)
  end
  redis.call('HSET', records, token, record)
  redis.call('ZADD', due, string.format('%.0f', ms), token)
  return token
end
`;
