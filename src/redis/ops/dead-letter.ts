import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { isDenied, isHalfMoved, translateReply } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asList } from "../value.ts";
import type { Caller } from "./caller.ts";
import { SETTLED } from "./lua/settled.ts";
import { TAKES_OF_GROUP } from "./lua/takes.ts";
import { type Member, settlingKeys } from "./member.ts";
import { type Claim, decodeOwned, OWNED, type Owned } from "./owned.ts";
import { mayReadNotes, NO_NOTE, NOTE_OF, noteFailure, type ReplayNote, replayNote } from "./replay-notes.ts";

/**
 * Moves one entry to the dead-letter queue in the same slot: still mine → how often it was replayed → XADD → XACK, in
 * one step. A crash before it has changed nothing; after it the entry is settled, and a repeat after a lost reply finds
 * it gone. What the server refuses for want of a right may come half-way: no repeat of a step that may have added.
 *
 * KEYS     the stream, the dead-letter queue; the notes of replays, when they are to be looked up; the holders
 * ARGV     group, consumer, id, fence, then what is noted of the entry's replays: how many, and how often it had been
 *          delivered before, or "" and "" to look that up; then the record's names and values, the last two of which
 *          are dlq.replays and dlq.deliveries-total, as of an entry that was never replayed
 * Returns  1 moved, else as OWNED; then the error when the notes could not be read (the record has 0 then), or nil. An
 *          XADD that fails (memory, type) fails the script before the XACK.
 */
const deadLetterScript = defineScript(
  "dead-letter",
  `${OWNED}${SETTLED}${TAKES_OF_GROUP}${NOTE_OF}
local owned = state(ARGV[3], ARGV[4])
if owned < 1 then return {owned} end
local replays, deliveries, failure = tonumber(ARGV[5]), tonumber(ARGV[6]), nil
local holders = KEYS[replays and 3 or 4]
if not replays then replays, deliveries, failure = note_of(KEYS[3], group, ARGV[3]) end
if replays > 0 then
  ARGV[#ARGV - 2] = string.format('%.0f', replays)
  ARGV[#ARGV] = string.format('%.0f', deliveries + tonumber(ARGV[#ARGV]))
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 7))
redis.call('XACK', KEYS[1], group, ARGV[3])
settled(holders, ARGV[3])
note_done(holders, ARGV[3])
keep_last(holders)
return {owned, failure or false}
`,
);

/** A dead letter on its way. */
export interface Letter {
  readonly dlq: StreamKey;
  /** Where replays are noted, in the slot of the others. */
  readonly notes: string | undefined;
  /** At most MAX_SCRIPT_VALUES names and values, of an entry that was never replayed: the script corrects that. */
  readonly record: readonly Buffer[];
}

/**
 * One step, sent once. Where the notes are out of the user's reach, or can't be part of a step just now because their
 * slot is on its way to another node, a second step goes without.
 */
export async function deadLetter(
  caller: Caller,
  stream: StreamKey,
  member: Member,
  { id, fence }: Claim,
  { dlq, notes, record }: Letter,
): Promise<Owned> {
  if (notes === undefined || !mayReadNotes(caller, notes)) return carryOut(NO_NOTE);
  try {
    return await carryOut(undefined, notes);
  } catch (error) {
    if (!isDenied(error) && !isHalfMoved(error)) throw error;
    const note = await replayNote(caller, notes, member.group, id);
    // With the right to the notes it was something else that was refused, after the XADD perhaps.
    if (note !== undefined && isDenied(error)) throw error;
    return carryOut(note ?? NO_NOTE);
  }

  async function carryOut(note: ReplayNote | undefined, looked?: string): Promise<Owned> {
    const keys = settlingKeys(member, stream, dlq, ...(looked === undefined ? [] : [looked]));
    const known = [note?.replays ?? "", note?.deliveries ?? ""];
    const args = [member.group, member.consumer, id, fence, ...known, ...record];
    try {
      const [owned, failure] = asList(await caller.run(deadLetterScript, keys, args));
      if (looked !== undefined) noteFailure(caller, looked, failure);
      return decodeOwned(owned);
    } catch (error) {
      // The script reads all else without fault, so a wrong type is the queue's.
      if (error instanceof ServerError && error.code === "WRONGTYPE")
        throw translateReply(error.reply, { command: "XADD", key: dlq });
      throw error;
    }
  }
}
