import { errorText, ServerError, StreamctlError } from "../../errors.ts";
import { EntryDraft } from "../../entry/entry-draft.ts";
import { sleep } from "../../redis/backoff.ts";
import type { Connection } from "../../redis/connection.ts";
import { asList, asNumber } from "../../redis/value.ts";
import { type Batch, BATCH_BYTES } from "./batch.ts";
import { assignId, type IdRule, isExplicit } from "./id-rule.ts";
import { Ledger, type LineRange } from "./ledger.ts";
import { Pace } from "./pace.ts";
import { Route } from "./route.ts";
import { Sender } from "./sender.ts";
import { BadLine, type EntrySource } from "./source.ts";
import { XaddEncoder, type XaddOptions } from "./xadd-encoder.ts";

export interface ProduceRequest {
  readonly key: string;
  readonly source: EntrySource;
  /** How many lines the source passes over: they count as done. */
  readonly skipLines: number;
  readonly ids: IdRule;
  readonly xadd: XaddOptions;
  /** With `trim: "age"`: how old an entry may get, by the server's clock. */
  readonly maxAgeMs?: number | undefined;
  /** Entries per second. */
  readonly rate?: number | undefined;
  readonly onBadLine: "stop" | "skip";
  /** Hand over the text of rejected lines, also of those that Redis rejects. */
  readonly keepRaw: boolean;
  /** Stop reading; what is in flight is waited for. */
  readonly signal: AbortSignal;
}

export interface ProduceEvents {
  /** The ID of an entry in Redis, as bytes that are only lent. */
  onId?(id: Buffer): void;
  /** A line that is not in Redis and won't be. `raw` without its line end. */
  onRejected?(bad: BadLine, raw: Uint8Array | undefined): void;
  /** Called between batches: the place to wait for slow outputs. */
  onBatch?(ledger: Ledger, bytesRead: number): Promise<void>;
}

export interface ProduceReport {
  readonly written: number;
  readonly present: number;
  readonly rejected: number;
  readonly unknown: readonly LineRange[];
  /** Every line up to this one is in Redis, was rejected, or was empty. */
  readonly through: number;
  /** Lines after that which are in Redis, too. */
  readonly later: readonly LineRange[];
  readonly bytesRead: number;
  /** The whole input was dealt with. */
  readonly complete: boolean;
  readonly failure: StreamctlError | undefined;
}

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

class Producer {
  readonly #connection: Connection;
  readonly #request: ProduceRequest;
  readonly #events: ProduceEvents;
  readonly #encoder: XaddEncoder;
  readonly #ledger = new Ledger();
  readonly #route: Route;
  readonly #sender: Sender;
  readonly #draft = new EntryDraft();
  readonly #pace: Pace | undefined;
  /** The server's clock minus the monotonic one of this process. */
  #clockOffset = 0;
  #minIdSetAt = Number.NEGATIVE_INFINITY;
  #failure: StreamctlError | undefined;

