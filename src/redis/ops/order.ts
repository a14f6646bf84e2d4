import type { Entry } from "../../entry/entry.ts";
import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { defineScript } from "../script.ts";
import { asId, asList, asText } from "../value.ts";
import type { Caller } from "./caller.ts";
import { decodeEntries } from "./entry.ts";
import { LEDGER, TAKING_HELD } from "./lua/ledger.ts";
import { type Member, settlingKeys } from "./member.ts";
import { decodeTaken, dueArgs, type DueRule, ownFlag, type Taken, type TakeRule } from "./take.ts";

/** Who reads in order, and where the order stands; the member's holders must be kept. */
export interface OrderedMember {
  readonly member: Member;
  /** The key of the ledger, in the stream's slot. */
  readonly ledger: string;
  /** The field whose value is the key to order by. */
  readonly field: Buffer;
}

/**
 * Reads new entries and says which of them may start.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, field, how many may start, how many to read at most, how many may be pending
 * Returns  [[[id, fields] …], the stream's last ID]: the entries that may start. The others read are parked.
 *          Nothing is read while more than the limit is pending. Never blocks.
 * Crash    a lost reply leaves entries pending for this consumer: the first ones are taken again like any
 *          other pending entry.
 */
const readInOrderScript = defineScript(
  "read-in-order",
  `${LEDGER}
local started = {}
local last = facts_of(redis.call('XINFO', 'STREAM', KEYS[1]))['last-generated-id']
local waiting = redis.call('XPENDING', KEYS[1], group)[1]
for i = 1, math.min(tonumber(ARGV[5]), tonumber(ARGV[6]) - waiting) do
  if #started >= tonumber(ARGV[4]) then break end
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', KEYS[1], '>')
  if not reply then break end
  local entry = reply[1][2][1]
  local id, key = entry[1], key_of(entry[2], ARGV[3])
  local starts = not key
  if key then
    local known = with(redis.call('HGET', KEYS[2], key) or '', id)
    local ids = live(known)
    starts = first_of(ids) == id
    store(key, starts and ids or known)
  end
  note_holder(id, 1, key, consumer)
  redis.call('HSET', KEYS[3], 'last', id)
  if starts then started[#started + 1] = entry end
end
return {started, last}
`,
);

/** One step, sent once: at most `look` entries are read to find `places` that may start. */
export async function readInOrder(
  caller: Caller,
  stream: StreamKey,
  { member, ledger, field }: OrderedMember,
  most: { readonly places: number; readonly look: number; readonly pending: number },
): Promise<{ readonly entries: readonly Entry[]; readonly lastId: EntryId }> {
  const args = [member.group, member.consumer, field, most.places, most.look, most.pending];
  const reply = asList(await caller.run(readInOrderScript, settlingKeys(member, stream, ledger), args));
  return { entries: decodeEntries(reply[0])?.entries ?? [], lastId: asId(reply[1]) };
}

/**
 * As take.ts, but takes an entry only when it is the first of its key.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, own, field, how many at most, which ("new":
 *          only those that are in no ledger yet), id …
 * Returns  as take: [id, deliveries, previous owner, fields] for each entry taken.
 */
const takeInOrderScript = defineScript(
  "take-in-order",
  `${LEDGER}${TAKING_HELD}
local function in_ledger(id)
  return string.match(redis.call('HGET', KEYS[3], id) or '', '^%S+ (%S)') == 'k'
end

for i = 10, #ARGV do
  if #taken >= tonumber(ARGV[8]) then break end
  local id = ARGV[i]
  local row = (ARGV[9] ~= 'new' or not in_ledger(id)) and pending(id)
  if row then
    local owner, idle, count = row[2], row[3], row[4]
    local mine = owner == consumer and may_take_own(ARGV[6], id, idle, count, KEYS[3])
    if mine or is_due(owner, idle, count) then
      local found = redis.call('XRANGE', KEYS[1], id, id)[1]
      local key = found and key_of(found[2], ARGV[7])
      local known = key and with(redis.call('HGET', KEYS[2], key) or '', id)
      local ids = key and live(known)
      if not key or first_of(ids) == id then
        if key then store(key, ids) end
        take_held(id, count, owner, found and found[2], not mine or ARGV[6] ~= '1', key)
      elseif key and not in_ledger(id) then
        store(key, known)
        note_holder(id, count, true, owner)
      end
    end
  end
end
return taken
`,
);

/** One step, sent once. `unknownOnly`: only what is in no ledger yet. */
export async function takeInOrder(
  caller: Caller,
  stream: StreamKey,
  { member, ledger, field }: OrderedMember,
  rule: TakeRule,
  { ids, limit, unknownOnly }: TakeChoice,
): Promise<Taken[]> {
  const args = [...dueArgs(member, rule), ownFlag(rule), field, limit, unknownOnly ? "new" : "any", ...ids];
  const rows = await caller.run(takeInOrderScript, settlingKeys(member, stream, ledger), args);
  return asList(rows).map(decodeTaken);
}

