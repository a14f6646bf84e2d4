import { fieldValue } from "../../entry/entry.ts";
import { entryPrefix, JsonBytes, writeEntry, writeFields } from "../../entry/json-encode.ts";
import { entryPieces, fieldPieces, isLarge, LARGE } from "../../entry/json-pieces.ts";
import type { Job } from "./handler.ts";
import type { Outcome } from "./outcome.ts";

/** What a handler gets on stdin. */
export type StdinForm =
  | { readonly kind: "entry" | "fields" | "none" }
  /** `optional`: an entry without it is run all the same, on nothing. */
  | { readonly kind: "field"; readonly name: string; readonly optional: boolean };

/** A handler's stdin: whole or, where that would be too large for one piece of memory, piece by piece. */
export type Payload = Buffer | LargePayload;

export interface LargePayload {
  pieces(): Iterable<Buffer>;
}

export function piecesOf(payload: Payload): Iterable<Buffer> {
  return Buffer.isBuffer(payload) ? [payload] : payload.pieces();
}

/** The stdin of a run for several entries. */
export function joinPayloads(payloads: readonly Payload[]): Payload {
  let size = 0;
  for (const payload of payloads) size += Buffer.isBuffer(payload) ? payload.length : LARGE;
  if (size < LARGE) return Buffer.concat(payloads as readonly Buffer[]);
  return {
    *pieces() {
      for (const payload of payloads) yield* piecesOf(payload);
    },
  };
}

/**
 * What a handler of one entry gets on stdin: a JSON line, a field's raw bytes, or nothing. Undefined when
 * there is no such field, and it must be there.
 */
export function stdinFor(job: Job, form: StdinForm, consumer: string): Payload | undefined {
  if (form.kind === "none") return NOTHING;
  if (form.kind === "field") {
    const value = fieldValue(job.entry, Buffer.from(form.name));
    return value ?? (form.optional ? NOTHING : undefined);
  }
  const { stream, entry, deliveries } = job;
  const facts = { deliveries, consumer };
  if (isLarge(entry)) {
    return form.kind === "fields"
      ? { pieces: () => fieldPieces(entry.fields, LINE_END) }
      : { pieces: () => entryPieces(prefixOf(stream), entry, facts, LINE_END) };
  }
  if (form.kind === "fields") writeFields(scratch, entry.fields);
  else writeEntry(scratch, prefixOf(stream), entry, facts);
  return scratch.byte(LINE_FEED).copy();
}

/**
 * An entry as one line among others on a handler's stdin, line end included; nothing for the form `none`.
 * An outcome when it can't be one: there is no such field, or its bytes hold a line end themselves.
 */
export function inputLine(
  job: Job,
  form: StdinForm,
  consumer: string,
): { readonly line: Payload } | { readonly outcome: Outcome } {
  const payload = stdinFor(job, form, consumer);
  if (form.kind !== "field") return { line: payload ?? NOTHING };
  if (!payload) return { outcome: noField(form) };
  if (Buffer.isBuffer(payload) && payload.includes(LINE_FEED)) return { outcome: noLine(form.name) };
  return { line: joinPayloads([payload, Buffer.from(LINE_END)]) };
}

/** What becomes of an entry without the field that a handler must have; no retry would help. */
export function noField(form: StdinForm): Outcome {
  const name = form.kind === "field" ? form.name : "";
  return { kind: "answer", answer: "dead", reason: `no field ${name}`, stderr: NOTHING };
}

/** No retry would help. */
function noLine(field: string): Outcome {
  const reason = `field ${field} holds a line end: it can't be one line among others, --stdin entry can`;
  return { kind: "answer", answer: "dead", reason, stderr: NOTHING };
}

/** Where texts are put together, one after the other. */
const scratch = new JsonBytes();

let lastPrefix: { readonly stream: string; readonly bytes: Buffer } | undefined;

/** Entries of one stream mostly come one after the other. */
function prefixOf(stream: string): Buffer {
  if (lastPrefix?.stream !== stream) lastPrefix = { stream, bytes: entryPrefix(stream) };
  return lastPrefix.bytes;
}

const NOTHING = Buffer.alloc(0);
const LINE_FEED = 0x0a;
const LINE_END = "\n";
