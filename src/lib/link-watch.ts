import { errorText } from "../errors.ts";
import { formatDuration } from "../units.ts";

interface Noticing {
  notice(level: "info" | "warn", message: string): void;
}

/** Tells of an outage when it begins and when it ends, however often it is met in between. */
export class LinkWatch {
  readonly #observer: Noticing;
  #since: number | undefined;

  constructor(observer: Noticing) {
    this.#observer = observer;
  }

  get down(): boolean {
    return this.#since !== undefined;
  }

  waits(error: unknown): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#observer.notice("warn", `waiting for Redis: ${errorText(error)}`);
  }

  works(): void {
    if (this.#since === undefined) return;
    const took = formatDuration(performance.now() - this.#since);
    this.#since = undefined;
    this.#observer.notice("info", `Redis is back after ${took}`);
  }
}
