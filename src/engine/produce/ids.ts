import type { EntryDraft } from "../../entry/entry-draft.ts";
import { parseEntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import { siblingPrefix } from "../../redis/keys.ts";
import { KeyedEncoder } from "../../redis/ops/add-keyed.ts";
import { XaddEncoder } from "../../redis/ops/add.ts";
import { ScheduledEncoder } from "../../redis/ops/add-scheduled.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import { MAX_SCRIPT_VALUES } from "../../redis/ops/limits.ts";
import { scheduleKeys } from "../../redis/ops/schedule-keys.ts";
import { BadLine } from "../../entry/sources/source.ts";
import type { ProduceRequest } from "./request.ts";

/** Where the IDs of entries come from. */
export type IdRule =
  | { readonly kind: "server" }
  /** The server's, given once per value of that field: Redis knows each value for `ttlMs`. */
  | { readonly kind: "keyed"; readonly field: string; readonly ttlMs: number }
  /** One ID as given: a whole one, or `<ms>-*` (Redis 7.0), whose rest the server chooses. */
  | { readonly kind: "fixed"; readonly id: string }
  /** The first field of that name holds it, and stays a field. */
  | { readonly kind: "field"; readonly name: string }
  /** The draft has it from the entry's JSON form. */
  | { readonly kind: "kept" };

/**
 * What can be done about an entry whose reply was lost: nothing but say so, look for its ID, or send it
 * again, because the server adds it only once.
 */
export function afterLoss(rule: IdRule): "unknown" | "lookUp" | "sendAgain" {
  switch (rule.kind) {
    case "server":
      return "unknown";
    case "keyed":
      return "sendAgain";
    case "fixed":
      return rule.id.endsWith("*") ? "unknown" : "lookUp";
    case "field":
    case "kept":
      return "lookUp";
  }
}

/** Gives the draft its ID. Throws BadLine when the line has none that is valid. */
export function assignId(rule: IdRule, draft: EntryDraft, line: number): void {
  switch (rule.kind) {
    case "server":
      draft.id = undefined;
      return;
    case "keyed":
      draft.id = undefined;
      mustHaveKey(rule.field, draft, line);
      return;
    case "fixed":
      draft.id = rule.id;
      return;
    case "field":
      draft.id = idOfField(rule.name, draft, line);
      return;
    case "kept":
      if (draft.id === undefined) throw new BadLine(line, '--keep-id, but there is no "id"');
      draft.id = mustBeValid(draft.id, '"id"', line);
  }
}

function idOfField(name: string, draft: EntryDraft, line: number): string {
  const at = draft.find(name);
  if (at < 0) throw new BadLine(line, `there is no field ${name} to take the ID from`);
  return mustBeValid(draft.string(at).toString(), name, line);
}

/** Entries without a key of their own must not pass for one and the same. */
function mustHaveKey(name: string, draft: EntryDraft, line: number): void {
  const at = draft.find(name);
  if (at < 0) throw new BadLine(line, `there is no field ${name} to take the idempotency key from`);
  if (draft.length(at) === 0 || draft.isNull(at))
    throw new BadLine(
      line,
      `the field ${name} is ${draft.isNull(at) ? "null" : "empty"}: no idempotency key`,
    );
  if (draft.count > MAX_SCRIPT_VALUES)
    throw new BadLine(line, `more than ${MAX_SCRIPT_VALUES / 2} fields: too many for --idempotency-key`);
}

function mustBeValid(text: string, what: string, line: number): string {
  const id = parseEntryId(text);
  if (id === undefined)
    throw new BadLine(line, `${what} is not an entry ID like 1694012345678-0: ${text.slice(0, 64)}`);
  if (id === "0-0") throw new BadLine(line, "0-0 is not a possible ID: the smallest one is 0-1");
  return id;
}

/** What writes the entries of one stream. Throws UsageError for a name that allows no markers, or no schedule. */
export function makeEncoder(key: StreamKey, request: EncoderRequest, cluster: boolean): EntryEncoder {
  const { ids, xadd, later } = request;
  const keyed = ids.kind === "keyed" ? { ...ids, markerPrefix: prefixOfMarkers(key, cluster) } : undefined;
  if (later !== undefined) {
    const schedule = scheduleKeys(key, cluster);
    if (schedule === undefined) throw noSibling(key, "a schedule");
    return new ScheduledEncoder({ key, schedule, keyed, noCreate: xadd.noCreate });
  }
  return keyed ? new KeyedEncoder({ key, xadd, ...keyed }) : new XaddEncoder(key, xadd);
}

type EncoderRequest = Pick<ProduceRequest, "ids" | "xadd" | "later">;

function prefixOfMarkers(key: StreamKey, cluster: boolean): string {
  const prefix = siblingPrefix(key, ":produced:", cluster);
  if (prefix === undefined) throw noSibling(key, "--idempotency-key");
  return prefix;
}

function noSibling(key: StreamKey, what: string): UsageError {
  return new UsageError(`no other key can share the slot of ${key}, as ${what} needs`, {
    hint: "name the stream without braces, or with one {tag}",
  });
}
