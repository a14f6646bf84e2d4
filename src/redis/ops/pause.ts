import type { GroupName, StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
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
 * Pauses a group. One that is paused stays so since it was, for the reason that it had where no other is given.
 *
 * KEYS[1]  the pause: JSON of `sinceMs`, `untilMs`, `reason`, `by`, `tool`
 * ARGV     JSON of `reason`, `by`, `tool`; for how many ms, or nothing
 * Returns  [what stood there before, or nil; what stands there now]
 * Crash    one step; a repeat finds the group paused already.
 */
const pauseScript = defineScript(
  "pause-group",
  `
local before = redis.call('GET', KEYS[1])
local known, old = pcall(cjson.decode, before or '{}')
if not known or type(old) ~= 'table' then old = {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pause = cjson.decode(ARGV[1])
pause.sinceMs = type(old.sinceMs) == 'number' and old.sinceMs or now
if pause.reason == nil then pause.reason = old.reason end
local ms = tonumber(ARGV[2])
if ms then pause.untilMs = now + ms end
local text = cjson.encode(pause)
if ms then redis.call('SET', KEYS[1], text, 'PX', ARGV[2]) else redis.call('SET', KEYS[1], text) end
return {before, text}
`,
);

export interface PauseWish {
  /** Undefined: that of a pause that is there, else none. */
  readonly reason: string | undefined;
  readonly by: string;
  readonly tool: string;
  /** Undefined: until it is resumed. */
  readonly forMs: number | undefined;
}

/** One step, sent once. `before`: the group was paused already. */
export async function setPause(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  { reason, by, tool, forMs }: PauseWish,
): Promise<{ readonly before: Pause | undefined; readonly now: Pause }> {
  const key = pauseKey(stream, group, caller.cluster);
  const args = [JSON.stringify({ reason, by, tool }), forMs ?? ""];
  const [before = null, now = null] = asList(await onPause(key, () => caller.run(pauseScript, [key], args)));
  return { before: decodePause(before), now: decodePause(now) ?? NOTHING_KNOWN };
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
