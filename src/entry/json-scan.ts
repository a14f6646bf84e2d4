import { Buffer, isUtf8 } from "node:buffer";
import { BACKSLASH, hexUnit, SHORT_ESCAPES, unescapeInto } from "./json-escape.ts";

/** Text that is not the JSON it should be. `at` is the byte offset in the source at which that shows. */
export class JsonFault extends Error {
  readonly at: number;
  /** True when the text ended in the middle of a value: what a cut-off line looks like. */
  readonly cutOff: boolean;

  constructor(reason: string, at: number, cutOff = false) {
    super(reason);
    this.name = "JsonFault";
    this.at = at;
    this.cutOff = cutOff;
  }
}

/** How deep arrays and objects may nest; deeper text is hostile, and this parser recurses. */
export const MAX_DEPTH = 512;

/** Bytes that JSON is built of. */
export const OBJECT = 0x7b;
export const OBJECT_END = 0x7d;
export const ARRAY = 0x5b;
export const ARRAY_END = 0x5d;
export const QUOTE = 0x22;
export const COLON = 0x3a;

/**
 * Walks over JSON text as bytes (RFC 8259, strictly) and says where strings and values stand, without
 * turning any of them into JavaScript values: a 64-bit integer or `1.10` keeps its text. One scanner
 * serves any number of texts; what it found last stands in its fields. Faults throw JsonFault.
 */
export class JsonScanner {
  #source: Buffer = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  #high = 0;
  /** Offset of the next byte to look at. */
  at = 0;
  /** The content of the string that was scanned last, without its quotes. */
  start = 0;
  stop = 0;
  /** Its length in bytes once unescaped; less than `stop - start` exactly when it has escapes. */
  length = 0;
  /** Where it has half a surrogate pair, which no UTF-8 stands for; -1 when it has none. */
  loneSurrogate = -1;

  /** Starts on the text between two offsets of `source`. */
  open(source: Buffer, begin: number, end: number): void {
    this.#source = source;
    this.#begin = begin;
    this.#end = end;
    this.#high = 0;
    this.at = begin;
  }

