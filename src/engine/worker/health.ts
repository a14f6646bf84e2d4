import { errorText } from "../../errors.ts";
import type { LinkWatch } from "../../lib/link-watch.ts";
import { formatCount, formatDuration } from "../../units.ts";
import type { GroupState } from "../group-reader/group-state.ts";
import type { InFlight } from "./in-flight.ts";
import type { OutageGuard } from "./judge.ts";
import type { Delivery, WorkerObserver, WorkerState } from "./types.ts";

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

  /** The loop has come round, and waits for what is not Redis: handlers, or the end of a pause. */
  rest(): void {
    this.#begun = true;
    this.#since = undefined;
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
  readonly groupState: Pick<GroupState, "paused" | "allPaused">;
  readonly ending: AbortSignal;
}

/** A worker at this moment. */
export function healthOf(parts: HealthParts): WorkerState {
  const { inFlight, guard, watchdog, link, verdicts, groupState, ending } = parts;
  return {
    groupPaused: groupState.allPaused ? "everywhere" : groupState.paused,
    running: inFlight.running,
    inFlight: inFlight.count,
    paused: guard.paused,
    reading: watchdog.begun && !link.down && !ending.aborted,
    verdictsWait: verdicts.reason,
    turnMs: watchdog.forMs,
  };
}

/** So many verdicts, and so many bytes of entries and outputs, may wait without keeping others from being run. */
const MOST = 1_000;
const MOST_BYTES = 64 * 1024 * 1024;
/** What passes sooner is not worth a word. */
const TOLD_AFTER_MS = 1_000;

/**
 * The verdicts that Redis can't take now, such as dead letters while its memory is full: it goes on giving entries and
 * taking acks. Tells of them once when they begin to wait, and once when all are delivered.
 */
export class VerdictWatch {
  readonly #observer: Pick<WorkerObserver, "notice">;
  /** Redis is away altogether, which is told elsewhere. */
  readonly #link: Pick<LinkWatch, "down">;
  readonly #waiting = new Map<Delivery, number>();
  #bytes = 0;
  #since: number | undefined;
  #reason: string | undefined;

  constructor(observer: Pick<WorkerObserver, "notice">, link: Pick<LinkWatch, "down">) {
    this.#observer = observer;
    this.#link = link;
  }

  /** Why verdicts wait; undefined when they don't, or not for long. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** The verdict could not be delivered. True when it may wait beside others; false: it must hold its place. */
  waits(delivery: Delivery, bytes: number, error: unknown): boolean {
    const now = performance.now();
    this.#since ??= now;
    if (this.#reason === undefined && now - this.#since >= TOLD_AFTER_MS && !this.#link.down) {
      this.#reason = errorText(error);
      this.#observer.notice(
        "warn",
        `${formatCount(Math.max(1, this.#waiting.size), "verdict")} can't be delivered yet: ${this.#reason}`,
      );
    }
    if (this.#waiting.has(delivery)) return true;
    if (this.#waiting.size >= MOST || this.#bytes + bytes > MOST_BYTES) return false;
    this.#waiting.set(delivery, bytes);
    this.#bytes += bytes;
    return true;
  }

  /** The verdict is delivered, or given up. */
  ends(delivery: Delivery): void {
    this.#bytes -= this.#waiting.get(delivery) ?? 0;
    this.#waiting.delete(delivery);
    if (this.#waiting.size > 0 || this.#since === undefined) return;
    if (this.#reason !== undefined) {
      const took = formatDuration(performance.now() - this.#since);
      this.#observer.notice("info", `verdicts are delivered again, after ${took}`);
    }
    this.#since = undefined;
    this.#reason = undefined;
  }
}
