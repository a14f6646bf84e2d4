import type { GroupName, StreamKey } from "../../entry/names.ts";
import { dateOf } from "../../lib/calendar.ts";
import { isRefused } from "../errors.ts";
import { siblingKey } from "../keys.ts";
import { defineScript } from "../script.ts";
import { asList, asText, type Value } from "../value.ts";
import type { Caller } from "./caller.ts";
import type { Member } from "./member.ts";

/** What a worker writes of itself. Times are how long ago, in ms: they become times by the server's clock. */
export interface WorkerNote {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  readonly upMs: number;
  /** Entries of the stream that handlers run. */
  readonly running: number;
  /** Since when the first of them runs. */
  readonly runningMs: number | null;
  /** Entries of the stream that were settled per second, lately. */
  readonly ratePerSecond: number;
  readonly lastError: string | null;
  readonly lastErrorMs: number | null;
}

/** A worker that lives, or did some seconds ago. Null is unknown, or none. */
export interface RunningWorker {
  readonly host: string | null;
  readonly pid: number | null;
  readonly version: string | null;
  readonly startedAt: Date | null;
  readonly running: number | null;
  readonly runningSince: Date | null;
  readonly ratePerSecond: number | null;
  readonly lastError: string | null;
  readonly lastErrorAt: Date | null;
  /** Between these times, by the server's clock in ms, it is known to have lived. */
  readonly lived: readonly [from: number, to: number];
}

/** So many workers of one name are kept; more would be a mistake that every write of theirs pays for. */
const MOST_OF_A_NAME = 16;
/** So many names are looked at for what is over, at each write. */
const LOOKED_AT = 10;

/**
 * The workers of a group: a hash beside the stream, from consumers' names to lines, one for each worker that works under
 * the name: `run began at until note`: a word that no other run has, when it wrote first and last and until when that
 * counts (ms of the server's clock), and JSON. What dead workers have left goes at the writes of others, some names at each;
 * without any the whole expires.
 */
function workersKey(stream: StreamKey, group: GroupName, cluster: boolean): string {
  return siblingKey(stream, `:workers:${group}`, cluster);
}

/**
 * Writes a worker's note, or takes it away.
 *
 * KEYS[1]  the workers
 * ARGV     consumer, run, for how many ms it counts, the note or nothing, cursor of the looking for what is over
 * Returns  [the cursor for the next time, the lines of others of that name which have written since this run began …]
 * Crash    one step; a repeat does the same again.
 */
