import { startTimer, type Timer } from "../../lib/timer.ts";
import { childStdio } from "./child-stdio.ts";
import type { HandlerSettings } from "./handler.ts";
import { exitOutcome, startFailure } from "./outcome.ts";
import type { Payload } from "./payload.ts";
import { type Ended, exitOf } from "./process-start.ts";
import type { Processes } from "./processes.ts";
import { type EndReason, RunEnd } from "./run-end.ts";
import type { Sinks } from "./run-pipes.ts";
import type { Outcome } from "./types.ts";

export interface ChildParts extends Sinks {
  readonly settings: HandlerSettings;
  readonly processes: Processes;
  readonly env: Readonly<Record<string, string>>;
  readonly input: Payload;
}

/**
 * One invocation as a process of its own, in a process group of its own, so that ending it ends its
 * children too.
 */
export class ChildRun {
  readonly #parts: ChildParts;
  readonly #end: RunEnd;
  #timer: Timer | undefined;

  constructor(parts: ChildParts) {
    this.#parts = parts;
    this.#end = new RunEnd(parts.processes);
  }

  /** Runs it; gives how it ended. Never rejects. */
  async outcome(): Promise<Outcome> {
    const { settings, output } = this.#parts;
    const { timeoutMs, killAfterMs } = settings;
    if (timeoutMs !== undefined)
      this.#timer = startTimer(timeoutMs, () => void this.end("timeout", killAfterMs));
    try {
      const ended = await this.#run();
      await this.#end.over();
      const { reason, begun } = this.#end;
      if (reason === "stopped" || !ended) return { kind: begun ? "stopped" : "unrun" };
      if (reason === "timeout") return { kind: "timeout", afterMs: timeoutMs ?? 0, stderr: output.tail };
      if (ended.error !== undefined) return startFailure(ended.error, settings.cwd);
      return output.outcome(exitOutcome(ended, output.tail, settings));
    } catch (error) {
      return startFailure(error, settings.cwd);
    } finally {
      this.#timer?.stop();
    }
  }

  /** TERM, then KILL, to the process group; the first reason wins, a second call only waits. */
  end(reason: EndReason, killAfterMs: number): Promise<void> {
    return this.#end.end(reason, killAfterMs);
  }

  /** Undefined when it was ended before it began. */
  async #run(): Promise<Ended | undefined> {
    const { settings, processes, env, input } = this.#parts;
    const stdio = await childStdio(processes, input, this.#parts);
    try {
      if (this.#end.reason !== undefined) return undefined;
      const child = processes.start(settings.program, settings.args, {
        cwd: settings.cwd,
        env: { ...settings.env, ...env },
        stdio: stdio.stdio,
      });
      const exited = exitOf(child);
      stdio.started(child);
      if (child.pid !== undefined) this.#end.on(child.pid);
      return await Promise.race([exited, this.#end.abandoned.then(() => KILLED)]);
    } finally {
      // How long its output waits for a reader is not its time.
      this.#timer?.stop();
      await stdio.finish();
    }
  }
}

const KILLED: Ended = { code: null, signal: "SIGKILL", error: undefined };
