import type { EntryId } from "../../entry/id.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { BlockingReader } from "../blocking-reader.ts";
import { encodeCommand } from "../resp.ts";
import { asNumber } from "../value.ts";
import type { Caller } from "./caller.ts";
import { type DecodedStream, decodeStreams } from "./entry.ts";
import type { Member } from "./member.ts";

/** Where to read on in each stream: after this ID. */
export type Cursors = readonly (readonly [stream: StreamKey, after: string])[];

/**
 * XREAD for a pipeline: up to `count` entries after a cursor of each stream. Without `blockMs` it does not
 * wait.
 */
export function encodeRead(cursors: Cursors, count: number, blockMs: number | undefined): Buffer {
  return encodeCommand(["XREAD", "COUNT", count, ...block(blockMs), "STREAMS", ...byColumns(cursors)]);
}

/**
 * XREADGROUP for a pipeline: up to `count` entries of each stream, new ones (`>`), or those that are pending
 * for this consumer after an ID.
 */
export function encodeGroupRead(
  { group, consumer }: Member,
  cursors: Cursors,
  count: number,
  blockMs: number | undefined,
): Buffer {
  const head = ["XREADGROUP", "GROUP", group, consumer, "COUNT", count, ...block(blockMs)];
  return encodeCommand([...head, "STREAMS", ...byColumns(cursors)]);
}

function block(blockMs: number | undefined): (string | number)[] {
  return blockMs === undefined ? [] : ["BLOCK", blockMs];
}

function byColumns(cursors: Cursors): string[] {
  return [...cursors.map(([stream]) => stream), ...cursors.map(([, after]) => after)];
}

/**
 * XREADGROUP on a connection of its own: up to `count` new entries of each stream, all of one slot. Waits up
 * to `blockMs` for the first; 0: not at all. After a lost reply the entries are pending for this consumer.
 */
export async function readNew(
  reader: BlockingReader,
  { group, consumer }: Member,
  streams: readonly StreamKey[],
  count: number,
  blockMs: number,
): Promise<DecodedStream[]> {
  const wait = blockMs > 0 ? ["BLOCK", Math.ceil(blockMs)] : [];
  const cursors = streams.map((stream) => [stream, ">"] as const);
  const args = ["GROUP", group, consumer, "COUNT", count, ...wait, "STREAMS", ...byColumns(cursors)];
  return decodeStreams(await reader.call("XREADGROUP", args, blockMs));
}

/**
 * XREAD on a connection of its own, of which only the end of the wait counts: one stream has more, or
 * `blockMs` has passed.
 */
export async function waitForMore(reader: BlockingReader, cursors: Cursors, blockMs: number): Promise<void> {
  const wait = Math.ceil(blockMs);
  await reader.call("XREAD", ["COUNT", 1, "BLOCK", wait, "STREAMS", ...byColumns(cursors)], wait);
}

/**
 * XACK for a pipeline, whoever owns the entries. IDs are ASCII, so their length in characters is their length
 * in bytes.
 */
export function encodeAck(stream: StreamKey, group: GroupName, ids: readonly EntryId[]): Buffer {
  let text = `*${ids.length + 3}\r\n$4\r\nXACK\r\n`;
  for (const name of [stream, group]) text += `$${Buffer.byteLength(name)}\r\n${name}\r\n`;
  for (const id of ids) text += `$${id.length}\r\n${id}\r\n`;
  return Buffer.from(text);
}

/** XACK: how many of them were pending, for whomever. Acking twice changes nothing. */
export async function ackEntries(
  caller: Caller,
  stream: StreamKey,
  group: GroupName,
  ids: readonly EntryId[],
): Promise<number> {
  return asNumber(await caller.call("XACK", stream, group, ...ids));
}
