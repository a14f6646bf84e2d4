import { ConnectionError, errorText, ServerError, StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { forgetConsumer } from "../../redis/ops/forget-consumer.ts";
import type { Member } from "../../redis/ops/member.ts";
import { ackEntries } from "../../redis/ops/read.ts";
import { pendingTotals } from "../../redis/ops/pending.ts";
import { explain } from "../groups/missing.ts";
import type { Roster } from "../roster.ts";
import type { Ends } from "../group-reader/ends.ts";
import { GroupMode } from "./group.ts";
import type { LinkListener } from "./pipelines.ts";
import type { Page } from "./page.ts";
import { StreamReader } from "./reader.ts";

export interface GroupReaderRequest {
  readonly roster: Roster;
  readonly member: Member;
  /** The consumer's name was made up for this run: nobody else uses it, and it goes when it holds nothing. */
  readonly consumerIsUnique: boolean;
  /** False leaves what is read pending. */
  readonly ack: boolean;
  /** Sees to the groups of these streams; gives for each the ID last delivered, as ensureGroups does. */
  readonly ensureGroups: (streams: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  readonly ends: Ends;
  readonly signal: AbortSignal;
  readonly link: LinkListener;
}

/** What a reader left behind. */
export interface Departure {
  readonly acked: number;
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

  private constructor(connection: Connection, request: GroupReaderRequest) {
    const { member, consumerIsUnique, ack } = request;
    this.#connection = connection;
    this.#request = request;
    // A consumer that comes back under its name, and acks, first gets what it was given and never acked.
    this.#mode = new GroupMode({ member, ack, backlogFirst: ack && !consumerIsUnique });
    this.#reader = new StreamReader({ ...request, connection, mode: this.#mode });
  }

  /** Fails as ensureGroups does. */
  static async open(connection: Connection, request: GroupReaderRequest): Promise<GroupReader> {
    const reader = new GroupReader(connection, request);
    const { roster } = request;
    await reader.#join(roster.streams);
    roster.follow({
      admit: async (stream) => {
        await reader.#join([stream]);
        return true;
      },
      left: (stream) => reader.#mode.left(stream),
    });
    return reader;
  }

  async #join(streams: readonly string[]): Promise<void> {
    for (const [stream, after] of await this.#request.ensureGroups(streams)) this.#mode.join(stream, after);
  }

  async *pages(): AsyncGenerator<Page> {
    try {
      yield* this.#reader.pages();
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /**
   * Brings the acks that are still due to an end, removes a consumer that was made up for this run and
   * holds nothing, and counts what stays. Fails when printed entries could not be acked: exit 7 when the
   * acks may have arrived, 3 when they can't have.
   */
  async leave(): Promise<Departure> {
    await this.#ackRest();
    const pending = await this.#forgetOrCount().catch(() => undefined);
    return { acked: this.#mode.acked, pending, missing: this.#mode.missing };
  }

  async #ackRest(): Promise<void> {
    const unacked = this.#mode.takeUnacked();
    let left = unacked.reduce((sum, { ids }) => sum + ids.length, 0);
    try {
      for (const { stream, ids } of unacked) {
        const { group } = this.#request.member;
        await this.#connection.persist(() => ackEntries(this.#connection, stream, group, ids));
        this.#mode.noteAcked(ids.length);
        left -= ids.length;
      }
    } catch (error) {
      const sent = error instanceof ConnectionError && error.sent;
      const kind = error instanceof StreamctlError ? error.kind : "failed";
      throw new StreamctlError(
        sent ? "unknownOutcome" : kind,
        `${left} entries were printed, but ${sent ? "it is unknown whether they are acked" : "could not be acked"}: ${errorText(error)}`,
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
  async #forget(stream: string): Promise<boolean> {
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
