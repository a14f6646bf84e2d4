import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { isDenied } from "../errors.ts";
import { defineScript } from "../script.ts";
import { type Arg, asList, asText, type Value } from "../value.ts";
import type { Caller } from "./caller.ts";
import { MAX_SCRIPT_VALUES } from "./limits.ts";
import { decodeFates, FATE, type Fate, type Reach } from "./replay-fate.ts";
import { dayOf, NOTES } from "./replay-notes.ts";
import { packReplays, type Replay, UNPACK } from "./replay-pack.ts";
import type { Harmless } from "./rights.ts";

/** Lua: carries out what fate_of says for one replay of a pack; what became of it, or the error of an XADD. */
const CARRY_OUT = `${UNPACK}
local function carry_out(fate, replay)
  local replays, deliveries, group, id = replay[2], replay[3], replay[4], replay[5]
  if fate == ADDED then
    local new = redis.pcall('XADD', target, '*', unpack(replay[6]))
    if type(new) == 'table' then return nil, new end
    note(new, replays, deliveries)
  else
    if fate == REVIVED then fate = revive(group, id) end
    note_revival(id, group, replays, deliveries)
  end
  return fate
end

local function fate_of_replay(replay)
  local fields = replay[6]
  local fate = fate_of(replay[4], replay[5], fields, #fields)
  return fate == ADDED and #fields > ${MAX_SCRIPT_VALUES} and LARGE or fate
end
`;

/**
 * Moves letters to a stream in the same slot. Being in the queue is the token of each: a repeat after a
 * lost reply, or another run, finds the token gone and does nothing.
 *
 * XDEL takes the token, and is the only check that does not send the record through Lua. It may come first
 * only once a command has shown that nothing (type, memory, rights) stands against it: so the first letter to
 * be added, and the first to be made pending, is looked for with XRANGE, and deleted after that.
 *
 * KEYS     the dead-letter queue, the target stream, optionally its notes
 * ARGV     reach, retention of notes in ms, the day as dayOf has it,
 *          from the 4th on replays as packReplays writes them: an array of
 *          {ID in the queue, its number of replays, deliveries until now, group, ID in the stream, fields}
 * Returns  one character per letter (see FATES), as far as it came; the error of an XADD that failed, or nil.
 */
const moveScript = defineScript(
  "replay",
  `local reach, target = ARGV[1], KEYS[2]
${NOTES}${FATE}${CARRY_OUT}
local failure = find_groups()
if failure then return failure end
local answers, proven = {}, {}
for i, replay in ipairs(unpack_replays(4)) do
  local fate = fate_of_replay(replay)
  if fate ~= HELD and fate ~= LARGE then
    local there
    if proven[fate] then
      there = redis.call('XDEL', KEYS[1], replay[1]) == 1
    else
      there = #redis.call('XRANGE', KEYS[1], replay[1], replay[1]) == 1
    end
    if there then
      local done
      done, failure = carry_out(fate, replay)
      if failure then break end
      if not proven[fate] then redis.call('XDEL', KEYS[1], replay[1]) end
      proven[fate] = true
      fate = done
    else
      fate = ABSENT
    end
  end
  answers[i] = fate
end
write_notes(KEYS[3], tonumber(ARGV[2]), tonumber(ARGV[3]))
return {table.concat(answers), failure and failure.err or false}
`,
);

/**
 * Replays letters, each once, without the queue: the first half of a move across slots, and all of a replay that
 * keeps the letters. A mark in a sorted set beside the target is the token of each. It stays when the letter has
 * gone from its queue, because another run may have read the letter before.
 *
 * It is no moveOnce (see move.ts), which takes three steps and a key per entry: nothing but this can take a letter between a
 * question and the XADD, so no step has to begin; and a mark stays, so one sorted set has those of all letters, and one step
 * replays a hundred.
 *
 * KEYS     the target stream, the marks beside it, its notes
 * ARGV     reach, retention of notes and marks in ms, the day as dayOf has it, what to put before a letter's ID to
 *          make its mark, now in ms by the server's clock, from the 6th on replays as above
 * Returns  as above; "absent" is what was replayed before. A target that is not there any more holds nothing of
 *          what was added before.
 */
const onceScript = defineScript(
  "replay-once",
  `local reach, target = ARGV[1], KEYS[1]
${NOTES}${FATE}${CARRY_OUT}
local failure = find_groups()
if failure then return failure end
local retention, now = tonumber(ARGV[2]), tonumber(ARGV[5])
-- Once a script has written, memory that has run out no longer stops it: so no DEL of what is not there.
if redis.call('EXISTS', KEYS[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DEL', KEYS[2]) end
local answers = {}
for i, replay in ipairs(unpack_replays(6)) do
  local mark = ARGV[4] .. replay[1]
  local fate = ABSENT
  if redis.call('ZADD', KEYS[2], 'NX', ARGV[5], mark) == 1 then
    fate = fate_of_replay(replay)
    local left = fate == HELD or fate == LARGE
    if not left then fate, failure = carry_out(fate, replay) end
    if left or failure then redis.call('ZREM', KEYS[2], mark) end
    if failure then break end
  end
  answers[i] = fate
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('(%.0f', now - retention))
redis.call('PEXPIRE', KEYS[2], retention)
write_notes(KEYS[3], retention, tonumber(ARGV[3]))
return {table.concat(answers), failure and failure.err or false}
`,
);

