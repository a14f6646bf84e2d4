import { type EntryId, nextId, parseEntryId, previousId } from "../entry/id.ts";
import type { StreamKey } from "../entry/names.ts";
import { ServerError } from "../errors.ts";
import type { Connection } from "../redis/connection.ts";
import { streamInfo } from "../redis/ops/info.ts";
import { serverNowMs } from "../redis/ops/server.ts";
import { parseIsoTime } from "../lib/iso-time.ts";
import { parseDuration } from "../units.ts";

/** A place in a stream as people name it. What it means as an ID may depend on the stream and the server's clock. */
export type Position =
  | { readonly kind: "first" }
  | { readonly kind: "last" }
  /** The last ID the stream has given when the command starts: `--from $` is what comes later. */
  | { readonly kind: "now" }
  | {
      readonly kind: "id";
      readonly ms: string;
      readonly seq: string | undefined;
      readonly exclusive: boolean;
    }
  | { readonly kind: "time"; readonly ms: number }
  | { readonly kind: "age"; readonly ms: number };

/** The two ends of a range, both inclusive. It is empty when `from` is after `to`. */
export interface IdRange {
  readonly from: EntryId;
  readonly to: EntryId;
}

export const FIRST_ID = "0-0" as EntryId;
export const LAST_ID = "18446744073709551615-18446744073709551615" as EntryId;

const MAX_SEQ = 18446744073709551615n;

export const POSITION_FORMS = "an entry ID, -, +, $, a time like 2026-03-01T12:00:00Z, or an age like 15m";

/**
 * Parses a position: an entry ID (`(ID` leaves that one out, `ms` alone is the whole millisecond), `-`,
 * `+`, `$`, an ISO 8601 date or time (without an offset: local time), or an age (`15m`). Undefined when it
 * is none of these.
 */
export function parsePosition(text: string): Position | undefined {
  if (text === "-") return { kind: "first" };
  if (text === "+") return { kind: "last" };
  if (text === "$") return { kind: "now" };
  const exclusive = text.startsWith("(");
  const id = exclusive ? text.slice(1) : text;
  if (parseEntryId(id) !== undefined) {
    const [ms = "", seq] = id.split("-");
    return { kind: "id", ms, seq, exclusive };
  }
  const age = parseDuration(text);
  if (age !== undefined) return { kind: "age", ms: age };
  const ms = parseTime(text);
  return ms === undefined ? undefined : { kind: "time", ms };
}

export const MOMENT_FORMS = "a time like 2026-03-01T12:00:00Z (or ms since 1970)";

/** Parses a moment: an ISO 8601 date or time (without an offset: local time), or ms since 1970. Undefined when it is neither. */
export function parseMoment(text: string): number | undefined {
  return /^\d{12,14}$/.test(text) ? Number(text) : parseTime(text);
}

/** An ISO 8601 date or time as ms since 1970; undefined when it is none, or before that. */
function parseTime(text: string): number | undefined {
  const instant = parseIsoTime(text);
  return instant === undefined || instant < 0n ? undefined : Number(instant / 1_000_000n);
}

/** What a position may need to know to become an ID. */
export interface PositionFacts {
  /** The server's clock. */
  readonly nowMs: number;
  /** The last ID that the stream has given; FIRST_ID when there is no stream. */
  readonly lastId: EntryId;
}

/** The first ID of a range that starts at `position`; undefined when nothing can come after it. */
export function startOf(position: Position, facts: PositionFacts): EntryId | undefined {
  switch (position.kind) {
    case "first":
      return FIRST_ID;
    case "last":
      return facts.lastId;
    case "now":
      return nextId(facts.lastId);
    case "id": {
      if (!position.exclusive) return asId(position.ms, position.seq ?? "0");
      return nextId(asId(position.ms, position.seq ?? String(MAX_SEQ)));
    }
    case "time":
      return asId(String(position.ms), "0");
    case "age":
      return asId(String(Math.max(0, facts.nowMs - position.ms)), "0");
  }
}

/** The last ID of a range that ends at `position`; undefined when nothing can come before it. */
export function endOf(position: Position, facts: PositionFacts): EntryId | undefined {
  switch (position.kind) {
    case "first":
      return FIRST_ID;
    case "last":
      return LAST_ID;
    case "now":
      return facts.lastId;
    case "id": {
      if (!position.exclusive) return asId(position.ms, position.seq ?? String(MAX_SEQ));
      return previousId(asId(position.ms, position.seq ?? "0"));
    }
    case "time":
      return asId(String(position.ms), String(MAX_SEQ));
    case "age":
      return asId(String(Math.max(0, facts.nowMs - position.ms)), String(MAX_SEQ));
  }
}

function asId(ms: string, seq: string): EntryId {
  return `${BigInt(ms)}-${BigInt(seq)}` as EntryId;
}

/**
 * Turns positions into the inclusive ID range they mean on `stream`. Asks the server only for what they
 * need: ages its clock (TIME), `$` the stream's last ID. Undefined: no ID can lie in that range.
 */
export async function resolveRange(
  connection: Connection,
  stream: StreamKey,
  range: { readonly from?: Position | undefined; readonly to?: Position | undefined },
): Promise<IdRange | undefined> {
  const start = range.from ?? { kind: "first" };
  const end = range.to ?? { kind: "last" };
  const needsClock = start.kind === "age" || end.kind === "age";
  const needsLastId = start.kind === "now" || start.kind === "last" || end.kind === "now";
  const facts: PositionFacts = {
    nowMs: needsClock ? await serverNowMs(connection) : 0,
    lastId: needsLastId ? await lastGeneratedId(connection, stream) : FIRST_ID,
  };
  const from = startOf(start, facts);
  const to = endOf(end, facts);
  return from === undefined || to === undefined ? undefined : { from, to };
}

/** The last ID that the stream has given, also when that entry is gone; FIRST_ID when there is no stream. */
export async function lastGeneratedId(connection: Connection, stream: StreamKey): Promise<EntryId> {
  try {
    return parseEntryId((await streamInfo(connection, stream)).lastGeneratedId) ?? FIRST_ID;
  } catch (error) {
    if (error instanceof ServerError && error.kind === "notFound") return FIRST_ID;
    throw error;
  }
}
