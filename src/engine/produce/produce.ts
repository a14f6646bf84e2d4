import type { StreamKey } from "../../entry/names.ts";
import { ServerError, StreamctlError } from "../../errors.ts";
import type { Connection } from "../../redis/connection.ts";
import { probeAdd } from "../../redis/ops/add.ts";
import { PipelinePool } from "../../redis/pipeline-pool.ts";
import { mustHaveReplicas, Replicas } from "../../redis/replicas.ts";
import { Account } from "./account.ts";
import { Batcher, type Target } from "./batcher.ts";
import { afterLoss, makeEncoder } from "./ids.ts";
import { UnreadKeeper } from "./keep-unread.ts";
import { MaxAge } from "./max-age.ts";
import { partitionKeys } from "./partitions.ts";
import { Reader } from "./reader.ts";
import type { ProduceEvents, ProduceReport, ProduceRequest } from "./request.ts";
import { Route } from "./route.ts";
import { Sender } from "./sender.ts";
import { LossWatch } from "./trim-losses.ts";
import { LagGate } from "./wait-lag.ts";
import { Window } from "./window.ts";

/**
 * Writes the entries of a source to a stream and reports what became of them; also what fails is in the
 * report. Throws only what happens before the first line is read.
 */
export async function produce(
  connection: Connection,
  request: ProduceRequest,
  events: ProduceEvents = {},
): Promise<ProduceReport> {
  const run = new ProduceRun(connection, request, events);
  try {
    await run.prepare();
    return await run.run();
  } finally {
    run.close();
  }
}

/**
 * One run: reader → batcher → a sender per stream → account. The batcher asks the reader for entries and
 * gives full batches to senders; reader and senders tell the account what became of each line, and what the
 * account says ends the run.
 */
class ProduceRun {
  readonly #connection: Connection;
  readonly #request: ProduceRequest;
  readonly #events: ProduceEvents;
  readonly #account: Account;
  readonly #window: Window;
  readonly #reader: Reader;
  readonly #replicas: Replicas | undefined;
  readonly #targets: readonly Target[];
  readonly #batcher: Batcher;
  /** What the request asks for besides, each a flag of its own. */
  readonly #maxAge: MaxAge | undefined;
  readonly #gate: LagGate | undefined;
  readonly #keeper: UnreadKeeper | undefined;
  readonly #losses: LossWatch | undefined;

