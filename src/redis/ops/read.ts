import { encodeCommand } from "../resp.ts";
import { asNumber } from "../value.ts";
import type { Caller } from "./caller.ts";

/** XREAD for a lane: up to `count` entries after a cursor of each stream. Without `blockMs` it does not wait. */
export function encodeRead(
  cursors: readonly (readonly [stream: string, after: string])[],
  count: number,
  blockMs: number | undefined,
): Buffer {
  return encodeCommand(["XREAD", "COUNT", count, ...block(blockMs), "STREAMS", ...byColumns(cursors)]);
}

/**
 * XREADGROUP for a lane: up to `count` entries of each stream, new ones (`>`), or those that are pending for this
 * consumer after an ID.
 */
export function encodeGroupRead(
  { group, consumer }: { readonly group: string; readonly consumer: string },
  cursors: readonly (readonly [stream: string, after: string])[],
  count: number,
  blockMs: number | undefined,
): Buffer {
  const head = ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, ...block(blockMs)];
  return encodeCommand([...head, "STREAMS", ...byColumns(cursors)]);
}

function block(blockMs: number | undefined): (string | number)[] {
  return blockMs === undefined ? [] : ["BLOCK", blockMs];
}

function byColumns(cursors: readonly (readonly [stream: string, after: string])[]): string[] {
  return [...cursors.map(([stream]) => stream), ...cursors.map(([, after]) => after)];
}

/** XACK for a lane, whoever owns the entries. IDs are ASCII, so their length in characters is their length in bytes. */
export function encodeAck(stream: string, group: string, ids: readonly string[]): Buffer {
  let text = `*${ids.length + 3}\r\n$4\r\nXACK\r\n`;
  for (const name of [stream, group]) text += `$${Buffer.byteLength(name)}\r\n${name}\r\n`;
  for (const id of ids) text += `$${id.length}\r\n${id}\r\n`;
  return Buffer.from(text);
}

/** XACK: how many of them were pending, for whomever. Acking twice changes nothing. */
export async function ackEntries(
  caller: Caller,
  stream: string,
  group: string,
  ids: readonly string[],
): Promise<number> {
  return asNumber(await caller.call("XACK", stream, group, ...ids));
}
