import { startTimer } from "../../lib/timer.ts";
import type { HandlerSettings } from "./handler.ts";
import { Launcher, type LauncherEnd, type LauncherJob, type LauncherSettings } from "./launcher.ts";
import { directoryGone, shellOutcome, signalOutcome, startFailure } from "./outcome.ts";
import type { Payload } from "./payload.ts";
import type { Processes } from "./processes.ts";
import type { RunInput } from "./run-input.ts";
import { RunEnd } from "./run-end.ts";
import type { RunOutput } from "./run-output.ts";
import { isShortage } from "./shortage.ts";
import type { Outcome } from "./types.ts";

/** Shells that end before they take a job, one after the other: something ends them all. */
const MAX_UNBEGUN = 3;

export type ShellSettings = HandlerSettings & Pick<LauncherSettings, "command" | "whole">;

/** One run of the command. */
export interface ShellRun extends Omit<LauncherJob, "input" | "onEnd"> {
  readonly input: Payload;
}

/**
 * Runs a shell command through waiting shells (see launcher.ts), as many as there are runs at once. Needs
 * /proc, by which a shell opens files and pipes that have no name any more.
 */
export class ShellRunner {
  readonly #settings: ShellSettings;
  readonly #launching: LauncherSettings;
  readonly #processes: Processes;
  readonly #idle: Launcher[] = [];
  readonly #running = new Set<RunEnd>();
  /** Whether a shell has ever opened a run's files; undefined until that is known. */
  #able: boolean | undefined;

  constructor(settings: ShellSettings, serves: LauncherSettings["serves"], processes: Processes) {
    this.#settings = settings;
    const { command, whole, env, cwd, group, consumer, killAfterMs } = settings;
    this.#launching = {
      command,
      whole,
      serves,
      env: { ...env, STREAMCTL_GROUP: group, STREAMCTL_CONSUMER: consumer },
      cwd,
      killAfterMs,
    };
    this.#processes = processes;
  }

  /** Undefined when waiting shells can't take it: nothing was run, and a process of its own must be. */
  async run(job: ShellRun): Promise<Outcome | undefined> {
    const { serves } = this.#launching;
    if (this.#able === false || !isPlainText(job.stream, serves)) return undefined;
    const { timeoutMs, killAfterMs, cwd } = this.#settings;
    const run = new RunEnd(this.#processes);
    this.#running.add(run);
    const timer =
      timeoutMs === undefined ? undefined : startTimer(timeoutMs, () => void run.end("timeout", killAfterMs));
    let input: RunInput | undefined;
    try {
      input = await this.#sparing(() => this.#processes.input(job.input));
      const { path } = input ?? {};
      const onEnd = (): void => timer?.stop();
      const outcome =
        path === undefined ? undefined : await this.#runOnAny(run, { ...job, input: path, onEnd });
      await run.over();
      if (run.reason === "stopped") return { kind: run.begun ? "stopped" : "unrun" };
      if (run.reason === "timeout")
        return { kind: "timeout", afterMs: timeoutMs ?? 0, stderr: job.output.tail };
      return outcome;
    } catch (error) {
      return startFailure(error, cwd);
    } finally {
      timer?.stop();
      input?.close();
      this.#running.delete(run);
    }
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((run) => run.end("stopped", killAfterMs)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((launcher) => launcher.close()));
  }

  /** A shell that has ended before it took the job is no reason to do without. */
  async #runOnAny(run: RunEnd, job: LauncherJob): Promise<Outcome | undefined> {
    for (let unbegun = 0; unbegun < MAX_UNBEGUN && run.reason === undefined; unbegun++) {
      const launcher =
        this.#idle.pop() ??
        (await this.#sparing(() =>
          Launcher.start(this.#launching, this.#processes, (gone) => this.#forget(gone)),
        ));
      if (!launcher) return undefined;
      run.on(launcher.pgid);
      const end = await Promise.race([launcher.run(job), run.abandoned.then(() => ABANDONED)]);
      const outcome = this.#outcome(end, job.output, launcher);
      if (launcher.usable && run.reason === undefined && outcome?.kind !== "shortage")
        this.#idle.push(launcher);
      else await launcher.close();
      if (end.kind !== "unbegun") return outcome;
    }
    return { kind: "shortage", message: "shells end before they can run the command" };
  }

  #outcome(end: LauncherEnd, output: RunOutput, launcher: Launcher): Outcome | undefined {
    if (end.kind === "unbegun") return undefined;
    if (end.kind === "unopened") {
      this.#able ??= false;
      return this.#able
        ? { kind: "shortage", message: "a shell could not open its input or output" }
        : undefined;
    }
    this.#able = true;
    const stderr = output.tail;
    if (end.kind === "exit") {
      if (end.code !== 0 && launcher.inDeletedDirectory) return directoryGone(this.#settings.cwd);
      return output.outcome(shellOutcome(end.code, stderr));
    }
    // Handlers can only kill it: one that gives up by itself could not fork.
    if (end.signal === null) return { kind: "shortage", message: `the shell ended: ${lastLine(stderr)}` };
    return signalOutcome(end.signal, stderr);
  }

  /** What can't be had now is asked for once more, after what only waits for further entries was given up. */
  async #sparing<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      const idle = this.#idle.splice(0);
      if (!isShortage(error) || (!this.#processes.pipes.shrink() && idle.length === 0)) throw error;
      await Promise.all(idle.map((launcher) => launcher.close()));
      this.#processes.pipes.shrink();
      return ask();
    }
  }

  #forget(gone: Launcher): void {
    const at = this.#idle.indexOf(gone);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    void gone.close();
  }
}

function lastLine(text: Buffer): string {
  return text.toString("utf8").trim().split("\n").at(-1) || "it could not run the command";
}

const ABANDONED: LauncherEnd = { kind: "gone", code: null, signal: "SIGKILL" };

/** What fits into a control line as its last part: no line end, no blanks at the ends; empty says something else. */
function isPlainText(text: string, serves: LauncherSettings["serves"]): boolean {
  return !text.includes("\n") && text.trim() === text && (text !== "" || serves === "batch");
}
