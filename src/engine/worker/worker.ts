import type { StreamKey } from "../../entry/names.ts";
import { ServerError } from "../../errors.ts";
import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { sleep } from "../../lib/timer.ts";
import { isTransient } from "../../redis/errors.ts";
import { WorkerEvents } from "./events.ts";
import { healthOf } from "./health.ts";
import { heartbeatLoop } from "./heartbeat.ts";
import { makeRoles, type Roles, type WorkerParts } from "./roles.ts";
import { shutDown } from "./shutdown.ts";
import type { Delivery, WorkerResult, WorkerState } from "./types.ts";

/** The loop says when Redis can't be asked, and when it is back. */
const SILENT_LINK = { waits() {}, works() {} };

/**
 * The exec worker. An entry goes one way:
 *
 *   fetch (new) ────────┐                  ┌ dedupe     ┌ batches, handlers   ┌ emit
 *                       ├─→ dispatch ──────┴──────→ run ┴────→ settle ────────┴→ Redis
 *   recover (pending) ──┘   └ read ahead              └ judge   └ dead letter, two steps: fence
 *     └ retries, sweep, left behind
 *
 *   in flight      what was delivered and is not settled: the states of all of it
 *   heartbeat      keeps that from being taken over; after an outage, the grace period for those of others
 *   left behind    by processes that have gone: what an earlier run of this name had, consumers of dead workers
 *   ownership      whether an entry is still surely ours; restore: makes pending again what was thrown away
 *   groups         makes groups, also again;  group state: on which streams the group is paused
 *   ordering       in which order entries may start: unordered, or order by key
 *   registration   what this worker is and does, written beside its streams
 *   scheduled      adds what is due by the stream's schedule, beside all that
 *   health         state, iteration watchdog, verdicts that wait;  shutdown: how it ends
 *
 * roles.ts makes them; each knows only those made before it, and reports to the worker through `WorkerEvents`. Nothing
 * is read before there is room for it. Rejects when the worker can't go on; what was in flight has been handed back by
 * then.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #events: WorkerEvents;
  readonly #roles: Roles;
  readonly #ending = new AbortController();
  #fatal: unknown;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#events = new WorkerEvents(parts.observer, parts.settings.ends, {
      failed: (error) => this.fail(error),
      came: (deliveries, askedAt) => this.#roles.dispatcher.admit(deliveries, askedAt),
      groupChanged: () => this.#groupChanged(),
    });
    this.#roles = makeRoles(parts, this.#events, this.#ending.signal);
  }

  get state(): WorkerState {
    return healthOf({ ...this.#roles, ending: this.#ending.signal });
  }

  /** Some of the entries in flight. */
  inFlight(most: number): readonly Delivery[] {
    return this.#roles.inFlight.some(most);
  }

  /**
   * The order of a stop: nothing is read any more → what was not begun is handed back → `shutDown` waits for runs and
   * verdicts, with the heart still beating → the heart stops.
   */
  async run(): Promise<WorkerResult> {
    const { kill, stop, roster } = this.#parts;
    const { runner, fetcher, watchdog, registration, scheduled } = this.#roles;
    const ended = { ...this.#roles, kill };
    const onStop = (): void => this.#end();
    if (stop.aborted) this.#end();
    stop.addEventListener("abort", onStop, { once: true });
    const heart = new AbortController();
    const beating = heartbeatLoop(ended, heart.signal);
    let following: Promise<void> | undefined;
    let registering: Promise<void> | undefined;
    let adding: Promise<void> | undefined;
    try {
      await this.#prepare();
      this.#followStreams();
      // What is overdue is there before an end may be reached.
      await scheduled.look(this.#ending.signal).catch(() => {});
      adding = scheduled.run(this.#ending.signal, SILENT_LINK).catch((error: unknown) => this.fail(error));
      registering = registration.follow(heart.signal);
      following = this.#roles.groupState.follow(this.#ending.signal, (error) => this.#looked(error));
      this.#events.ends.active();
      await this.#loop();
    } finally {
      roster?.stop();
      fetcher.ended();
      watchdog.end();
      stop.removeEventListener("abort", onStop);
      if (!this.#ending.signal.aborted) this.#ending.abort();
      runner.handBack();
      await shutDown(ended);
      await following;
      heart.abort();
      await beating;
      await registering;
      await registration.leave();
      await adding;
    }
    if (this.#fatal !== undefined) throw this.#fatal;
    return this.#events.result;
  }

  /** Ends the worker; `run` rejects with the first such error. */
  fail(error: unknown): void {
    this.#fatal ??= error;
    this.#end();
  }

  /** A server that refuses this now (a replica before its promotion, a full one) is waited for, as later on. */
  async #prepare(): Promise<void> {
    const { groups, groupState, dispatcher, grace, link } = this.#roles;
    for (let failures = 0; !this.#ending.signal.aborted; failures++) {
      try {
        await groups.prepare();
        await groupState.look();
        for (const stream of this.#parts.settings.streams) await this.#join(stream);
        if (!(await dispatcher.nothingPending())) await grace.arrive(this.#parts.streams);
        return link.works();
      } catch (error) {
        if (!isTransient(error)) throw error;
        await this.#waitOrFail(error, failures);
      }
    }
  }

  /** Before anything is read from a stream: what others, and an earlier run of this worker's name, have left there. */
  async #join(stream: StreamKey): Promise<void> {
    await this.#roles.silent.join(stream);
    await this.#roles.earlier.join(stream);
  }

  #followStreams(): void {
    const { groupState, restorer, recoverer, registration, scheduled } = this.#roles;
    this.#parts.roster?.follow({
      admit: async (stream) => {
        if (this.#ending.signal.aborted) return false;
        await groupState.join(stream);
        await restorer.join(stream);
        await this.#join(stream);
        this.#events.joined(stream);
        return true;
      },
      left: (stream) => {
        groupState.left(stream);
        recoverer.left(stream);
        scheduled.left(stream);
        registration.left(stream);
      },
    });
  }

  /** What was read ahead where the group is paused now goes back; where it is not any more, places are free. */
  async #groupChanged(): Promise<void> {
    const { groupState, runner, fetcher, ownership, inFlight } = this.#roles;
    inFlight.wake();
    if (groupState.paused === 0) return;
    runner.handBack();
    await fetcher.wake();
    await ownership.readEnded();
  }

  /** How a look at the group's state has ended. While it is paused the loop asks nothing, and tells of no outage. */
  #looked(error?: unknown): void {
    const { groupState, grace, link } = this.#roles;
    if (error === undefined) {
      grace.worked();
      if (groupState.allPaused) link.works();
      return;
    }
    if (!isTransient(error)) return this.fail(error);
    grace.failed();
    if (groupState.allPaused && !this.#ending.signal.aborted) link.waits(error);
  }

  async #loop(): Promise<void> {
    const { dispatcher, watchdog, inFlight, restorer, link, grace } = this.#roles;
    const ending = this.#ending.signal;
    for (let failures = 0; !ending.aborted;) {
      const places = dispatcher.places();
      if (places === "finished") return;
      if (places === 0) {
        watchdog.rest();
        await inFlight.changed(ending, dispatcher.waitMs());
        continue;
      }
      await sleep(Math.max(0, restorer.readAgainAt - performance.now()), ending);
      watchdog.begin();
      try {
        if (await dispatcher.turn(places)) return;
        failures = 0;
        link.works();
        grace.worked();
      } catch (error) {
        await this.#recover(error, failures++);
      }
    }
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    if (error instanceof ServerError && error.code === "UNBLOCKED") return;
    // Scripts that look at the stream first say that there is none.
    if (error instanceof ServerError && error.kind === "notFound") {
      return this.#ending.signal.aborted ? undefined : this.#restoreGroups(failures);
    }
    await this.#waitOrFail(error, failures);
  }

  async #restoreGroups(failures: number): Promise<void> {
    try {
      for (const stream of this.#parts.settings.streams) await this.#roles.restorer.restore(stream, true);
    } catch (error) {
      await this.#waitOrFail(error, failures);
    }
  }

  async #waitOrFail(error: unknown, failures: number): Promise<void> {
    if (!isTransient(error)) return this.fail(error);
    const { retries, grace, link } = this.#roles;
    retries.replyLost();
    grace.failed();
    if (!this.#ending.signal.aborted) link.waits(error);
    await sleep(reconnectDelayMs(failures), this.#ending.signal);
  }

  #end(): void {
    if (this.#ending.signal.aborted) return;
    this.#ending.abort();
    void this.#roles.fetcher.stop(this.#parts.kill);
  }
}
