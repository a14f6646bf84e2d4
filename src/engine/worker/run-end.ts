import { startTimer, type Timer } from "../../lib/timer.ts";
import type { Processes } from "./processes.ts";

/** From the end of its processes to the end of the run: one that is stuck in the kernel is not waited for. */
const ABANDON_MS = 2_000;

export type EndReason = "timeout" | "stopped";

/** How a run is ended before its time: TERM, then KILL, to its process group. The first reason wins. */
export class RunEnd {
  readonly #processes: Processes;
  #pgid: number | undefined;
  #reason: EndReason | undefined;
  #ending: Promise<void> | undefined;
  #abandon: () => void = () => {};
  #timer: Timer | undefined;
  /** Resolves when it was ended, and yet goes on. */
  readonly abandoned = new Promise<void>((resolve) => (this.#abandon = resolve));

  constructor(processes: Processes) {
    this.#processes = processes;
  }

  get reason(): EndReason | undefined {
    return this.#reason;
  }

  /** Whether a process has had it. */
  get begun(): boolean {
    return this.#pgid !== undefined;
  }

  /** The process group that has it now. */
  on(pgid: number): void {
    this.#pgid = pgid;
  }

  /** A second call only waits. */
  end(reason: EndReason, killAfterMs: number): Promise<void> {
    this.#reason ??= reason;
    this.#ending ??= this.#end(killAfterMs);
    return this.#ending;
  }

  /** The run has ended, or ends as soon as whoever ends it has done so. */
  async over(): Promise<void> {
    await this.#ending;
    this.#timer?.stop();
  }

  async #end(killAfterMs: number): Promise<void> {
    if (this.#pgid !== undefined) await this.#processes.end(this.#pgid, killAfterMs);
    this.#timer = startTimer(ABANDON_MS, () => this.#abandon());
  }
}
