import type { StreamKey } from "../../entry/names.ts";
import type { Verdict } from "./types.ts";

/** Times by performance.now(). */
interface OfStream {
  since: number;
  settled: number;
  lastError: LastError | undefined;
}

interface LastError {
  readonly reason: string;
  readonly at: number;
}

/** What was settled of each stream since it was last asked for, and why an entry there failed last. */
export class Lately {
  readonly #streams = new Map<StreamKey, OfStream>();

  settled(stream: StreamKey, verdict: Verdict): void {
    const of = this.#of(stream);
    of.settled++;
    if (verdict.kind === "retry" || verdict.kind === "dead")
      of.lastError = { reason: verdict.reason, at: performance.now() };
  }

  /** Since the last call, or since the stream was first heard of. */
  take(stream: StreamKey): { readonly perSecond: number; readonly lastError: LastError | undefined } {
    const of = this.#of(stream);
    const now = performance.now();
    const perSecond = (of.settled * 1_000) / Math.max(1_000, now - of.since);
    of.settled = 0;
    of.since = now;
    return { perSecond, lastError: of.lastError };
  }

  left(stream: StreamKey): void {
    this.#streams.delete(stream);
  }

  #of(stream: StreamKey): OfStream {
    let of = this.#streams.get(stream);
    if (!of) this.#streams.set(stream, (of = { since: performance.now(), settled: 0, lastError: undefined }));
    return of;
  }
}
