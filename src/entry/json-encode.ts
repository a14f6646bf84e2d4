import { Buffer, isUtf8 } from "node:buffer";
import type { Entry, EntryFacts } from "./entry.ts";

/** Bytes that a JSON string can't hold as they are, or that need a look (anything not ASCII). */
const SPECIAL = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++)
  SPECIAL[byte] = byte < 0x20 || byte === 0x22 || byte === 0x5c || byte >= 0x7f ? 1 : 0;

const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  8: "\\b",
  9: "\\t",
  10: "\\n",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/**
 * Builds JSON text as bytes in one growing buffer. Values are written straight from the bytes that Redis
 * gave, so that printing an entry allocates nothing. `take()` hands the text over and starts a new buffer.
 */
export class JsonBytes {
  #buf: Buffer;
  #at = 0;

  constructor(size = 64 * 1024) {
    this.#buf = Buffer.allocUnsafe(size);
  }

  get length(): number {
    return this.#at;
  }

  /** Text that is known to be ASCII and already JSON. */
  raw(text: string): this {
    this.#reserve(text.length);
    this.#at += this.#buf.latin1Write(text, this.#at);
    return this;
  }

  byte(code: number): this {
    this.#reserve(1);
    this.#buf[this.#at++] = code;
    return this;
  }

  bytes(source: Buffer): this {
    this.#reserve(source.length);
    this.#at += source.copy(this.#buf, this.#at);
    return this;
  }

  /** Any text as a JSON string. */
  text(value: string): this {
    return this.value(Buffer.from(value));
  }

  /** A byte string as JSON: a string when it is UTF-8, else `{"base64":"…"}`. */
  value(source: Buffer): this {
    const length = source.length;
    if (length > LONG && !isUtf8(source)) return this.#base64(source);
    this.#reserve(length + 2);
    let buf = this.#buf;
    let at = this.#at;
    buf[at++] = 0x22;
    let i = 0;
    for (; i < length; i++) {
      const byte = source[i] as number;
      if (SPECIAL[byte] === 1) break;
      buf[at++] = byte;
    }
    if (i < length) {
      if (!isUtf8(source)) return this.#base64(source);
      this.#at = at;
      this.#reserve(escapedLength(source, i) + 1);
      buf = this.#buf;
      at = escapeInto(buf, at, source, i);
    }
    buf[at++] = 0x22;
    this.#at = at;
    return this;
  }

  /** A piece of a text within a JSON string, wherever it was cut. */
  escaped(source: Buffer): this {
    this.#reserve(escapedLength(source, 0));
    this.#at = escapeInto(this.#buf, this.#at, source, 0);
    return this;
  }

  take(): Buffer {
    const text = this.#buf.subarray(0, this.#at);
    // As much as last time; a buffer that one huge value made grow is not asked for again.
    this.#buf = Buffer.allocUnsafe(Math.min(this.#buf.length, Math.max(this.#at * 2, 64 * 1024)));
    this.#at = 0;
    return text;
  }

