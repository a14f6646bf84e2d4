import { type EntryId, nextId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { ServerError } from "../../errors.ts";
import { defineScript } from "../script.ts";
import { asList, asNumber, type Value, asId } from "../value.ts";
import { decoded, type Question } from "./ask.ts";
import type { Caller } from "./caller.ts";

/**
 * Counts entries around a position without sending any: those after it and, at the same time, those up to
 * it, page by page until one side is through or `most` have been counted on each. It changes nothing.
 *
 * KEYS[1]  the stream; without a key nothing is done (EVAL with 0 keys makes the script known)
 * ARGV     most; the first ID after the position, and the last ID that counts; the first ID up to the
 * position,
 *          and the position; the first ID that does not count any more. Empty for a side that is through
 * Returns  for the entries after the position: how many, the last one counted (nil: through), the first one;
 *          for those up to it: how many, the last one counted (nil: through); how many entries the stream has
 *          up to the last ID that counts (nil when very many came after that); and its first entry
 * A page is small in bytes: Lua copies entries to look at them. About a millisecond for `most` of 1,000.
 */
const countScript = defineScript(
  "count",
  `
local key = KEYS[1]
if not key then return 0 end
local BYTES = 262144

local function new_side(from, to)
  return {from = from ~= '' and from, to = to, count = 0, page = 10}
end

-- The last entry of a page begins the next one: IDs are not reckoned with here.
local function step(side, most)
  local again = side.last and 1 or 0
  local asked = math.min(side.page, most - side.count)
  local entries = redis.call('XRANGE', key, side.from, side.to, 'COUNT', asked + again)
  local fresh = #entries - again
  if fresh > 0 then
    side.first = side.first or entries[1][1]
    side.count = side.count + fresh
    local bytes = 0
    for _, entry in ipairs({entries[1], entries[#entries]}) do
      for _, text in ipairs(entry[2]) do bytes = bytes + #text + 16 end
    end
    side.page = math.max(1, math.min(side.page * 4, 500, math.floor(BYTES * 2 / (bytes + 1))))
    side.last = entries[#entries][1]
    side.from = side.last
  end
  if fresh < asked then side.from = false; side.last = nil end
end

local most = tonumber(ARGV[1])
local ahead, behind = new_side(ARGV[2], ARGV[3]), new_side(ARGV[4], ARGV[5])
local one_sided = not behind.from
while ahead.from and (behind.from or one_sided) do
  local open_ahead, open_behind = ahead.count < most, behind.from and behind.count < most
  if not open_ahead and not open_behind then break end
  if open_ahead then step(ahead, most) end
  if open_behind then step(behind, most) end
end

local later = new_side(ARGV[6], '+')
while later.from and later.count < 100 do step(later, 100) end
local length = not later.from and redis.call('XLEN', key) - later.count
local first = redis.call('XRANGE', key, '-', '+', 'COUNT', 1)[1]
return {
  ahead.count, ahead.last or false, ahead.first or false, behind.count, behind.last or false,
  length, first and first[1] or false
}
`,
);

/** What to count, in IDs; undefined for a side that is through. */
export interface CountSides {
  /** How many entries to count at most, about, on each side. */
  readonly most: number;
  /** From the first ID after the position to the last that counts. */
  readonly aheadFrom: string | undefined;
  readonly aheadTo: string;
  /** From the first ID to the position. */
  readonly behindFrom: string | undefined;
  readonly behindTo: string;
}

export interface CountedSides {
  readonly ahead: number;
  /** Where to go on; undefined: that side is through. */
  readonly aheadFrom: string | undefined;
  /** The first entry after the position, if this step has come upon one. */
  readonly aheadFirst: EntryId | undefined;
  readonly behind: number;
  readonly behindFrom: string | undefined;
  /**
   * How many entries the stream has up to the last ID that counts; undefined when very many came after that.
   */
  readonly length: number | undefined;
  /** The stream's first entry; undefined for an empty one. */
  readonly firstId: EntryId | undefined;
}

/** One step; it changes nothing, and is repeated until it is answered. */
export async function countAround(
  caller: Caller,
  stream: StreamKey,
  sides: CountSides,
): Promise<CountedSides> {
  return decodeCounted(await caller.persist(() => caller.run(countScript, [stream], argsOf(sides))));
}

/** The same as a question: an error of code NOSCRIPT where the server does not know the script. */
export function countQuestion(
  stream: StreamKey,
  sides: CountSides,
  take: (counted: CountedSides | ServerError) => void,
): Question {
  const command = ["EVALSHA", countScript.sha, "1", stream, ...argsOf(sides)] as const;
  return { command, take: decoded(decodeCounted, take) };
}

/**
 * Makes the server know the script: over a pipeline, one that it does not know would take a call for each
 * stream.
 */
export function countKnownQuestion(): Question {
  return { command: ["EVAL", countScript.lua, "0"], take() {} };
}

function argsOf({ most, aheadFrom = "", aheadTo, behindFrom = "", behindTo }: CountSides): string[] {
  return [String(most), aheadFrom, aheadTo, behindFrom, behindTo, nextId(aheadTo) ?? ""];
}

function decodeCounted(reply: Value): CountedSides {
  const [ahead, aheadLast, aheadFirst, behind, behindLast, length, first] = asList(reply);
  return {
    ahead: asNumber(ahead),
    aheadFrom: after(aheadLast),
    aheadFirst: idOf(aheadFirst),
    behind: asNumber(behind),
    behindFrom: after(behindLast),
    length: length === null || length === undefined ? undefined : asNumber(length),
    firstId: idOf(first),
  };
}

function idOf(value: Value | undefined): EntryId | undefined {
  return value === null || value === undefined ? undefined : asId(value);
}

function after(last: Value | undefined): string | undefined {
  const id = idOf(last);
  return id === undefined ? undefined : nextId(id);
}
