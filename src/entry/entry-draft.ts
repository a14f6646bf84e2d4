import { Buffer } from "node:buffer";
import { unescapeInto } from "./json-escape.ts";

/** Numbers per string: where it starts, where it ends, its length once unescaped, where its bytes are. */
const STRIDE = 4;
const IN_LINE = 0;
const IN_STORE = 1;
const BASE64_IN_LINE = 2;

/** When an entry is to be added: so many ms after it has reached the server, or at a time in ms since 1970. */
export interface Due {
  readonly kind: "in" | "at";
  readonly ms: number;
}

/**
 * An entry on its way to Redis, as places in the line it was read from: names and values alternating. It
 * is filled and emptied for every line and allocates nothing, so that a line costs one scan and one copy.
 * Bytes that the line does not hold as they are (constants, base64, CSV values) are stored beside.
 */
export class EntryDraft {
  /** The ID asked for; undefined lets the server give one. */
  id: string | undefined;
  /** When it is to be added, where that is not at once. */
  due: Due | undefined;
  /** How many strings there are: twice the number of fields. */
  count = 0;
  /** Their bytes, all together. */
  bytes = 0;
  #line: Buffer = Buffer.alloc(0);
  #places = new Int32Array(64 * STRIDE);
  #store: Buffer = Buffer.allocUnsafe(1_024);
  #stored = 0;

  /** Empties the draft; what `addFromLine` names from now on stands in `line`. */
  open(line: Buffer): void {
    this.#line = line;
    this.#stored = 0;
    this.id = undefined;
    this.due = undefined;
    this.count = 0;
    this.bytes = 0;
  }

  /** A string in the line, from `start` to `stop`. `length` is less when it has JSON escapes to undo. */
  addFromLine(start: number, stop: number, length: number = stop - start): void {
    this.#add(start, stop, length, IN_LINE);
  }

  /** A string that stands in the line as base64 without escapes; `length` is that of its bytes. */
  addBase64FromLine(start: number, stop: number, length: number): void {
    this.#add(start, stop, length, BASE64_IN_LINE);
  }

  /** A string that is not in the line; its bytes are copied. */
  addBytes(bytes: Uint8Array): void {
    const start = this.#stored;
    const stop = start + bytes.length;
    if (stop > this.#store.length) {
      const larger = Buffer.allocUnsafe(Math.max(stop, this.#store.length * 2));
      this.#store.copy(larger, 0, 0, start);
      this.#store = larger;
    }
    this.#store.set(bytes, start);
    this.#stored = stop;
    this.#add(start, stop, bytes.length, IN_STORE);
  }

  /** The length of string `index` in bytes. */
  length(index: number): number {
    return this.#places[index * STRIDE + 2] as number;
  }

  /** Writes string `index` into `target`, where there must be room; returns the offset after it. */
  write(index: number, target: Buffer, offset: number): number {
    const at = index * STRIDE;
    const start = this.#places[at] as number;
    const stop = this.#places[at + 1] as number;
    const length = this.#places[at + 2] as number;
    const where = this.#places[at + 3];
    if (where === BASE64_IN_LINE) return decodeInto(this.#line, start, stop, target, offset);
    const source = where === IN_STORE ? this.#store : this.#line;
    if (length < stop - start) return unescapeInto(source, start, stop, target, offset);
    if (length > SHORT) return offset + source.copy(target, offset, start, stop);
    let to = offset;
    for (let i = start; i < stop; i++) target[to++] = source[i] as number;
    return to;
  }

  /** String `index` as bytes of its own. */
  string(index: number): Buffer {
    const bytes = Buffer.allocUnsafe(this.length(index));
    this.write(index, bytes, 0);
    return bytes;
  }

  /** The index of the value of the first field called `name`; -1 when there is none. */
  find(name: string): number {
    const length = Buffer.byteLength(name);
    for (let i = 0; i < this.count; i += 2)
      if (this.length(i) === length && this.string(i).toString() === name) return i + 1;
    return -1;
  }

  /** True for the bare word `null` of a JSON text: the absence of a value, and not the characters. */
  isNull(index: number): boolean {
    const at = index * STRIDE;
    if (this.#places[at + 3] !== IN_LINE || this.length(index) !== NULL.length) return false;
    const before = this.#line[(this.#places[at] as number) - 1] ?? 0;
    return (before === COLON || before === SPACE || before === TAB) && this.string(index).equals(NULL);
  }

  /** Names and values, alternating, as bytes of their own. */
  fields(): Buffer[] {
    return Array.from({ length: this.count }, (_, index) => this.string(index));
  }

  #add(start: number, stop: number, length: number, where: number): void {
    const at = this.count * STRIDE;
    if (at === this.#places.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.#places);
      this.#places = larger;
    }
    this.#places[at] = start;
    this.#places[at + 1] = stop;
    this.#places[at + 2] = length;
    this.#places[at + 3] = where;
    this.count++;
    this.bytes += length;
  }
}

/** Decodes base64 by parts: a text of 512 MiB is longer than a JavaScript string can be. */
function decodeInto(source: Buffer, start: number, stop: number, target: Buffer, offset: number): number {
  let to = offset;
  for (let at = start; at < stop; at += BASE64_PART)
    to += target.write(source.latin1Slice(at, Math.min(stop, at + BASE64_PART)), to, "base64");
  return to;
}

/** A multiple of four, so that each part stands for whole bytes. */
const BASE64_PART = 64 * 1024;

const NULL = Buffer.from("null");
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;

/** Up to this many bytes a loop is faster than a call into the runtime. */
const SHORT = 100;
