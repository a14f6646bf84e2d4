import { Buffer } from "node:buffer";
import { constants, crc32, createInflateRaw, type InflateRaw } from "node:zlib";
import { NoText } from "./text-input.ts";

/** What is lost before damage is no more than so much of the packed bytes. */
const PIECE = 4 * 1024;
const FIXED_HEAD = 10;
const TRAILER = 8;
/** Names and comments are not longer. */
const MOST_HEAD = 1024 * 1024;
const FLAG = { headerSum: 2, extra: 4, name: 8, comment: 16 } as const;

/**
 * Unpacks gzip (RFC 1952): members one after the other, with zeros between and behind them, as tapes and
 * block devices pad them. Rejects with NoText for what can't be unpacked. Node's own gives nothing of what it has unpacked before damage, and drops
 * members behind padding without a word.
 */
export async function* gunzip(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = new Pieces(packed);
  for (let members = 0; ; members++) {
    const none = !(await input.skipZeros());
    if (none && members > 0) return;
    const head = await input.take(2);
    if (head === undefined || head[0] !== 0x1f || head[1] !== 0x8b) {
      const where = members === 0 ? "it is not gzip" : "what follows the gzip data is no gzip";
      throw new NoText(head === undefined && members === 0 ? "it is empty, which is no gzip" : where);
    }
    await passHead(input);
    yield* member(input);
  }
}

async function passHead(input: Pieces): Promise<void> {
  const [method, flags = 0] = await must(input, FIXED_HEAD - 2);
  if (method !== 8) throw new NoText(`its method of compression, ${method}, is unknown`);
  if (flags & FLAG.extra) await must(input, (await must(input, 2)).readUInt16LE());
  for (const flag of [FLAG.name, FLAG.comment])
    if (flags & flag) for (let length = 0; (await must(input, 1))[0] !== 0; length++) checkHead(length);
  if (flags & FLAG.headerSum) await must(input, 2);
}

function checkHead(length: number): void {
  if (length > MOST_HEAD) throw new NoText("its header does not end");
}

async function must(input: Pieces, length: number): Promise<Buffer> {
  const bytes = await input.take(length);
  if (bytes === undefined) throw cutOff();
  return bytes;
}

function cutOff(): NoText {
  return new NoText("it is cut off");
}

async function* member(input: Pieces): AsyncGenerator<Buffer> {
  const inflater = new Inflater();
  let sum = 0;
  let size = 0;
  try {
    while (!inflater.ended) {
      const piece = await input.next();
      if (piece === undefined) throw cutOff();
      const { output, consumed } = await inflater.push(piece);
      input.putBack(piece.subarray(consumed));
      for (const bytes of output) {
        sum = crc32(bytes, sum);
        size = (size + bytes.length) % 2 ** 32;
        yield bytes;
      }
    }
  } finally {
    inflater.close();
  }
  const trailer = await must(input, TRAILER);
  if (trailer.readUInt32LE(0) !== sum || trailer.readUInt32LE(4) !== size)
    throw new NoText("its checksum is not that of what was unpacked");
}

/** One deflate stream, fed piece by piece. */
class Inflater {
  readonly #stream: InflateRaw = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH });
  /** Resolves at the stream's end; rejects when it is damaged, and then no write is answered any more. */
  readonly #end: Promise<void>;
  #output: Buffer[] = [];
  ended = false;

  constructor() {
    this.#stream.on("data", (bytes: Buffer) => this.#output.push(bytes));
    this.#end = new Promise((resolve, reject) => {
      this.#stream.on("end", () => {
        this.ended = true;
        resolve();
      });
      this.#stream.on("error", ({ message }) => reject(new NoText(`it is damaged (${message})`)));
    });
    // It may fail when nothing waits for it.
    this.#end.catch(() => {});
  }

  /** What the piece unpacks to, and how many of its bytes belong to this stream. */
  async push(piece: Buffer): Promise<{ output: Buffer[]; consumed: number }> {
    const before = this.#stream.bytesWritten;
    const written = new Promise<void>((resolve) => {
      this.#stream.write(piece, () => resolve());
    });
    await Promise.race([written, this.#end]);
    while (this.#stream.readableLength > 0 && !this.#stream.destroyed)
      await new Promise((resolve) => setImmediate(resolve));
    const output = this.#output;
    this.#output = [];
    return { output, consumed: this.#stream.bytesWritten - before };
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** The input in pieces of limited size, of which the rest can be put back. */
class Pieces {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(packed: AsyncIterable<Buffer>) {
    this.#chunks = packed[Symbol.asyncIterator]();
  }

  async next(): Promise<Buffer | undefined> {
    if (!(await this.#fill())) return undefined;
    const piece = this.#rest.subarray(0, PIECE);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Must be the end of the last piece. */
  putBack(bytes: Buffer): void {
    if (bytes.length > 0) this.#rest = Buffer.concat([bytes, this.#rest]);
  }

  /** Exactly so many bytes; undefined when there are not so many. */
  async take(length: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let missing = length; missing > 0; missing -= parts.at(-1)?.length ?? 0) {
      if (!(await this.#fill())) return undefined;
      parts.push(this.#rest.subarray(0, missing));
      this.#rest = this.#rest.subarray(missing);
    }
    return Buffer.concat(parts);
  }

  /** False when nothing else follows. */
  async skipZeros(): Promise<boolean> {
    while (await this.#fill()) {
      const at = this.#rest.findIndex((byte) => byte !== 0);
      if (at >= 0) {
        this.#rest = this.#rest.subarray(at);
        return true;
      }
      this.#rest = Buffer.alloc(0);
    }
    return false;
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return false;
      this.#rest = value;
    }
    return true;
  }
}
