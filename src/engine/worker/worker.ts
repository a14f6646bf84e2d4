import { errorText, ServerError, StreamctlError } from "../../errors.ts";
import { reconnectDelayMs, sleep } from "../../redis/backoff.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { forgetIfEmpty, pendingCount, requeueOwned } from "../../redis/group-steps.ts";
import { takeAfterMs } from "./backoff.ts";
import { GroupSetup } from "./group-setup.ts";
import { Hands } from "./hands.ts";
import { heartbeatLoop } from "./heartbeat.ts";
import { Intake } from "./intake.ts";
import { Reclaimer } from "./reclaimer.ts";
import { Settler } from "./settler.ts";
import type {
  Delivery,
  Executor,
  Outcome,
  Verdict,
  WorkerObserver,
  WorkerResult,
  WorkerSettings,
} from "./types.ts";
import { judge } from "./verdict.ts";

/** A read waits no longer than this at once, so that retries, take-overs and a dead peer are noticed. */
const MAX_BLOCK_MS = 1_000;
/** With an end to watch for, the last handler's end must be noticed soon. */
const ENDING_BLOCK_MS = 50;
const STOPPED: Outcome = { kind: "stopped" };
const WAKE_EVERY_MS = 50;
/** How long verdicts may take to be delivered once every handler has ended. */
const DRAIN_MS = 10_000;
/** After a second signal, handlers get this long between TERM and KILL. */
const HURRY_MS = 500;

export interface WorkerParts {
  readonly connection: Connection;
  readonly reader: BlockingReader;
  readonly settings: WorkerSettings;
  readonly executor: Executor;
  readonly observer: WorkerObserver;
  /** First signal: stop cleanly. */
  readonly stop: AbortSignal;
  /** Second signal: end the handlers. */
  readonly kill: AbortSignal;
}

