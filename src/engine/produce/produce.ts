import { errorText, ServerError, StreamctlError } from "../../errors.ts";
import { EntryDraft } from "../../entry/entry-draft.ts";
import { sleep } from "../../lib/timer.ts";
import type { Connection } from "../../redis/connection.ts";
import { serverNowMs } from "../../redis/ops/server.ts";
import { afterLoss, assignId } from "./ids.ts";
import { type Backlog, LagGate } from "./wait-lag.ts";
import { type UnreadLoss, LossWatch } from "./trim-losses.ts";
import { PipelinePool } from "../../redis/pipeline-pool.ts";
import { Pace } from "../../lib/rate.ts";
import { choosePartition, partitionKeys } from "./partitions.ts";
import { Partition } from "./partition.ts";
import type { ProduceEvents, ProduceReport, ProduceRequest } from "./request.ts";
import { BadLine } from "../../entry/sources/source.ts";
import { Transfer } from "./transfer.ts";
import { UnreadKeeper } from "./keep-unread.ts";

/**
 * Writes the entries of a source to a stream and reports what became of them; also what fails is in the
 * report. Throws only what happens before the first line is read.
 */
export async function produce(
  connection: Connection,
  request: ProduceRequest,
  events: ProduceEvents = {},
): Promise<ProduceReport> {
  const producer = new Producer(connection, request, events);
  try {
    await producer.prepare();
    return await producer.run();
  } finally {
    producer.close();
  }
}

/** Why the filling of batches ended: one is full, the pace or the group's lag asks for a pause, input is needed. */
type Filled = Partition | "paced" | "held" | "dry";

class Producer {
  readonly #connection: Connection;
  readonly #request: ProduceRequest;
  readonly #events: ProduceEvents;
  readonly #transfer: Transfer;
  readonly #partitions: readonly Partition[];
  readonly #draft = new EntryDraft();
  /** Where the entry in the draft belongs that had to wait for the group. */
  #held: Partition | undefined;
  readonly #pace: Pace | undefined;
  readonly #gate: LagGate | undefined;
  readonly #keeper: UnreadKeeper | undefined;
  readonly #losses: LossWatch | undefined;
  /** The server's clock minus the monotonic one of this process. */
  #clockOffset = 0;
  #minIdSetAt = Number.NEGATIVE_INFINITY;
  #failure: StreamctlError | undefined;

