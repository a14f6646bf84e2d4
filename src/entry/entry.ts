import type { EntryId } from "./id.ts";
/**
 * An entry: an ID and an ordered list of field/value byte strings. `fields` alternates name, value, name,
 * value …; names may repeat, be empty, or be binary. This is the only form in which entries travel through
 * the program; it is what a reply parser yields, so reading costs no conversion.
 */
export interface Entry {
  readonly id: EntryId;
  readonly fields: readonly Buffer[];
}

/** What may be known of an entry beyond its data; the JSON form prints what is set. */
export interface EntryFacts {
  readonly deliveries?: number | undefined;
  readonly idleMs?: number | undefined;
  readonly consumer?: string | undefined;
}

/** The first value of the field called `name`, or undefined. */
export function fieldValue(entry: Entry, name: Buffer): Buffer | undefined {
  const { fields } = entry;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if ((fields[i] as Buffer).equals(name)) return fields[i + 1];
  }
  return undefined;
}

/** An entry from text fields, for tests and for records that streamctl writes itself. */
export function textFields(pairs: Iterable<readonly [string, string]>): Buffer[] {
  const fields: Buffer[] = [];
  for (const [name, value] of pairs) fields.push(Buffer.from(name), Buffer.from(value));
  return fields;
}
