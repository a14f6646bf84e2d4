import type { LinkWatch } from "../../lib/link-watch.ts";
import type { InFlight } from "./in-flight.ts";
import type { OutageGuard } from "./outage-guard.ts";
import type { WorkerState } from "./types.ts";
import type { VerdictWatch } from "./verdict-watch.ts";

/**
 * Whether the worker's loop makes progress. A turn is a round of questions to Redis, each bounded by a
 * timeout, so a turn that does not end is a loop that is stuck. Waiting for handlers is no turn: they may
 * take as long as they like.
 */
export class IterationWatchdog {
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

export interface HealthParts {
  readonly inFlight: InFlight;
  readonly guard: OutageGuard;
  readonly watchdog: IterationWatchdog;
  readonly link: LinkWatch;
  readonly verdicts: VerdictWatch;
  readonly ending: AbortSignal;
}

/** A worker at this moment. */
export function healthOf({ inFlight, guard, watchdog, link, verdicts, ending }: HealthParts): WorkerState {
  return {
    running: inFlight.running,
    inFlight: inFlight.count,
    paused: guard.paused,
    reading: watchdog.begun && !link.down && !ending.aborted,
    verdictsWait: verdicts.reason,
    turnMs: watchdog.forMs,
  };
}
