/** A server that has answered as soon as this is near, and what is waited for is a processor: for requests of little work. */
const NEAR_MS = 1;
/** Waiting for this part of the time that answers take to be dealt with is no reason to ask for more. */
const WORTH = 0.1;

/**
 * How many requests to have under way: one while the server answers about as soon as answers are dealt with, and
 * up to `most` where a round trip takes longer than that.
 */
export class Depth {
  readonly #most: number;
  readonly #nearMs: number;
  #value = 1;
  #soonestMs = Number.POSITIVE_INFINITY;
  #takenAt = performance.now();

  /** `nearMs`: a server that has answered as soon as this is near; with some time for its work. */
  constructor(most: number, nearMs = NEAR_MS) {
    this.#most = most;
    this.#nearMs = nearMs;
  }

  get value(): number {
    return this.#soonestMs > this.#nearMs ? this.#value : 1;
  }

  /** To be called when a request is sent. */
  watch(answer: Promise<unknown>): void {
    const sentAt = performance.now();
    const answered = (): void => {
      this.#soonestMs = Math.min(this.#soonestMs, performance.now() - sentAt);
    };
    // Others may be awaited when it fails; whoever takes it hears of it.
    answer.then(answered, () => {});
  }

  /** Waits for the oldest answer, and learns from how long that takes beside what came before it. */
  async take<T>(answer: Promise<T>): Promise<T> {
    const asked = performance.now();
    const busyMs = asked - this.#takenAt;
    const taken = await answer;
    const now = performance.now();
    if (this.#soonestMs > this.#nearMs && now - asked > busyMs * WORTH)
      this.#value = Math.min(this.#most, this.#value * 2);
    this.#takenAt = now;
    return taken;
  }
}

/** Requests that are under way together, and are answered to their sender in the order sent. */
export class UnderWay<T> {
  readonly #depth: Depth;
  #requests: Promise<T>[] = [];

  /** `most`: so many at once where a round trip takes long; `nearMs` as for Depth. */
  constructor(most: number, nearMs?: number) {
    this.#depth = new Depth(most, nearMs);
  }

  get count(): number {
    return this.#requests.length;
  }

  /** True when an answer is to be taken before more is sent. */
  get isFull(): boolean {
    return this.#requests.length >= this.#depth.value;
  }

  add(request: Promise<T>): void {
    this.#depth.watch(request);
    this.#requests.push(request);
  }

  /** The oldest answer. There must be one under way. */
  take(): Promise<T> {
    return this.#depth.take(this.#requests.shift() as Promise<T>);
  }

  /** Waits for all that is under way; the answers of those that did not fail. */
  async settle(): Promise<T[]> {
    const settled = await Promise.allSettled(this.#requests.splice(0));
    return settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  }
}
