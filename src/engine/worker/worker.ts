import { ServerError, StreamctlError } from "../../errors.ts";
import type { Instant } from "../../lib/instant.ts";
import { sleep, startTimer } from "../../lib/timer.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import type { BlockingReader } from "../../redis/blocking-reader.ts";
import type { Connection } from "../../redis/connection.ts";
import { isTransient } from "../../redis/errors.ts";
import type { Held } from "../../redis/ops/restore-group.ts";
import type { Streams } from "../../redis/ops/streams.ts";
import type { Handler } from "../handlers/handler.ts";
import type { Roster } from "../roster.ts";
import { Custody } from "./custody.ts";
import { EarlierRun } from "./earlier-run.ts";
import { Entrance, HAND_BACK } from "./entrance.ts";
import { GroupSetup } from "./group-setup.ts";
import { Hands } from "./hands.ts";
import { heartbeatLoop } from "./heartbeat.ts";
import { Intake } from "./intake.ts";
import { KeyMoves } from "./key-moves.ts";
import { LinkWatch } from "./link-watch.ts";
import { Ordering } from "./ordering.ts";
import { OutageGuard } from "./outage-guard.ts";
import { Pacer } from "./pacer.ts";
import { Reclaimer } from "./reclaimer.ts";
import { Retries } from "./retries.ts";
import { Runner } from "./runner.ts";
import { Settler } from "./settler.ts";
import { shutDown } from "./shutdown.ts";
import { SilentConsumers } from "./silent-consumers.ts";
import { MAX_BLOCK_MS, Supply } from "./supply.ts";
import { Tally } from "./tally.ts";
import { Truce } from "./truce.ts";
import { Turns } from "./turns.ts";
import type { Delivery, WorkerObserver, WorkerResult, WorkerSettings, WorkerState } from "./types.ts";
import { VerdictWatch } from "./verdict-watch.ts";
import { Units } from "./units.ts";

const WAKE_EVERY_MS = 50;
/** How much longer than its BLOCK a read may take once the worker is to stop. */
const ARRIVAL_MS = 3_000;
/** The time in which a worker that is busy learns that its group was destroyed, by a verdict or a read. */
const OTHERS_NOTICE_MS = 300;

export interface WorkerParts {
  readonly connection: Connection;
  /** The verbs of that connection. */
  readonly streams: Streams;
  readonly reader: BlockingReader;
  readonly settings: WorkerSettings;
  /** What changes `settings.streams`, where patterns do. */
  readonly roster?: Roster | undefined;
  readonly handler: Handler;
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
 *                 ├→ hands → units → runner (handler → verdict) → settler → Redis
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
  readonly #supply: Supply;
  readonly #entrance: Entrance;
  readonly #retries: Retries;
  readonly #custody: Custody;
  readonly #silent: SilentConsumers;
  readonly #earlier: EarlierRun;
  readonly #reclaimer: Reclaimer;
  readonly #groups: GroupSetup;
  readonly #verdicts: VerdictWatch;
  readonly #settler: Settler;
  readonly #guard: OutageGuard;
  readonly #runner: Runner;
  readonly #units: Units;
  readonly #moves: KeyMoves | undefined;
  readonly #link: LinkWatch;
  readonly #truce: Truce;
  readonly #turns = new Turns();
  readonly #ending = new AbortController();
  /** A group was made again: others move it on to where they were, before what they had is read as new. */
  #readAgainAt = 0;
  #fatal: unknown;
  #looping = true;

