import { crc32 } from "node:zlib";
import type { EntryDraft } from "../../entry/entry-draft.ts";
import { type StreamKey, streamKey } from "../../entry/names.ts";
import { UsageError } from "../../errors.ts";
import { keySlot } from "../../redis/keys.ts";
import { BadLine } from "../../entry/sources/source.ts";

/** How the entries of a run are spread over several streams. */
export interface PartitionRule {
  readonly count: number;
  /** Entries with one value of this field go to one partition. */
  readonly field: string;
}

/**
 * `orders:0` … `orders:N-1`; the stream alone when it is not partitioned. In a cluster, a name with a hash
 * tag is refused (UsageError): the tag would put all partitions into one slot.
 */
export function partitionKeys(
  stream: StreamKey,
  rule: PartitionRule | undefined,
  cluster: boolean,
): readonly StreamKey[] {
  if (rule === undefined) return [stream];
  const keys = Array.from({ length: rule.count }, (_, index) => streamKey(`${stream}:${index}`));
  if (cluster && rule.count > 1 && new Set(keys.map(keySlot)).size === 1) {
    throw new UsageError(`the partitions of ${stream} would all share one slot, because of its braces`, {
      hint: "name the stream without {…}: its partitions then lie on all nodes",
    });
  }
  return keys;
}

/**
 * The partition of a value: the CRC-32 of its bytes (as zlib, gzip and PNG have it), modulo the number of
 * partitions. librdkafka's partitioner `consistent` chooses the same.
 */
export function partitionOf(value: Uint8Array, count: number): number {
  return crc32(value) % count;
}

/** The partition of an entry. Throws BadLine when it lacks the field. */
export function choosePartition(rule: PartitionRule, draft: EntryDraft, line: number): number {
  const at = draft.find(rule.field);
  if (at < 0) throw new BadLine(line, `there is no field ${rule.field} to choose the partition by`);
  return partitionOf(draft.string(at), rule.count);
}
