import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import { encodeCommand } from "../resp.ts";
import { defineScript } from "../script.ts";
import { type EntryEncoder, PER_STRING, writeBytes, writeFields } from "./encoder.ts";
import { optionArgs, type XaddOptions } from "./add.ts";
import type { Harmless } from "./rights.ts";

/**
 * Adds an entry unless one with the same idempotency key was added within the marker's time to live. The
 * marker holds the ID of the entry that was added for its key. It is set first, empty, because after the
 * XADD there must be no step that memory or missing rights could refuse; an empty one counts as absent.
 *
 * KEYS     the stream, the key's marker
 * ARGV     the marker's time to live in ms, then XADD's arguments after its key
 * Returns  the new ID; {ID} when the marker was there; nil when NOMKSTREAM finds no stream; XADD's error.
 */
export const addKeyedScript = defineScript(
  "add-keyed",
  `
if not redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1]) then
  local there = redis.call('GET', KEYS[2])
  if there ~= '' then return {there} end
end
local id = redis.pcall('XADD', KEYS[1], unpack(ARGV, 2))
if type(id) ~= 'string' then
  redis.pcall('DEL', KEYS[2])
  return id
end
redis.call('SET', KEYS[2], id, 'PX', ARGV[1])
return id
`,
);

export interface KeyedEncoderOptions {
  readonly key: string;
  readonly xadd: XaddOptions;
  /** The field that holds each entry's idempotency key; drafts without it must not come here. */
  readonly field: string;
  /** What the names of markers begin with. They share the stream's slot. */
  readonly markerPrefix: string;
  readonly ttlMs: number;
}

/** What stands in a marker's name as it is; longer than any of it is the hash of everything else. */
const PLAIN_KEY = /^[\w.@:-]{1,64}$/;

/**
 * One call of the script `add-keyed` per entry. In a pipeline that is as fast as one call for many, and
 * every entry keeps a reply of its own.
 */
export class KeyedEncoder implements EntryEncoder {
  readonly #options: KeyedEncoderOptions;
  readonly #prefix: Buffer;
  /** The command up to the marker's name, by the entry's number of strings. */
  #heads: Buffer[] = [];
  /** What stands between the marker and the entry's ID. */
  #between: readonly string[] = [];
  /** The same as bytes, with `*` for the ID. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(options: KeyedEncoderOptions) {
    this.#options = options;
    this.#prefix = Buffer.from(options.markerPrefix);
    this.minId = "0-0";
  }

  set minId(id: string) {
    this.#between = [String(this.#options.ttlMs), ...optionArgs(this.#options.xadd, id)];
    this.#tail = argumentBytes([...this.#between, "*"]);
    this.#heads = [];
  }

  get idIndex(): number {
    return 5 + this.#between.length;
  }

  /** EVAL: afterwards the server knows the script by its hash. */
  probe(): Harmless {
    const { key, markerPrefix } = this.#options;
    return ["EVAL", addKeyedScript.lua, "2", key, markerPrefix, ...this.#between, "0-0", "f", "v"];
  }

  size(draft: EntryDraft): number {
    const around = this.#head(draft).length + this.#prefix.length + this.#tail.length;
    return around + 128 + draft.bytes + draft.count * PER_STRING;
  }

  write(draft: EntryDraft, target: Buffer, offset: number): number {
    const name = markerName(draft.string(draft.find(this.#options.field)));
    let at = writeBytes(this.#head(draft), target, offset);
    at += target.latin1Write(`$${this.#prefix.length + name.length}\r\n`, at);
    at = writeBytes(this.#prefix, target, at);
    at += target.latin1Write(`${name}\r\n`, at);
    at = writeBytes(this.#tail, target, at);
    return writeFields(draft, target, at);
  }

  #head({ count }: EntryDraft): Buffer {
    return (this.#heads[count] ??= this.#makeHead(count));
  }

  #makeHead(count: number): Buffer {
    const start = ["EVALSHA", addKeyedScript.sha, "2", this.#options.key];
    const args = start.length + 1 + this.#between.length + 1 + count;
    return Buffer.concat([Buffer.from(`*${args}\r\n`), argumentBytes(start)]);
  }
}

/** A key as part of its marker's name: itself when it is short and plain, else its hash. */
export function markerName(key: Buffer): string {
  const text = key.latin1Slice();
  return PLAIN_KEY.test(text) ? text : `sha256-${createHash("sha256").update(key).digest("hex")}`;
}

/** Arguments as bytes, without the line that says how many there are. */
export function argumentBytes(args: readonly string[]): Buffer {
  const whole = encodeCommand(args);
  return whole.subarray(whole.indexOf("\r\n") + 2);
}
