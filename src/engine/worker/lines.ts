/** A line longer than this is cut: output must never be held without bound. */
const MAX_LINE = 1024 * 1024;

/** Cuts a byte stream into whole lines, so that outputs of several handlers never interleave within one. */
export class LineCutter {
  readonly #keepBack: number;
  #rest: Buffer[] = [];
  #restLength = 0;

  /** `keepBack`: how many bytes to hold back when a line is cut because it grew too long. */
  constructor(keepBack = 0) {
    this.#keepBack = keepBack;
  }

  /** The whole lines that `chunk` completes, line ends included; undefined when there are none yet. */
  push(chunk: Buffer): Buffer | undefined {
    const last = chunk.lastIndexOf(0x0a);
    if (last < 0) {
      this.#keep(chunk);
      return this.#restLength > MAX_LINE ? this.#cut() : undefined;
    }
    const whole = Buffer.concat([...this.#rest, chunk.subarray(0, last + 1)]);
    this.#rest = [];
    this.#restLength = 0;
    if (last + 1 < chunk.length) this.#keep(chunk.subarray(last + 1));
    return whole;
  }

  /** What is left, with a line end added; undefined when nothing is. */
  end(): Buffer | undefined {
    if (this.#restLength === 0) return undefined;
    const line = Buffer.concat([...this.#rest, LINE_END]);
    this.#rest = [];
    this.#restLength = 0;
    return line;
  }

  #cut(): Buffer {
    const line = Buffer.concat(this.#rest);
    const at = line.length - this.#keepBack;
    this.#rest = [line.subarray(at)];
    this.#restLength = this.#keepBack;
    return Buffer.concat([line.subarray(0, at), LINE_END]);
  }

  #keep(chunk: Buffer): void {
    this.#rest.push(chunk);
    this.#restLength += chunk.length;
  }
}

const LINE_END = Buffer.from("\n");

/** Puts `tag` before every line of `lines`, which end in line ends. */
export function tagLines(lines: Buffer, tag: string): Buffer {
  const prefix = Buffer.from(tag);
  const parts: Buffer[] = [];
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(0x0a, at) + 1;
    parts.push(prefix, lines.subarray(at, end));
    at = end;
  }
  return Buffer.concat(parts);
}

/** The lines of `lines`, which end in line ends; without those. */
export function* eachLine(lines: Buffer): Generator<Buffer, undefined> {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(0x0a, at);
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