  constructor(connection: Connection, request: ProduceRequest, events: ProduceEvents) {
    const { waitLag, xadd, keptTrim, maxAgeMs, skipLines, onBadLine, signal } = request;
    const streams = partitionKeys(request.stream, request.partitions, connection.cluster);
    this.#connection = connection;
    this.#request = request;
    this.#events = events;
    this.#account = new Account({ streams, skipLines, onBadLine, events });
    this.#window = new Window(streams.length);
    this.#reader = new Reader(request, this.#account);
    const { replicas, rate } = request;
    if (replicas) this.#replicas = new Replicas(replicas, connection.settings.commandTimeoutMs);
    const pipelines = new PipelinePool(connection);
    this.#targets = streams.map((key, index) => this.#makeTarget(key, index, pipelines));
    if (maxAgeMs !== undefined && xadd.trim === "age") {
      const encoders = this.#targets.map(({ encoder }) => encoder);
      this.#maxAge = new MaxAge(maxAgeMs, encoders);
    }
    if (waitLag) {
      this.#gate = new LagGate(connection, {
        streams,
        rule: waitLag,
        signal,
        onWait: (backlog) => events.onWait?.(backlog),
      });
    }
    if (keptTrim) this.#keeper = new UnreadKeeper(connection, streams, keptTrim, signal);
    else if (xadd.trim !== "none") {
      this.#losses = new LossWatch(connection, streams, {
        signal,
        written: (at) => this.#account.streams[at]?.written ?? 0,
        onLoss: (loss) => events.onLoss?.(loss),
      });
    }
    this.#batcher = new Batcher({
      reader: this.#reader,
      targets: this.#targets,
      window: this.#window,
      account: this.#account,
      rate,
      gate: this.#gate,
      maxAge: this.#maxAge,
    });
  }

  #makeTarget(key: StreamKey, index: number, pipelines: PipelinePool): Target {
    const { ids } = this.#request;
    const encoder = makeEncoder(key, this.#request, this.#connection.cluster);
    const sender = new Sender({
      key,
      index,
      encoder,
      route: new Route(this.#connection, pipelines, key, encoder),
      window: this.#window,
      account: this.#account,
      replicas: this.#replicas,
      patienceMs: Math.max(this.#connection.settings.connectTimeoutMs, this.#request.replicas?.limitMs ?? 0),
      afterLoss: afterLoss(ids),
      knownForMs: ids.kind === "keyed" ? ids.ttlMs : Number.POSITIVE_INFINITY,
    });
    return { encoder, sender };
  }

  async prepare(): Promise<void> {
    const { xadd, ids, later, replicas } = this.#request;
    if (replicas) await mustHaveReplicas(this.#connection, replicas.count);
    await this.#maxAge?.start(this.#connection);
    const scripted = ids.kind === "keyed" || later !== undefined;
    if (xadd.trim === "age" || xadd.noCreate || scripted) await this.#mustUnderstandOptions();
    await this.#gate?.look();
    await this.#losses?.start();
    for (const { sender } of this.#targets) await sender.open();
  }

  async run(): Promise<ProduceReport> {
    let complete = false;
    try {
      complete = await this.#sendAll();
    } catch (error) {
      this.#account.endInput(error);
    }
    await this.#finish().catch((error: unknown) => this.#account.endInput(error));
    return this.#report(complete);
  }

  close(): void {
    for (const { sender } of this.#targets) sender.close();
    this.#reader.close();
  }

  /** True when the input came to its end; false after a signal or a failure. */
  async #sendAll(): Promise<boolean> {
    const { signal } = this.#request;
    while (!signal.aborted && !this.#account.ended) {
      const filled = this.#batcher.fill();
      await this.#batcher.flush(filled);
      await this.#onBatch();
      await (this.#keeper ?? this.#losses)?.afterBatch();
      if (filled === "held") {
        await this.#settle();
        await this.#gate?.wait();
      } else if (filled === "dry") {
        if (!(await this.#moreInput())) return !signal.aborted;
      } else await this.#batcher.pause(signal);
    }
    return false;
  }

  /** Waits for input, and meanwhile sees to what was sent. False when there is no more, or no use for any. */
  async #moreInput(): Promise<boolean> {
    const more = this.#reader.more();
    const arrived = more.then(
      () => true,
      () => true,
    );
    while (!(await Promise.race([arrived, this.#window.news()]))) {
      await this.#settle();
      if (this.#account.ended) return false;
    }
    return more;
  }

  /** Sends what there is, and waits until every entry has its answer, or has failed for good. */
  async #settle(): Promise<void> {
    await this.#batcher.flush("dry");
    for (const { sender } of this.#targets) await sender.settle();
    await this.#onBatch();
  }

  async #finish(): Promise<void> {
    await this.#settle();
    await this.#keeper?.trim();
    await this.#losses?.look();
  }

  async #onBatch(): Promise<void> {
    await this.#events.onBatch?.(this.#account.inRedis, this.#reader.bytesRead);
  }

  /**
   * Redis before 6.2 takes NOMKSTREAM and MINID for an ID and refuses them: say so before any input is
   * read. The same try makes known the script that adds entries with a key.
   */
  async #mustUnderstandOptions(): Promise<void> {
    const { stream, xadd } = this.#request;
    try {
      await Promise.all(this.#targets.map(({ encoder }) => probeAdd(this.#connection, encoder)));
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

  #report(complete: boolean): ProduceReport {
    const account = this.#account;
    return {
      written: account.written,
      present: account.present,
      rejected: account.rejected,
      unknown: account.unknownLines,
      unconfirmed: account.unconfirmedLines,
      through: account.through,
      later: account.laterLines,
      bytesRead: this.#reader.bytesRead,
      complete: complete && !account.ended,
      failure: account.failure(this.#request.stream),
      holds: this.#keeper?.holds ?? new Map(),
      streams: account.streams,
    };
  }
}
