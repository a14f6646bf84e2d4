import { startTimeLimit, startTimer, type Timer } from "../../lib/timer.ts";
import type { HandlerSettings } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import type { Payload } from "./payload.ts";
import type { Processes } from "./processes.ts";
import type { RunOutput, Sinks } from "./run-output.ts";

/** One run of a command. */
export interface RunRequest extends Sinks {
  readonly input: Payload;
  /** Its own part of the environment: STREAMCTL_…, FIELD_…. */
  readonly variables: Readonly<Record<string, string>>;
}

/** From the end of its processes to the end of the run: one that is stuck in the kernel is not waited for. */
const ABANDON_MS = 2_000;

export type EndReason = "timeout" | "stopped";

/** How a run is ended before its time: TERM, then KILL, to its process group. The first reason wins. */
export class RunEnd {
  readonly #processes: Pick<Processes, "end">;
  readonly #timeoutMs: number | undefined;
  readonly #limit: Pick<Timer, "stop"> | undefined;
  #pgid: number | undefined;
  #reason: EndReason | undefined;
  #ending: Promise<void> | undefined;
  #abandon: () => void = () => {};
  #abandonTimer: Timer | undefined;
  /** Resolves when it was ended, and yet goes on. */
  readonly abandoned = new Promise<void>((resolve) => (this.#abandon = resolve));

  /** Its time begins now, if there is a limit. */
  constructor(
    processes: Pick<Processes, "end">,
    limits?: Pick<HandlerSettings, "timeoutMs" | "killAfterMs">,
  ) {
    this.#processes = processes;
    const { timeoutMs, killAfterMs = 0 } = limits ?? {};
    this.#timeoutMs = timeoutMs;
    if (timeoutMs !== undefined)
      this.#limit = startTimeLimit(timeoutMs, () => void this.end("timeout", killAfterMs));
  }

  get reason(): EndReason | undefined {
    return this.#reason;
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

  /** The command has ended: its time is not measured any more. */
  exited(): void {
    this.#limit?.stop();
  }

  /** The run is over, or is as soon as what ends it has done so. */
  async over(): Promise<void> {
    this.exited();
    await this.#ending;
    this.#abandonTimer?.stop();
  }

  /** What its being ended comes to, once it is over; undefined: it ended by itself. */
  outcome({ tail }: Pick<RunOutput, "tail">): Outcome | undefined {
    if (this.#reason === undefined) return undefined;
    // No process has had it.
    if (this.#pgid === undefined) return { kind: "unrun" };
    if (this.#reason === "stopped") return { kind: "stopped" };
    return { kind: "timeout", afterMs: this.#timeoutMs ?? 0, stderr: tail };
  }

  async #end(killAfterMs: number): Promise<void> {
    if (this.#pgid !== undefined) await this.#processes.end(this.#pgid, killAfterMs);
    this.#abandonTimer = startTimer(ABANDON_MS, () => this.#abandon());
  }
}
