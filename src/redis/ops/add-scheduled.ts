import { Buffer } from "node:buffer";
import type { Due, EntryDraft } from "../../entry/entry-draft.ts";
import { defineScript } from "../script.ts";
import { argumentBytes, markerName } from "./add-keyed.ts";
import { type EntryEncoder, PER_STRING, writeBytes } from "./encoder.ts";
import type { Harmless } from "./rights.ts";
import { SCHEDULE, type ScheduleKeys, TOKEN_PREFIX } from "./schedule-keys.ts";
import { recordSize, writeRecord } from "./scheduled-record.ts";

/**
 * Puts an entry into its stream's schedule: all of it is one step. With a marker, as in add-keyed.ts, unless one with the
 * same idempotency key was added or scheduled before; the marker is known for its time after the entry is due.
 *
 * KEYS     the stream, its schedule's two keys; the key's marker
 * ARGV     "in" or "at", ms, "1" when the stream must be there, the marker's time to live in ms, the record; without a
 *          record nothing is done, but all that could be refused is tried
 * Returns  `scheduled:TOKEN`; {what the marker says} when that was there; nil without the stream that must be there
 */
const addScheduledScript = defineScript(
  "add-scheduled",
  `${SCHEDULE}
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'stream' and kind ~= 'none' then
  return redis.error_reply('WRONGTYPE Operation against a key holding the wrong kind of value')
end
if kind == 'none' and ARGV[3] == '1' then return nil end
local refusal = prove_schedule(KEYS[2], KEYS[3])
if refusal then return refusal end
local record, marker, ms = ARGV[5], KEYS[4], tonumber(ARGV[2])
if not record then return nil end
if marker then
  local there = redis.call('GET', marker)
  if there and there ~= '' then return {there} end
end
if ARGV[1] == 'in' then ms = now_ms() + ms end
local ttl = string.format('%.0f', math.max(0, ms - now_ms()) + tonumber(ARGV[4]))
if marker then redis.call('SET', marker, '', 'PX', ttl) end
local token = '${TOKEN_PREFIX}' .. put_record(KEYS[2], KEYS[3], record, ms)
if marker then redis.call('SET', marker, token, 'PX', ttl) end
return token
`,
);

export interface ScheduledEncoderOptions {
  readonly key: string;
  readonly schedule: ScheduleKeys;
  /** The stream must be there. */
  readonly noCreate: boolean;
  /** The field with each entry's idempotency key, what the names of markers begin with, and how long they are known. */
  readonly keyed?:
    | { readonly field: string; readonly markerPrefix: string; readonly ttlMs: number }
    | undefined;
}

const AT_ONCE: Due = { kind: "in", ms: 0 };

/** One call of the script per entry, whose draft says when it is due: in a pipeline that is as fast as one call for many. */
export class ScheduledEncoder implements EntryEncoder {
  readonly #options: ScheduledEncoderOptions;
  /** The command up to its marker, or to what differs from one entry to the next. */
  readonly #head: Buffer;
  readonly #tail: Buffer;
  readonly idIndex = 0;
  /** Nothing is trimmed. */
  minId = "0-0";

  constructor(options: ScheduledEncoderOptions) {
    this.#options = options;
    const start = ["EVALSHA", addScheduledScript.sha, ...this.#keys()];
    const args = start.length + (options.keyed ? 1 : 0) + 5;
    this.#head = Buffer.concat([Buffer.from(`*${args}\r\n`), argumentBytes(start)]);
    this.#tail = argumentBytes([options.noCreate ? "1" : "0", String(options.keyed?.ttlMs ?? 0)]);
  }

  /** EVAL: afterwards the server knows the script by its hash. */
  probe(): Harmless {
    const { keyed, noCreate } = this.#options;
    const marker = keyed ? [keyed.markerPrefix] : [];
    return ["EVAL", addScheduledScript.lua, ...this.#keys(), ...marker, "in", "0", noCreate ? "1" : "0", "0"];
  }

  size(draft: EntryDraft): number {
    const marker = this.#options.keyed ? this.#options.keyed.markerPrefix.length * 3 + 128 : 0;
    return this.#head.length + marker + this.#tail.length + 64 + PER_STRING + recordSize(draft);
  }

  write(draft: EntryDraft, target: Buffer, offset: number): number {
    const { keyed } = this.#options;
    let at = writeBytes(this.#head, target, offset);
    if (keyed) {
      const name = Buffer.from(keyed.markerPrefix + markerName(draft.string(draft.find(keyed.field))));
      at += target.latin1Write(`$${name.length}\r\n`, at);
      at = writeBytes(name, target, at);
      at += target.latin1Write("\r\n", at);
    }
    const { kind, ms } = draft.due ?? AT_ONCE;
    const due = String(ms);
    at += target.latin1Write(`$2\r\n${kind}\r\n$${due.length}\r\n${due}\r\n`, at);
    at = writeBytes(this.#tail, target, at);
    at += target.latin1Write(`$${recordSize(draft)}\r\n`, at);
    at = writeRecord(draft, target, at);
    return at + target.latin1Write("\r\n", at);
  }

  #keys(): string[] {
    const { key, schedule, keyed } = this.#options;
    return [keyed ? "4" : "3", key, schedule.due, schedule.records];
  }
}
