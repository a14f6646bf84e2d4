import type { StreamKey } from "../../entry/names.ts";
import type { ServerError } from "../../errors.ts";
import { translateReply } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, asText, type Value } from "../value.ts";
import type { Caller } from "./caller.ts";
import { GIVE_BACK } from "./put-off.ts";
import { SCHEDULE, type ScheduleKeys } from "./schedule-keys.ts";

/**
 * When what is scheduled comes due: the one look that a worker costs the server while nothing is.
 *
 * KEYS     the sorted sets of schedules
 * Returns  [key's place, ms until its first record is due …] of those that hold any; 0 and less: it is due. The error
 *          of a key in its place.
 */
const nextDueScript = defineScript(
  "next-due",
  `${SCHEDULE}
local answers = {}
for i, key in ipairs(KEYS) do
  local first = redis.pcall('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first.err or first[2] and first[2] ~= 'inf' then
    answers[#answers + 1] = i
    if first.err and string.match(first.err, 'WRONGTYPE') then first.err = 'NOSCHEDULE ' .. key .. ' is not a sorted set' end
    answers[#answers + 1] = first.err or string.format('%.0f', tonumber(first[2]) - now_ms())
  end
end
return answers
`,
);

/** Per key, in how many ms its first record is due (0 and less: it is), or what is wrong with the key; none: nothing is scheduled. */
export async function nextDue(
  caller: Caller,
  keys: readonly string[],
): Promise<Map<string, number | ServerError>> {
  const answer = asList(await caller.run(nextDueScript, keys, []));
  const next = new Map<string, number | ServerError>();
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const key = keys[asNumber(answer[i]) - 1] as string;
    const text = asText(answer[i + 1]);
    next.set(key, /^-?\d+$/.test(text) ? Number(text) : translateReply(text, { command: "ZRANGE", key }));
  }
  return next;
}

/**
 * Adds what is due to the stream, and gives back to its group what was put off. All of it is one step: the
 * token of each is that it stands in the schedule, so a repeat after a lost reply, another worker at the same moment and a
 * process that is killed add nothing twice and lose nothing. Before the first XADD every command that follows is tried in
 * a form that does nothing: a script that is refused half-way keeps what it has done.
 *
 * What was put off is pending for the consumer PUT_OFF_CONSUMER: only while it still is, it may be taken by any worker
 * from now on (as what dlq replay revives), with the deliveries that it had. A record that can't be read is set aside,
 * with no time to be due: it must not hold up what comes after it.
 *
 * KEYS     the stream, its schedule's two keys
 * ARGV     at most so many records, and so many bytes but for the first one
 * Returns  [added, given back, void, set aside, ms until the next one or nil, the longest time that one was overdue in ms,
 *          the error of an XADD or nil]
 */
const addDueScript = defineScript(
  "add-due",
  `${SCHEDULE}${GIVE_BACK}
local most, left, now = tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms()
local rows = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now), 'WITHSCORES', 'LIMIT', 0, most)
local done, added, given, void, aside, late, failure = {}, 0, 0, 0, 0, 0, false
local refusal = #rows > 0 and prove_schedule(KEYS[2], KEYS[3])
if refusal then return refusal end
for i = 1, #rows, 2 do
  local token = rows[i]
  left = left - redis.call('HSTRLEN', KEYS[3], token)
  if left < 0 and i > 1 then break end
  local bytes = redis.call('HGET', KEYS[3], token)
  local readable, record = pcall(cmsgpack.unpack, bytes)
  if not bytes then
    void = void + 1
  elseif not readable or type(record) ~= 'table' or #record == 0 or #record % 2 == 1 and #record ~= 3 then
    redis.call('ZADD', KEYS[2], 'inf', token)
    aside = aside + 1
    token = nil
  elseif #record == 3 then
    local answer = give_back(record[1], record[2])
    if type(answer) == 'table' then failure = answer.err break end
    given, void = given + answer, void + 1 - answer
  else
    local id = redis.pcall('XADD', KEYS[1], '*', unpack(record))
    if type(id) ~= 'string' then failure = id.err break end
    added = added + 1
    late = math.max(late, now - tonumber(rows[i + 1]))
  end
  done[#done + 1] = token
end
if #done > 0 then
  redis.call('ZREM', KEYS[2], unpack(done))
  redis.call('HDEL', KEYS[3], unpack(done))
end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
local next = first and first ~= 'inf' and string.format('%.0f', tonumber(first) - now)
return {added, given, void, aside, next or false, string.format('%.0f', late), failure}
`,
);

/** What one step has done. */
export interface DueAdded {
  readonly added: number;
  /** What was put off and may be taken by its group now. */
  readonly givenBack: number;
  /** What had been put off and is not pending any more, and tokens whose record has gone. */
  readonly void: number;
  /** Records that can't be read. */
  readonly setAside: number;
  /** In how many ms the next one is due; 0 and less: it is. Undefined: nothing more is scheduled. */
  readonly nextMs: number | undefined;
  /** The longest time that one of those added was overdue. */
  readonly lateMs: number;
  /** Why the step stopped: what it had done by then counts. */
  readonly failure: ServerError | undefined;
}

/** A step takes the server well under 8 ms with so many; more than so many bytes only for a single record. */
const STEP_RECORDS = 100;
const STEP_BYTES = 256 * 1024;

/** One step, which may be repeated. */
export async function addDue(
  caller: Caller,
  stream: StreamKey,
  { due, records }: ScheduleKeys,
  most = STEP_RECORDS,
): Promise<DueAdded> {
  const reply = await caller.run(addDueScript, [stream, due, records], [most, STEP_BYTES]);
  const [added, givenBack, lost, setAside, next, late, failure] = asList(reply);
  return {
    added: asNumber(added),
    givenBack: asNumber(givenBack),
    void: asNumber(lost),
    setAside: asNumber(setAside),
    nextMs: isNone(next) ? undefined : asNumber(next),
    lateMs: asNumber(late),
    failure: isNone(failure) ? undefined : translateReply(asText(failure), { command: "XADD", key: stream }),
  };
}

function isNone(value: Value | undefined): value is null | undefined {
  return value === null || value === undefined;
}
