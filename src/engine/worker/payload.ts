import { isUtf8 } from "node:buffer";
import { fieldValue } from "../../entry/entry.ts";
import { idMs } from "../../entry/id.ts";
import { entryPrefix, JsonBytes, writeEntry, writeFields } from "../../entry/json-encode.ts";
import type { Delivery } from "./types.ts";

/** What a handler gets on stdin. */
export type StdinForm =
  | { readonly kind: "entry" | "fields" | "none" }
  | { readonly kind: "field"; readonly name: string };

/** The bytes for a handler's stdin: a JSON line, a field's raw bytes (nothing when it is missing), or nothing. */
export function stdinFor(delivery: Delivery, form: StdinForm, consumer: string): Buffer {
  switch (form.kind) {
    case "none":
      return NOTHING;
    case "field":
      return fieldValue(delivery.entry, Buffer.from(form.name)) ?? NOTHING;
    case "fields":
      writeFields(scratch, delivery.entry.fields);
      break;
    case "entry":
      writeEntry(scratch, prefixOf(delivery.stream), delivery.entry, {
        deliveries: delivery.deliveries,
        consumer,
      });
  }
  return scratch.byte(LINE_END).copy();
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
