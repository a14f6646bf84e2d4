import type { HandlerSettings } from "./handler.ts";
import { exitOutcome, startFailure, type Outcome } from "./outcome.ts";
import { type Ended, exitOf, KILLED } from "./process.ts";
import type { Processes } from "./processes.ts";
import { runStdio } from "./run-stdio.ts";
import { RunEnd, type RunRequest } from "./run.ts";
import type { Serves } from "./waiting-shell.ts";
import { WaitingShells } from "./waiting-shells.ts";

/**
 * Runs a command once for each request: a shell command in a waiting shell where that is possible, everything
 * else as a process of its own, which leads a process group, so that ending it ends its children too.
 */
export class CommandRunner {
  readonly #settings: HandlerSettings;
  readonly #processes: Processes;
  readonly #shells: WaitingShells | undefined;
  readonly #running = new Set<RunEnd>();

  constructor(settings: HandlerSettings, serves: Serves, processes: Processes) {
    const { command, envFields } = settings;
    this.#settings = settings;
    this.#processes = processes;
    // A waiting shell gets variables as words of a line, where fields do not fit.
    if (command.kind === "shell" && !envFields)
      this.#shells = new WaitingShells(command, settings, serves, processes);
  }

  /** Gives how it ended. Never rejects. */
  async run(request: RunRequest): Promise<Outcome> {
    const { output } = request;
    const end = new RunEnd(this.#processes, this.#settings);
    this.#running.add(end);
    try {
      const outcome = (await this.#shells?.run(request, end)) ?? (await this.#runAlone(request, end));
      await end.over();
      return end.outcome(output) ?? output.outcome(outcome);
    } catch (error) {
      return startFailure(error, this.#settings.cwd);
    } finally {
      await end.over();
      this.#running.delete(end);
    }
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((end) => end.end("stopped", killAfterMs)));
  }

  async close(): Promise<void> {
    await this.#shells?.close();
    await this.#processes.close();
  }

  /** As a process of its own. */
  async #runAlone(request: RunRequest, end: RunEnd): Promise<Outcome> {
    if (end.reason !== undefined) return UNRUN;
    const stdio = await runStdio(this.#processes, request.input, request);
    let ended: Ended;
    try {
      // While the pipes were made.
      if (end.reason !== undefined) return UNRUN;
      const child = this.#processes.startCommand(this.#settings, request.variables, stdio.stdio);
      const exited = exitOf(child);
      stdio.started(child);
      if (child.pid !== undefined) end.on(child.pid);
      ended = await Promise.race([exited, end.abandoned.then(() => KILLED)]);
    } finally {
      // How long its output waits for a reader is not its time.
      end.exited();
      await stdio.finish();
    }
    if (ended.error !== undefined) return startFailure(ended.error, this.#settings.cwd);
    return exitOutcome(ended, request.output.tail, this.#settings);
  }
}

const UNRUN: Outcome = { kind: "unrun" };
