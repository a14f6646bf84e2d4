import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError, StreamctlError } from "../../errors.ts";
import { dateOf } from "../../lib/calendar.ts";
import { isHalfMoved, isRefused } from "../errors.ts";
import { bySlot, siblingKey } from "../keys.ts";
import { defineScript } from "../script.ts";
import { asList, asText, type Value } from "../value.ts";
import { decoded, type Question } from "./ask.ts";
import type { Caller } from "./caller.ts";

/** A group that takes no entries of a stream. Null is unknown, or none. */
export interface Pause {
  /** By the server's clock. */
  readonly since: Date | null;
  /** When it ends by itself; null: never. */
  readonly until: Date | null;
  readonly reason: string | null;
  /** `user@host`. */
  readonly by: string | null;
  /** `streamctl 1.0.0` */
  readonly tool: string | null;
}

/** Beside its stream, so that a rule for the stream's keys can have it: a string, which no pattern for streams matches. */
export function pauseKey(stream: StreamKey, group: GroupName, cluster: boolean): string {
  return siblingKey(stream, `:paused:${group}`, cluster);
}

/**
 * Pauses a group, if its pause is the one that is known. No JSON is read here: not every server's Lua can.
 *
 * KEYS[1]  the pause: JSON of `by`, `tool`, `reason`, `sinceMs`, `untilMs`
 * ARGV     what must stand there, nothing for no pause; the JSON to its last brace, without times; since when, or nothing
 *          for now; for how many ms, or nothing
 * Returns  [1 paused, 0 another pause stands there; what stands there]
 * Crash    one step; a repeat finds another pause.
 */
const pauseScript = defineScript(
  "pause-group",
  `
local before = redis.call('GET', KEYS[1]) or ''
if before ~= ARGV[1] then return {0, before} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local text = ARGV[2] .. ',"sinceMs":' .. (ARGV[3] ~= '' and ARGV[3] or string.format('%.0f', now))
if ARGV[4] == '' then redis.call('SET', KEYS[1], text .. '}')
else
  text = text .. string.format(',"untilMs":%.0f', now + ARGV[4])
  redis.call('SET', KEYS[1], text .. '}', 'PX', ARGV[4])
end
return {1, text .. '}'}
`,
);

/** Others may change the pause at the same time. */
const TRIES = 20;

export interface PauseWish {
  /** Undefined: that of a pause that is there, else none. */
  readonly reason: string | undefined;
  readonly by: string;
  readonly tool: string;
  /** Undefined: until it is resumed. */
  readonly forMs: number | undefined;
}

/**
 * One step, sent once, after a look where it is paused already. One that is paused stays so since it was, for the reason that
 * it had where no other is given. `before`: how it was paused.
 */
export async function setPause(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  { reason, by, tool, forMs }: PauseWish,
): Promise<{ readonly before: Pause | undefined; readonly now: Pause }> {
  const key = pauseKey(stream, group, caller.cluster);
  for (let known: Buffer | string = "", tries = 1; ; tries++) {
    const before: Pause | undefined = known === "" ? undefined : decodePause(known);
    const text = JSON.stringify({ by, tool, reason: reason ?? before?.reason ?? "" });
    const args = [known, text.slice(0, -1), before?.since?.getTime() ?? "", forMs ?? ""];
    const [done, there = null] = asList(await onPause(key, () => caller.run(pauseScript, [key], args)));
    if (done === 1) return { before, now: decodePause(there) ?? NOTHING_KNOWN };
    if (tries === TRIES) throw new StreamctlError("failed", `the pause of ${group} is changed all the time`);
    // As bytes: whatever stands there is to be found again.
    known = Buffer.isBuffer(there) ? there : asText(there);
  }
}

/**
 * Ends a pause.
 *
 * KEYS[1]  the pause
 * Returns  what stood there, or nil
 * Crash    one step; a repeat finds nothing.
 */
const resumeScript = defineScript(
  "resume-group",
  `
local before = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
return before
`,
);

/** One step, sent once. Undefined: the group was not paused. */
export async function endPause(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
): Promise<Pause | undefined> {
  const key = pauseKey(stream, group, caller.cluster);
  return decodePause(await onPause(key, () => caller.run(resumeScript, [key], [])));
}

/** That the stream is one is asked elsewhere: here the wrong type is that of the key beside it. */
async function onPause<T>(key: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof ServerError) || error.code !== "WRONGTYPE") throw error;
    const hint = "a group's pause is kept there: rename that key";
    throw new ServerError("failed", error.code, error.reply, `${key} is not a string`, { hint });
  }
}

/** What is known of a group's pause on a stream; "refused": this user may not look. */
export type PauseSeen = Pause | undefined | "refused";

/** The pauses of a group on streams, in their order: one command for all streams of a slot, of one right (MGET). */
export async function pausesOf(
  caller: Caller,
  group: GroupName,
  streams: readonly StreamKey[],
): Promise<PauseSeen[]> {
  const seen = new Map<string, PauseSeen>();
  const keys = streams.map((stream) => pauseKey(stream, group, caller.cluster));
  await Promise.all(bySlot(keys, caller.cluster).map((some) => look(caller, some, seen)));
  return keys.map((key) => seen.get(key));
}

/** Where one of several keys is refused, or on its way to another node, the server says nothing of the others. */
async function look(caller: Caller, keys: readonly string[], seen: Map<string, PauseSeen>): Promise<void> {
  try {
    const values = asList(await caller.call("MGET", ...keys));
    for (const [i, key] of keys.entries()) seen.set(key, decodePause(values[i] ?? null));
  } catch (error) {
    if (keys.length > 1 && (isRefused(error) || isHalfMoved(error)))
      await Promise.all(keys.map((key) => look(caller, [key], seen)));
    else if (isRefused(error)) for (const key of keys) seen.set(key, "refused");
    else throw error;
  }
}

/** The same as a question, for keys of one slot. */
export function pausesQuestion(
  keys: readonly string[],
  take: (answer: (Pause | undefined)[] | ServerError) => void,
): Question {
  const decode = (answer: Value): (Pause | undefined)[] => asList(answer).map((value) => decodePause(value));
  return { command: ["MGET", ...keys], take: decoded(decode, take) };
}

const NOTHING_KNOWN: Pause = { since: null, until: null, reason: null, by: null, tool: null };

/** Whatever stands there, the group is paused. */
function decodePause(value: Value): Pause | undefined {
  if (value === null) return undefined;
  const facts = factsIn(asText(value));
  return {
    since: timeOf(facts["sinceMs"]),
    until: timeOf(facts["untilMs"]),
    reason: textOf(facts["reason"]),
    by: textOf(facts["by"]),
    tool: textOf(facts["tool"]),
  };
}

function factsIn(text: string): Readonly<Record<string, unknown>> {
  try {
    const facts: unknown = JSON.parse(text);
    return typeof facts === "object" && facts !== null ? { ...facts } : {};
  } catch {
    return {};
  }
}

function timeOf(ms: unknown): Date | null {
  return typeof ms === "number" ? (dateOf(ms) ?? null) : null;
}

function textOf(text: unknown): string | null {
  return typeof text === "string" && text !== "" ? text : null;
}
