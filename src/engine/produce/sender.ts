import { ConnectionError, ServerError, StreamctlError } from "../../errors.ts";
import { reconnectDelayMs, sleep } from "../../redis/backoff.ts";
import { errorCode, isTransient, translateReply } from "../../redis/errors.ts";
import type { Lane } from "../../redis/lane.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import { Batch, BATCH_BYTES, type EncodedEntry } from "./batch.ts";
import type { Ledger } from "./ledger.ts";
import { lookUp, readCommand } from "./look-up.ts";
import type { Route } from "./route.ts";
import { BadLine } from "./source.ts";
import type { XaddEncoder } from "./xadd-encoder.ts";

/** So much may be sent and unanswered. */
const IN_FLIGHT_BYTES = 32 * BATCH_BYTES;

/** Refusals that say: not carried out, and not for good. In a cluster or under Sentinel READONLY is one, too. */
const NOT_HERE_NOW = new Set(["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "MASTERDOWN"]);

export interface SenderOptions {
  readonly route: Route;
  readonly key: string;
  readonly encoder: XaddEncoder;
  readonly ledger: Ledger;
  /** Every entry has a whole ID of its own, so that it can be looked for, and sent twice without harm. */
  readonly explicitIds: boolean;
  /** An entry is in Redis. The bytes are only lent. */
  readonly onId?: ((id: Buffer) => void) | undefined;
  /** An entry can't get in, because its ID is taken or too small. */
  readonly onRejected: (bad: BadLine, raw: Uint8Array | undefined) => void;
}

interface Trouble {
  readonly entry: EncodedEntry;
  /** `elsewhere`: not written. `lost`: no reply came. `taken`: the ID is not above the stream's last one. */
  readonly why: "elsewhere" | "lost" | "taken";
  readonly code: string;
}

/**
 * Sends batches over a lane with a bounded number of bytes in flight, and deals with what goes wrong.
 * Entries that were certainly not written are sent again where they belong. Entries whose reply was lost
 * are never sent again, unless they have IDs: then Redis is asked whether they are there.
 */
export class Sender {
  readonly #options: SenderOptions;
  #inFlight = 0;
  #idleBatches: Batch[] = [];
  #troubles: Trouble[] = [];
  #wake: (() => void) | undefined;
  #tell: (() => void) | undefined;
  #hasNews = false;
  /** Why nothing more is sent. */
  failure: StreamctlError | undefined;
  /** The connection that died with entries in flight. */
  lost: ConnectionError | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get stopped(): boolean {
    return this.failure !== undefined || this.lost !== undefined;
  }

  /** An empty batch to fill and `send`. */
  batch(): Batch {
    return this.#idleBatches.pop() ?? new Batch();
  }

  /** Sends a batch, which is the sender's from then on; resolves when there may be another one. */
  async send(batch: Batch): Promise<void> {
    while (this.#inFlight > 0 && this.#inFlight + batch.length > IN_FLIGHT_BYTES) await this.#change();
    if (this.#troubles.length > 0) await this.#recover();
    await this.#dispatch(batch);
  }

  /** Waits until every entry has been answered, or is known to be in trouble for good. */
  async settle(): Promise<void> {
    while (this.#inFlight > 0) await this.#change();
    await this.#recover();
  }

  /**
   * Resolves (with false) when there is something to see to: every reply has come, or entries are in
   * trouble. One caller at a time.
   */
  news(): Promise<false> {
    return new Promise((resolve) => {
      this.#tell = () => {
        this.#hasNews = false;
        this.#tell = undefined;
        resolve(false);
      };
      if (this.#hasNews) this.#tell();
    });
  }

  async #dispatch(batch: Batch): Promise<void> {
    const lane = await this.#liveLane();
    if (lane === undefined) {
      for (let i = 0; i < batch.count; i++) this.#options.ledger.keepOpen(batch.line(i), "unwritten");
      return;
    }
    const length = batch.length;
    const count = batch.count;
    let answered = 0;
    this.#inFlight += length;
    const done = (): void => {
      this.#inFlight -= length;
      batch.clear();
      this.#idleBatches.push(batch);
      this.#wake?.();
      if (this.#inFlight === 0) this.#report();
    };
    lane.send(
      batch.bytes,
      count,
      (reply) => {
        if (!this.#accept(batch, answered, reply)) this.#report();
        if (++answered === count) done();
      },
      (error) => {
        for (let i = answered; i < count; i++) this.#onLost(batch.entry(i), error);
        done();
      },
    );
  }

  /** A lane that is alive; undefined when nothing more is to be sent. */
  async #liveLane(): Promise<Lane | undefined> {
    if (this.stopped) return undefined;
    try {
      return await this.#options.route.live();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  /** True when the reply says that the entry is in the stream. */
  #accept(batch: Batch, index: number, reply: Reply): boolean {
    const { ledger, key, onId } = this.#options;
    if (Buffer.isBuffer(reply)) {
      ledger.accept(batch.line(index));
      onId?.(reply);
      return true;
    }
    if (reply instanceof ReplyError) this.#onRefused(batch.entry(index), reply.text);
    else {
      ledger.keepOpen(batch.line(index), "unwritten");
      this.failure ??= new StreamctlError("notFound", `no such stream: ${key}`, {
        hint: "without --no-create it is made",
      });
    }
    return false;
  }

  #onRefused(entry: EncodedEntry, text: string): void {
    const { ledger, key, route, explicitIds } = this.#options;
    const code = errorCode(text);
    const failingOver = code === "READONLY" && route.hasReplicas;
    ledger.keepOpen(entry.line, "unwritten");
    if (explicitIds && /equal or smaller/.test(text)) this.#troubles.push({ entry, why: "taken", code });
    else if (NOT_HERE_NOW.has(code) || failingOver) this.#troubles.push({ entry, why: "elsewhere", code });
    else this.failure ??= translateReply(text, { command: "XADD", key });
  }

  #onLost(entry: EncodedEntry, error: ConnectionError): void {
    this.#options.ledger.keepOpen(entry.line, "unknown");
    if (this.#options.explicitIds) this.#troubles.push({ entry, why: "lost", code: "" });
    else this.lost ??= error;
  }

  /** Brings entries in trouble to an end, in their order; gives up after connectTimeoutMs without progress. */
  async #recover(): Promise<void> {
    const { ledger, route } = this.#options;
    let settled = -1;
    let deadline = 0;
    for (let attempt = 0; ; attempt++) {
      while (this.#inFlight > 0) await this.#change();
      if (this.#troubles.length === 0 || this.stopped) return;
      if (ledger.inRedis + ledger.rejected > settled) {
        settled = ledger.inRedis + ledger.rejected;
        deadline = Date.now() + route.patienceMs;
        attempt = 0;
      } else if (Date.now() > deadline) return this.#fail(this.#reasonOf(this.#troubles[0] as Trouble));
      if (attempt > 0) await sleep(reconnectDelayMs(attempt));
      const troubles = this.#troubles.splice(0);
      try {
        await this.#retry(troubles);
      } catch (error) {
        if (!isTransient(error)) return this.#fail(error);
        this.#troubles.unshift(...troubles);
        route.close();
      }
    }
  }

  async #retry(troubles: readonly Trouble[]): Promise<void> {
    const { route, key, encoder } = this.#options;
    if (troubles.some(({ why }) => why === "elsewhere")) await route.renew();
    const doubtful = troubles.filter(({ why }) => why !== "elsewhere");
    const verdicts = await lookUp(
      await route.live(),
      key,
      encoder.idIndex,
      doubtful.map(({ entry }) => entry),
    );
    const again: EncodedEntry[] = [];
    for (const { entry, why } of troubles) {
      const verdict = why === "elsewhere" ? undefined : verdicts.shift();
      if (verdict === undefined || (verdict === "missing" && why === "lost")) again.push(entry);
      else this.#judge(entry, verdict);
    }
    if (troubles.some(({ code }) => code === "ASK")) await this.#sendOneByOne(again);
    else await this.#resend(again);
  }

  #judge(entry: EncodedEntry, verdict: "same" | "other" | "missing"): void {
    const id = readCommand(entry.command)[this.#options.encoder.idIndex] as Buffer;
    if (verdict === "same") {
      this.#options.ledger.accept(entry.line, "present");
      this.#options.onId?.(id);
      return;
    }
    const reason =
      verdict === "other"
        ? `${id.toString()} is in ${this.#options.key} with other fields`
        : `${id.toString()} is below the last ID of ${this.#options.key}, and not there`;
    this.#options.onRejected(new BadLine(entry.line, reason), entry.raw);
  }

  async #resend(entries: readonly EncodedEntry[]): Promise<void> {
    let batch = this.batch();
    for (const entry of entries) {
      batch.addEncoded(entry);
      if (batch.length < BATCH_BYTES) continue;
      await this.#dispatch(batch);
      batch = this.batch();
    }
    if (batch.count > 0) await this.#dispatch(batch);
    else this.#idleBatches.push(batch);
  }

  /** While a slot moves, its entries must be announced with ASKING: the control connection does that. */
  async #sendOneByOne(entries: readonly EncodedEntry[]): Promise<void> {
    const { route, ledger, onId } = this.#options;
    let linked = true;
    for (const entry of entries) {
      if (this.stopped) return;
      if (!linked) {
        this.#troubles.push({ entry, why: "elsewhere", code: "" });
        continue;
      }
      const [, ...args] = readCommand(entry.command);
      try {
        const id = await route.call("XADD", ...args);
        ledger.accept(entry.line);
        if (Buffer.isBuffer(id)) onId?.(id);
      } catch (error) {
        if (error instanceof ServerError) this.#onRefused(entry, error.reply);
        else if (!(error instanceof ConnectionError)) throw error;
        else if (error.sent) this.#onLost(entry, error);
        else {
          linked = false;
          this.#troubles.push({ entry, why: "elsewhere", code: "" });
        }
      }
    }
  }

  #reasonOf({ code, entry }: Trouble): StreamctlError {
    const { target } = this.#options.route;
    return new ConnectionError(
      code === ""
        ? `lost the connection to ${target}`
        : `${target} answers ${code} and line ${entry.line} could not be written`,
      { hint: "wait until the server is well again, then resume" },
    );
  }

  #fail(error: unknown): void {
    if (!(error instanceof StreamctlError)) throw error;
    this.failure ??= error;
  }

  #report(): void {
    this.#hasNews = true;
    this.#tell?.();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