  constructor(parts: WorkerParts) {
    this.#tally = new Tally(parts.observer);
    const { observer } = this.#tally;
    this.#parts = { ...parts, observer };
    const { connection, streams, settings, handler } = parts;
    this.#hands = new Hands(() => handler.slots, handler.batch.size);
    const ordering =
      settings.orderBy === undefined ? undefined : new Ordering(streams, settings, settings.orderBy);
    this.#intake = new Intake(parts.reader, settings, connection.cluster, ordering);
    this.#truce = new Truce(settings.claimIdleMs);
    this.#retries = new Retries(settings, this.#hands);
    this.#custody = new Custody({
      streams,
      settings,
      hands: this.#hands,
      waiting: (stream) => this.#retries.waiting(stream),
      restore: (stream, vanished) => this.#restore(stream, vanished),
    });
    this.#earlier = new EarlierRun(streams, settings, observer, ordering);
    this.#silent = new SilentConsumers(streams, settings, observer);
    this.#reclaimer = new Reclaimer({
      streams,
      settings,
      hands: this.#hands,
      retries: this.#retries,
      custody: this.#custody,
      silent: this.#silent,
      earlier: this.#earlier,
      observer,
      truce: this.#truce,
      ordering,
    });
    this.#groups = new GroupSetup(
      streams,
      connection,
      settings,
      (stream) => this.#held(stream),
      (stream, at, destroyed) => {
        this.#custody.noteRestored(stream, at);
        this.#retries.noteRestored(stream, at);
        if (destroyed) this.#readAgainAt = performance.now() + OTHERS_NOTICE_MS;
      },
      observer,
      parts.roster,
    );
    this.#verdicts = new VerdictWatch(observer, () => this.#link.down);
    this.#settler = new Settler({
      streams,
      settings,
      hands: this.#hands,
      custody: this.#custody,
      retries: this.#retries,
      watch: this.#verdicts,
      observer,
      onFatal: (error) => this.fail(error),
      onFinal: (delivery) => this.#moves?.after(delivery),
    });
    this.#guard = new OutageGuard(settings.pauseAfter, settings.retry, (level, message) =>
      observer.notice(level, message),
    );
    const pacer = new Pacer(settings.ratePerSecond);
    this.#link = new LinkWatch(observer);
    this.#runner = new Runner({
      handler,
      settings,
      guard: this.#guard,
      hands: this.#hands,
      custody: this.#custody,
      settler: this.#settler,
      ending: this.#ending.signal,
      notice: (level, message) => observer.notice(level, message),
      onKilled: () => this.#tally.killed(),
      onBroken: (reason) =>
        this.fail(new StreamctlError("failed", reason, { hint: "no entry was counted or dead-lettered" })),
      onRan: (outcomes, durationMs) => {
        this.#supply.active();
        observer.ran(outcomes, durationMs);
      },
    });
    this.#units = new Units(handler.batch, this.#hands, (unit) => this.#runner.start(unit));
    const common = { streams, settings, hands: this.#hands, custody: this.#custody, pacer };
    this.#supply = new Supply({
      ...common,
      intake: this.#intake,
      reclaimer: this.#reclaimer,
      guard: this.#guard,
      tally: this.#tally,
    });
    this.#entrance = new Entrance({
      ...common,
      units: this.#units,
      settler: this.#settler,
      ending: this.#ending.signal,
      onEntry: () => this.#supply.active(),
    });
    this.#moves =
      ordering &&
      new KeyMoves(ordering, this.#custody, this.#reclaimer, this.#silent, observer, (deliveries, askedAt) =>
        this.#entrance.admit(deliveries, askedAt),
      );
  }

  get state(): WorkerState {
    return {
      running: this.#hands.running,
      inFlight: this.#hands.count,
      paused: this.#guard.paused,
      reading: this.#turns.begun && !this.#link.down && !this.#ending.signal.aborted,
      verdictsWait: this.#verdicts.reason,
      turnMs: this.#turns.forMs,
    };
  }

  /** Some of the entries in hand. */
  inHand(most: number): readonly Delivery[] {
    return this.#hands.some(most);
  }

  async run(): Promise<WorkerResult> {
    const { connection, streams, settings, handler, observer, stop, kill } = this.#parts;
    const onStop = (): void => this.#end();
    if (stop.aborted) this.#end();
    stop.addEventListener("abort", onStop, { once: true });
    const runtime =
      settings.ends.runtimeMs === undefined ? undefined : startTimer(settings.ends.runtimeMs, onStop);
    const heart = new AbortController();
    const beating = heartbeatLoop(
      {
        connection,
        settings,
        hands: this.#hands,
        custody: this.#custody,
        review: (stream) => this.#reclaimer.review(stream),
        silent: this.#silent,
        truce: this.#truce,
        observer,
      },
      heart.signal,
    );
    try {
      await this.#prepare();
      this.#followStreams();
      this.#supply.active();
      await this.#loop();
    } finally {
      this.#parts.roster?.stop();
      this.#looping = false;
      this.#turns.end();
      runtime?.stop();
      stop.removeEventListener("abort", onStop);
      if (!this.#ending.signal.aborted) this.#ending.abort();
      for (const delivery of [...this.#units.abandon(), ...this.#runner.abandon()]) {
        this.#settler.settle(delivery, HAND_BACK, 0);
      }
      await shutDown({
        streams,
        settings,
        handler,
        observer,
        kill,
        hands: this.#hands,
        settler: this.#settler,
        reclaimer: this.#reclaimer,
        silent: this.#silent,
        moves: this.#moves?.underWay ?? new Set(),
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
        for (const stream of this.#parts.settings.streams) await this.#join(stream);
        if (!(await this.#supply.nothingPending())) await this.#truce.arrive(this.#parts.streams);
        return this.#link.works();
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.#waitOrFail(error, failures);
      }
    }
  }

  /** Before anything is read from a stream: what others, and an earlier run of this worker's name, have left there. */
  async #join(stream: string): Promise<void> {
    await this.#silent.join(stream);
    await this.#earlier.join(stream);
  }

  #followStreams(): void {
    const { roster, observer } = this.#parts;
    roster?.follow({
      admit: async (stream) => {
        if (this.#ending.signal.aborted) return false;
        await this.#groups.join(stream);
        await this.#join(stream);
        observer.joined(stream);
        return true;
      },
      left: (stream) => this.#reclaimer.left(stream),
    });
  }

  async #loop(): Promise<void> {
    const ending = this.#ending.signal;
    for (let failures = 0; !ending.aborted;) {
      const places = this.#supply.places();
      if (places === "finished") return;
      if (places === 0) {
        this.#turns.end();
        await this.#hands.changed(ending, this.#supply.waitMs());
        continue;
      }
      await sleep(Math.max(0, this.#readAgainAt - performance.now()), ending);
      this.#turns.begin();
      try {
        if (await this.#custody.reads((askedAt) => this.#readOnce(places, askedAt))) return;
        failures = 0;
        this.#link.works();
        this.#truce.worked();
      } catch (error) {
        await this.#recover(error, failures++);
      }
    }
  }

  /** True when enough was read. */
  async #readOnce(places: number, askedAt: Instant): Promise<boolean> {
    const deliveries = await this.#supply.next(places);
    if (deliveries === "finished") return true;
    for (const { stream, entry } of deliveries) this.#groups.noteGiven(stream, entry.id);
    await this.#entrance.admit(deliveries, askedAt);
    return false;
  }

  /**
   * Makes pending again what this worker has of a stream. A worker that stops leaves a group alone that has been
   * destroyed: false then.
   */
  async #restore(stream: string, vanished: boolean): Promise<boolean> {
    const ending = this.#ending.signal.aborted;
    await this.#groups.restore(stream, vanished && !ending);
    return !ending || (await this.#groups.exists(stream));
  }

  /** What nobody but this worker knows to be its own. */
  #held(stream: string): Held[] {
    const { orderBy, holders } = this.#parts.settings;
    if (orderBy !== undefined) return [];
    const inHand = [...this.#hands.of(stream)].filter(({ lost, verdictSent }) => !lost && !verdictSent);
    return [
      ...inHand.map(({ entry, deliveries }) => ({ id: entry.id, idleMs: 0, deliveries })),
      ...(holders?.(stream) === undefined ? this.#retries.held(stream) : []),
    ];
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const code = error instanceof ServerError ? error.code : undefined;
    const ending = this.#ending.signal;
    if (code === "UNBLOCKED") return;
    // Scripts that look at the stream first say that there is none.
    if (error instanceof ServerError && error.kind === "notFound") {
      return ending.aborted ? undefined : this.#restoreGroups(failures);
    }
    await this.#waitOrFail(error, failures);
  }

  async #restoreGroups(failures: number): Promise<void> {
    try {
      for (const stream of this.#parts.settings.streams) await this.#custody.restore(stream, true);
    } catch (error) {
      await this.#waitOrFail(error, failures);
    }
  }

  async #waitOrFail(error: unknown, failures: number): Promise<void> {
    if (!isTransient(error)) return this.fail(error);
    this.#reclaimer.repliesLost();
    this.#truce.failed();
    if (!this.#ending.signal.aborted) this.#link.waits(error);
    await sleep(reconnectDelayMs(failures), this.#ending.signal);
  }

  /** Ends the worker; `run` rejects with the first such error. */
  fail(error: unknown): void {
    this.#fatal ??= error;
    this.#end();
  }

  #end(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    void this.#wakeRead();
  }

  /**
   * The read may be about to block as well as blocked: it is woken until the loop has ended. A large one that is
   * still on its way gets a moment; what it was to bring is handed back at the end.
   */
  async #wakeRead(): Promise<void> {
    const { kill } = this.#parts;
    for (
      const start = performance.now();
      this.#looping && !kill.aborted && performance.now() - start < MAX_BLOCK_MS + ARRIVAL_MS;
      await sleep(WAKE_EVERY_MS, kill)
    ) {
      await this.#intake.wake();
    }
    if (this.#looping) this.#intake.abandon();
  }
}
