import type { Arg } from "./value.ts";
/** Cluster slots and the names of keys that belong to a stream. */

const SLOTS = 16384;

/** CRC16 (XMODEM), as the Redis Cluster specification has it. */
const TABLE = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  TABLE[byte] = crc & 0xffff;
}

/** The part of a key that decides its slot: what stands in the first `{…}` when that is not empty. */
function hashTag(key: string): string {
  const open = key.indexOf("{");
  if (open < 0) return key;
  const close = key.indexOf("}", open + 1);
  return close <= open + 1 ? key : key.slice(open + 1, close);
}

export function keySlot(key: string): number {
  let crc = 0;
  for (const byte of Buffer.from(hashTag(key)))
    crc = ((crc << 8) & 0xffff) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] as number);
  return crc % SLOTS;
}

/** Keys in groups that one command may take together, in their order; outside a cluster that is all of them. */
export function bySlot<Key extends string>(keys: readonly Key[], cluster: boolean): Key[][] {
  const groups = new Map<number, Key[]>();
  for (const key of keys) {
    const slot = cluster ? keySlot(key) : 0;
    const group = groups.get(slot);
    if (group) group.push(key);
    else groups.set(slot, [key]);
  }
  return [...groups.values()];
}

/**
 * A key derived from `key` that shares its slot where the name allows it: `orders:dlq`, in a cluster
 * `{orders}:dlq`, and `{t}x:dlq` for a key that has a tag. `a}b` and `{}x` can't be co-located.
 */
export function siblingKey(key: string, suffix: string, cluster: boolean): string {
  const plain = key + suffix;
  if (!cluster || keySlot(plain) === keySlot(key)) return plain;
  return `{${key}}${suffix}`;
}

/**
 * What any text can follow to name a key that shares the slot of `key`, however the text reads; undefined
 * for a name that allows no such key.
 */
export function siblingPrefix(key: string, suffix: string, cluster: boolean): string | undefined {
  const tag = hashTag(key);
  if (!cluster || tag !== key) return key + suffix;
  const prefix = `{${key}}${suffix}`;
  return hashTag(prefix) === tag ? prefix : undefined;
}

/** True when one script may take both keys. Outside a cluster every two keys may meet. */
export function sameSlot(a: string, b: string, cluster: boolean): boolean {
  return !cluster || keySlot(a) === keySlot(b);
}

/** The key that a command is about, for its error. */
export function keyOf(command: string, args: readonly Arg[]): string | undefined {
  const index = { MEMORY: 1, XGROUP: 1, XINFO: 1, EVAL: 2, EVALSHA: 2 }[command] ?? 0;
  if (/^(PING|INFO|TIME|CLIENT|CONFIG|ACL|CLUSTER|SCAN|COMMAND|XREADGROUP|XREAD)$/.test(command))
    return undefined;
  const key = args[index];
  return typeof key === "string" ? key : undefined;
}
