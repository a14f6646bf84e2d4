import { errorText, ServerError, StreamctlError } from "../../errors.ts";
import { reconnectDelayMs, sleep } from "../../redis/backoff.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import { type Held, pendingCount } from "../../redis/group-steps.ts";
import { GroupSetup } from "./group-setup.ts";
import { Hands } from "./hands.ts";
import { heartbeatLoop } from "./heartbeat.ts";
import { Intake } from "./intake.ts";
import { LinkWatch } from "./link-watch.ts";
import { Ordering } from "./ordering.ts";
import { OutageGuard } from "./outage-guard.ts";
import { Pacer } from "./pacer.ts";
import { Reclaimer } from "./reclaimer.ts";
import { Runner } from "./runner.ts";
import { Settler } from "./settler.ts";
import { shutDown } from "./shutdown.ts";
import { alreadyDone } from "./success.ts";
import { Tally } from "./tally.ts";
import { Truce } from "./truce.ts";
import { Turns } from "./turns.ts";
import type {
  Delivery,
  Executor,
  Verdict,
  WorkerObserver,
  WorkerResult,
  WorkerSettings,
  WorkerState,
} from "./types.ts";
import { Units } from "./units.ts";

/** A read waits no longer than this at once, so that retries, take-overs and a dead peer are noticed. */
const MAX_BLOCK_MS = 1_000;
/** With an end to watch for, the last handler's end must be noticed soon. */
const ENDING_BLOCK_MS = 50;
const WAKE_EVERY_MS = 50;
/** Others get the entry at once, and its delivery is not counted. */
const HAND_BACK: Verdict = { kind: "release", counted: false };

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
 *                 ├→ hands → units → runner (executor → verdict) → settler → Redis
 *   reclaimer ────┘     ↑ heartbeat
 *
 * Nothing is read before a place for it is free. Rejects when the worker can't go on; the entries that it
 * held have been handed back by then.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #tally: Tally;
  readonly #hands: Hands;
  readonly #intake: Intake;
  readonly #reclaimer: Reclaimer;
  readonly #groups: GroupSetup;
  readonly #settler: Settler;
  readonly #guard: OutageGuard;
  readonly #pacer: Pacer;
  readonly #runner: Runner;
  readonly #units: Units;
  readonly #ordering: Ordering | undefined;
  readonly #link: LinkWatch;
  readonly #truce: Truce;
  readonly #turns = new Turns();
  readonly #ending = new AbortController();
  /** Keys that are being moved on to their next entry. */
  readonly #moves = new Set<Promise<void>>();
  #fatal: unknown;
  #looping = true;
  #lastActivity = performance.now();

  constructor(parts: WorkerParts) {
    this.#tally = new Tally(parts.observer);
    const { observer } = this.#tally;
    this.#parts = { ...parts, observer };
    const { connection, settings, executor } = parts;
    this.#hands = new Hands(() => executor.slots ?? settings.concurrency, settings.batch.size);
    this.#ordering =
      settings.orderBy === undefined ? undefined : new Ordering(connection, settings, settings.orderBy);
    this.#intake = new Intake(parts.reader, settings, connection.cluster, this.#ordering);
    this.#truce = new Truce(settings.claimIdleMs);
    this.#reclaimer = new Reclaimer(connection, settings, this.#hands, observer, this.#truce, this.#ordering);
    this.#groups = new GroupSetup(connection, settings, (stream) => this.#held(stream), observer);
    this.#settler = new Settler({
      connection,
      settings,
      hands: this.#hands,
      reclaimer: this.#reclaimer,
      observer,
      onFatal: (error) => this.#fail(error),
      onFinal: (delivery) => this.#settled(delivery),
      restoreGroups: () => this.#restoreUnlessEnding(),
    });
    this.#guard = new OutageGuard(settings.pauseAfter, settings.retry, (level, message) =>
      observer.notice(level, message),
    );
    this.#pacer = new Pacer(settings.ratePerSecond);
    this.#link = new LinkWatch(observer);
    this.#runner = new Runner({
      executor,
      settings,
      guard: this.#guard,
      hands: this.#hands,
      settler: this.#settler,
      onKilled: () => this.#tally.killed(),
      onBroken: (reason) =>
        this.#fail(new StreamctlError("failed", reason, { hint: "no entry was counted or dead-lettered" })),
      onRan: (outcomes, durationMs) => {
        this.#active();
        observer.ran(outcomes, durationMs);
      },
    });
    this.#units = new Units(settings.batch, this.#hands, (unit) => this.#runner.start(unit));
  }

  get state(): WorkerState {
    return {
      running: this.#hands.running,
      inFlight: this.#hands.count,
      paused: this.#guard.paused,
      reading: this.#turns.begun && !this.#link.down && !this.#ending.signal.aborted,
      turnMs: this.#turns.forMs,
    };
  }

  async run(): Promise<WorkerResult> {
    const { connection, settings, executor, observer, stop, kill } = this.#parts;
    const onStop = (): void => this.#end();
    if (stop.aborted) this.#end();
    stop.addEventListener("abort", onStop, { once: true });
    const runtime =
      settings.ends.runtimeMs === undefined ? undefined : setTimeout(onStop, settings.ends.runtimeMs);
    const heart = new AbortController();
    const beating = heartbeatLoop(
      {
        connection,
        settings,
        hands: this.#hands,
        truce: this.#truce,
        restore: () => this.#restoreUnlessEnding(),
        observer,
      },
      heart.signal,
    );
    try {
      await this.#prepare();
      this.#active();
      await this.#loop();
    } finally {
      this.#looping = false;
      this.#turns.end();
      clearTimeout(runtime);
      stop.removeEventListener("abort", onStop);
      if (!this.#ending.signal.aborted) this.#ending.abort();
      for (const delivery of [...this.#units.abandon(), ...this.#runner.abandon()]) {
        this.#settler.settle(delivery, HAND_BACK, 0);
      }
      await shutDown({
        connection,
        settings,
        executor,
        observer,
        kill,
        hands: this.#hands,
        settler: this.#settler,
        reclaimer: this.#reclaimer,
        moves: this.#moves,
      });
      heart.abort();
      await beating;
    }
    if (this.#fatal !== undefined) throw this.#fatal;
    return this.#tally.result;
  }

  /** A server that refuses this now (a replica before its promotion, a full one) is waited for, as later on. */
  async #prepare(): Promise<void> {
    for (let failures = 0; !this.#ending.signal.aborted; failures++) {
      try {
        await this.#groups.prepare();
        if (!(await this.#nothingPending())) await this.#truce.arrive(this.#parts.connection);
        return this.#link.works();
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.#waitOrFail(error, failures);
      }
    }
  }

  async #loop(): Promise<void> {
    const ending = this.#ending.signal;
    for (let failures = 0; !ending.aborted;) {
      const places = this.#places();
      if (places === 0) {
        this.#turns.end();
        await this.#hands.changed(ending, this.#waitMs());
        continue;
      }
      this.#turns.begin();
      try {
        const deliveries = await this.#next(places);
        if (deliveries === "finished") return;
        await this.#acceptAll(deliveries);
        failures = 0;
        this.#link.works();
        this.#truce.worked();
      } catch (error) {
        await this.#recover(error, failures++);
      }
    }
  }

  /** How many entries may be taken now. */
  #places(): number {
    const { count } = this.#parts.settings.ends;
    const free = this.#pacer.allow(
      this.#guard.allow(this.#hands.free, this.#hands.running, performance.now()),
    );
    if (count === undefined) return free;
    const left = count - this.#tally.final;
    if (left <= 0) this.#end();
    return Math.max(0, Math.min(free, left - this.#hands.count));
  }

  /** What else than a finished run may free a place, and when. */
  #waitMs(): number | undefined {
    const waits = [this.#guard.waitMs(performance.now()), this.#pacer.waitMs()].filter(
      (ms) => ms !== undefined,
    );
    return waits.length === 0 ? undefined : Math.min(...waits);
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
    if (idle && ends.idleMs !== undefined && performance.now() - this.#lastActivity >= ends.idleMs)
      return "finished";
    return this.#intake.read(places, this.#blockMs());
  }

  #blockMs(): number {
    const { ends } = this.#parts.settings;
    const now = performance.now();
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

  async #acceptAll(deliveries: readonly Delivery[]): Promise<void> {
    const duplicates = await alreadyDone(this.#parts.connection, this.#parts.settings, deliveries);
    for (const delivery of deliveries) this.#accept(delivery, duplicates.has(delivery));
    this.#units.readEnded();
  }

  #accept(delivery: Delivery, duplicate: boolean): void {
    // Two steps may both have brought it: the one by which its key moved on, and a search for lost replies.
    // So may a group that was made again.
    const held = this.#hands.get(delivery.stream, delivery.entry.id);
    if (held) {
      held.cameAgain = true;
      return;
    }
    this.#active();
    const { maxDeliveries } = this.#parts.settings.retry;
    if (this.#ending.signal.aborted) {
      // Its read was on the way when the worker was told to stop.
      this.#settleUnrun(delivery, HAND_BACK);
    } else if (duplicate) this.#settleUnrun(delivery, { kind: "duplicate" });
    else if (delivery.deliveries > maxDeliveries) {
      // Its last permitted run never reported back: it may be what ends the workers. Not run once more.
      const deliveries = Math.min(delivery.deliveries - 1, Number.MAX_SAFE_INTEGER);
      const reason = `no verdict after ${deliveries} deliveries: the workers that ran it died`;
      this.#settleUnrun({ ...delivery, deliveries }, { kind: "dead", reason, stderr: Buffer.alloc(0) });
    } else {
      this.#pacer.count();
      this.#hands.hold(delivery);
      this.#units.add(delivery);
    }
  }

  #settled(delivery: Delivery): void {
    this.#groups.noteSettled(delivery.stream, delivery.entry.id);
    if (!this.#ordering) return;
    const move = this.#moveOn(this.#ordering, delivery).finally(() => this.#moves.delete(move));
    this.#moves.add(move);
  }

  /** Starts the next entry of a settled one's key. What goes wrong here is mended by the sweeps. */
  async #moveOn(ordering: Ordering, delivery: Delivery): Promise<void> {
    try {
      const next = await ordering.next(delivery);
      if (next) await this.#acceptAll([next]);
    } catch (error) {
      this.#reclaimer.repliesLost();
      this.#parts.observer.notice("detail", `the next of its key was not started: ${errorText(error)}`);
    }
  }

  #settleUnrun(delivery: Delivery, verdict: Verdict): void {
    this.#hands.hold(delivery);
    this.#settler.settle(delivery, verdict, 0);
  }

  /** A worker that stops leaves alone what somebody has deleted. */
  async #restoreUnlessEnding(): Promise<boolean> {
    if (this.#ending.signal.aborted) return false;
    await this.#groups.restore();
    return true;
  }

  #held(stream: string): Held[] {
    const inHand = [...this.#hands.of(stream)].filter(({ lost }) => !lost);
    return [
      ...inHand.map(({ entry, deliveries }) => ({ id: entry.id, idleMs: 0, deliveries })),
      ...this.#reclaimer.retriesOf(stream),
    ];
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const code = error instanceof ServerError ? error.code : undefined;
    const ending = this.#ending.signal;
    if (code === "UNBLOCKED") return;
    if (code === "NOGROUP") {
      return ending.aborted ? undefined : this.#restoreGroups(failures);
    }
    await this.#waitOrFail(error, failures);
  }

  async #restoreGroups(failures: number): Promise<void> {
    try {
      await this.#groups.restore();
    } catch (error) {
      await this.#waitOrFail(error, failures);
    }
  }

  async #waitOrFail(error: unknown, failures: number): Promise<void> {
    if (!isTransient(error)) return this.#fail(error);
    this.#reclaimer.repliesLost();
    this.#truce.failed();
    this.#link.waits(error);
    await sleep(reconnectDelayMs(failures), this.#ending.signal);
  }

  #active(): void {
    this.#lastActivity = performance.now();
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
      const start = performance.now();
      this.#looping && performance.now() - start < MAX_BLOCK_MS;
      await sleep(WAKE_EVERY_MS)
    ) {
      await this.#intake.wake();
    }
  }
}
