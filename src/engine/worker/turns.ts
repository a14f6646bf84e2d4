/**
 * Whether the worker's loop makes progress. A turn is a round of questions to Redis, each bounded by a
 * timeout, so a turn that does not end is a loop that is stuck. Waiting for handlers is no turn: they may
 * take as long as they like.
 */
export class Turns {
  #begun = false;
  #since: number | undefined;

  /** Whether there has been any. */
  get begun(): boolean {
    return this.#begun;
  }

  /** How long the turn of the moment has been going on; 0 between turns. */
  get forMs(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since;
  }

  begin(): void {
    this.#begun = true;
    this.#since = performance.now();
  }

  end(): void {
    this.#since = undefined;
  }
}
