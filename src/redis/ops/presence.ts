import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import type { Connection } from "../connection.ts";
import { isRefused } from "../errors.ts";
import { defineScript } from "../script.ts";
import { asText } from "../value.ts";
import { rangePage } from "./range.ts";

/**
 * Which IDs have an entry, without sending any data.
 *
 * KEYS[1] the stream
 * ARGV    IDs
 * Returns one character per ID: 1 when the entry is there, 0 when not. A missing key has none. Changes nothing.
 */
const present = defineScript(
  "present",
  `
local found = {}
for i, id in ipairs(ARGV) do
  found[i] = #redis.call('XRANGE', KEYS[1], id, id)
end
return table.concat(found)
`,
);

/** The server copies an entry to look at it; so many at a time never hold it up for long. */
const IDS_AT_ONCE = 100;
/** A page of the pending list is so many. */
const STEPS_AT_ONCE = 10;

/** The IDs among these whose entries are not in the stream. */
export async function missingIds(
  connection: Connection,
  stream: StreamKey,
  ids: readonly EntryId[],
): Promise<Set<string>> {
  const missing = new Set<string>();
  const steps: (readonly EntryId[])[] = [];
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE) steps.push(ids.slice(at, at + IDS_AT_ONCE));
  for (let at = 0; at < steps.length; at += STEPS_AT_ONCE) {
    const together = steps.slice(at, at + STEPS_AT_ONCE);
    const answers = await Promise.all(together.map((step) => presence(connection, stream, step)));
    for (const [n, step] of together.entries()) {
      const found = answers[n] ?? (await presenceByRange(connection, stream, step));
      step.forEach((id, index) => {
        if (found[index] === "0") missing.add(id);
      });
    }
  }
  return missing;
}

/** Undefined for a user who may run no scripts. */
async function presence(
  connection: Connection,
  stream: StreamKey,
  ids: readonly EntryId[],
): Promise<string | undefined> {
  try {
    return asText(await connection.persist(() => connection.run(present, [stream], ids)));
  } catch (error) {
    if (!isRefused(error)) throw error;
    return undefined;
  }
}

/** Asks for the entries themselves, one by one, because they may be large. */
async function presenceByRange(
  connection: Connection,
  stream: StreamKey,
  ids: readonly EntryId[],
): Promise<string> {
  let found = "";
  for (const id of ids) found += (await rangePage(connection, stream, { from: id, to: id, count: 1 })).length;
  return found;
}
