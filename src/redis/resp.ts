import { Buffer } from "node:buffer";
import { nameText } from "./value.ts";

/** An error reply inside a parsed answer: data, not thrown, because it belongs to one of many commands. */
export class ReplyError {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A RESP2 reply. Bulk strings are Buffers (slices of what the socket gave), simple strings are text. */
export type Reply = null | number | string | Buffer | ReplyError | Reply[];

interface Frame {
  readonly items: Reply[];
  filled: number;
}

const CR = 13;

/**
 * Parses RESP2 as it arrives and calls back once per whole reply. A reply that spans chunks is resumed
 * where it stopped, so a large array costs one pass however it is cut.
 */
export class RespParser {
  readonly #onReply: (reply: Reply) => void;
  readonly #text: boolean;
  #open: Frame[] = [];
  #rest: Buffer | undefined;
  /** What has come of a bulk string longer than a chunk, in a buffer of its size: it is in memory once. */
  #whole: Buffer = NOTHING;
  #filled = 0;

  /** `text`: bulk strings as strings, which take a fraction of a Buffer's time and memory when they are short. */
  constructor(onReply: (reply: Reply) => void, { text = false } = {}) {
    this.#onReply = onReply;
    this.#text = text;
  }

  push(chunk: Buffer): void {
    let buf = chunk;
    if (this.#whole.length > 0) {
      const taken = chunk.copy(this.#whole, this.#filled);
      this.#filled += taken;
      if (this.#filled < this.#whole.length) return;
      const whole = this.#whole;
      this.#whole = NOTHING;
      this.#parse(whole);
      if (taken === chunk.length) return;
      buf = chunk.subarray(taken);
    } else if (this.#rest) {
      buf = Buffer.concat([this.#rest, chunk]);
      this.#rest = undefined;
    }
    this.#parse(buf);
  }

  #parse(buf: Buffer): void {
    const end = buf.length;
    let at = 0;
    while (at < end) {
      const start = at;
      const type = buf[at++] as number;
      let value: Reply;
      if (type === 36 /* $ */ || type === 42 /* * */ || type === 58 /* : */) {
        let number = 0;
        let negative = false;
        let byte = 0;
        while (at < end && (byte = buf[at++] as number) !== CR) {
          if (byte === 45) negative = true;
          else number = number * 10 + (byte - 48);
        }
        if (byte !== CR || at >= end) return this.#keep(buf, start);
        at++;
        if (type === 36) {
          if (negative) value = null;
          else {
            const after = at + number + 2;
            if (after > end) return this.#keep(buf, start, after - end);
            value = this.#text ? textAt(buf, at, at + number) : buf.subarray(at, at + number);
            at = after;
          }
        } else if (type === 58) value = negative ? -number : number;
        else if (negative) value = null;
        else if (number === 0) value = [];
        else {
          this.#open.push({ items: new Array<Reply>(number), filled: 0 });
          continue;
        }
      } else {
        const lineEnd = buf.indexOf(CR, at);
        if (lineEnd < 0 || lineEnd + 1 >= end) return this.#keep(buf, start);
        const text = buf.toString("utf8", at, lineEnd);
        if (type === 45 /* - */) value = new ReplyError(text);
        else if (type === 43 /* + */) value = text;
        else throw new Error(`not a RESP2 reply: byte ${type}`);
        at = lineEnd + 2;
      }
      this.#add(value);
    }
  }

  #add(value: Reply): void {
    let item = value;
    for (;;) {
      const frame = this.#open.at(-1);
      if (!frame) return this.#onReply(item);
      frame.items[frame.filled++] = item;
      if (frame.filled < frame.items.length) return;
      this.#open.pop();
      item = frame.items;
    }
  }

  #keep(buf: Buffer, start: number, missing = 0): void {
    const rest = start === 0 ? buf : buf.subarray(start);
    if (missing > 0) {
      this.#whole = Buffer.allocUnsafe(rest.length + missing);
      this.#filled = rest.copy(this.#whole);
    } else this.#rest = rest;
  }
}

const NOTHING = Buffer.alloc(0);

function textAt(buf: Buffer, start: number, end: number): string {
  const text = buf.utf8Slice(start, end);
  return text.includes("\ufffd") ? nameText(buf.subarray(start, end)) : text;
}

/** One command as RESP bytes. For hot paths write into a buffer of your own instead. */
export function encodeCommand(args: readonly (string | Buffer | number)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

const CRLF = Buffer.from("\r\n");
