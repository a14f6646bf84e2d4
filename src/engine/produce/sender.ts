import { ConnectionError, ServerError, StreamctlError } from "../../errors.ts";
import { sleep } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { addedId, presentId } from "../../redis/ops/add.ts";
import { errorCode, isTransient, translateReply } from "../../redis/errors.ts";
import type { Pipeline } from "../../redis/pipeline.ts";
import { type Confirmation, TooFewReplicas } from "../../redis/replicas.ts";
import { type Reply, ReplyError } from "../../redis/resp.ts";
import type { Account } from "./account.ts";
import type { Batch, EncodedEntry } from "./batch.ts";
import { type Fates, sendBatch, sendToReplicas } from "./send-batch.ts";
import type { EntryEncoder } from "../../redis/ops/encoder.ts";
import { lookUp, readCommand } from "../../redis/ops/sent.ts";
import type { Route } from "./route.ts";
import { BadLine } from "../../entry/sources/source.ts";
import type { Window } from "./window.ts";

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
  /** The stream, and its index in the account. */
  readonly key: string;
  readonly index: number;
  readonly encoder: EntryEncoder;
  readonly route: Route;
  readonly window: Window;
  readonly account: Account;
  /** Entries count once replicas have them. */
  readonly replicas: Confirmation | undefined;
  /** For how long it is worth trying without progress. */
  readonly patienceMs: number;
  /** What to do about entries whose reply was lost: see `afterLoss`. */
  readonly afterLoss: "unknown" | "lookUp" | "sendAgain";
  /** With `sendAgain`: for how long the server knows an entry after it was sent. */
  readonly knownForMs: number;
}

interface FailedEntry {
  readonly entry: EncodedEntry;
  /** `again`: not written, or no harm if it is. `lost`: no reply came. `taken`: the ID is not above the last one. */
  readonly why: "again" | "lost" | "taken";
  readonly code: string;
}

/**
 * Sends the batches of one stream over a pipeline, and tells the account what became of each entry. Entries
 * that were certainly not written are sent again where they belong. Entries whose reply was lost are sent
 * again only when the server would not add them twice; when they have IDs, Redis is asked whether they are there.
 */
export class Sender {
  readonly #options: SenderOptions;
  #unanswered = 0;
  #failed: FailedEntry[] = [];
  /** When the oldest entry whose reply was lost had been sent, by performance.now(). */
  #doubtfulSince = Number.POSITIVE_INFINITY;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Connects, so that what prevents it shows before any input is read. Rejects with ConnectionError. */
  open(): Promise<void> {
    return this.#options.route.open();
  }

  /** Sends a batch, which the window takes back; resolves when it is on its way. */
  async send(batch: Batch): Promise<void> {
    await this.#options.window.room(batch);
    if (this.#failed.length > 0) await this.#recover();
    await this.#dispatch(batch);
  }

  /** Waits until every entry has been answered, or has failed for good. */
  async settle(): Promise<void> {
    await this.#answered();
    if (this.#failed.length > 0) await this.#recover();
  }

  close(): void {
    this.#options.route.close();
  }

  async #answered(): Promise<void> {
    while (this.#unanswered > 0) await this.#options.window.change();
  }

  async #dispatch(batch: Batch): Promise<void> {
    const { window, account, replicas } = this.#options;
    const pipeline = await this.#livePipeline();
    if (pipeline === undefined) {
      for (let i = 0; i < batch.count; i++) account.keepOpen(batch.line(i), "unwritten");
      window.recycle(batch);
      return;
    }
    batch.sentAt = performance.now();
    const free = window.sent(batch);
    this.#unanswered++;
    const fates: Fates = {
      answered: (index, reply) => {
        const refused = this.#accept(batch.line(index), reply);
        if (refused !== undefined) this.#onRefused(batch.entry(index), refused);
      },
      lost: (index, error) => {
        this.#doubtfulSince = Math.min(this.#doubtfulSince, batch.sentAt);
        this.#onLost(batch.entry(index), error);
      },
      unconfirmed: (index, id, error) => account.unconfirmed(batch.line(index), id, error),
      refused: (error) => account.fail(error),
      done: () => {
        this.#unanswered--;
        free();
        if (this.#unanswered === 0) window.report();
      },
    };
    if (replicas) void sendToReplicas(pipeline, batch, fates, replicas);
    else sendBatch(pipeline, batch, fates);
  }

  /** A pipeline that is alive; undefined when nothing more is to be sent. */
  async #livePipeline(): Promise<Pipeline | undefined> {
    const { account, route } = this.#options;
    if (account.stopped) return undefined;
    try {
      return await route.live();
    } catch (error) {
      account.fail(error);
      return undefined;
    }
  }

  /** Takes the reply to one entry; returns the error's text when the server refused the entry. */
  #accept(line: number, reply: Reply): string | undefined {
    const added = addedId(reply);
    const present = added === undefined ? presentId(reply) : undefined;
    const { account, index, window, key } = this.#options;
    if (added !== undefined) account.accept(index, line, "written", added);
    else if (present !== undefined) account.accept(index, line, "present", present);
    else if (reply instanceof ReplyError) return reply.text;
    else {
      account.keepOpen(line, "unwritten");
      const hint = "without --no-create it is made";
      account.fail(new StreamctlError("notFound", `no such stream: ${key}`, { hint }));
      window.report();
    }
    return undefined;
  }

