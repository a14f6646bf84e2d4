import { FACTS } from "./lua/facts.ts";
import { ID_BEFORE } from "./lua/id-before.ts";

/** The consumer that holds what was made pending again until a worker of the group takes it. */
export const REPLAY_CONSUMER = "streamctl-replay";

/**
 * What becomes of a letter. `absent`: it is not in the queue any more, or was replayed before. `added`: as a new
 * entry. `revived`: pending again for the group it failed in. `awaited`: that group has it pending already, or
 * has not come to it yet. `held`: a new entry would reach other groups, and nobody has agreed to that. `large`:
 * an entry must be added that has more values than a script can pass.
 */
export type Fate = "absent" | "added" | "revived" | "awaited" | "held" | "large";

const FATES: Readonly<Record<string, Fate>> = {
  0: "absent",
  1: "added",
  2: "revived",
  3: "awaited",
  4: "held",
  5: "large",
};

/** Decodes one character per letter. */
export function decodeFates(text: string): Fate[] {
  return Array.from(text, (character) => FATES[character] ?? "absent");
}

/** How far a replay may reach; the first of every script's arguments. */
export const Reach = {
  /** New entries, whatever the groups: the target is not the stream that the letters come from. */
  anew: "anew",
  /** Pending again where that can be, else new entries, but only where no other group gets them. */
  own: "own",
  /** Pending again where that can be, else new entries. */
  all: "all",
} as const;
export type Reach = (typeof Reach)[keyof typeof Reach];

/**
 * Lua that decides what a letter becomes, and makes entries pending again. The original must still stand in the
 * stream as the letter has it: a stream that was made anew may have something else under its ID. An entry that
 * the group has not come to is delivered by itself, so making it pending would deliver it twice; whether it is
 * pending already shows when it is claimed. Idle since 1970,
 * it may be taken at once, whatever the workers' --claim-idle; with 0 deliveries, it has all its tries again.
 *
 * Wants \`target\` and \`reach\`. find_groups gives the error of a target that is no stream.
 */
export const FATE = `
${ID_BEFORE}${FACTS}
local ABSENT, ADDED, REVIVED, AWAITED, HELD, LARGE = '0', '1', '2', '3', '4', '5'
local last_delivered, group_count, first = {}, 0, nil

local function find_groups()
  if reach == 'anew' then return nil end
  local infos = redis.pcall('XINFO', 'GROUPS', target)
  if infos.err then return not string.find(infos.err, 'no such key', 1, true) and infos or nil end
  for _, info in ipairs(infos) do
    local facts = facts_of(info)
    last_delivered[facts['name']] = facts['last-delivered-id']
    group_count = group_count + 1
  end
  first = redis.call('XRANGE', target, '-', '+', 'COUNT', 1)[1]
end

local function stands(id, fields, length)
  -- Most of what is gone was trimmed away.
  if not first or id_before(id, first[1]) then return false end
  local entry = redis.call('XRANGE', target, id, id)[1]
  if not entry or #entry[2] ~= length then return false end
  local now = entry[2]
  for i = 1, length do
    if now[i] ~= fields[i] then return false end
  end
  return true
end

-- group may be '', id '' for a letter that can't be made pending again. Its first so many fields are the original's.
local function fate_of(group, id, fields, length)
  if reach == 'anew' then return ADDED end
  local last = last_delivered[group]
  if last and id ~= '' and stands(id, fields, length) then
    return id_before(last, id) and AWAITED or REVIVED
  end
  local others = group_count
  if last or group == '' and others > 0 then others = others - 1 end
  if others > 0 and reach ~= 'all' then return HELD end
  return ADDED
end

-- Nothing that is pending has been idle for so long: it is left alone.
local function revive(group, id)
  local claimed = redis.call('XCLAIM', target, group, '${REPLAY_CONSUMER}', '9007199254740991', id,
    'TIME', 0, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
  return #claimed > 0 and REVIVED or AWAITED
end
`;
