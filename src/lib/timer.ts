/**
 * The longest time that Node's own timers take: about 24.8 days. A longer one becomes 1 ms there, so the
 * timers of this file wait it out in parts, and a lint rule keeps setTimeout and setInterval to this file.
 */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A timer that runs; stopping one that has ended does nothing. */
export class Timer {
  readonly #ms: number;
  readonly #action: () => void;
  readonly #repeats: boolean;
  #leftMs = 0;
  #timeout: NodeJS.Timeout | undefined;
  #holdsProcess = true;

  constructor(ms: number, action: () => void, repeats: boolean) {
    this.#ms = Math.max(0, ms);
    this.#action = action;
    this.#repeats = repeats;
    this.restart();
  }

  /** Its whole time begins now. Cheap enough for every chunk of a socket. */
  restart(): void {
    if (this.#timeout && this.#ms <= MAX_TIMER_MS) {
      this.#timeout.refresh();
      return;
    }
    clearTimeout(this.#timeout);
    this.#leftMs = this.#ms;
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
  }

  /** Does not keep the process from ending. */
  unref(): this {
    this.#holdsProcess = false;
    this.#timeout?.unref();
    return this;
  }

  #wait(): void {
    const partMs = Math.min(this.#leftMs, MAX_TIMER_MS);
    this.#leftMs -= partMs;
    this.#timeout = setTimeout(() => this.#partOver(), partMs);
    if (!this.#holdsProcess) this.#timeout.unref();
  }

  #partOver(): void {
    if (this.#leftMs > 0) return this.#wait();
    if (this.#repeats) this.restart();
    else this.#timeout = undefined;
    this.#action();
  }
}

/** Calls `action` once after `ms`, however long that is; Infinity is never. */
export function startTimer(ms: number, action: () => void): Timer {
  return new Timer(ms, action, false);
}

/**
 * As startTimer, for the end of somebody's time: what has come by then is taken before, and may stop it. When this
 * process stood still (a SIGSTOP, a machine without time for it) timers fire ahead of all that happened meanwhile.
 */
export function startTimeLimit(ms: number, action: () => void): Pick<Timer, "stop"> {
  let late: NodeJS.Immediate | undefined;
  const timer = startTimer(ms, () => (late = setImmediate(action)));
  return {
    stop() {
      timer.stop();
      clearImmediate(late);
    },
  };
}

/** Calls `action` every `ms` until it is stopped. */
export function startInterval(ms: number, action: () => void): Timer {
  return new Timer(ms, action, true);
}

/** Resolves after `ms`, or at once when the signal aborts; never rejects. Leaves no timer or listener. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      timer.stop();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = startTimer(ms, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Resolves with `event`, or after `ms` if that comes first. Rejects as `event` does; leaves no timer. */
export async function waitAtMost(ms: number, event: Promise<unknown>): Promise<void> {
  let timer: Timer | undefined;
  const late = new Promise<void>((resolve) => (timer = startTimer(ms, resolve)));
  try {
    await Promise.race([event, late]);
  } finally {
    timer?.stop();
  }
}