  #onRefused(entry: EncodedEntry, text: string): void {
    const { window, account, key, route, afterLoss } = this.#options;
    const code = errorCode(text);
    const failingOver = code === "READONLY" && route.hasReplicas;
    account.keepOpen(entry.line, "unwritten");
    if (afterLoss === "lookUp" && /equal or smaller/.test(text))
      this.#failed.push({ entry, why: "taken", code });
    else if (NOT_HERE_NOW.has(code) || failingOver) this.#failed.push({ entry, why: "again", code });
    else account.fail(translateReply(text, { command: "XADD", key }));
    window.report();
  }

  #onLost(entry: EncodedEntry, error: ConnectionError): void {
    const { account, afterLoss } = this.#options;
    if (afterLoss === "sendAgain" && this.#stillKnown()) {
      account.keepOpen(entry.line, "unwritten");
      this.#failed.push({ entry, why: "again", code: "" });
      return;
    }
    account.keepOpen(entry.line, "unknown");
    if (afterLoss === "lookUp") this.#failed.push({ entry, why: "lost", code: "" });
    else account.lose(error);
  }

  /** Half the time is kept for an entry to reach the server once more. */
  #stillKnown(): boolean {
    return performance.now() - this.#doubtfulSince < this.#options.knownForMs / 2;
  }

  /** Brings entries that have failed to an end, in their order; gives up after `patienceMs` without progress. */
  async #recover(): Promise<void> {
    const { account, route, patienceMs } = this.#options;
    let settled = -1;
    let deadline = 0;
    for (let attempt = 0; ; attempt++) {
      await this.#answered();
      if (this.#failed.length === 0) this.#doubtfulSince = Number.POSITIVE_INFINITY;
      if (this.#failed.length === 0 || account.stopped) return;
      if (!this.#stillKnown()) return this.#giveUp();
      if (account.settled > settled) {
        settled = account.settled;
        deadline = Date.now() + patienceMs;
        attempt = 0;
      } else if (Date.now() > deadline) return account.fail(this.#reasonOf(this.#failed[0] as FailedEntry));
      if (attempt > 0) await sleep(reconnectDelayMs(attempt));
      const failed = this.#failed.splice(0);
      try {
        await this.#retry(failed);
      } catch (error) {
        if (!isTransient(error) || account.stopped) return account.fail(error);
        this.#failed.unshift(...failed);
        route.close();
      }
    }
  }

  /** It took so long that the server may have forgotten what it was sent. */
  #giveUp(): void {
    const { account, route } = this.#options;
    for (const { entry } of this.#failed) account.keepOpen(entry.line, "unknown");
    account.lose(new ConnectionError(`lost the connection to ${route.target}`, { sent: true }));
  }

  async #retry(failed: readonly FailedEntry[]): Promise<void> {
    const { route, key, encoder, replicas } = this.#options;
    if (failed.some(({ why }) => why === "again")) await route.renew();
    const doubtful = failed.filter(({ why }) => why !== "again");
    const verdicts = await lookUp(
      await route.live(),
      key,
      encoder.idIndex,
      doubtful.map(({ entry }) => entry.command),
    );
    const found = doubtful.filter((_, i) => verdicts[i] === "same");
    if (replicas && found.length > 0) await this.#prove(replicas, found);
    const again: EncodedEntry[] = [];
    for (const { entry, why } of failed) {
      const verdict = why === "again" ? undefined : verdicts.shift();
      if (verdict === undefined || (verdict === "missing" && why === "lost")) again.push(entry);
      else this.#judge(entry, verdict);
    }
    // WAIT stands for one connection, and what that one is sent after ASKING can't be told: with it the slot is waited for.
    if (!replicas && failed.some(({ code }) => code === "ASK")) await this.#sendOneByOne(again);
    else await this.#resend(again);
  }

  /** What was found there may have been written over the connection that was lost. */
  async #prove(replicas: Confirmation, found: readonly FailedEntry[]): Promise<void> {
    const { route, account, encoder } = this.#options;
    try {
      await replicas.prove(await route.live());
    } catch (error) {
      if (error instanceof TooFewReplicas)
        for (const { entry } of found)
          account.unconfirmed(entry.line, readCommand(entry.command)[encoder.idIndex] as Buffer, error);
      throw error;
    }
  }

  #judge(entry: EncodedEntry, verdict: "same" | "other" | "missing"): void {
    const { account, index, key, encoder } = this.#options;
    const id = readCommand(entry.command)[encoder.idIndex] as Buffer;
    if (verdict === "same") return account.accept(index, entry.line, "present", id);
    const reason =
      verdict === "other"
        ? `${id.toString()} is in ${key} with other fields`
        : `${id.toString()} is below the last ID of ${key}, and not there: a new stream would take it`;
    account.reject(new BadLine(entry.line, reason), entry.raw);
  }

  async #resend(entries: readonly EncodedEntry[]): Promise<void> {
    const { window } = this.#options;
    let batch = window.batch();
    for (const entry of entries) {
      batch.addEncoded(entry);
      if (batch.length < window.batchBytes) continue;
      await this.#dispatch(batch);
      batch = window.batch();
    }
    if (batch.count > 0) await this.#dispatch(batch);
    else window.recycle(batch);
  }

  /** While a slot moves, its entries must be announced with ASKING: the control connection does that. */
  async #sendOneByOne(entries: readonly EncodedEntry[]): Promise<void> {
    const { route, account } = this.#options;
    let linked = true;
    for (const entry of entries) {
      if (account.stopped) return;
      if (!linked) {
        this.#failed.push({ entry, why: "again", code: "" });
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
          this.#failed.push({ entry, why: "again", code: "" });
        }
      }
    }
  }

  #reasonOf({ code, entry }: FailedEntry): StreamctlError {
    const { target } = this.#options.route;
    return new ConnectionError(
      code === ""
        ? `lost the connection to ${target}`
        : `${target} answers ${code} and line ${entry.line} could not be written`,
      { hint: "wait until the server is well again, then resume" },
    );
  }
}
