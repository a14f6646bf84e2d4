import { isUtf8 } from "node:buffer";
import type { Entry, EntryFacts } from "./entry.ts";
import { JsonBytes, namesMakeKeys, writeFacts } from "./json-encode.ts";

/** From so many bytes on, text is better made in pieces than in one. */
export const LARGE = 1_200_000;

export function isLarge({ fields }: Pick<Entry, "fields">): boolean {
  let size = 0;
  for (const bytes of fields) size += bytes.length;
  return size >= LARGE;
}

/** A multiple of three, so that pieces of base64 make one text. */
const PIECE = 192 * 1024;

/** What writeEntry writes, and `end`, in pieces of about a quarter of a megabyte. */
export function* entryPieces(
  prefix: Buffer,
  entry: Entry,
  facts: EntryFacts,
  end: string,
): Generator<Buffer, undefined> {
  const out = new JsonBytes();
  out.bytes(prefix).raw(entry.id).raw('","fields":');
  yield* fields(out, entry.fields);
  writeFacts(out, facts);
  yield out.raw(`}${end}`).take();
}

/** What writeFields writes, and `end`, in such pieces. */
export function* fieldPieces(all: readonly Buffer[], end: string): Generator<Buffer, undefined> {
  const out = new JsonBytes();
  yield* fields(out, all);
  yield out.raw(end).take();
}

function* fields(out: JsonBytes, all: readonly Buffer[]): Generator<Buffer, undefined> {
  const asObject = namesMakeKeys(all);
  out.raw(asObject ? "{" : "[");
  for (let i = 0; i + 1 < all.length; i += 2) {
    out.raw(`${i > 0 ? "," : ""}${asObject ? "" : "["}`);
    yield* value(out, all[i] as Buffer);
    out.raw(asObject ? ":" : ",");
    yield* value(out, all[i + 1] as Buffer);
    if (!asObject) out.raw("]");
  }
  out.raw(asObject ? "}" : "]");
}

/** What JsonBytes.value writes, in such pieces. */
export function* valuePieces(source: Buffer): Generator<Buffer, undefined> {
  const out = new JsonBytes();
  yield* value(out, source);
  yield out.take();
}

function* value(out: JsonBytes, source: Buffer): Generator<Buffer, undefined> {
  if (source.length <= PIECE) {
    out.value(source);
    if (out.length >= PIECE) yield out.take();
    return;
  }
  const isText = isUtf8(source);
  out.raw(isText ? '"' : '{"base64":"');
  for (let at = 0; at < source.length; at += PIECE) {
    const piece = source.subarray(at, at + PIECE);
    if (isText) out.escaped(piece);
    else out.raw(piece.toString("base64"));
    yield out.take();
  }
  out.raw(isText ? '"' : '"}');
}
