import { reconnectDelayMs } from "../../lib/reconnect-delay.ts";
import { startTimer, type Timer } from "../../lib/timer.ts";
import type { BatchRule, Handler, HandlerOutput, HandlerSettings, Job, Notice } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import { inputLine } from "./payload.ts";
import { PersistentProcess, type QueuedJob } from "./persistent-process.ts";
import type { Processes } from "./processes.ts";

const ONE: BatchRule = { size: 1, waitMs: 0 };
const UNRUN: Outcome = { kind: "unrun" };

/**
 * Hands entries out to long-lived processes, which are started when there is work for them and replaced
 * when they fail. What was written to a process that failed, but not begun, goes to another, while it may.
 */
export class PersistentHandler implements Handler {
  readonly batch = ONE;
  readonly #settings: HandlerSettings;
  /** How many unanswered lines each process may have at most. */
  readonly #ahead: number;
  readonly #output: HandlerOutput;
  readonly #processes: Processes;
  readonly #notice: Notice;
  readonly #running = new Set<PersistentProcess>();
  #queue: QueuedJob[] = [];
  #dispatching = false;
  #stopping = false;
  /** Processes that died one after the other without an answer: starting is slowed down. */
  #stillborn = 0;
  #startAt = 0;
  #startTimer: Timer | undefined;

  constructor(
    settings: HandlerSettings,
    ahead: number,
    output: HandlerOutput,
    processes: Processes,
    notice: Notice,
  ) {
    this.#settings = settings;
    this.#ahead = ahead;
    this.#output = output;
    this.#processes = processes;
    this.#notice = notice;
  }

  /** Grows while the processes answer fast. */
  get slots(): number {
    let slots = this.#settings.concurrency - this.#running.size;
    for (const { window } of this.#running) slots += window;
    return slots;
  }

  run<J extends Job>(jobs: readonly J[], mayBegin: (job: J) => boolean): Promise<readonly Outcome[]> {
    return Promise.all(jobs.map((job) => this.#runOne(job, () => mayBegin(job))));
  }

  async killAll(killAfterMs: number): Promise<void> {
    this.#stop();
    await Promise.all([...this.#running].map((child) => child.end({ kind: "stopped" }, killAfterMs)));
  }

  async close(): Promise<void> {
    this.#stop();
    await Promise.all([...this.#running].map((child) => child.close(this.#settings.killAfterMs)));
    await this.#processes.close();
  }

  #runOne(job: Job, mayBegin: () => boolean): Promise<Outcome> {
    const { stdin, consumer } = this.#settings;
    if (this.#stopping) return Promise.resolve(UNRUN);
    const input = inputLine(job, stdin, consumer);
    if ("outcome" in input) return Promise.resolve(input.outcome);
    const { line } = input;
    return new Promise((resolve) => {
      this.#queue.push({ job, line, mayBegin, resolve });
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
    let done = 0;
    for (; done < this.#queue.length; done++) {
      const queued = this.#queue[done] as QueuedJob;
      // It may have waited behind one that hung, longer than it is sure to be this worker's.
      if (!queued.mayBegin()) {
        queued.resolve(UNRUN);
        continue;
      }
      const child = this.#freest();
      if (!child) break;
      child.give(queued);
    }
    if (done === 0) return;
    this.#queue = this.#queue.slice(done);
    for (const child of this.#running) child.flush();
  }

  /** An idle process, else a new one, else the one with the least to do that may have more. */
  #freest(): PersistentProcess | undefined {
    let freest: PersistentProcess | undefined;
    for (const child of this.#running) {
      if (child.ready && (!freest || child.load < freest.load)) freest = child;
    }
    if (freest?.load === 0) return freest;
    return this.#start() ?? freest;
  }

  #start(): PersistentProcess | undefined {
    if (this.#running.size >= this.#settings.concurrency) return undefined;
    const waitMs = this.#startAt - performance.now();
    if (waitMs > 0) {
      this.#startTimer ??= startTimer(waitMs, () => {
        this.#startTimer = undefined;
        this.#dispatch();
      });
      return undefined;
    }
    const child = new PersistentProcess({
      settings: this.#settings,
      output: this.#output,
      processes: this.#processes,
      notice: this.#notice,
      ahead: this.#ahead,
      onReady: () => this.#dispatchSoon(),
      onGone: (gone, unstarted) => this.#replace(gone, unstarted),
    });
    this.#running.add(child);
    return child;
  }

  #replace(gone: PersistentProcess, unstarted: readonly QueuedJob[]): void {
    this.#running.delete(gone);
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