  /** The text as bytes of its own; this buffer is used again, unless one huge value made it grow. */
  copy(): Buffer {
    const text = Buffer.from(this.#buf.subarray(0, this.#at));
    if (this.#buf.length > MAX_KEPT) this.#buf = Buffer.allocUnsafe(64 * 1024);
    this.#at = 0;
    return text;
  }

  /** By parts: the text of a value of 384 MiB is longer than a JavaScript string can be. */
  #base64(source: Buffer): this {
    this.raw('{"base64":"');
    this.#reserve(Math.ceil(source.length / 3) * 4);
    for (let at = 0; at < source.length; at += BASE64_PART)
      this.#at += this.#buf.latin1Write(source.toString("base64", at, at + BASE64_PART), this.#at);
    return this.raw('"}');
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#buf.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buf.length * 2, this.#at + more));
    this.#buf.copy(larger, 0, 0, this.#at);
    this.#buf = larger;
  }
}

/** Of a longer value it is worth knowing beforehand how it will be written. */
const LONG = 64 * 1024;
/** A multiple of three, so that the parts make one text. */
const BASE64_PART = 48 * 1024;

/** A larger buffer is not kept for the next text. */
const MAX_KEPT = 1024 * 1024;

/** Writes the rest of a text with its escapes; gives where it ends. */
function escapeInto(buf: Buffer, at: number, source: Buffer, from: number): number {
  for (let i = from; i < source.length; i++) {
    const byte = source[i] as number;
    if (SPECIAL[byte] === 0 || byte > 0x7f) buf[at++] = byte;
    else at += buf.latin1Write(SHORT_ESCAPES[byte] ?? `\\u00${byte.toString(16).padStart(2, "0")}`, at);
  }
  return at;
}

/** At most how many bytes the rest of a text takes once escaped; exact where guessing would waste memory. */
function escapedLength(source: Buffer, from: number): number {
  if (source.length - from < 1_024) return (source.length - from) * 6;
  let length = source.length - from;
  for (let i = from; i < source.length; i++) {
    const byte = source[i] as number;
    if (SPECIAL[byte] === 1 && byte <= 0x7f) length += 5;
  }
  return length;
}

/** The JSON text that precedes every ID of one stream; made once per stream. */
export function entryPrefix(stream: string | Buffer): Buffer {
  const out = new JsonBytes(256);
  out
    .raw('{"stream":')
    .value(Buffer.isBuffer(stream) ? stream : Buffer.from(stream))
    .raw(',"id":"');
  return out.take();
}

/** Writes the one JSON form of an entry, without a line end. `prefix` comes from entryPrefix. */
export function writeEntry(out: JsonBytes, prefix: Buffer, entry: Entry, facts?: EntryFacts): void {
  out.bytes(prefix).raw(entry.id).raw('","fields":');
  writeFields(out, entry.fields);
  if (facts) writeFacts(out, facts);
  out.byte(0x7d);
}

/** The facts behind an entry's fields. */
export function writeFacts(out: JsonBytes, facts: EntryFacts): void {
  if (facts.deliveries !== undefined) out.raw(`,"deliveries":${facts.deliveries}`);
  if (facts.idleMs !== undefined) out.raw(`,"idleMs":${facts.idleMs}`);
  if (facts.consumer !== undefined) out.raw(',"consumer":').text(facts.consumer);
}

/** `{"a":"1"}`, or `[["a","1"],["a","2"]]` when a name repeats or is not UTF-8. */
export function writeFields(out: JsonBytes, fields: readonly Buffer[]): void {
  const asObject = namesMakeKeys(fields);
  out.byte(asObject ? 0x7b : 0x5b);
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (i > 0) out.byte(0x2c);
    if (!asObject) out.byte(0x5b);
    out
      .value(fields[i] as Buffer)
      .byte(asObject ? 0x3a : 0x2c)
      .value(fields[i + 1] as Buffer);
    if (!asObject) out.byte(0x5d);
  }
  out.byte(asObject ? 0x7d : 0x5d);
}

const FEW = 16;

/** Whether the names can be keys of an object: none repeats, and all are UTF-8. */
export function namesMakeKeys(fields: readonly Buffer[]): boolean {
  if (fields.length > FEW * 2) {
    const seen = new Set<string>();
    for (let i = 0; i < fields.length; i += 2) seen.add((fields[i] as Buffer).latin1Slice());
    if (seen.size * 2 !== fields.length) return false;
  } else {
    for (let i = 2; i < fields.length; i += 2) {
      const name = fields[i] as Buffer;
      for (let k = 0; k < i; k += 2) {
        const other = fields[k] as Buffer;
        if (other.length === name.length && other.equals(name)) return false;
      }
    }
  }
  for (let i = 0; i < fields.length; i += 2) {
    if (!isPlain(fields[i] as Buffer) && !isUtf8(fields[i] as Buffer)) return false;
  }
  return true;
}

function isPlain(name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) if ((name[i] as number) > 0x7f) return false;
  return true;
}
