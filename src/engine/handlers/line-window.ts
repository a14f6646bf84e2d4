/** So much work may lie with a process at once. What is written to it no other worker can take. */
const WORK_AHEAD_MS = 20;

/**
 * How many lines may be written to a persistent handler before it has answered the first of them. One that
 * answers fast must never wait for its next line; one that takes long gets a single line, so that the others
 * stay for processes that are free. So it starts at one, doubles while answers come fast, and shrinks at
 * once.
 */
export class LineWindow {
  readonly #most: number;
  #lines = 1;

  constructor(most: number) {
    this.#most = most;
  }

  get lines(): number {
    return this.#lines;
  }

  /** `count` answers took `tookMs` together. */
  answered(count: number, tookMs: number): void {
    const affordable = Math.floor((WORK_AHEAD_MS * count) / Math.max(tookMs, 0.001));
    this.#lines = Math.max(1, Math.min(this.#most, affordable, this.#lines * 2));
  }
}
