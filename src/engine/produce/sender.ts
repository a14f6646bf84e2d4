import { ConnectionError, ServerError, StreamctlError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../redis/backoff.ts";
import { addedId, presentId } from "../../redis/ops/add.ts";
import { errorCode, isTransient, translateReply } from "../../redis/errors.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import type { Batch, EncodedEntry } from "./batch.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import { lookUp, readCommand } from "../../redis/ops/sent.ts";
import type { Route } from "./route.ts";
import { BadLine } from "../../entry/sources/source.ts";
import type { Transfer } from "./transfer.ts";

/**
 * Refusals that say: not carried out, and not for good. In a cluster or under Sentinel READONLY is one, too.
 */
const NOT_HERE_NOW = new Set([
  "MOVED",
  "ASK",
  "TRYAGAIN",
  "CLUSTERDOWN",
  "LOADING",
  "MASTERDOWN",
  "NOSCRIPT",
]);

export interface SenderOptions {
  readonly key: string;
  readonly encoder: EntryEncoder;
  readonly route: Route;
  readonly transfer: Transfer;
  /** What to do about entries whose reply was lost: see `afterLoss`. */
  readonly afterLoss: "unknown" | "lookUp" | "sendAgain";
  /** With `sendAgain`: for how long the server knows an entry after it was sent. */
  readonly knownForMs: number;
  /** An entry is in Redis. The bytes are only lent. */
  readonly onId?: ((id: Buffer) => void) | undefined;
  /** An entry can't get in, because its ID is taken or too small. */
  readonly onRejected: (bad: BadLine, raw: Uint8Array | undefined) => void;
}

interface Trouble {
  readonly entry: EncodedEntry;
  /**
   * `again`: not written, or no harm if it is. `lost`: no reply came. `taken`: the ID is not above the last
   * one.
   */
  readonly why: "again" | "lost" | "taken";
  readonly code: string;
}

/**
 * Sends the batches of one stream over a pipeline, and deals with what goes wrong. Entries that were
 * certainly not written are sent again where they belong. Entries whose reply was lost are sent again only
 * when the server would not add them twice; when they have IDs, Redis is asked whether they are there.
 */
export class Sender {
  readonly #options: SenderOptions;
  #unanswered = 0;
  #troubles: Trouble[] = [];
  /** When the oldest entry whose reply was lost had been sent, by performance.now(). */
  #doubtfulSince = Number.POSITIVE_INFINITY;
  /** Entries of this stream that this run wrote, and that stood there already. */
  written = 0;
  present = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Sends a batch, which the transfer takes back; resolves when it is on its way. */
  async send(batch: Batch): Promise<void> {
    await this.#options.transfer.room(batch);
    if (this.#troubles.length > 0) await this.#recover();
    await this.#dispatch(batch);
  }

  /** Waits until every entry has been answered, or is known to be in trouble for good. */
  async settle(): Promise<void> {
    await this.#answered();
    if (this.#troubles.length > 0) await this.#recover();
  }

  async #answered(): Promise<void> {
    while (this.#unanswered > 0) await this.#options.transfer.change();
  }

  async #dispatch(batch: Batch): Promise<void> {
    const { transfer } = this.#options;
    const pipeline = await this.#livePipeline();
    if (pipeline === undefined) {
      for (let i = 0; i < batch.count; i++) transfer.ledger.keepOpen(batch.line(i), "unwritten");
      transfer.recycle(batch);
      return;
    }
    const count = batch.count;
    let answered = 0;
    batch.sentAt = performance.now();
    const free = transfer.sent(batch);
    this.#unanswered++;
    const done = (): void => {
      this.#unanswered--;
      free();
      if (this.#unanswered === 0) transfer.report();
    };
    pipeline.send(
      batch.bytes,
      count,
      (reply) => {
        const refused = this.#accept(batch.line(answered), reply);
        if (refused !== undefined) this.#onRefused(batch.entry(answered), refused);
        if (++answered === count) done();
      },
      (error) => {
        this.#doubtfulSince = Math.min(this.#doubtfulSince, batch.sentAt);
        for (let i = answered; i < count; i++) this.#onLost(batch.entry(i), error);
        done();
      },
    );
  }

  /** A pipeline that is alive; undefined when nothing more is to be sent. */
  async #livePipeline(): Promise<Pipeline | undefined> {
    const { transfer, route } = this.#options;
    if (transfer.stopped) return undefined;
    try {
      return await route.live();
    } catch (error) {
      transfer.fail(error);
      return undefined;
    }
  }

  /** Takes the reply to one entry; returns the error's text when the server refused the entry. */
  #accept(line: number, reply: Reply): string | undefined {
    const added = addedId(reply);
    const present = added === undefined ? presentId(reply) : undefined;
    if (added !== undefined) this.#inRedis(line, "written", added);
    else if (present !== undefined) this.#inRedis(line, "present", present);
    else if (reply instanceof ReplyError) return reply.text;
    else {
      const { transfer, key } = this.#options;
      transfer.ledger.keepOpen(line, "unwritten");
      transfer.failure ??= new StreamctlError("notFound", `no such stream: ${key}`, {
        hint: "without --no-create it is made",
      });
      transfer.report();
    }
    return undefined;
  }

  #inRedis(line: number, how: "written" | "present", id: Buffer): void {
    this[how]++;
    this.#options.transfer.ledger.accept(line, how);
    this.#options.onId?.(id);
  }

  #onRefused(entry: EncodedEntry, text: string): void {
    const { transfer, key, route, afterLoss } = this.#options;
    const code = errorCode(text);
    const failingOver = code === "READONLY" && route.hasReplicas;
    transfer.ledger.keepOpen(entry.line, "unwritten");
    if (afterLoss === "lookUp" && /equal or smaller/.test(text))
      this.#troubles.push({ entry, why: "taken", code });
    else if (NOT_HERE_NOW.has(code) || failingOver) this.#troubles.push({ entry, why: "again", code });
    else transfer.failure ??= translateReply(text, { command: "XADD", key });
    transfer.report();
  }

  #onLost(entry: EncodedEntry, error: ConnectionError): void {
    const { transfer, afterLoss } = this.#options;
    if (afterLoss === "sendAgain" && this.#stillKnown()) {
      transfer.ledger.keepOpen(entry.line, "unwritten");
      this.#troubles.push({ entry, why: "again", code: "" });
      return;
    }
    transfer.ledger.keepOpen(entry.line, "unknown");
    if (afterLoss === "lookUp") this.#troubles.push({ entry, why: "lost", code: "" });
    else transfer.lost ??= error;
  }

  /** Half the time is kept for an entry to reach the server once more. */
  #stillKnown(): boolean {
    return performance.now() - this.#doubtfulSince < this.#options.knownForMs / 2;
  }

  /** Brings entries in trouble to an end, in their order; gives up after `patienceMs` without progress. */
  async #recover(): Promise<void> {
    const { transfer, route } = this.#options;
    const { ledger } = transfer;
    let settled = -1;
    let deadline = 0;
    for (let attempt = 0; ; attempt++) {
      await this.#answered();
      if (this.#troubles.length === 0) this.#doubtfulSince = Number.POSITIVE_INFINITY;
      if (this.#troubles.length === 0 || transfer.stopped) return;
      if (!this.#stillKnown()) return this.#giveUp();
      if (ledger.inRedis + ledger.rejected > settled) {
        settled = ledger.inRedis + ledger.rejected;
        deadline = Date.now() + route.patienceMs;
        attempt = 0;
      } else if (Date.now() > deadline) return transfer.fail(this.#reasonOf(this.#troubles[0] as Trouble));
      if (attempt > 0) await sleep(reconnectDelayMs(attempt));
      const troubles = this.#troubles.splice(0);
      try {
        await this.#retry(troubles);
      } catch (error) {
        if (!isTransient(error)) return transfer.fail(error);
        this.#troubles.unshift(...troubles);
        route.close();
      }
    }
  }

  /** It took so long that the server may have forgotten what it was sent. */
  #giveUp(): void {
    const { transfer, route } = this.#options;
    for (const { entry } of this.#troubles) transfer.ledger.keepOpen(entry.line, "unknown");
    transfer.lost ??= new ConnectionError(`lost the connection to ${route.target}`, { sent: true });
  }

  async #retry(troubles: readonly Trouble[]): Promise<void> {
    const { route, key, encoder } = this.#options;
    if (troubles.some(({ why }) => why === "again")) await route.renew();
    const doubtful = troubles.filter(({ why }) => why !== "again");
    const verdicts = await lookUp(
      await route.live(),
      key,
      encoder.idIndex,
      doubtful.map(({ entry }) => entry.command),
    );
    const again: EncodedEntry[] = [];
    for (const { entry, why } of troubles) {
      const verdict = why === "again" ? undefined : verdicts.shift();
      if (verdict === undefined || (verdict === "missing" && why === "lost")) again.push(entry);
      else this.#judge(entry, verdict);
    }
    if (troubles.some(({ code }) => code === "ASK")) await this.#sendOneByOne(again);
    else await this.#resend(again);
  }

  #judge(entry: EncodedEntry, verdict: "same" | "other" | "missing"): void {
    const id = readCommand(entry.command)[this.#options.encoder.idIndex] as Buffer;
    if (verdict === "same") return this.#inRedis(entry.line, "present", id);
    const reason =
      verdict === "other"
        ? `${id.toString()} is in ${this.#options.key} with other fields`
        : `${id.toString()} is below the last ID of ${this.#options.key}, and not there: a new stream would take it`;
    this.#options.onRejected(new BadLine(entry.line, reason), entry.raw);
  }

  async #resend(entries: readonly EncodedEntry[]): Promise<void> {
    const { transfer } = this.#options;
    let batch = transfer.batch();
    for (const entry of entries) {
      batch.addEncoded(entry);
      if (batch.length < transfer.batchBytes) continue;
      await this.#dispatch(batch);
      batch = transfer.batch();
    }
    if (batch.count > 0) await this.#dispatch(batch);
    else transfer.recycle(batch);
  }

  /** While a slot moves, its entries must be announced with ASKING: the control connection does that. */
  async #sendOneByOne(entries: readonly EncodedEntry[]): Promise<void> {
    const { route, transfer } = this.#options;
    let linked = true;
    for (const entry of entries) {
      if (transfer.stopped) return;
      if (!linked) {
        this.#troubles.push({ entry, why: "again", code: "" });
        continue;
      }
      const sentAt = performance.now();
      try {
        this.#accept(entry.line, await route.addOne(entry.command));
      } catch (error) {
        if (error instanceof ServerError) this.#onRefused(entry, error.reply);
        else if (!(error instanceof ConnectionError)) throw error;
        else if (error.sent) {
          this.#doubtfulSince = Math.min(this.#doubtfulSince, sentAt);
          this.#onLost(entry, error);
        } else {
          linked = false;
          this.#troubles.push({ entry, why: "again", code: "" });
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
}
