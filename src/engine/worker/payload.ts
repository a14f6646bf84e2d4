import { isUtf8 } from "node:buffer";
import { fieldValue } from "../../entry/entry.ts";
import { idMs } from "../../entry/id.ts";
import { entryPrefix, JsonBytes, writeEntry, writeFields } from "../../entry/json-encode.ts";
import { entryPieces, fieldPieces, isLarge, LARGE } from "../../entry/json-pieces.ts";
import type { Delivery, Outcome } from "./types.ts";

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
 * What a handler gets on stdin: a JSON line, a field's raw bytes, or nothing. Undefined when there is no such
 * field, and it must be there.
 */
export function stdinFor(delivery: Delivery, form: StdinForm, consumer: string): Payload | undefined {
  if (form.kind === "none") return NOTHING;
  if (form.kind === "field") {
    const value = fieldValue(delivery.entry, Buffer.from(form.name));
    return value ?? (form.optional ? NOTHING : undefined);
  }
  const { stream, entry, deliveries } = delivery;
  const facts = { deliveries, consumer };
  if (isLarge(entry)) {
    return form.kind === "fields"
      ? { pieces: () => fieldPieces(entry.fields, LINE) }
      : { pieces: () => entryPieces(prefixOf(stream), entry, facts, LINE) };
  }
  if (form.kind === "fields") writeFields(scratch, entry.fields);
  else writeEntry(scratch, prefixOf(stream), entry, facts);
  return scratch.byte(LINE_END).copy();
}

/** What becomes of an entry without the field that a handler must have; no retry would help. */
export function noField(form: StdinForm): Outcome {
  const name = form.kind === "field" ? form.name : "";
  return { kind: "answer", answer: "dead", reason: `no field ${name}`, stderr: NOTHING };
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
const LINE_END = 0x0a;
const LINE = "\n";

/** One variable larger than this is left out, and so is what would go past MAX_ENV together. */
const MAX_VALUE = 16 * 1024;
const MAX_ENV = 256 * 1024;

/** The environment of one invocation. Fields are data, never part of the command's text. */
export function envFor(
  delivery: Delivery,
  worker: { readonly group: string; readonly consumer: string; readonly envFields: boolean },
): Record<string, string> {
  const env: Record<string, string> = {
    STREAMCTL_STREAM: delivery.stream,
    STREAMCTL_GROUP: worker.group,
    STREAMCTL_CONSUMER: worker.consumer,
    STREAMCTL_ID: delivery.entry.id,
    STREAMCTL_DELIVERIES: String(delivery.deliveries),
    STREAMCTL_TIMESTAMP: timestamp(delivery.entry.id),
  };
  return worker.envFields ? { ...fieldVariables(delivery.entry.fields), ...env } : env;
}

/** RFC 3339; an ID that is no time (explicit IDs such as 1-1 are, far-future ones are not) gives its digits. */
function timestamp(id: string): string {
  const date = new Date(idMs(id));
  return Number.isNaN(date.getTime()) ? String(idMs(id)) : date.toISOString();
}

/**
 * `FIELD_ORDER_ID` for `order-id`. The first of two equal names wins. A value with NUL, or that is no UTF-8, can't be a
 * variable: Node would alter it.
 */
function fieldVariables(fields: readonly Buffer[]): Record<string, string> {
  const variables: Record<string, string> = {};
  let size = 0;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = `FIELD_${(fields[i] as Buffer)
      .toString("utf8")
      .toUpperCase()
      .replace(/[^A-Z0-9]/g, "_")}`;
    const value = fields[i + 1] as Buffer;
    if (name in variables || value.length > MAX_VALUE || value.includes(0) || !isUtf8(value)) continue;
    size += name.length + value.length;
    if (size > MAX_ENV) break;
    variables[name] = value.toString("utf8");
  }
  return variables;
}