  constructor(connection: Connection, request: ProduceRequest, events: ProduceEvents) {
    this.#connection = connection;
    this.#request = request;
    this.#events = events;
    this.#encoder = new XaddEncoder(request.key, request.xadd);
    this.#pace = request.rate === undefined ? undefined : new Pace(request.rate);
    this.#route = new Route(connection, request.key, this.#encoder);
    this.#ledger.lastLine = request.skipLines;
    this.#sender = new Sender({
      route: this.#route,
      key: request.key,
      encoder: this.#encoder,
      ledger: this.#ledger,
      explicitIds: isExplicit(request.ids),
      onId: events.onId && ((id) => events.onId?.(id)),
      onRejected: (bad, raw) => this.#reject(bad, raw),
    });
  }

  async prepare(): Promise<void> {
    const { xadd, key } = this.#request;
    if (xadd.trim === "age") {
      const [seconds, micros] = asList(await this.#connection.call("TIME"));
      this.#clockOffset = asNumber(seconds) * 1_000 + asNumber(micros) / 1_000 - performance.now();
      this.#refreshMinId();
    }
    if (xadd.trim === "age" || xadd.noCreate) await this.#mustUnderstandOptions(key);
    await this.#route.open();
  }

  async run(): Promise<ProduceReport> {
    let complete = false;
    try {
      complete = await this.#sendAll();
    } catch (error) {
      this.#failure ??= new StreamctlError("failed", `could not read the input: ${errorText(error)}`, {
        cause: error,
      });
    }
    await this.#sender.settle();
    await this.#events.onBatch?.(this.#ledger, this.#request.source.bytesRead);
    const failure = this.#failure ?? this.#sender.failure;
    return this.#report(complete && !this.#sender.stopped && failure === undefined, failure);
  }

  close(): void {
    this.#route.close();
    this.#request.source.close();
  }

  /** True when the input came to its end; false after a signal or a failure. */
  async #sendAll(): Promise<boolean> {
    const { source, signal } = this.#request;
    let batch = this.#sender.batch();
    while (!signal.aborted && !this.#sender.stopped && this.#failure === undefined) {
      const full = this.#fill(batch);
      if (batch.count > 0) {
        await this.#sender.send(batch);
        batch = this.#sender.batch();
      }
      await this.#events.onBatch?.(this.#ledger, source.bytesRead);
      if (full) await this.#pause();
      else if (!(await this.#moreInput())) return !signal.aborted;
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
    while (!(await Promise.race([arrived, this.#sender.news()]))) {
      await this.#sender.settle();
      await this.#events.onBatch?.(this.#ledger, this.#request.source.bytesRead);
      if (this.#sender.stopped || this.#failure !== undefined) return false;
    }
    return more;
  }

  /** Takes entries until the batch is full (true), or the source needs more input or a line is bad for good. */
  #fill(batch: Batch): boolean {
    const { source, keepRaw, ids } = this.#request;
    const explicitIds = isExplicit(ids);
    this.#refreshMinId();
    while (this.#failure === undefined) {
      try {
        if (!source.next(this.#draft)) {
          this.#readTo(source.line);
          return false;
        }
        assignId(ids, this.#draft, source.line);
      } catch (error) {
        if (!(error instanceof BadLine)) throw error;
        this.#reject(error, source.raw());
        continue;
      }
      const raw = keepRaw && explicitIds ? Buffer.from(source.raw()) : undefined;
      this.#readTo(source.line);
      batch.add(this.#encoder, this.#draft, source.line, raw);
      if (batch.length >= BATCH_BYTES || this.#pace?.take() === false) return true;
    }
    return true;
  }

  #readTo(line: number): void {
    if (line > this.#ledger.lastLine) this.#ledger.lastLine = line;
  }

  #reject(bad: BadLine, raw: Uint8Array | undefined): void {
    this.#readTo(bad.line);
    if (this.#request.onBadLine === "stop" || bad.final) {
      this.#ledger.rejected++;
      this.#ledger.keepOpen(bad.line, "unwritten");
      this.#failure ??= new StreamctlError("partial", bad.describe());
    } else this.#ledger.reject(bad.line);
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
    this.#encoder.minId = String(Math.max(0, Math.floor(this.#minIdSetAt + this.#clockOffset - maxAgeMs)));
  }

  /** Redis before 6.2 takes NOMKSTREAM and MINID for an ID and refuses them: say so before any input is read. */
  async #mustUnderstandOptions(key: string): Promise<void> {
    try {
      await this.#route.probe();
    } catch (error) {
      if (!(error instanceof ServerError) || !/invalid stream id|syntax error/i.test(error.reply))
        throw error;
      const option = this.#request.xadd.noCreate ? "--no-create" : "--max-age";
      throw new StreamctlError("failed", `this server can't do ${option}: it needs Redis 6.2 or later`, {
        hint:
          option === "--no-create"
            ? `check with streamctl info ${key} first, or leave it out`
            : "trim with --maxlen, or with streamctl trim",
        cause: error,
      });
    }
  }

  #report(complete: boolean, failure: StreamctlError | undefined): ProduceReport {
    const ledger = this.#ledger;
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
    };
  }

  #unknownOutcome(): StreamctlError | undefined {
    const { unknown } = this.#ledger;
    if (unknown === 0) return undefined;
    const reason = this.#sender.lost ?? this.#sender.failure;
    const entries = unknown === 1 ? "one entry" : `${unknown} entries`;
    return new StreamctlError(
      "unknownOutcome",
      `${reason?.message ?? "lost the connection"}; nobody knows whether ${entries} sent without a reply got into ${this.#request.key}`,
      {
        hint: "look at the end of the stream before sending them again; entries with IDs of their own (--id-field) can be sent again safely",
        cause: reason,
      },
    );
  }
}
