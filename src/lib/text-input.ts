import { Buffer } from "node:buffer";
import { fstatSync } from "node:fs";
import type { Readable } from "node:stream";

/** Input that is not the text it should be, or not to its end; the message says what it is, and what to do. */
export class NoText extends Error {
  override readonly name = "NoText";
}

const MARK = Buffer.from("\uFEFF");

const UTF16 = "UTF-16: turn it into UTF-8, as `iconv -f UTF-16 -t UTF-8` does";
const UTF32 = "UTF-32: turn it into UTF-8, as `iconv -f UTF-32 -t UTF-8` does";

/** How files begin, as latin1, and what they are then; a longer beginning stands before one that it begins with. */
const BEGINNINGS: readonly (readonly [string, string])[] = [
  ["\xff\xfe\0\0", UTF32],
  ["\0\0\xfe\xff", UTF32],
  ["\xff\xfe", UTF16],
  ["\xfe\xff", UTF16],
  ["\x28\xb5\x2f\xfd", "compressed with zstd: unpack it with `zstd -dc` first"],
  ["\xfd7zXZ\0", "compressed with xz: unpack it with `xz -dc` first"],
  ["BZh91AY&SY", "compressed with bzip2: unpack it with `bzip2 -dc` first"],
  ["\x04\x22\x4d\x18", "compressed with lz4: unpack it with `lz4 -dc` first"],
  ["PK\x03\x04", "a zip archive: unpack it with `unzip -p` first"],
];
const GZIP = "\x1f\x8b";
const ZLIB = "x\x9c";
const LONGEST = 10;

/** What the first bytes of a file say it is, when it is no text in UTF-8. */
function otherKind(head: Buffer, binary: boolean): string | undefined {
  const text = head.toString("latin1");
  const known = BEGINNINGS.find(([beginning]) => text.startsWith(beginning));
  if (known) return known[1];
  if (!binary && text.startsWith(ZLIB))
    return "compressed with zlib: unpack it with `zlib-flate -uncompress` first";
  // One letter of the two that make the first character in UTF-16 is 0 in all that is written here.
  return !binary && head.length > 1 && (head[0] === 0) !== (head[1] === 0) ? UTF16 : undefined;
}

export interface TextOptions {
  /** It must be gzip; else it may be. */
  readonly gzip?: boolean;
  /** Its values may hold any bytes, also at the beginning. */
  readonly binary?: boolean;
}

/**
 * The chunks of a text without its byte order mark, and unpacked where it is gzip, which `gzip` says it must
 * be; however the bytes are cut. Rejects with NoText for what else it may be, before anything is given.
 */
export async function* textChunks(
  stream: AsyncIterable<unknown>,
  { gzip = false, binary = false }: TextOptions = {},
): AsyncGenerator<Buffer> {
  const chunks = buffers(stream);
  const [head, rest] = await beginning(chunks);
  if (gzip || head.toString("latin1").startsWith(GZIP)) {
    const { gunzip } = await import("./gunzip.ts");
    yield* withoutMark(gunzip(rest), binary);
  } else yield* withoutMark(rest, binary, head);
}

/** Throws NoText where stdin is a folder: reading it gives nothing, and no error. */
export function mustBeReadable(stdin: Readable & { readonly fd?: unknown }): void {
  if (typeof stdin.fd === "number" && fstatSync(stdin.fd).isDirectory())
    throw new NoText("it is a directory");
}

async function* withoutMark(
  chunks: AsyncIterable<Buffer>,
  binary: boolean,
  known?: Buffer,
): AsyncGenerator<Buffer> {
  const [head, all] = known ? [known, chunks] : await beginning(buffers(chunks));
  const twice = head.toString("latin1").startsWith(GZIP);
  const kind = twice ? "gzip within gzip: unpack it with `gzip -dc` first" : otherKind(head, binary);
  if (kind !== undefined) throw new NoText(`it is ${kind}`);
  let marked = head.subarray(0, MARK.length).equals(MARK) ? MARK.length : 0;
  for await (const chunk of all) {
    if (chunk.length > marked) yield chunk.subarray(marked);
    marked = Math.max(0, marked - chunk.length);
  }
}

/** As many of the first bytes as it takes to tell what it is, and all of it with them. */
async function beginning(chunks: AsyncGenerator<Buffer>): Promise<[Buffer, AsyncIterable<Buffer>]> {
  const first: Buffer[] = [];
  let head = Buffer.alloc(0);
  // What can't become anything special is not held up: it may be a person's first line.
  while (head.length < 2 || mayBecomeSpecial(head)) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    first.push(value);
    head = Buffer.concat([head, value.subarray(0, LONGEST)]);
  }
  async function* all(): AsyncGenerator<Buffer> {
    try {
      yield* first.splice(0);
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  }
  return [head.subarray(0, LONGEST), all()];
}

const SPECIAL = [...BEGINNINGS.map(([beginning]) => beginning), MARK.toString("latin1"), GZIP];

function mayBecomeSpecial(head: Buffer): boolean {
  const text = head.toString("latin1");
  return SPECIAL.some((beginning) => beginning.length > text.length && beginning.startsWith(text));
}

async function* buffers(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as string);
    if (bytes.length > 0) yield bytes;
  }
}
