import { isUtf8 } from "node:buffer";
import { type Entry } from "../entry/entry.ts";
import { JsonBytes, writeFields } from "../entry/json-encode.ts";
import { fieldPieces, isLarge, LARGE, valuePieces } from "../entry/json-pieces.ts";
import { StreamctlError } from "../errors.ts";
import { dateOf } from "../lib/calendar.ts";
import { formatDuration, formatNumber } from "../units.ts";
import { FieldList, type JsonValue } from "./column.ts";
import { cutAtCharacter, safeBytes } from "./safe-text.ts";

/** Unknown, or none, in a table. */
export const NONE = "-";

const NEEDS_NO_ESCAPE = /^[ !#-[\]-~]*$/;

/** A value whose JSON is ASCII and known at a glance; undefined for any other. */
export function plainJson(value: JsonValue): string | undefined {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "null";
  return typeof value === "string" && NEEDS_NO_ESCAPE.test(value) ? `"${value}"` : undefined;
}

/** Writes any value of a row as JSON. */
export function writeJson(out: JsonBytes, value: JsonValue): void {
  if (typeof value === "string") out.text(value);
  else if (Buffer.isBuffer(value)) out.value(value);
  else if (value instanceof FieldList) writeFields(out, value.fields);
  else if (typeof value !== "object" || value === null) out.raw(JSON.stringify(value));
  else if (Array.isArray(value)) {
    out.byte(0x5b);
    value.forEach((item: JsonValue, index) => {
      if (index > 0) out.byte(0x2c);
      writeJson(out, item);
    });
    out.byte(0x5d);
  } else {
    out.byte(0x7b);
    Object.entries(value).forEach(([key, item], index) => {
      if (index > 0) out.byte(0x2c);
      writeJson(out.text(key).byte(0x3a), item);
    });
    out.byte(0x7d);
  }
}

/** What writeJson writes of a large value, in pieces; undefined for any other. */
export function largeJson(value: JsonValue): Iterable<Buffer> | undefined {
  if (Buffer.isBuffer(value)) return value.length >= LARGE ? valuePieces(value) : undefined;
  return value instanceof FieldList && isLarge(value) ? fieldPieces(value.fields, "") : undefined;
}

/** A text of more bytes is not put together in memory for one cell. */
const MAX_CELL = 64 * 1024 * 1024;

/** Throws where that many bytes are too many for a cell. */
export function mustFit(bytes: number): void {
  if (bytes <= MAX_CELL) return;
  throw new StreamctlError("failed", `a value of ${sizeText(bytes)} is too large for a cell`, {
    hint: "-o ndjson prints values of any size",
  });
}

/** A value as the text of one CSV or raw cell: text as it is, null as nothing, what has parts as JSON. */
export function plainText(value: JsonValue): string {
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (Buffer.isBuffer(value)) mustFit(value.length);
  else if (value instanceof FieldList) mustFit(value.fields.reduce((sum, bytes) => sum + bytes.length, 0));
  if (Buffer.isBuffer(value) && isUtf8(value)) return value.toString("utf8");
  if (typeof value !== "object") return String(value);
  const out = new JsonBytes(1_024);
  writeJson(out, value);
  return out.take().toString("utf8");
}

/** A value as a cell of a table that says nothing else about it. */
export function cellText(value: JsonValue): string {
  if (value === null) return NONE;
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Buffer.isBuffer(value)) return safeBytes(value);
  if (value instanceof FieldList) return fieldsText(value.fields);
  return plainText(value);
}

/** `orderId=42 payload=…`, for people: escaped, and cut where a table would cut it anyway. */
export function fieldsText(fields: Entry["fields"]): string {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; i + 1 < fields.length && length < SHOWN; i += 2) {
    const part = `${head(fields[i] as Buffer)}=${head(fields[i + 1] as Buffer)}`;
    parts.push(part);
    length += part.length + 1;
  }
  return parts.join(" ");
}

/** No terminal is wider. */
const SHOWN = 1_000;

function head(bytes: Buffer): string {
  return safeBytes(bytes.length > SHOWN ? cutAtCharacter(bytes, SHOWN) : bytes);
}

/** How long something has lasted: `2h 3m`. */
export function durationText(milliseconds: number | null): string {
  return milliseconds === null ? NONE : formatDuration(Math.max(0, milliseconds));
}

/**
 * A moment, the one form of every output: `2026-03-01T12:00:00.250Z`, as rows have it and --from takes it. The
 * milliseconds of an ID that no calendar reaches stay a number.
 */
export function timeText(at: Date | number): string {
  return dateOf(Number(at))?.toISOString() ?? String(Number(at));
}

/** How long ago something was: `2h 3m ago`. */
export function agoText(at: Date | null, nowMs: number): string {
  return at === null ? NONE : `${durationText(nowMs - at.getTime())} ago`;
}

/** Bytes for people: `512 B`, `1.5 kB`, `3.2 MB` (1 kB = 1024 B, as sizes in flags). */
export function sizeText(bytes: number | null): string {
  if (bytes === null) return NONE;
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < SIZE_UNITS.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${SIZE_UNITS[unit]}`;
}

const SIZE_UNITS = ["B", "kB", "MB", "GB", "TB"];
