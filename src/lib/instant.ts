/**
 * A moment, by both clocks that there are. The one that nobody sets stands still while the machine sleeps or is
 * moved; the other is set forward and back. Time has passed if either of them says so.
 */
export interface Instant {
  readonly steady: number;
  readonly wall: number;
}

export function now(): Instant {
  return { steady: performance.now(), wall: Date.now() };
}

/** At least so many milliseconds have passed, unless both clocks stood still. */
export function msSince(instant: Instant): number {
  return Math.max(performance.now() - instant.steady, Date.now() - instant.wall);
}
