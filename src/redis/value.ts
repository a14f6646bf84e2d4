import { isUtf8 } from "node:buffer";
import type { EntryId } from "../entry/id.ts";

/** A reply of the control connection: bulk and simple strings are Buffers. */
export type Value = null | number | string | Buffer | Value[];

/** An argument of a command. Text is sent as UTF-8. */
export type Arg = string | number | Buffer;

/**
 * A name's bytes as text. Bytes that are no UTF-8 stand as `\xff`: decoded they would be those of another name,
 * which may exist, too.
 */
export function nameText(bytes: Buffer): string {
  const text = bytes.utf8Slice();
  if (!text.includes("\ufffd") || isUtf8(bytes)) return text;
  return bytes.latin1Slice().replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
}

/** The text of a reply that must be a string. */
export function asText(value: Value | undefined): string {
  if (typeof value === "string") return value;
  if (Buffer.isBuffer(value)) return nameText(value);
  if (typeof value === "number") return String(value);
  throw new TypeError("unexpected reply: not a string");
}

/** An ID that the server gives: it needs no look. */
export function asId(value: Value | undefined): EntryId {
  return asText(value) as EntryId;
}

export function asNumber(value: Value | undefined): number {
  if (typeof value === "number") return value;
  if (typeof value === "string") return Number(value);
  if (Buffer.isBuffer(value)) return Number(value.latin1Slice());
  throw new TypeError("unexpected reply: not a number");
}

export function asList(value: Value | undefined): Value[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new TypeError("unexpected reply: not a list");
}

/** A flat name/value reply (XINFO and its kin) as a map. */
export function asMap(value: Value | undefined): Map<string, Value> {
  const list = asList(value);
  const map = new Map<string, Value>();
  for (let i = 0; i + 1 < list.length; i += 2) map.set(asText(list[i]), list[i + 1] as Value);
  return map;
}
