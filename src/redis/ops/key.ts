import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { asNumber, asText } from "../value.ts";
import type { Caller } from "./caller.ts";

/** The type of what stands under a key; `none` for nothing. */
export async function keyType(caller: Caller, key: string): Promise<string> {
  return asText(await caller.call("TYPE", key));
}

/** How long a key has to live, in ms; undefined when it does not expire, or is not there. */
export async function timeToLive(caller: Caller, key: string): Promise<number | undefined> {
  const ms = asNumber(await caller.persist(() => caller.call("PTTL", key)));
  return ms < 0 ? undefined : ms;
}

/** The server's estimate of what a key takes, in bytes; undefined when it is not there. */
export async function memoryUsage(caller: Caller, key: string): Promise<number | undefined> {
  const bytes = await caller.persist(() => caller.call("MEMORY", "USAGE", key));
  return typeof bytes === "number" ? bytes : undefined;
}

/** How many entries a stream holds; 0 for none. Rejects for a key of another type. */
export async function entryCount(caller: Caller, stream: StreamKey): Promise<number> {
  return asNumber(await caller.call("XLEN", stream));
}

/** Deletes entries, and gives how many were there. After a lost reply a repeat does not count those that are gone. */
export async function deleteEntries(
  caller: Caller,
  stream: StreamKey,
  ids: readonly EntryId[],
): Promise<number> {
  return asNumber(await caller.call("XDEL", stream, ...ids));
}
