import type { WorkerObserver, WorkerResult } from "./types.ts";

/** Counts what a worker did, on the way of its events to the observer. */
export class Tally {
  readonly #counts = { ok: 0, retried: 0, dead: 0, lost: 0, missing: 0, duplicates: 0, killed: 0 };
  readonly observer: WorkerObserver;

  constructor(observer: WorkerObserver) {
    const counts = this.#counts;
    this.observer = {
      ...observer,
      settled(delivery, verdict, durationMs) {
        if (verdict.kind === "ack") counts.ok++;
        else if (verdict.kind === "dead") counts.dead++;
        else if (verdict.kind === "duplicate") counts.duplicates++;
        else if (verdict.kind === "retry") counts.retried++;
        observer.settled(delivery, verdict, durationMs);
      },
      lost(delivery, verdict, owner) {
        counts.lost++;
        observer.lost(delivery, verdict, owner);
      },
      missing(stream, ids) {
        counts.missing += ids.length;
        observer.missing(stream, ids);
      },
    };
  }

  /** Entries that nothing is left to do for. */
  get final(): number {
    return this.#counts.ok + this.#counts.dead + this.#counts.duplicates;
  }

  get result(): WorkerResult {
    return { ...this.#counts };
  }

  /** A handler was ended because the worker could not wait for it. */
  killed(): void {
    this.#counts.killed++;
  }
}
