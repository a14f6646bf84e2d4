import type { EntryId } from "../../entry/id.ts";
import type { StreamKey } from "../../entry/names.ts";
import { ConnectionError, errorText, ServerError, StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import type { DecodedStream } from "../../redis/ops/entry.ts";
import { forgetConsumer } from "../../redis/ops/forget-consumer.ts";
import { ensureGroup } from "../../redis/ops/groups.ts";
import { groupInfos } from "../../redis/ops/info.ts";
import type { Member } from "../../redis/ops/member.ts";
import { pausesOf } from "../../redis/ops/pause.ts";
import { showUp } from "../../redis/ops/show-up.ts";
import { pendingTotals } from "../../redis/ops/pending.ts";
import { ackEntries, encodeAck, encodeGroupRead } from "../../redis/ops/read.ts";
import type { Ends } from "../group-reader/ends.ts";
import { GroupState } from "../group-reader/group-state.ts";
import { explain, noGroup, onStream } from "../groups/missing.ts";
import { makeMissing, type MissingGroupRule } from "../groups/start.ts";
import type { Roster } from "../roster.ts";
import type { EntryFilter } from "../where.ts";
import type { LinkListener } from "./pipelines.ts";
import { type Ahead, type Batch, type Page, type ReadMode, StreamReader } from "./reader.ts";

export interface GroupReaderRequest {
  readonly roster: Roster;
  readonly member: Member;
  /** The consumer's name was made up for this run: nobody else uses it, and it goes when it holds nothing. */
  readonly consumerIsUnique: boolean;
  /** False leaves what is read pending. */
  readonly ack: boolean;
  readonly filter?: EntryFilter | undefined;
  /** Acks what does not fit the filter; else it stays pending. */
  readonly ackUnmatched: boolean;
  readonly whenMissing: MissingGroupRule;
  readonly ends: Ends;
  readonly signal: AbortSignal;
  readonly link: LinkListener;
  readonly notice: (level: "detail" | "info" | "warn", message: string) => void;
}

/** How often the consumer of a paused group is heard of: as often as a worker's by its heartbeats. */
const SHOW_UP_EVERY_MS = 20_000;

/** What a reader left behind. */
export interface Departure {
  /** Printed entries that are acked. */
  readonly acked: number;
  /** Entries that did not fit the filter and are acked. */
  readonly unmatched: number;
  /** Entries that stay pending for this consumer; undefined when Redis could not be asked. */
  readonly pending: number | undefined;
  /** Pending entries whose data is gone from the stream. */
  readonly missing: number;
}

/**
 * Reads as a consumer of a group. Each page that `pages` gives counts as printed, and is acked, when the
 * next one is asked for; a caller that could not print it stops asking. `leave` must be called at the end.
 */
export class GroupReader {
  readonly #connection: Connection;
  readonly #request: GroupReaderRequest;
  readonly #mode: GroupMode;
  readonly #reader: StreamReader;
  readonly #groupState: GroupState;
  #heardOfAt = performance.now();

  private constructor(connection: Connection, request: GroupReaderRequest) {
    const { member, consumerIsUnique, ack, ackUnmatched } = request;
    this.#connection = connection;
    this.#request = request;
    // A consumer that comes back under its name, and acks, first gets what it was given and never acked.
    this.#mode = new GroupMode({ member, ack, ackUnmatched, backlogFirst: ack && !consumerIsUnique });
    const { roster, ends } = request;
    this.#groupState = new GroupState({
      from: roster,
      group: member.group,
      ask: (group, streams) => pausesOf(connection, group, streams),
      notice: request.notice,
      onChange: async () => {
        ends.suspend(this.#groupState.paused > 0);
        if (this.#groupState.paused > 0) await this.#reader.wake();
      },
    });
    this.#reader = new StreamReader({
      ...request,
      connection,
      mode: this.#mode,
      groupState: this.#groupState,
    });
  }

  /** Fails with exit 4 when a group or stream is missing and is not to be made. */
  static async open(connection: Connection, request: GroupReaderRequest): Promise<GroupReader> {
    const reader = new GroupReader(connection, request);
    const { roster } = request;
    for (const stream of roster.streams) await reader.#join(stream);
    await connection.persist(() => reader.#groupState.look());
    roster.follow({
      admit: async (stream) => {
        await reader.#join(stream);
        await connection.persist(() => reader.#groupState.join(stream));
        return true;
      },
      left: (stream) => {
        reader.#mode.left(stream);
        reader.#groupState.left(stream);
      },
    });
    return reader;
  }

  async #join(stream: StreamKey): Promise<void> {
    const lastDelivered = (): Promise<string> => this.#lastDelivered(stream);
    this.#mode.join(stream, await this.#connection.persist(lastDelivered));
  }

  /** The ID that the group was given last, once it is there. */
  #lastDelivered(stream: StreamKey): Promise<string> {
    const connection = this.#connection;
    const { member, whenMissing } = this.#request;
    const { group } = member;
    return onStream(connection, stream, group, async () => {
      await makeMissing(connection, ensureGroup.bind(undefined, connection), stream, group, whenMissing);
      const infos = await groupInfos(connection, stream);
      const info = infos.find(({ name }) => name === group);
      if (info) return info.lastDeliveredId;
      const others = infos.map(({ name }) => name);
      throw noGroup(stream, group, others);
    });
  }

  async *pages(): AsyncGenerator<Page> {
    const over = new AbortController();
    // What keeps Redis from being asked the reading says, too.
    const following = this.#groupState.follow(over.signal, () => this.#showUp());
    try {
      yield* this.#reader.pages();
    } catch (error) {
      throw await this.#explained(error);
    } finally {
      over.abort();
      await following;
    }
  }

  /** Where the group is paused nothing is read, and its consumer would look dead. A user who may run no scripts goes without. */
  #showUp(): void {
    if (this.#groupState.paused === 0 || performance.now() - this.#heardOfAt < SHOW_UP_EVERY_MS) return;
    this.#heardOfAt = performance.now();
    const { roster, member } = this.#request;
    for (const stream of roster.streams)
      if (this.#groupState.isPaused(stream)) showUp(this.#connection, stream, member).catch(() => {});
  }

  /**
   * Brings the acks that are still due to an end, removes a consumer that was made up for this run and
   * holds nothing, and counts what stays. Fails when printed entries could not be acked: exit 7 when the
   * acks may have arrived, 3 when they can't have.
   */
  async leave(): Promise<Departure> {
    await this.#ackRest();
    const pending = await this.#forgetOrCount().catch(() => undefined);
    const { acked, unmatched, missing } = this.#mode;
    return { acked, unmatched, pending, missing };
  }

  async #ackRest(): Promise<void> {
    const unacked = this.#mode.takeUnacked();
    let left = unacked.reduce((sum, { ids }) => sum + ids.length, 0);
    try {
      for (const ack of unacked) {
        const { stream, ids } = ack;
        const { group } = this.#request.member;
        await this.#connection.persist(() => ackEntries(this.#connection, stream, group, ids));
        this.#mode.noteAcked(ack);
        left -= ids.length;
      }
    } catch (error) {
      const sent = error instanceof ConnectionError && error.sent;
      const kind = error instanceof StreamctlError ? error.kind : "failed";
      throw new StreamctlError(
        sent ? "unknownOutcome" : kind,
        `${left} entries were ${this.#request.ackUnmatched ? "read" : "printed"}, but ${sent ? "it is unknown whether they are acked" : "could not be acked"}: ${errorText(error)}`,
        { hint: `those not acked are pending for consumer ${this.#request.member.consumer}`, cause: error },
      );
    }
  }

  /** How many entries stay pending for this consumer, over all streams. */
  async #forgetOrCount(): Promise<number> {
    const { roster, member, consumerIsUnique } = this.#request;
    let pending = 0;
    for (const stream of roster.streams) {
      if (consumerIsUnique && (await this.#forget(stream))) continue;
      const totals = await this.#connection.persist(() =>
        pendingTotals(this.#connection, stream, member.group),
      );
      pending += totals.byConsumer.get(member.consumer) ?? 0;
    }
    return pending;
  }

  /** False when the consumer stays: it holds entries, or this user may not remove it. */
  async #forget(stream: StreamKey): Promise<boolean> {
    try {
      const { member } = this.#request;
      const forget = () => forgetConsumer(this.#connection, stream, member);
      return (await this.#connection.persist(forget)) === "removed";
    } catch (error) {
      if (error instanceof ServerError) return false;
      throw error;
    }
  }

  async #explained(error: unknown): Promise<unknown> {
    if (!(error instanceof ServerError) || error.code !== "NOGROUP") return error;
    const { roster, member } = this.#request;
    for (const stream of roster.streams) {
      const better = await explain(this.#connection, stream, member.group, error);
      if (better === error || !(better instanceof StreamctlError)) continue;
      const hint = better.hint === undefined ? {} : { hint: better.hint };
      return new StreamctlError("notFound", `the group has gone while it was read: ${better.message}`, hint);
    }
    return error;
  }
}

/** Entries of one stream that are to be acked: they were printed, or passed over. */
interface Ack {
  readonly stream: StreamKey;
  readonly ids: readonly EntryId[];
  readonly of: "acked" | "unmatched";
}

interface GroupModeOptions {
  readonly member: Member;
  /** False leaves what was printed pending. */
  readonly ack: boolean;
  readonly ackUnmatched: boolean;
  /** Read what is pending already before anything new. */
  readonly backlogFirst: boolean;
}

/**
 * XREADGROUP as one consumer, and XACK of what was printed. When a connection is lost, entries may have
 * been delivered in a reply that never came: they are pending for this consumer and lie after the last ID
 * seen, so each stream is read from there (XREADGROUP with an ID: the consumer's own pending entries)
 * before anything new. Acks without a reply are sent again; acking twice changes nothing.
 */
class GroupMode implements ReadMode {
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
  readonly #answeredOf = { acked: 0, unmatched: 0 };
  #missing = 0;

  constructor(options: GroupModeOptions) {
    this.#options = options;
  }

  /** Printed entries whose ack was answered. */
  get acked(): number {
    return this.#answeredOf.acked;
  }

  /** Entries that were passed over and whose ack was answered. */
  get unmatched(): number {
    return this.#answeredOf.unmatched;
  }

  /** Entries of the backlog that could not be printed, since their data is gone from the stream. */
  get missing(): number {
    return this.#missing;
  }

  /** `after`: the ID after which entries pending for this consumer are its own to read. */
  join(stream: StreamKey, after: string): void {
    this.#cursors.set(stream, this.#options.backlogFirst ? "0-0" : after);
    if (this.#options.backlogFirst) this.#backlog.add(stream);
  }

  left(stream: StreamKey): void {
    this.#cursors.delete(stream);
    this.#backlog.delete(stream);
  }

  alone(stream: StreamKey): boolean {
    return this.#backlog.has(stream);
  }

  encodeRead(streams: readonly StreamKey[], count: number, blockMs: number | undefined): Buffer {
    const cursors = streams.map(
      (stream) => [stream, this.alone(stream) ? (this.#cursors.get(stream) as string) : ">"] as const,
    );
    return encodeGroupRead(this.#options.member, cursors, count, blockMs);
  }

  arrived(streams: readonly StreamKey[], parts: readonly DecodedStream[]): void {
    for (const { stream, lastId, missing } of parts) {
      if (this.#cursors.has(stream)) this.#cursors.set(stream, lastId);
      this.#missing += missing;
    }
    for (const stream of streams) {
      if (!parts.some((part) => part.stream === stream)) this.#backlog.delete(stream);
    }
  }

  printed(page: Page): void {
    if (this.#options.ack) for (const batch of page) this.#ack(batch, "acked");
  }

  passedOver(batch: Batch): void {
    if (this.#options.ackUnmatched) this.#ack(batch, "unmatched");
  }

  #ack({ stream, entries }: Batch, of: Ack["of"]): void {
    this.#unsent.push({ stream, ids: entries.map(({ id }) => id), of });
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
    this.noteAcked(ack);
  }

  /** Counts an ack, also one that the caller of takeUnacked brought to an end. */
  noteAcked({ ids, of }: Ack): void {
    this.#answeredOf[of] += ids.length;
  }
}
