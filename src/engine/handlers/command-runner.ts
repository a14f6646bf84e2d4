import { memberVariables } from "./environment.ts";
import type { Command, HandlerSettings } from "./handler.ts";
import {
  directoryGone,
  exitOutcome,
  isShortage,
  type Outcome,
  shellOutcome,
  signalOutcome,
  startFailure,
} from "./outcome.ts";
import { type Ended, exitOf, KILLED } from "./process.ts";
import type { Processes } from "./processes.ts";
import type { RunInput } from "./run-input.ts";
import { runStdio } from "./stdio.ts";
import { RunEnd, type RunRequest } from "./run.ts";
import {
  fitsLine,
  type Serves,
  type ShellEnd,
  WaitingShell,
  type WaitingShellSettings,
} from "./waiting-shell.ts";

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
    const outcome = await this.#run(request);
    // Pipes that wait for further runs may be what lacks: kept, they would leave these with as little as this one.
    if (outcome.kind === "shortage") this.#processes.pipes.shrink();
    return outcome;
  }

  async #run(request: RunRequest): Promise<Outcome> {
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

/** Shells that end before they take a run, one after the other: something ends them all. */
const MAX_UNBEGUN = 3;

/**
 * Runs a shell command through waiting shells (see waiting-shell.ts), as many as there are runs at once.
 * Needs /proc, by which a shell opens files and pipes that have no name any more.
 */
export class WaitingShells {
  readonly #settings: WaitingShellSettings;
  readonly #processes: Processes;
  readonly #idle: WaitingShell[] = [];
  /** Whether a shell has ever opened a run's files; undefined until that is known. */
  #able: boolean | undefined;

  constructor(
    command: Command & { readonly kind: "shell" },
    settings: HandlerSettings,
    serves: Serves,
    processes: Processes,
  ) {
    const { env, cwd, killAfterMs } = settings;
    this.#settings = { command, serves, env: { ...env, ...memberVariables(settings) }, cwd, killAfterMs };
    this.#processes = processes;
  }

  /**
   * Undefined when waiting shells can't take it: nothing was run, and a process of its own must be. Rejects
   * for want of descriptors, processes or memory.
   */
  async run(request: RunRequest, end: RunEnd): Promise<Outcome | undefined> {
    if (this.#able === false || !fitsLine(request, this.#settings.serves)) return undefined;
    let input: RunInput | undefined;
    try {
      input = await this.#sparing(() => this.#processes.input(request.input));
      return input?.path === undefined ? undefined : await this.#runOnAny(request, input.path, end);
    } finally {
      input?.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((shell) => shell.close()));
  }

  /** A shell that has ended before it took the run is no reason to do without. */
  async #runOnAny(request: RunRequest, input: string, end: RunEnd): Promise<Outcome | undefined> {
    for (let unbegun = 0; unbegun < MAX_UNBEGUN && end.reason === undefined; unbegun++) {
      const shell =
        this.#idle.pop() ??
        (await this.#sparing(() =>
          WaitingShell.start(this.#settings, this.#processes, (gone) => this.#forget(gone)),
        ));
      if (!shell) return undefined;
      end.on(shell.pgid);
      const running = shell.run(request, input, () => end.exited());
      const how = await Promise.race([running, end.abandoned.then(() => ABANDONED)]);
      const outcome = this.#outcome(how, request.output.tail, shell);
      if (shell.usable && end.reason === undefined && outcome?.kind !== "shortage") this.#idle.push(shell);
      else await shell.close();
      if (how.kind !== "unbegun") return outcome;
    }
    return { kind: "shortage", message: "shells end before they can run the command" };
  }

  #outcome(end: ShellEnd, stderr: Buffer, shell: WaitingShell): Outcome | undefined {
    if (end.kind === "unbegun") return undefined;
    if (end.kind === "unopened") {
      this.#able ??= false;
      return this.#able
        ? { kind: "shortage", message: "a shell could not open its input or output" }
        : undefined;
    }
    this.#able = true;
    if (end.kind === "exit") {
      if (end.code !== 0 && shell.inDeletedDirectory) return directoryGone(this.#settings.cwd);
      return shellOutcome(end.code, stderr);
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
      await Promise.all(idle.map((shell) => shell.close()));
      this.#processes.pipes.shrink();
      return ask();
    }
  }

  #forget(gone: WaitingShell): void {
    const at = this.#idle.indexOf(gone);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    void gone.close();
  }
}

function lastLine(text: Buffer): string {
  return text.toString("utf8").trim().split("\n").at(-1) || "it could not run the command";
}

const ABANDONED: ShellEnd = { kind: "gone", code: null, signal: "SIGKILL" };