/**
 * The exec worker. An entry goes one way:
 *
 *   intake (new) ─┐
 *                 ├→ hands → executor → verdict → settler → Redis
 *   reclaimer ────┘     ↑ heartbeat
 *
 * Nothing is read before a place for it is free. Rejects when the worker can't go on; the entries that it
 * held have been handed back by then.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #hands: Hands;
  readonly #intake: Intake;
  readonly #reclaimer: Reclaimer;
  readonly #groups: GroupSetup;
  readonly #settler: Settler;
  readonly #ending = new AbortController();
  readonly #counts = { ok: 0, retried: 0, dead: 0, lost: 0, missing: 0, killed: 0 };
  #fatal: unknown;
  #everSucceeded = false;
  #looping = true;
  #lastActivity = Date.now();
  #waitingSince: number | undefined;

  constructor(parts: WorkerParts) {
    this.#parts = { ...parts, observer: this.#counting(parts.observer) };
    const { connection, settings, observer } = this.#parts;
    this.#hands = new Hands(settings.concurrency);
    this.#intake = new Intake(parts.reader, settings, connection.cluster);
    this.#reclaimer = new Reclaimer(connection, settings, this.#hands, observer);
    this.#groups = new GroupSetup(connection, settings, this.#hands, observer);
    this.#settler = new Settler({
      connection,
      settings,
      hands: this.#hands,
      reclaimer: this.#reclaimer,
      observer,
      onFatal: (error) => this.#fail(error),
      onSettled: (delivery, verdict) => {
        if (verdict.kind === "ack" || verdict.kind === "dead")
          this.#groups.noteSettled(delivery.stream, delivery.entry.id);
      },
    });
  }

  /** Entries being worked on now. */
  get running(): number {
    return this.#hands.running;
  }

  async run(): Promise<WorkerResult> {
    const { connection, settings, observer, stop } = this.#parts;
    await this.#groups.prepare();
    const onStop = (): void => this.#end();
    if (stop.aborted) this.#end();
    stop.addEventListener("abort", onStop, { once: true });
    const runtime =
      settings.ends.runtimeMs === undefined ? undefined : setTimeout(onStop, settings.ends.runtimeMs);
    const heart = new AbortController();
    const beating = heartbeatLoop(connection, settings, this.#hands, observer, heart.signal);
    try {
      this.#lastActivity = Date.now();
      await this.#loop();
    } finally {
      this.#looping = false;
      clearTimeout(runtime);
      stop.removeEventListener("abort", onStop);
      await this.#shutDown();
      await this.#parts.executor.close();
      heart.abort();
      await beating;
    }
    if (this.#fatal !== undefined) throw this.#fatal;
    return this.#counts;
  }

  async #loop(): Promise<void> {
    const ending = this.#ending.signal;
    for (let failures = 0; !ending.aborted;) {
      const places = this.#places();
      if (places === 0) {
        await this.#hands.changed(ending);
        continue;
      }
      try {
        const deliveries = await this.#next(places);
        failures = 0;
        this.#backToWork();
        if (deliveries === "finished") return;
        for (const delivery of deliveries) this.#accept(delivery);
      } catch (error) {
        await this.#recover(error, failures++);
      }
    }
  }

  /** How many entries may be taken now. */
  #places(): number {
    const { count } = this.#parts.settings.ends;
    const { free } = this.#hands;
    if (count === undefined) return free;
    const left = count - this.#counts.ok - this.#counts.dead;
    if (left <= 0) this.#end();
    return Math.max(0, Math.min(free, left - this.#hands.count));
  }

  /** Due retries and take-overs first, then new entries; nothing when there was nothing for a while. */
  async #next(places: number): Promise<Delivery[] | "finished"> {
    const due = await this.#reclaimer.takeDue(places);
    if (due.length > 0) return due;
    const idle = this.#hands.count === 0;
    const { ends } = this.#parts.settings;
    if (idle && ends.untilEmpty) {
      const fresh = await this.#intake.read(places, 0);
      if (fresh.length > 0) return fresh;
      if (await this.#nothingPending()) return "finished";
    }
    if (idle && ends.idleMs !== undefined && Date.now() - this.#lastActivity >= ends.idleMs)
      return "finished";
    return this.#intake.read(places, this.#blockMs());
  }

  #blockMs(): number {
    const { ends } = this.#parts.settings;
    const now = Date.now();
    const idleLeft =
      ends.idleMs === undefined ? Number.POSITIVE_INFINITY : this.#lastActivity + ends.idleMs - now;
    const most = ends.untilEmpty || ends.count !== undefined ? ENDING_BLOCK_MS : MAX_BLOCK_MS;
    return Math.max(1, Math.min(most, this.#reclaimer.nextAt - now, Math.max(ENDING_BLOCK_MS, idleLeft)));
  }

  async #nothingPending(): Promise<boolean> {
    const { connection, settings } = this.#parts;
    for (const stream of settings.streams) {
      if ((await pendingCount(connection, stream, settings.group)) > 0) return false;
    }
    return true;
  }

  #accept(delivery: Delivery): void {
    this.#lastActivity = Date.now();
    const { maxDeliveries } = this.#parts.settings.retry;
    const { deliveries } = delivery;
    if (this.#ending.signal.aborted) {
      // The read was on its way when the worker was told to stop: others get the entry at once.
      this.#hands.hold(delivery);
      this.#settler.settle(delivery, { kind: "release", counted: false }, 0);
    } else if (deliveries > maxDeliveries) {
      // Its last permitted run never reported back: it may be what ends the workers. Not run once more.
      const unrun: Delivery = { ...delivery, deliveries: Math.min(deliveries - 1, Number.MAX_SAFE_INTEGER) };
      const reason = `no verdict after ${unrun.deliveries} deliveries: the workers that ran it died`;
      this.#hands.hold(unrun);
      this.#settler.settle(unrun, { kind: "dead", reason, stderr: Buffer.alloc(0) }, 0);
    } else {
      this.#hands.hold(delivery);
      void this.#work(delivery);
    }
  }

  async #work(delivery: Delivery): Promise<void> {
    const { executor, settings } = this.#parts;
    this.#hands.started();
    const startedAt = Date.now();
    const [outcome = STOPPED] = await executor.run([delivery]);
    if (outcome.kind === "exit" && outcome.code === 0) this.#everSucceeded = true;
    if (outcome.kind === "stopped") this.#counts.killed++;
    const facts = { deliveries: delivery.deliveries, everSucceeded: this.#everSucceeded };
    const verdict: Verdict = judge(outcome, facts, settings.retry);
    if (verdict.kind === "broken") {
      this.#fail(
        new StreamctlError("failed", verdict.reason, { hint: "no entry was counted or dead-lettered" }),
      );
    }
    this.#lastActivity = Date.now();
    this.#settler.settle(delivery, verdict, Date.now() - startedAt);
    this.#hands.finished();
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const code = error instanceof ServerError ? error.code : undefined;
    if (code === "NOGROUP" || code === "UNBLOCKED") {
      if (!this.#ending.signal.aborted && code === "NOGROUP") await this.#restoreGroups();
      return;
    }
    if (!isTransient(error)) {
      this.#fail(error);
      return;
    }
    this.#reclaimer.repliesLost();
    if (this.#waitingSince === undefined) {
      this.#waitingSince = Date.now();
      this.#parts.observer.notice("warn", `waiting for Redis: ${errorText(error)}`);
    }
    await sleep(reconnectDelayMs(failures), this.#ending.signal);
  }

  async #restoreGroups(): Promise<void> {
    try {
      await this.#groups.restore();
    } catch (error) {
      if (!isTransient(error)) this.#fail(error);
      else await sleep(reconnectDelayMs(0), this.#ending.signal);
    }
  }

  #backToWork(): void {
    if (this.#waitingSince === undefined) return;
    const seconds = Math.round((Date.now() - this.#waitingSince) / 1_000);
    this.#waitingSince = undefined;
    this.#parts.observer.notice("info", `Redis is back after ${seconds}s`);
  }

  #fail(error: unknown): void {
    this.#fatal ??= error;
    this.#end();
  }

  #end(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    void this.#wakeRead();
  }

  /** The read may be about to block as well as blocked: it is woken until the loop has ended. */
  async #wakeRead(): Promise<void> {
    for (
      const start = Date.now();
      this.#looping && Date.now() - start < MAX_BLOCK_MS;
      await sleep(WAKE_EVERY_MS)
    ) {
      await this.#intake.wake();
    }
  }

  /**
   * The order of stopping: nothing is read any more (the loop has ended) → handlers finish, or are ended
   * when their time is up → verdicts are delivered → what got lost on the way here is handed back → the
   * consumer goes if it holds nothing. The heartbeat goes on until then.
   */
  async #shutDown(): Promise<void> {
    const { settings, executor, kill } = this.#parts;
    if (!this.#ending.signal.aborted) this.#ending.abort();
    const { shutdownTimeoutMs, killAfterMs } = settings;
    if (!(await this.#settledWithin(shutdownTimeoutMs, () => this.#hands.running === 0, kill))) {
      await executor.killAll(kill.aborted ? Math.min(HURRY_MS, killAfterMs) : killAfterMs);
    }
    await this.#settledWithin(DRAIN_MS, () => this.#hands.count === 0, kill.aborted ? undefined : kill);
    if (this.#hands.count > 0) {
      this.#parts.observer.notice(
        "warn",
        `${this.#hands.count} entries stay pending: their verdicts could not be delivered`,
      );
      this.#settler.giveUp();
    }
    await this.#leaveGroups();
  }

  async #leaveGroups(): Promise<void> {
    const { connection, settings, observer } = this.#parts;
    for (const stream of settings.streams) {
      try {
        if (settings.consumerIsUnique) {
          for (const { id, deliveries } of await this.#reclaimer.ownStrays(stream)) {
            const count = deliveries - 1;
            const idleMs = takeAfterMs(count, settings.claimIdleMs, settings.retry);
            await requeueOwned(connection, stream, settings, { id, idleMs, deliveries: count });
          }
        }
        await forgetIfEmpty(connection, stream, settings);
      } catch (error) {
        observer.notice(
          "detail",
          `could not leave group ${settings.group} on ${stream}: ${errorText(error)}`,
        );
      }
    }
  }

  /** Waits until `done`, for no longer than `ms` and not past the signal. */
  async #settledWithin(ms: number, done: () => boolean, signal?: AbortSignal): Promise<boolean> {
    const limit = AbortSignal.any([AbortSignal.timeout(ms), ...(signal ? [signal] : [])]);
    while (!done() && !limit.aborted) await this.#hands.changed(limit);
    return done();
  }

  #counting(observer: WorkerObserver): WorkerObserver {
    const counts = this.#counts;
    return {
      settled: (delivery, verdict, durationMs) => {
        if (verdict.kind === "ack") counts.ok++;
        else if (verdict.kind === "dead") counts.dead++;
        else if (verdict.kind === "retry") counts.retried++;
        observer.settled(delivery, verdict, durationMs);
      },
      lost: (delivery, verdict) => {
        counts.lost++;
        observer.lost(delivery, verdict);
      },
      missing: (stream, ids) => {
        counts.missing += ids.length;
        observer.missing(stream, ids);
      },
      takenOver: (delivery, from) => observer.takenOver(delivery, from),
      notice: (level, message) => observer.notice(level, message),
    };
  }
}
