import { textFields, type Entry } from "../../entry/entry.ts";
import { parseEntryId } from "../../entry/id.ts";

/** What a dead letter says about the failure, next to the original's fields. */
export interface DeadLetterFacts {
  /** The source stream and the entry's ID there. */
  readonly stream: string;
  readonly id: string;
  readonly group: string;
  readonly consumer: string;
  /** How often the entry had been delivered. */
  readonly deliveries: number;
  /** `exit 1`, `timeout 30s`, `signal KILL`, … */
  readonly reason: string;
  /** The handler's exit code or signal, when there is one. */
  readonly exit?: string | undefined;
  /** The end of the handler's stderr; encodeRecord keeps its last STDERR_BYTES. */
  readonly stderr: Buffer;
  readonly failedAt: Date;
  /** How often the entry had been replayed before it failed this time. */
  readonly replays: number;
}

/** `native`: written by streamctl. `copied`: the original's fields and nothing that streamctl can read. */
export type Layout = "native" | "copied";

/** A dead letter taken apart: the original's fields as they were, and the facts, null where not known. */
export interface DeadLetter {
  /** Its ID in the dead-letter queue. */
  readonly id: string;
  readonly layout: Layout;
  readonly fields: readonly Buffer[];
  readonly stream: string | null;
  readonly originalId: string | null;
  readonly group: string | null;
  readonly consumer: string | null;
  readonly deliveries: number | null;
  readonly reason: string | null;
  readonly exit: string | null;
  readonly stderr: Buffer | null;
  readonly failedAt: Date | null;
  readonly replays: number;
}

const STDERR_BYTES = 4_096;

const PREFIX = "dlq.";

/**
 * The fields of a dead letter: the original's, untouched and in order, then the block of `dlq.*` fields
 * that starts with `dlq.stream`. An original may have `dlq.*` fields of its own; standing before the
 * block, they stay the original's.
 */
export function encodeRecord(fields: readonly Buffer[], facts: DeadLetterFacts): Buffer[] {
  const stderr = facts.stderr.subarray(Math.max(0, facts.stderr.length - STDERR_BYTES));
  return [
    ...fields,
    ...textFields([
      ["dlq.stream", facts.stream],
      ["dlq.id", facts.id],
      ["dlq.group", facts.group],
      ["dlq.consumer", facts.consumer],
      ["dlq.deliveries", String(facts.deliveries)],
      ["dlq.reason", facts.reason],
    ]),
    ...(facts.exit === undefined ? [] : textFields([["dlq.exit", facts.exit]])),
    Buffer.from("dlq.stderr"),
    stderr,
    ...textFields([
      ["dlq.failed-at", facts.failedAt.toISOString()],
      ["dlq.replays", String(facts.replays)],
    ]),
  ];
}

/** Takes a record of a dead-letter queue apart. What has no complete `dlq.*` block at its end is `copied`. */
export function decodeRecord(entry: Entry): DeadLetter {
  const start = blockStart(entry.fields);
  if (start !== undefined) {
    const facts = readBlock(entry.fields.slice(start));
    if (facts) return { id: entry.id, layout: "native", fields: entry.fields.slice(0, start), ...facts };
  }
  return {
    id: entry.id,
    layout: "copied",
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
  };
}

/** Where the last run of `dlq.*` fields that begins with `dlq.stream` starts; it must reach the end. */
function blockStart(fields: readonly Buffer[]): number | undefined {
  for (let at = fields.length - 2; at >= 0; at -= 2) {
    const name = (fields[at] as Buffer).latin1Slice();
    if (!name.startsWith(PREFIX)) return undefined;
    if (name === "dlq.stream") return at;
  }
  return undefined;
}

type BlockFacts = Omit<DeadLetter, "id" | "layout" | "fields">;

function readBlock(block: readonly Buffer[]): BlockFacts | undefined {
  const values = new Map<string, Buffer>();
  for (let at = 0; at + 1 < block.length; at += 2)
    values.set((block[at] as Buffer).latin1Slice(), block[at + 1] as Buffer);
  const text = (name: string): string | undefined => values.get(PREFIX + name)?.toString("utf8");
  const stream = text("stream");
  const originalId = text("id");
  const group = text("group");
  const deliveries = Number(text("deliveries") ?? Number.NaN);
  const failedAt = new Date(text("failed-at") ?? Number.NaN);
  const replays = Number(text("replays") ?? Number.NaN);
  if (stream === undefined || group === undefined) return undefined;
  if (originalId === undefined || parseEntryId(originalId) === undefined) return undefined;
  if (!Number.isInteger(deliveries) || !Number.isInteger(replays) || Number.isNaN(failedAt.getTime()))
    return undefined;
  return {
    stream,
    originalId,
    group,
    consumer: text("consumer") ?? null,
    deliveries,
    reason: text("reason") ?? null,
    exit: text("exit") ?? null,
    stderr: values.get("dlq.stderr") ?? null,
    failedAt,
    replays,
  };
}
