import { sleep } from "../../lib/timer.ts";

/** When reading ends by itself; what is undefined or false never ends it. */
export interface EndRules {
  /** After that many entries. */
  readonly count?: number | undefined;
  /** When nothing is left to read. */
  readonly untilEmpty?: boolean | undefined;
  /** When nothing came for that long. */
  readonly idleMs?: number | undefined;
}

/** Keeps account of the ends of one run of reading. While its group is paused it waits: only `count` and a signal end it. */
export class Ends {
  readonly #untilEmpty: boolean;
  readonly #idleMs: number;
  #remaining: number;
  /** By performance.now(): the machine's own clock may be set while this runs. */
  #activeAt = performance.now();
  #suspended = false;

  constructor({ count, untilEmpty = false, idleMs }: EndRules) {
    this.#untilEmpty = untilEmpty;
    this.#idleMs = idleMs ?? Number.POSITIVE_INFINITY;
    this.#remaining = count ?? Number.POSITIVE_INFINITY;
  }

  /** Whether it ends when nothing is left to read. */
  get untilEmpty(): boolean {
    return this.#untilEmpty && !this.#suspended;
  }

  /** The group is paused on some stream, or goes on: then idling starts anew. */
  suspend(paused: boolean): void {
    if (this.#suspended && !paused) this.active();
    this.#suspended = paused;
  }

  /** How many entries are still wanted. */
  get remaining(): number {
    return this.#remaining;
  }

  took(entries: number): void {
    this.#remaining -= entries;
  }

  /** Something was just done: idling starts anew. */
  active(): void {
    this.#activeAt = performance.now();
  }

  /** True when nothing more is to be read. */
  get reached(): boolean {
    return this.#remaining <= 0 || this.#idleLeftMs <= 0;
  }

  /** How long a read may wait, at most `most` and at least 1 ms. */
  waitMs(most: number): number {
    return Math.max(1, Math.ceil(Math.min(most, this.#idleLeftMs)));
  }

  get #idleLeftMs(): number {
    if (this.#suspended) return Number.POSITIVE_INFINITY;
    return this.#activeAt + this.#idleMs - performance.now();
  }
}

const WAKE_EVERY_MS = 50;

/**
 * Reading is to end: a read may be about to wait as well as waiting, so `wake` is called again and again until it has
 * `ended`. After `mostMs` it is left to itself.
 */
export async function wakeUntil(
  ended: AbortSignal,
  mostMs: number,
  wake: () => Promise<unknown>,
): Promise<void> {
  const start = performance.now();
  while (!ended.aborted && performance.now() - start < mostMs) {
    await wake();
    await sleep(WAKE_EVERY_MS, ended);
  }
}
