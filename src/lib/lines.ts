export interface LongLines {
  /** The longest line that is held, in bytes. */
  readonly maxLine: number;
  /** Told of each line that is longer: all of it is left out. Without it such a line is passed on in pieces. */
  readonly onTooLong?: (() => void) | undefined;
}

/**
 * Cuts a byte stream into whole lines, so that outputs of several handlers never interleave within one. No
 * line is ever cut in two: one that is too long to hold is left out, or passed on as it comes, byte for byte.
 */
export class LineCutter {
  readonly #long: LongLines;
  #rest: Buffer[] = [];
  #restLength = 0;
  /** Of the line that is coming in nothing is wanted any more. */
  #leavingOut = false;
  /** The line that is coming in has been passed on in part. */
  #begun = false;

  constructor(long: LongLines) {
    this.#long = long;
  }

  /** The whole lines that `chunk` completes, line ends included; undefined when there are none yet. */
  push(chunk: Buffer): Buffer | undefined {
    const { maxLine, onTooLong } = this.#long;
    const first = chunk.indexOf(LINE_FEED);
    if (first < 0) {
      if (this.#leavingOut) return undefined;
      this.#keep(chunk);
      if (this.#restLength <= maxLine) return undefined;
      if (!onTooLong) {
        this.#begun = true;
        return this.#take();
      }
      this.#leaveOut(onTooLong);
      this.#leavingOut = true;
      return undefined;
    }
    let from = 0;
    if (this.#leavingOut || (onTooLong && this.#restLength + first > maxLine)) {
      if (!this.#leavingOut) this.#leaveOut(onTooLong);
      from = first + 1;
    }
    this.#leavingOut = false;
    this.#begun = false;
    const last = chunk.lastIndexOf(LINE_FEED) + 1;
    if (last > from) this.#keep(chunk.subarray(from, last));
    const lines = this.#restLength > 0 ? this.#take() : undefined;
    if (last < chunk.length) this.#keep(chunk.subarray(last));
    return lines;
  }

  /** What is left, with a line end added; undefined when nothing is. */
  end(): Buffer | undefined {
    if (this.#restLength === 0 && !this.#begun) return undefined;
    this.#keep(LINE_END);
    this.#begun = false;
    return this.#take();
  }

  #take(): Buffer {
    const bytes = this.#rest.length === 1 ? (this.#rest[0] as Buffer) : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restLength = 0;
    return bytes;
  }

  #leaveOut(onTooLong: (() => void) | undefined): void {
    this.#rest = [];
    this.#restLength = 0;
    onTooLong?.();
  }

  #keep(chunk: Buffer): void {
    this.#rest.push(chunk);
    this.#restLength += chunk.length;
  }
}

const LINE_FEED = 0x0a;
const LINE_END = Buffer.from("\n");

/** Puts `tag` before every line of `lines`; `within`: they begin in the middle of one. */
export function tagLines(lines: Buffer, tag: string, within = false): Buffer {
  const prefix = Buffer.from(tag);
  const parts: Buffer[] = [];
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(LINE_FEED, at) + 1 || lines.length;
    if (at > 0 || !within) parts.push(prefix);
    parts.push(lines.subarray(at, end));
    at = end;
  }
  return Buffer.concat(parts);
}

/** The lines of `lines`, which end in line ends; without those. */
export function* eachLine(lines: Buffer): Generator<Buffer, undefined> {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(LINE_FEED, at);
    yield lines.subarray(at, end);
    at = end + 1;
  }
}

/** The last `size` bytes of what was written to it. */
export class Tail {
  readonly #size: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(size: number) {
    this.#size = size;
  }

  push(chunk: Buffer): void {
    const joined = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    this.#bytes = joined.length > this.#size ? Buffer.from(joined.subarray(-this.#size)) : joined;
  }

  get bytes(): Buffer {
    return this.#bytes;
  }
}
