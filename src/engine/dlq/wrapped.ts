import type { Entry } from "../../entry/entry.ts";
import { EntryDraft } from "../../entry/entry-draft.ts";
import { parseEntryId } from "../../entry/id.ts";
import { JsonDecoder } from "../../entry/json-decode.ts";
import { JsonFault } from "../../entry/json-scan.ts";
import { groupName, streamKey } from "../../entry/names.ts";
import { dateOf } from "../../lib/calendar.ts";
import type { DeadLetter } from "./letter.ts";

/** The facts that wrappers carry, by their names in lower case without `_`, `-` and `.`. */
const FACTS: Readonly<Record<string, Fact>> = {
  payload: "payload",
  originalid: "originalId",
  originalmessageid: "originalId",
  reason: "reason",
  error: "reason",
  failedat: "failedAt",
  stream: "stream",
  originalstream: "stream",
  sourcestream: "stream",
  group: "group",
  consumergroup: "group",
  consumer: "consumer",
  deliveries: "deliveries",
  deliverycount: "deliveries",
  attempts: "deliveries",
};

type Fact = "payload" | "originalId" | "reason" | "failedAt" | "stream" | "group" | "consumer" | "deliveries";

/**
 * Reads an entry that wraps the original in `payload`, next to `original_id`, `reason` and `failed_at`.
 * `detected`: undefined unless it looks like a wrapper; `chosen`: somebody said that it is one, and only
 * one without a payload is not.
 */
export function decodeWrapped(entry: Entry, how: "detected" | "chosen"): DeadLetter | undefined {
  const { facts, strangers } = sortFields(entry.fields);
  const payload = facts.get("payload");
  if (payload === undefined) return undefined;
  const originalId = parseEntryId(text(facts.get("originalId")) ?? "");
  if (how === "detected" && !originalId && !facts.has("reason") && !facts.has("failedAt")) return undefined;
  const unwrapped = payloadFields(payload);
  const [stream, group] = [text(facts.get("stream")), text(facts.get("group"))];
  const doubts: string[] = [];
  if (originalId === undefined) doubts.push("names no original_id");
  if (unwrapped === undefined) doubts.push("has a payload that is no JSON object: it becomes one field");
  if (strangers.length > 0) doubts.push(`has fields that would not be replayed: ${strangers.join(", ")}`);
  const deliveries = Number(text(facts.get("deliveries")) ?? Number.NaN);
  const known = Number.isInteger(deliveries) ? deliveries : null;
  return {
    id: entry.id,
    entry,
    layout: "wrapped",
    doubt: how === "detected" && doubts.length > 0 ? doubts.join(", and ") : undefined,
    fields: unwrapped ?? [Buffer.from("payload"), payload],
    stream: stream === null ? null : streamKey(stream),
    originalId: originalId ?? null,
    group: group === null ? null : groupName(group),
    consumer: text(facts.get("consumer")),
    deliveries: known,
    reason: text(facts.get("reason")),
    exit: null,
    stderr: null,
    failedAt: time(text(facts.get("failedAt"))),
    replays: 0,
    deliveriesTotal: known,
  };
}

/** Names that an error message lists. */
const LISTED = 5;

function sortFields(fields: readonly Buffer[]): { facts: Map<Fact, Buffer>; strangers: string[] } {
  const facts = new Map<Fact, Buffer>();
  const strangers: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = (fields[at] as Buffer).toString("utf8");
    const fact = factOf(name);
    if (fact !== undefined && !facts.has(fact)) facts.set(fact, fields[at + 1] as Buffer);
    else if (strangers.length < LISTED) strangers.push(name);
  }
  return { facts, strangers };
}

function factOf(name: string): Fact | undefined {
  const plain = name.toLowerCase().replace(/[._-]/g, "");
  return Object.hasOwn(FACTS, plain) ? FACTS[plain] : undefined;
}

const decoder = new JsonDecoder();
const draft = new EntryDraft();

/** The fields of a JSON object as `produce` would make them; undefined when it is none. */
function payloadFields(payload: Buffer): Buffer[] | undefined {
  try {
    decoder.object(payload, 0, payload.length, draft);
    return draft.fields();
  } catch (error) {
    if (error instanceof JsonFault) return undefined;
    throw error;
  }
}

function text(value: Buffer | undefined): string | null {
  return value === undefined ? null : value.toString("utf8");
}

/** From this number on a time is in milliseconds: as seconds it would be after the year 5138. */
const LEAST_MS = 100_000_000_000;

/** An ISO 8601 time, or a number of seconds or milliseconds since 1970; null when it is none of these. */
function time(value: string | null): Date | null {
  if (value === null) return null;
  const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
  return dateOf(number === undefined ? value : number < LEAST_MS ? number * 1_000 : number);
}
