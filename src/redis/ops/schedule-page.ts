import { Buffer } from "node:buffer";
import { ServerError } from "../../errors.ts";
import { translateReply } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asList, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import type { ScheduleKeys } from "./schedule-keys.ts";
import { decodeRecord, type ScheduledRecord, type Unreadable } from "./scheduled-record.ts";

/** One record of a schedule. */
export interface Scheduled {
  readonly token: string;
  /** By the server's clock, in ms since 1970; null: it was set aside, because it can't be read. */
  readonly dueMs: number | null;
  readonly record: ScheduledRecord | Unreadable;
}

/** Where a page begins: after this token among those that are due at that time. `""` comes before all of them. */
export interface ScheduleCursor {
  readonly score: string;
  readonly token: string;
}

/**
 * Part of a schedule, in the order in which it comes due. Whatever was added or cancelled since the page before is passed
 * over: the place is found by the last token's time and name, in a few steps, also among a million that are due at once.
 *
 * KEYS     the schedule's two keys
 * ARGV     the time and the token after which to begin, the last time, how many at most, how many bytes but for the first one
 * Returns  [token, time, record or nil …]; none: nothing more is there
 */
const pageScript = defineScript(
  "schedule-page",
  `
local due, score, token, last = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local low, high = redis.call('ZCOUNT', due, '-inf', '(' .. score), redis.call('ZCOUNT', due, '-inf', score)
while low < high do
  local middle = math.floor((low + high) / 2)
  if redis.call('ZRANGE', due, middle, middle)[1] <= token then low = middle + 1 else high = middle end
end
local rows = redis.call('ZRANGE', due, low, low + ARGV[4] - 1, 'WITHSCORES')
local answer, left = {}, tonumber(ARGV[5])
for i = 1, #rows, 2 do
  if tonumber(rows[i + 1]) > tonumber(last) then break end
  left = left - redis.call('HSTRLEN', KEYS[2], rows[i])
  if left < 0 and i > 1 then break end
  answer[#answer + 1] = rows[i]
  answer[#answer + 1] = rows[i + 1]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], rows[i])
end
return answer
`,
);

const PAGE_RECORDS = 250;
const PAGE_BYTES = 1_000_000;

/** One page, which may be asked for again. `last`: the latest time wanted, as Redis writes scores. */
export async function schedulePage(
  caller: Caller,
  { due, records }: ScheduleKeys,
  after: ScheduleCursor,
  last: string,
): Promise<Scheduled[]> {
  const args = [after.score, after.token, last, PAGE_RECORDS, PAGE_BYTES];
  const answer = asList(
    await asSchedule(
      due,
      caller.persist(() => caller.run(pageScript, [due, records], args)),
    ),
  );
  const page: Scheduled[] = [];
  for (let i = 0; i + 2 < answer.length; i += 3)
    page.push(decodeScheduled(asText(answer[i]), asText(answer[i + 1]), answer[i + 2]));
  return page;
}

/** Those with these tokens, in their order; undefined for what is not scheduled (any more). */
export async function scheduledByToken(
  caller: Caller,
  { due, records }: ScheduleKeys,
  tokens: readonly string[],
): Promise<(Scheduled | undefined)[]> {
  return Promise.all(
    tokens.map(async (token) => {
      const asked = caller.persist(() =>
        Promise.all([caller.call("ZSCORE", due, token), caller.call("HGET", records, token)]),
      );
      const [score, record] = await asSchedule(due, asked);
      return score === null ? undefined : decodeScheduled(token, asText(score), record);
    }),
  );
}

function decodeScheduled(token: string, score: string, record: unknown): Scheduled {
  const dueMs = Number(score === "inf" ? Number.NaN : score);
  return {
    token,
    dueMs: Number.isFinite(dueMs) ? dueMs : null,
    record: Buffer.isBuffer(record) ? decodeRecord(record) : { kind: "unreadable" },
  };
}

/** How many records a schedule has. */
export async function scheduleLength(caller: Caller, { due }: ScheduleKeys): Promise<number> {
  return Number(
    await asSchedule(
      due,
      caller.persist(() => caller.call("ZCARD", due)),
    ),
  );
}

/** Says of keys of another type that they are no schedule, as the scripts that write to them do. */
export async function asSchedule<T>(due: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ServerError) || error.code !== "WRONGTYPE") throw error;
    throw translateReply(`NOSCHEDULE ${due}, or the key beside it, is no schedule`, {
      command: "ZRANGE",
      key: due,
    });
  }
}