const registerScript = defineScript(
  "register-worker",
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lasts = tonumber(ARGV[3])

local function store(name, lines)
  if #lines == 0 then redis.call('HDEL', KEYS[1], name)
  else redis.call('HSET', KEYS[1], name, table.concat(lines, '\\n')) end
end

local lines, others, began = {}, {}, now
for line in string.gmatch(redis.call('HGET', KEYS[1], ARGV[1]) or '', '[^\\n]+') do
  local run, since, at, over = string.match(line, '^(%S+) (%d+) (%d+) (%d+) ')
  if run == ARGV[2] then began = tonumber(since)
  elseif run and tonumber(over) > now then lines[#lines + 1] = line end
end
for _, line in ipairs(lines) do
  local at = string.match(line, '^%S+ %d+ (%d+)')
  if tonumber(at) > began then others[#others + 1] = line end
end
if ARGV[4] ~= '' then
  while #lines >= ${MOST_OF_A_NAME} do table.remove(lines, 1) end
  lines[#lines + 1] = string.format('%s %.0f %.0f %.0f ', ARGV[2], began, now, now + lasts) .. ARGV[4]
end
store(ARGV[1], lines)

local scanned = redis.call('HSCAN', KEYS[1], ARGV[5], 'COUNT', ${LOOKED_AT})
for i = 1, #scanned[2], 2 do
  local left, over = {}, false
  for line in string.gmatch(scanned[2][i + 1], '[^\\n]+') do
    local until_ms = string.match(line, '^%S+ %d+ %d+ (%d+) ')
    if until_ms and tonumber(until_ms) > now then left[#left + 1] = line else over = true end
  end
  if over then store(scanned[2][i], left) end
end
if redis.call('PTTL', KEYS[1]) < lasts then redis.call('PEXPIRE', KEYS[1], lasts) end
return {scanned[1], unpack(others)}
`,
);

/** One worker's place among those of a group. */
export interface RegisterRequest {
  /** A word that no other run has; no blanks. */
  readonly run: string;
  /** For how long it counts. */
  readonly lastsMs: number;
  /** Undefined: it leaves. */
  readonly note: WorkerNote | undefined;
  readonly cursor: string;
}

export interface Registered {
  readonly cursor: string;
  /** Other workers that live, and have this one's name. */
  readonly namesakes: readonly RunningWorker[];
}

/** One step, sent once. */
export async function registerWorker(
  caller: Caller,
  stream: StreamKey,
  { group, consumer }: Pick<Member, "group" | "consumer">,
  { run, lastsMs, note, cursor }: RegisterRequest,
): Promise<Registered> {
  const text = note === undefined ? "" : JSON.stringify(note);
  const args = [consumer, run, lastsMs, text, cursor];
  const reply = asList(await caller.run(registerScript, [workersKey(stream, group, caller.cluster)], args));
  const [next = null, ...lines] = reply;
  return { cursor: asText(next), namesakes: lines.flatMap((line) => decodeLines(line, undefined)) };
}

/**
 * The workers of a group by consumer; those whose time is over by the server's clock, which is asked when there are any,
 * are left out. Undefined where this user may not look.
 */
export async function workersOf(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  nowMs: () => Promise<number>,
): Promise<ReadonlyMap<string, readonly RunningWorker[]> | undefined> {
  try {
    const reply = asList(await caller.call("HGETALL", workersKey(stream, group, caller.cluster)));
    const workers = new Map<string, readonly RunningWorker[]>();
    if (reply.length === 0) return workers;
    const now = await nowMs();
    for (let i = 0; i + 1 < reply.length; i += 2) {
      const alive = decodeLines(reply[i + 1] ?? null, now);
      if (alive.length > 0) workers.set(asText(reply[i]), alive);
    }
    return workers;
  } catch (error) {
    if (isRefused(error)) return undefined;
    throw error;
  }
}

/** Those that have lived at the same time as another of the list: they work under one name. */
export function atOneTime(workers: readonly RunningWorker[]): RunningWorker[] {
  const meets = ({ lived: [from, to] }: RunningWorker, other: RunningWorker): boolean =>
    from < other.lived[1] && other.lived[0] < to;
  return workers.filter((worker) => workers.some((other) => other !== worker && meets(worker, other)));
}

function decodeLines(value: Value, nowMs: number | undefined): RunningWorker[] {
  return asText(value)
    .split("\n")
    .flatMap((line) => {
      const [, began, at, over, note = ""] = /^\S+ (\d+) (\d+) (\d+) (.*)$/.exec(line) ?? [];
      if (over === undefined || (nowMs !== undefined && Number(over) <= nowMs)) return [];
      return [decodeNote(note, Number(began), Number(at))];
    });
}

function decodeNote(text: string, began: number, at: number): RunningWorker {
  const note = factsIn(text);
  const ago = (ms: unknown): Date | null => (typeof ms === "number" ? dateOf(at - ms) : null);
  const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
  const string = (value: unknown): string | null => (typeof value === "string" ? value : null);
  return {
    host: string(note["host"]),
    pid: number(note["pid"]),
    version: string(note["version"]),
    startedAt: ago(note["upMs"]),
    running: number(note["running"]),
    runningSince: ago(note["runningMs"]),
    ratePerSecond: number(note["ratePerSecond"]),
    lastError: string(note["lastError"]),
    lastErrorAt: ago(note["lastErrorMs"]),
    lived: [began, at],
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