  /** Skips white space and returns the next byte without passing it; -1 at the end of the text. */
  peek(): number {
    const source = this.#source;
    const end = this.#end;
    let at = this.at;
    let byte = -1;
    while (at < end) {
      byte = source[at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      at++;
    }
    this.at = at;
    return at < end ? byte : -1;
  }

  /** Passes one byte that must come next, white space aside. */
  expect(byte: number): void {
    if (this.peek() !== byte) this.fail(`expected ${JSON.stringify(String.fromCharCode(byte))}`);
    this.at++;
  }

  /** Passes a comma, or the closing byte: true when it was the comma. */
  more(closing: number): boolean {
    const byte = this.peek();
    if (byte !== 0x2c && byte !== closing)
      this.fail(`expected "," or ${JSON.stringify(String.fromCharCode(closing))}`);
    this.at++;
    return byte === 0x2c;
  }

  /** Nothing but white space may follow; and all that was passed must have been UTF-8. */
  finish(): void {
    if (this.peek() !== -1) this.fail("text after the JSON value");
    if (this.#high < 0x80 || isUtf8(this.#source.subarray(this.#begin, this.#end))) return;
    this.fail("not UTF-8", firstBadByte(this.#source.subarray(this.#begin, this.#end)) + this.#begin);
  }

  /** Passes a string; its quotes, escapes and bounds are then in `start`, `stop`, `length`, `loneSurrogate`. */
  string(): void {
    if (this.peek() !== QUOTE) this.fail("expected a string");
    const source = this.#source;
    const end = this.#end;
    let high = 0;
    let at = this.at + 1;
    this.start = at;
    this.loneSurrogate = -1;
    let saved = 0;
    while (at < end) {
      const byte = source[at] as number;
      if (byte === QUOTE) {
        this.#high |= high;
        this.stop = at;
        this.length = at - this.start - saved;
        this.at = at + 1;
        return;
      }
      if (byte === BACKSLASH) {
        const written = this.#escape(at);
        saved += this.at - at - written;
        at = this.at;
        continue;
      }
      if (byte < 0x20) this.fail("a control character in a string: write it as an escape", at);
      high |= byte;
      at++;
    }
    this.fail("the string does not end", end);
  }

  /** The string that was passed last, as text. For short ones: keys, IDs. */
  text(): string {
    if (this.length === this.stop - this.start) return this.#source.toString("utf8", this.start, this.stop);
    return this.bytes().toString("utf8");
  }

  /** The same as bytes of its own. */
  bytes(): Buffer {
    const bytes = Buffer.alloc(this.length);
    unescapeInto(this.#source, this.start, this.stop, bytes, 0);
    return bytes;
  }

  /** What it walks over. */
  get source(): Buffer {
    return this.#source;
  }

  /** Passes the escape at `at`; returns how many bytes of UTF-8 it stands for. */
  #escape(at: number): number {
    const letter = at + 1 < this.#end ? (this.#source[at + 1] as number) : -1;
    if (letter !== 0x75 /* u */) {
      if (letter === -1) this.fail("the string does not end", this.#end);
      if (SHORT_ESCAPES[letter] === 0) this.fail("no such escape", at);
      this.at = at + 2;
      return 1;
    }
    const unit = this.#unit(at);
    this.at = at + 6;
    if (unit < 0x80) return 1;
    if (unit < 0x800) return 2;
    if (unit < 0xd800 || unit > 0xdfff) return 3;
    if (
      unit < 0xdc00 &&
      at + 12 <= this.#end &&
      this.#source[at + 6] === BACKSLASH &&
      this.#source[at + 7] === 0x75
    ) {
      const low = this.#unit(at + 6);
      if (low >= 0xdc00 && low <= 0xdfff) {
        this.at = at + 12;
        return 4;
      }
    }
    if (this.loneSurrogate < 0) this.loneSurrogate = at;
    return 3;
  }

  /** The four hexadecimal digits of the escape at `at`. */
  #unit(at: number): number {
    if (at + 6 > this.#end) this.fail("the string does not end", this.#end);
    const unit = hexUnit(this.#source, at + 2);
    if (unit < 0) this.fail("\\u needs four hexadecimal digits", at);
    return unit;
  }

  /** Passes one value of any kind; afterwards it stands from `start` to `at`, as it was written. */
  value(): void {
    this.peek();
    const start = this.at;
    this.#skip(0);
    this.start = start;
  }

  #skip(depth: number): void {
    const byte = this.peek();
    if (byte === QUOTE) this.string();
    else if (byte === 0x7b) this.#skipObject(depth + 1);
    else if (byte === 0x5b) this.#skipArray(depth + 1);
    else if (byte === 0x74) this.#word("true");
    else if (byte === 0x66) this.#word("false");
    else if (byte === 0x6e) this.#word("null");
    else this.#number();
  }

  #skipObject(depth: number): void {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`);
    this.at++;
    if (this.peek() === 0x7d) {
      this.at++;
      return;
    }
    do {
      this.string();
      this.expect(0x3a);
      this.#skip(depth);
    } while (this.more(0x7d));
  }

  #skipArray(depth: number): void {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`);
    this.at++;
    if (this.peek() === 0x5d) {
      this.at++;
      return;
    }
    do this.#skip(depth);
    while (this.more(0x5d));
  }

  #word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.at + i >= this.#end) this.fail(`expected ${word}`, this.#end);
      if (this.#source[this.at + i] !== word.charCodeAt(i)) this.fail(`expected ${word}`);
    }
    this.at += word.length;
  }

  #number(): void {
    const source = this.#source;
    let at = this.at;
    if (source[at] === 0x2d && at < this.#end) at++;
    if (source[at] === 0x30 && at < this.#end) at++;
    else at = this.#digits(at, at === this.at ? "expected a value" : "expected a digit");
    if (source[at] === 0x2e && at < this.#end) at = this.#digits(at + 1, "expected a digit");
    if ((source[at] === 0x65 || source[at] === 0x45) && at < this.#end) {
      at++;
      if ((source[at] === 0x2b || source[at] === 0x2d) && at < this.#end) at++;
      at = this.#digits(at, "expected a digit");
    }
    this.at = at;
  }

  /** Passes one or more digits from `from`; returns the offset after them. */
  #digits(from: number, reason: string): number {
    const source = this.#source;
    let at = from;
    while (at < this.#end && (source[at] as number) >= 0x30 && (source[at] as number) <= 0x39) at++;
    if (at === from) this.fail(reason, at);
    return at;
  }

  fail(reason: string, at: number = this.at): never {
    throw new JsonFault(at >= this.#end ? `${reason}, but the text ends` : reason, at, at >= this.#end);
  }
}

/** The offset of the first byte that is not part of well-formed UTF-8; only called when there is one. */
function firstBadByte(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] as number;
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > 1 && !isUtf8(bytes.subarray(at, at + size))) return at;
    at += size;
  }
  return at;
}
