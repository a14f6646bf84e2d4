import type { Entry } from "../../entry/entry.ts";
import type { DeadLetter, LayoutChoice } from "./letter.ts";
import { decodeNative } from "./record.ts";
import { decodeWrapped } from "./wrapped.ts";

/** Takes a record of a dead-letter queue apart. `auto` looks at each; any other choice is taken at its word. */
export function decodeLetter(entry: Entry, choice: LayoutChoice = "auto"): DeadLetter {
  switch (choice) {
    case "auto":
      return decodeNative(entry) ?? decodeWrapped(entry, "detected") ?? copied(entry, copyDoubt(entry));
    case "native":
      return decodeNative(entry) ?? copied(entry, "has no complete dlq.* fields at its end");
    case "wrapped":
      return decodeWrapped(entry, "chosen") ?? copied(entry, "has no field called payload");
    case "copied":
      return copied(entry, undefined);
  }
}

function copied(entry: Entry, doubt: string | undefined): DeadLetter {
  return {
    id: entry.id,
    entry,
    layout: "copied",
    doubt,
    fields: entry.fields,
    stream: null,
    originalId: null,
    group: null,
    consumer: null,
    deliveries: null,
    reason: null,
    exit: null,
    stderr: null,
    failedAt: null,
    replays: 0,
    deliveriesTotal: null,
  };
}

/** Names that whoever dead-letters adds more often than a message has them. */
const ADDED =
  /^(dlq[._-].*|dead[._-].*|original[._-]?(id|stream)|failed[._-]?at|reason|error|exception|stack)$/i;

/** A copy says nothing about itself; a field that speaks of a failure may have been added to it. */
function copyDoubt({ fields }: Entry): string | undefined {
  for (let at = 0; at < fields.length; at += 2) {
    const name = (fields[at] as Buffer).latin1Slice();
    if (ADDED.test(name)) return `has a field "${name}", which would be replayed as one of the original's`;
  }
  return undefined;
}
