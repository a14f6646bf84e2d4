import type { Member } from "../../redis/ops/member.ts";
import type { DecodedStream } from "../../redis/ops/entry.ts";
import { encodeAck, encodeGroupRead } from "../../redis/ops/read.ts";
import type { Page } from "./page.ts";
import type { Ahead, ReadMode } from "./reader.ts";

/** Entries of one stream that were printed and are to be acked. */
interface Ack {
  readonly stream: string;
  readonly ids: readonly string[];
}

export interface GroupModeOptions {
  readonly member: Member;
  /** False leaves everything pending. */
  readonly ack: boolean;
  /** Read what is pending already before anything new. */
  readonly backlogFirst: boolean;
}

/**
 * XREADGROUP as one consumer, and XACK of what was printed. When a connection is lost, entries may have
 * been delivered in a reply that never came: they are pending for this consumer and lie after the last ID
 * seen, so each stream is read from there (XREADGROUP with an ID: the consumer's own pending entries)
 * before anything new. Acks without a reply are sent again; acking twice changes nothing.
 */
export class GroupMode implements ReadMode {
  readonly command = "XREADGROUP";
  readonly takes = true;
  readonly #options: GroupModeOptions;
  /** The last ID seen of each stream. */
  readonly #cursors = new Map<string, string>();
  /** Streams whose backlog is being read. */
  readonly #backlog = new Set<string>();
  #unsent: Ack[] = [];
  #unanswered: Ack[] = [];
  #sessions = 0;
  #acked = 0;
  #missing = 0;

  constructor(options: GroupModeOptions) {
    this.#options = options;
  }

  /** Entries whose ack was answered. */
  get acked(): number {
    return this.#acked;
  }

  /** Entries of the backlog that could not be printed, since their data is gone from the stream. */
  get missing(): number {
    return this.#missing;
  }

  /** `after`: the ID after which entries pending for this consumer are its own to read. */
  join(stream: string, after: string): void {
    this.#cursors.set(stream, this.#options.backlogFirst ? "0-0" : after);
    if (this.#options.backlogFirst) this.#backlog.add(stream);
  }

  left(stream: string): void {
    this.#cursors.delete(stream);
    this.#backlog.delete(stream);
  }

  alone(stream: string): boolean {
    return this.#backlog.has(stream);
  }

  encodeRead(streams: readonly string[], count: number, blockMs: number | undefined): Buffer {
    const cursors = streams.map(
      (stream) => [stream, this.alone(stream) ? (this.#cursors.get(stream) as string) : ">"] as const,
    );
    return encodeGroupRead(this.#options.member, cursors, count, blockMs);
  }

  arrived(streams: readonly string[], parts: readonly DecodedStream[]): void {
    for (const { stream, lastId, missing } of parts) {
      if (this.#cursors.has(stream)) this.#cursors.set(stream, lastId);
      this.#missing += missing;
    }
    for (const stream of streams) {
      if (!parts.some((part) => part.stream === stream)) this.#backlog.delete(stream);
    }
  }

  printed(page: Page): void {
    if (!this.#options.ack) return;
    for (const { stream, entries } of page) this.#unsent.push({ stream, ids: entries.map(({ id }) => id) });
  }

  ahead(): Ahead[] {
    const acks = this.#unsent;
    this.#unsent = [];
    this.#unanswered.push(...acks);
    return acks.map((ack) => ({
      command: "XACK",
      stream: ack.stream,
      bytes: encodeAck(ack.stream, this.#options.member.group, ack.ids),
      onReply: () => this.#answered(ack),
    }));
  }

  reconnected(): void {
    if (this.#sessions++ === 0) return;
    this.#unsent.unshift(...this.#unanswered.splice(0));
    for (const stream of this.#cursors.keys()) this.#backlog.add(stream);
  }

  /** Acks that have no answer yet, handed over: the caller sees to them. */
  takeUnacked(): readonly Ack[] {
    return [...this.#unanswered.splice(0), ...this.#unsent.splice(0)];
  }

  #answered(ack: Ack): void {
    this.#unanswered = this.#unanswered.filter((other) => other !== ack);
    this.#acked += ack.ids.length;
  }

  /** Counts acks that the caller of takeUnacked brought to an end. */
  noteAcked(count: number): void {
    this.#acked += count;
  }
}