/**
 * Says what would become of letters, and changes nothing.
 *
 * KEYS[1]  the target stream
 * ARGV     reach, from the 2nd on replays as above
 * Returns  one character per letter; none is absent.
 */
const planScript = defineScript(
  "replay-plan",
  `local reach, target = ARGV[1], KEYS[1]
${FATE}${UNPACK}
local failure = find_groups()
if failure then return failure end
local answers = {}
for i, replay in ipairs(unpack_replays(2)) do
  local group, id, fields = replay[4], replay[5], replay[6]
  local fate = fate_of(group, id, fields, #fields)
  if fate == REVIVED and #redis.call('XPENDING', target, group, id, id, 1) > 0 then fate = AWAITED end
  answers[i] = fate
end
return table.concat(answers)
`,
);

/** What all steps of one replay have in common. */
export interface ReplayRule {
  readonly target: StreamKey;
  readonly reach: Reach;
  /** Where to note how often an entry was replayed; undefined: nowhere. */
  readonly notes: string | undefined;
  /** How long notes and marks are kept. */
  readonly retentionMs: number;
  /** By the server's clock. */
  readonly nowMs: number;
}

/** What has become of letters, in their order, as far as a step came. */
export interface Replayed {
  readonly fates: Fate[];
  /** The error of an XADD that failed: nothing was done after that. */
  readonly failure: string | undefined;
}

/** One step, which may be repeated: what was replayed before is absent. */
export async function moveLetters(
  caller: Caller,
  dlq: StreamKey,
  rule: ReplayRule,
  replays: readonly Replay[],
): Promise<Replayed> {
  const args = [...headOf(rule), ...packReplays(replays)];
  return decodeReplayed(await caller.run(moveScript, keysOf(rule, dlq, rule.target), args));
}

/**
 * One step, which may be repeated: what was replayed before is absent. `marks` stands beside the target; a letter's mark
 * is `prefix` and its ID.
 */
export async function addLettersOnce(
  caller: Caller,
  { marks, prefix }: { readonly marks: string; readonly prefix: string },
  rule: ReplayRule,
  replays: readonly Replay[],
): Promise<Replayed> {
  const args = [...headOf(rule), prefix, rule.nowMs, ...packReplays(replays)];
  return decodeReplayed(await caller.run(onceScript, keysOf(rule, rule.target, marks), args));
}

/** Changes nothing. */
export async function planLetters(
  caller: Caller,
  { target, reach }: Pick<ReplayRule, "target" | "reach">,
  replays: readonly Replay[],
): Promise<Fate[]> {
  return decodeFates(asText(await caller.run(planScript, [target], [reach, ...packReplays(replays)])));
}

/** The first arguments of every step that replays. */
export function headOf({ reach, retentionMs, nowMs }: ReplayRule): Arg[] {
  return [reach, retentionMs, dayOf(nowMs)];
}

/** Two keys, and the notes where there are any. */
export function keysOf({ notes }: ReplayRule, first: string, second: string): string[] {
  return notes === undefined ? [first, second] : [first, second, notes];
}

function decodeReplayed(reply: Value): Replayed {
  const [fates, failure = null] = asList(reply);
  return { fates: decodeFates(asText(fates)), failure: failure === null ? undefined : asText(failure) };
}

/** The commands on the target besides XADD, in forms that do nothing: the server looks at rights first. */
const REVIVING: readonly ((target: StreamKey) => Harmless)[] = [
  (target) => ["XRANGE", target, "none", "none"],
  (target) => ["XPENDING", target, ""],
  (target) => ["XCLAIM", target, "", "", "none", "none"],
];

/** Rejects where this user may not make entries of the target pending again. */
export async function proveReviving(caller: Caller, target: StreamKey): Promise<void> {
  for (const form of REVIVING) {
    const [command, ...args] = form(target);
    await caller
      .persist(() => caller.call(command, ...args))
      .catch((error: unknown) => {
        if (!(error instanceof ServerError) || isDenied(error)) throw error;
      });
  }
}

/** Rejects where this user may not delete letters. */
export async function proveDeleting(caller: Caller, dlq: StreamKey): Promise<void> {
  await caller.persist(() => caller.call("XDEL", dlq, "0-0"));
}

/** Rejects where this user may not write the marks. */
export async function proveMarking(caller: Caller, marks: string): Promise<void> {
  await caller.persist(() => caller.call("ZREM", marks, ""));
}
