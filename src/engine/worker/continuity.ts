/**
 * Whether a consumer has been there all the time. XGROUP DELCONSUMER and XGROUP DESTROY throw away all that is
 * pending for it, and its next read makes it anew: afterwards nothing in Redis tells of that. But an entry that it
 * got at one time and still had at another proves that nothing was thrown away in between. Such spans that
 * overlap prove it for all of their time. Times are of performance.now().
 */
export class Continuity {
  #from = Number.POSITIVE_INFINITY;
  #until = Number.NEGATIVE_INFINITY;
  #gotAt = Number.NEGATIVE_INFINITY;
  #brokenAt = Number.NEGATIVE_INFINITY;

  /** The consumer has got something: its being there proves nothing of the time before. */
  got(at: number): void {
    this.#gotAt = at;
  }

  /** An entry that came at `gotAt` was still this consumer's at `at`. */
  stillHad(gotAt: number, at: number): void {
    const from = Math.max(gotAt, this.#brokenAt);
    if (from > this.#until) {
      this.#from = from;
      this.#until = at;
    } else {
      this.#from = Math.min(this.#from, from);
      this.#until = Math.max(this.#until, at);
    }
  }

  /** Something was found to have been thrown away. */
  broke(at: number): void {
    this.#brokenAt = at;
    this.#from = Number.POSITIVE_INFINITY;
    this.#until = Number.NEGATIVE_INFINITY;
  }

  /** Whether it is known to have been thrown away after that. */
  brokenSince(since: number): boolean {
    return this.#brokenAt > since;
  }

  /** When the consumer has got something for the last time. */
  get gotAt(): number {
    return this.#gotAt;
  }

  /**
   * Whether all may have been thrown away after `since` without a sign of it: so that the consumer, which was there,
   * had got something afterwards, at `gotAt` at the latest.
   */
  mayHaveBroken(since: number, gotAt: number): boolean {
    return gotAt > (this.#from <= since ? Math.max(this.#until, since) : since);
  }
}

/** One for each stream. */
export class Continuities {
  readonly #continuities = new Map<string, Continuity>();

  of(stream: string): Continuity {
    let continuity = this.#continuities.get(stream);
    if (!continuity) this.#continuities.set(stream, (continuity = new Continuity()));
    return continuity;
  }
}
