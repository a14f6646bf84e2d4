import { textFields, type Entry } from "../../entry/entry.ts";
import { type EntryId, parseEntryId } from "../../entry/id.ts";
import { type GroupName, type StreamKey, groupName, streamKey } from "../../entry/names.ts";
import { dateOf } from "../../lib/calendar.ts";
import type { DeadLetter } from "./letter.ts";

/** What a dead letter says about the failure, next to the original's fields. */
export interface DeadLetterFacts {
  /** The source stream and the entry's ID there. */
  readonly stream: StreamKey;
  readonly id: EntryId;
  readonly group: GroupName;
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
  /** How often it had been delivered in all, before its replays too; default: it has had none. */
  readonly deliveriesTotal?: number | undefined;
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
      ["dlq.deliveries-total", String(facts.deliveriesTotal ?? facts.deliveries)],
    ]),
  ];
}

/** Takes a record that streamctl wrote apart; undefined when it has no complete `dlq.*` block at its end. */
export function decodeNative(entry: Entry): DeadLetter | undefined {
  const { fields } = entry;
  const block: Block = new Map();
  // The last run of `dlq.*` fields that begins with `dlq.stream`; it must reach the end.
  for (let at = fields.length - 2; at >= 0; at -= 2) {
    const name = (fields[at] as Buffer).latin1Slice();
    if (!name.startsWith(PREFIX)) return undefined;
    if (!block.has(name)) block.set(name, fields[at + 1] as Buffer);
    if (name === "dlq.stream")
      return isComplete(block) ? new NativeLetter(entry, fields.slice(0, at), block) : undefined;
  }
  return undefined;
}

/** The values of the `dlq.*` fields by their names. */
type Block = Map<string, Buffer>;

const WHOLE_NUMBER = /^\d{1,15}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

function isComplete(block: Block): boolean {
  const text = (name: string): string => block.get(name)?.latin1Slice() ?? "";
  return (
    block.has("dlq.group") &&
    parseEntryId(text("dlq.id")) !== undefined &&
    WHOLE_NUMBER.test(text("dlq.deliveries")) &&
    WHOLE_NUMBER.test(text("dlq.replays")) &&
    (!block.has("dlq.deliveries-total") || WHOLE_NUMBER.test(text("dlq.deliveries-total"))) &&
    RFC_3339.test(text("dlq.failed-at"))
  );
}

/** Reads a fact when it is asked for: replaying a long queue needs few of them, a hundred thousand times. */
class NativeLetter implements DeadLetter {
  readonly layout = "native";
  readonly doubt = undefined;
  readonly entry: Entry;
  readonly fields: readonly Buffer[];
  readonly #block: Block;

  constructor(entry: Entry, fields: readonly Buffer[], block: Block) {
    this.entry = entry;
    this.fields = fields;
    this.#block = block;
  }

  get id(): EntryId {
    return this.entry.id;
  }

  get stream(): StreamKey | null {
    const name = this.#text("dlq.stream");
    return name === null ? null : streamKey(name);
  }

  get originalId(): EntryId | null {
    // isComplete has looked at it.
    return this.#text("dlq.id") as EntryId | null;
  }

  get group(): GroupName | null {
    const name = this.#text("dlq.group");
    return name === null ? null : groupName(name);
  }

  get consumer(): string | null {
    return this.#text("dlq.consumer");
  }

  get deliveries(): number {
    return Number(this.#text("dlq.deliveries"));
  }

  get reason(): string | null {
    return this.#text("dlq.reason");
  }

  get exit(): string | null {
    return this.#text("dlq.exit");
  }

  get stderr(): Buffer | null {
    return this.#block.get("dlq.stderr") ?? null;
  }

  get failedAt(): Date | null {
    return dateOf(this.#text("dlq.failed-at") ?? Number.NaN);
  }

  get replays(): number {
    return Number(this.#text("dlq.replays"));
  }

  /** Older records don't have it. */
  get deliveriesTotal(): number {
    const total = this.#text("dlq.deliveries-total");
    return total === null ? this.deliveries : Number(total);
  }

  #text(name: string): string | null {
    return this.#block.get(name)?.toString("utf8") ?? null;
  }
}
