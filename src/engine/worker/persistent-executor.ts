import { reconnectDelayMs } from "../../redis/backoff.ts";
import { startTimer, type Timer } from "../../lib/timer.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import { inputLine } from "./input-lines.ts";
import { type Job, PersistentHandler } from "./persistent-handler.ts";
import type { Processes } from "./processes.ts";
import type { Delivery, Executor, Outcome, WorkerObserver } from "./types.ts";

export interface PersistentSettings extends HandlerSettings {
  /** How many processes at most. */
  readonly processes: number;
  /** How many lines at most each of them may have unanswered. */
  readonly ahead: number;
}

const UNRUN: Outcome = { kind: "unrun" };

/**
 * Hands entries out to long-lived processes, which are started when there is work for them and replaced
 * when they fail. What was written to a process that failed, but not begun, goes to another.
 */
export class PersistentExecutor implements Executor {
  readonly #settings: PersistentSettings;
  readonly #output: HandlerOutput;
  readonly #processes: Processes;
  readonly #notice: WorkerObserver["notice"];
  readonly #handlers = new Set<PersistentHandler>();
  #queue: Job[] = [];
  #dispatching = false;
  #stopping = false;
  /** Processes that died one after the other without an answer: starting is slowed down. */
  #stillborn = 0;
  #startAt = 0;
  #startTimer: Timer | undefined;

  constructor(
    settings: PersistentSettings,
    output: HandlerOutput,
    processes: Processes,
    notice: WorkerObserver["notice"],
  ) {
    this.#settings = settings;
    this.#output = output;
    this.#processes = processes;
    this.#notice = notice;
  }

  /** Grows while the processes answer fast. */
  get slots(): number {
    let slots = this.#settings.processes - this.#handlers.size;
    for (const handler of this.#handlers) slots += handler.window;
    return slots;
  }

  run(unit: readonly Delivery[]): Promise<readonly Outcome[]> {
    return Promise.all(unit.map((delivery) => this.#runOne(delivery)));
  }

  async killAll(killAfterMs: number): Promise<void> {
    this.#stop();
    await Promise.all([...this.#handlers].map((handler) => handler.end({ kind: "stopped" }, killAfterMs)));
  }

  async close(): Promise<void> {
    this.#stop();
    await Promise.all([...this.#handlers].map((handler) => handler.close(this.#settings.killAfterMs)));
    await this.#processes.close();
  }

  #runOne(delivery: Delivery): Promise<Outcome> {
    const { stdin, consumer } = this.#settings;
    if (this.#stopping) return Promise.resolve(UNRUN);
    const input = inputLine(delivery, stdin, consumer);
    if ("outcome" in input) return Promise.resolve(input.outcome);
    const { line } = input;
    return new Promise((resolve) => {
      this.#queue.push({ delivery, line, resolve });
      this.#dispatchSoon();
    });
  }

  /** Entries that come together leave together. */
  #dispatchSoon(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    queueMicrotask(() => {
      this.#dispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    let given = 0;
    for (; given < this.#queue.length; given++) {
      const handler = this.#freest();
      if (!handler) break;
      handler.give(this.#queue[given] as Job);
    }
    if (given === 0) return;
    this.#queue = this.#queue.slice(given);
    for (const handler of this.#handlers) handler.flush();
  }

  /** An idle process, else a new one, else the one with the least to do that may have more. */
  #freest(): PersistentHandler | undefined {
    let freest: PersistentHandler | undefined;
    for (const handler of this.#handlers) {
      if (handler.ready && (!freest || handler.load < freest.load)) freest = handler;
    }
    if (freest?.load === 0) return freest;
    return this.#start() ?? freest;
  }

  #start(): PersistentHandler | undefined {
    if (this.#handlers.size >= this.#settings.processes) return undefined;
    const waitMs = this.#startAt - performance.now();
    if (waitMs > 0) {
      this.#startTimer ??= startTimer(waitMs, () => {
        this.#startTimer = undefined;
        this.#dispatch();
      });
      return undefined;
    }
    const handler = new PersistentHandler({
      settings: this.#settings,
      output: this.#output,
      processes: this.#processes,
      notice: this.#notice,
      ahead: this.#settings.ahead,
      onReady: () => this.#dispatchSoon(),
      onGone: (gone, unstarted) => this.#replace(gone, unstarted),
    });
    this.#handlers.add(handler);
    return handler;
  }

  #replace(gone: PersistentHandler, unstarted: readonly Job[]): void {
    this.#handlers.delete(gone);
    this.#queue.unshift(...unstarted);
    this.#stillborn = gone.answered ? 0 : this.#stillborn + 1;
    if (this.#stillborn > 0) this.#startAt = performance.now() + reconnectDelayMs(this.#stillborn - 1);
    if (this.#stopping) this.#giveBack();
    else this.#dispatchSoon();
  }

  #stop(): void {
    this.#stopping = true;
    this.#startTimer?.stop();
    this.#startTimer = undefined;
    this.#giveBack();
  }

  #giveBack(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve(UNRUN);
  }
}