export interface TakeChoice {
  readonly ids: readonly EntryId[];
  readonly limit: number;
  readonly unknownOnly: boolean;
}

/**
 * Takes the first entries of keys that are due: their worker has been silent, or their retry delay has passed. Walks
 * through the ledger and not through the pending list, which is full of what is parked behind them.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, claimIdleMs, retryDelayMs, retryMaxDelayMs, how many at most, cursor, how many keys to
 *          look at, IDs to leave alone …
 * Returns  [cursor to go on at, "0" at the end, the same when there were more to take; as take]
 */
const takeFrontsScript = defineScript(
  "take-fronts",
  `${LEDGER}${TAKING_HELD}
local skip = {}
for i = 9, #ARGV do skip[ARGV[i]] = true end
local scanned = redis.call('HSCAN', KEYS[2], ARGV[7], 'COUNT', ARGV[8])
for i = 1, #scanned[2], 2 do
  if #taken >= tonumber(ARGV[6]) then return {ARGV[7], taken} end
  local key, before = scanned[2][i], scanned[2][i + 1]
  local ids = live(before)
  local id = first_of(ids)
  if not id then store(key, ids) end
  local row = id and not skip[id] and pending(id)
  if row and is_due(row[2], row[3], row[4]) then
    if ids ~= before then store(key, ids) end
    local found = redis.call('XRANGE', KEYS[1], id, id)[1]
    take_held(id, row[4], row[2], found and found[2], true, true)
  end
end
return {scanned[1], taken}
`,
);

/** One step, sent once: looks at about `keys` keys from `cursor` on, "0" at first. */
export async function takeFronts(
  caller: Caller,
  stream: StreamKey,
  { member, ledger }: OrderedMember,
  rule: DueRule,
  { limit, cursor, keys, skip }: FrontsChoice,
): Promise<{ readonly cursor: string; readonly taken: Taken[] }> {
  const args = [...dueArgs(member, rule), limit, cursor, keys, ...skip];
  const reply = asList(await caller.run(takeFrontsScript, settlingKeys(member, stream, ledger), args));
  return { cursor: asText(reply[0]), taken: asList(reply[1]).map(decodeTaken) };
}

export interface FrontsChoice {
  readonly limit: number;
  readonly cursor: string;
  readonly keys: number;
  readonly skip: readonly EntryId[];
}

/**
 * Which entries of a consumer may run, and are not parked behind others of their keys.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, field, id …
 * Returns  the IDs of those that are pending for the consumer and the first of their keys, or have none.
 */
const frontsScript = defineScript(
  "fronts",
  `${LEDGER}
local fronts = {}
for i = 4, #ARGV do
  local id = ARGV[i]
  local row = pending(id)
  if row and row[2] == consumer then
    local found = redis.call('XRANGE', KEYS[1], id, id)[1]
    local key = found and key_of(found[2], ARGV[3])
    if not key or first_of(live(with(redis.call('HGET', KEYS[2], key) or '', id))) == id then
      fronts[#fronts + 1] = id
    end
  end
end
return fronts
`,
);

/** One step, which may be repeated. */
export async function frontsOf(
  caller: Caller,
  stream: StreamKey,
  { member, ledger, field }: OrderedMember,
  ids: readonly EntryId[],
): Promise<EntryId[]> {
  const args = [member.group, member.consumer, field, ...ids];
  return asList(await caller.run(frontsScript, settlingKeys(member, stream, ledger), args)).map(asId);
}

/**
 * After an entry was settled: takes the next of its key, which is parked, without counting a delivery.
 *
 * KEYS     the stream, the ledger, the holders
 * ARGV     group, consumer, key, the settled ID
 * Returns  [id, deliveries, previous owner, fields], or nil when nothing of this key waits, or another worker has
 *          moved the key on.
 * Crash    before it runs, the next entry stays parked until it has been idle for claimIdle, and is taken
 *          like the entry of a worker that died.
 */
export const nextInOrderScript = defineScript(
  "next-in-order",
  `${LEDGER}
local ids = redis.call('HGET', KEYS[2], ARGV[3])
if not ids or not string.find(' ' .. ids .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then return nil end
ids = live(ids)
local id = first_of(ids)
while id do
  local found = redis.call('XRANGE', KEYS[1], id, id)[1]
  if found then
    store(ARGV[3], ids)
    local row = pending(id)
    redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')
    note_holder(id, row[4], true, consumer)
    return {id, row[4], row[2], found[2]}
  end
  redis.call('XACK', KEYS[1], group, id)
  redis.call('HDEL', KEYS[3], id)
  ids = live(ids)
  id = first_of(ids)
end
store(ARGV[3], '')
return nil
`,
);

/** One step, sent once. */
export async function nextInOrder(
  caller: Caller,
  stream: StreamKey,
  { member, ledger }: OrderedMember,
  key: Buffer,
  settledId: string,
): Promise<Taken | undefined> {
  const args = [member.group, member.consumer, key, settledId];
  const reply = await caller.run(nextInOrderScript, settlingKeys(member, stream, ledger), args);
  return reply === null ? undefined : decodeTaken(reply);
}