  constructor(connection: Connection, request: ProduceRequest, events: ProduceEvents) {
    const { stream, partitions, rate, waitLag, xadd, keptTrim, signal } = request;
    const streams = partitionKeys(stream, partitions, connection.cluster);
    this.#connection = connection;
    this.#request = request;
    this.#events = events;
    this.#pace = rate === undefined ? undefined : new Pace(rate);
    this.#transfer = new Transfer(streams.length);
    this.#transfer.ledger.lastLine = request.skipLines;
    const pipelines = new PipelinePool(connection);
    this.#partitions = streams.map(
      (key) =>
        new Partition({
          key,
          connection,
          pipelines,
          transfer: this.#transfer,
          ids: request.ids,
          xadd: request.xadd,
          onId: events.onId && ((id) => events.onId?.(id, key)),
          onRejected: (bad, raw) => this.#reject(bad, raw),
        }),
    );
    if (waitLag) {
      const onWait = (backlog: Backlog | undefined): void => events.onWait?.(backlog);
      this.#gate = new LagGate(connection, { streams, rule: waitLag, signal, onWait });
    }
    if (keptTrim) this.#keeper = new UnreadKeeper(connection, streams, keptTrim, signal);
    else if (xadd.trim !== "none") {
      const written = (at: number): number => this.#partitions[at]?.sender.written ?? 0;
      const onLoss = (loss: UnreadLoss): void => events.onLoss?.(loss);
      this.#losses = new LossWatch(connection, streams, { signal, written, onLoss });
    }
  }

  async prepare(): Promise<void> {
    const { xadd, ids } = this.#request;
    if (xadd.trim === "age") {
      this.#clockOffset = (await serverNowMs(this.#connection)) - performance.now();
      this.#refreshMinId();
    }
    if (xadd.trim === "age" || xadd.noCreate || ids.kind === "keyed") await this.#mustUnderstandOptions();
    await this.#gate?.look();
    await this.#losses?.start();
    for (const { route } of this.#partitions) await route.open();
  }

  async run(): Promise<ProduceReport> {
    let complete = false;
    try {
      complete = await this.#sendAll();
    } catch (error) {
      this.#fail(error);
    }
    await this.#finish().catch((error: unknown) => this.#fail(error));
    const failure = this.#failure ?? this.#transfer.failure;
    return this.#report(complete && !this.#transfer.stopped && failure === undefined, failure);
  }

  async #finish(): Promise<void> {
    await this.#settle();
    await this.#keeper?.trim();
    await this.#losses?.look();
  }

  #fail(error: unknown): void {
    this.#failure ??=
      error instanceof StreamctlError
        ? error
        : new StreamctlError("failed", `could not read the input: ${errorText(error)}`, { cause: error });
  }

  close(): void {
    for (const { route } of this.#partitions) route.close();
    this.#request.source.close();
  }

  /** True when the input came to its end; false after a signal or a failure. */
  async #sendAll(): Promise<boolean> {
    const { source, signal } = this.#request;
    while (!signal.aborted && !this.#transfer.stopped && this.#failure === undefined) {
      const filled = this.#fill();
      if (filled instanceof Partition) await filled.flush();
      else await this.#flush();
      await this.#events.onBatch?.(this.#transfer.ledger, source.bytesRead);
      await (this.#keeper ?? this.#losses)?.afterBatch();
      if (filled === "held") {
        await this.#settle();
        await this.#gate?.wait();
      } else if (filled === "dry") {
        if (!(await this.#moreInput())) return !signal.aborted;
      } else await this.#pause();
    }
    return false;
  }

  /** Waits for input, and meanwhile sees to what was sent. False when there is no more, or no use for any. */
  async #moreInput(): Promise<boolean> {
    const more = this.#request.source.more();
    const arrived = more.then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([arrived, this.#transfer.news()]))) {
      await this.#settle();
      if (this.#transfer.stopped || this.#failure !== undefined) return false;
    }
    return more;
  }

  /** Takes entries into their batches. */
  #fill(): Filled {
    const { source, keepRaw, ids } = this.#request;
    const keepCopy = keepRaw && afterLoss(ids) === "lookUp";
    this.#refreshMinId();
    while (this.#failure === undefined) {
      const partition = this.#held ?? this.#next();
      if (partition === undefined) continue;
      if (partition === "dry") return partition;
      this.#held = this.#gate?.take() === false ? partition : undefined;
      if (this.#held) return "held";
      this.#readTo(source.line);
      const raw = keepCopy ? Buffer.from(source.raw()) : undefined;
      partition.batch.add(partition.encoder, this.#draft, source.line, raw);
      if (this.#pace?.take() === false) return "paced";
      if (partition.full) return partition;
    }
    return "paced";
  }

  /** Reads the next entry into the draft; undefined for a bad line. */
  #next(): Partition | "dry" | undefined {
    const { source, ids } = this.#request;
    try {
      if (!source.next(this.#draft)) {
        this.#readTo(source.line);
        return "dry";
      }
      assignId(ids, this.#draft, source.line);
      return this.#choose(source.line);
    } catch (error) {
      if (!(error instanceof BadLine)) throw error;
      this.#reject(error, source.raw());
      return undefined;
    }
  }

  /** The partition of the entry in the draft. Throws BadLine when it has none. */
  #choose(line: number): Partition {
    const { partitions } = this.#request;
    const index = partitions === undefined ? 0 : choosePartition(partitions, this.#draft, line);
    return this.#partitions[index] as Partition;
  }

  async #flush(): Promise<void> {
    for (const partition of this.#partitions) await partition.flush();
  }

  /** Sends what there is, and waits until every entry has its answer, or is in trouble for good. */
  async #settle(): Promise<void> {
    await this.#flush();
    for (const { sender } of this.#partitions) await sender.settle();
    await this.#events.onBatch?.(this.#transfer.ledger, this.#request.source.bytesRead);
  }

  #readTo(line: number): void {
    const { ledger } = this.#transfer;
    if (line > ledger.lastLine) ledger.lastLine = line;
  }

  #reject(bad: BadLine, raw: Uint8Array | undefined): void {
    this.#readTo(bad.line);
    if (this.#request.onBadLine === "stop" || bad.final) {
      this.#transfer.ledger.rejected++;
      this.#transfer.ledger.keepOpen(bad.line, "unwritten");
      this.#failure ??= new StreamctlError("partial", bad.describe());
    } else this.#transfer.ledger.reject(bad.line);
    this.#events.onRejected?.(bad, raw);
  }

  #pause(): Promise<void> {
    const waitMs = this.#pace?.waitMs() ?? 0;
    return waitMs > 0 ? sleep(waitMs, this.#request.signal) : Promise.resolve();
  }

  #refreshMinId(): void {
    const { maxAgeMs } = this.#request;
    if (maxAgeMs === undefined || performance.now() - this.#minIdSetAt < 1_000) return;
    this.#minIdSetAt = performance.now();
    const oldest = Math.max(0, Math.floor(this.#minIdSetAt + this.#clockOffset - maxAgeMs));
    for (const { encoder } of this.#partitions) encoder.minId = String(oldest);
  }

  /**
   * Redis before 6.2 takes NOMKSTREAM and MINID for an ID and refuses them: say so before any input is
   * read. The same try makes known the script that adds entries with a key.
   */
  async #mustUnderstandOptions(): Promise<void> {
    const { stream, xadd } = this.#request;
    try {
      await Promise.all(this.#partitions.map(({ route }) => route.probe()));
    } catch (error) {
      const misread = error instanceof ServerError && /invalid stream id|syntax error/i.test(error.reply);
      if (!misread || (xadd.trim !== "age" && !xadd.noCreate)) throw error;
      const option = xadd.noCreate ? "--no-create" : "--max-age";
      throw new StreamctlError("failed", `this server can't do ${option}: it needs Redis 6.2 or later`, {
        hint:
          option === "--no-create"
            ? `check with streamctl info ${stream} first, or leave it out`
            : "trim with --maxlen, or with streamctl trim",
        cause: error,
      });
    }
  }

  #report(complete: boolean, failure: StreamctlError | undefined): ProduceReport {
    const { ledger } = this.#transfer;
    return {
      written: ledger.written,
      present: ledger.present,
      rejected: ledger.rejected,
      unknown: ledger.unknownLines,
      through: ledger.through,
      later: ledger.laterLines,
      bytesRead: this.#request.source.bytesRead,
      complete,
      failure: this.#unknownOutcome() ?? failure,
      holds: this.#keeper?.holds ?? new Map(),
      streams: this.#partitions.map(({ key, sender: { written, present } }) => ({
        stream: key,
        written,
        present,
      })),
    };
  }

  #unknownOutcome(): StreamctlError | undefined {
    const { unknown } = this.#transfer.ledger;
    if (unknown === 0) return undefined;
    const reason = this.#transfer.lost ?? this.#transfer.failure;
    const entries = unknown === 1 ? "one entry" : `${unknown} entries`;
    return new StreamctlError(
      "unknownOutcome",
      `${reason?.message ?? "lost the connection"}; nobody knows whether ${entries} sent without a reply got into ${this.#request.stream}`,
      {
        hint: "look at the end of the stream before sending them again; entries with IDs of their own (--id-field) or keys (--idempotency-key) can be sent again safely",
        cause: reason,
      },
    );
  }
}
