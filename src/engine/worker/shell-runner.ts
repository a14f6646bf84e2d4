import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { startTimer } from "../../lib/timer.ts";
import { Launcher, type LauncherJob, type LauncherSettings } from "./launcher.ts";
import { endGroup, type Kill } from "./process-group.ts";
import { shellOutcome, signalOutcome, startFailure } from "./outcome.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import type { Outcome } from "./types.ts";

/** Larger inputs are worth a process of their own. */
const MAX_INPUT = 1024 * 1024;

export interface ShellSettings extends HandlerSettings {
  readonly command: string;
  /** Where input files live until they are opened; in memory where the system has such a folder. */
  readonly scratchDir: string;
  readonly pid: number;
}

/** One run of the command. */
export interface ShellRun extends Omit<LauncherJob, "input"> {
  readonly input: Buffer;
}

/**
 * Runs a shell command through waiting shells (see launcher.ts), as many as there are runs at once. Needs
 * /proc, by which a shell opens an input file that has no name any more.
 */
export class ShellRunner {
  readonly #settings: ShellSettings;
  readonly #serves: LauncherSettings["serves"];
  readonly #output: HandlerOutput;
  readonly #kill: Kill;
  readonly #idle: Launcher[] = [];
  readonly #running = new Set<Run>();
  #unable = false;

  constructor(
    settings: ShellSettings,
    serves: LauncherSettings["serves"],
    output: HandlerOutput,
    kill: Kill,
  ) {
    this.#settings = settings;
    this.#serves = serves;
    this.#output = output;
    this.#kill = kill;
  }

  /** Undefined when waiting shells can't take it: nothing was run, and a process of its own must be. */
  async run(job: ShellRun): Promise<Outcome | undefined> {
    const { input } = job;
    if (this.#unable || input.length > MAX_INPUT || !isPlainText(job.stream)) return undefined;
    const launcher = this.#idle.pop() ?? new Launcher(this.#launcherSettings(), this.#output);
    const run = new Run(launcher, this.#kill);
    this.#running.add(run);
    let file: NamelessFile | undefined;
    try {
      if (input.length > 0) file = new NamelessFile(this.#settings, input);
      return await this.#runOn(run, launcher, job, file?.path ?? "/dev/null");
    } catch (error) {
      // No room for the input; a rejection of anything else would be a bug that must not go unseen.
      const failure = startFailure(error);
      if (failure.kind !== "shortage") throw error;
      return failure;
    } finally {
      file?.close();
      this.#running.delete(run);
      if (launcher.usable && run.reason === undefined) this.#idle.push(launcher);
      else await launcher.close();
    }
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((run) => run.end("stopped", killAfterMs)));
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((launcher) => launcher.close()));
  }

  async #runOn(run: Run, launcher: Launcher, job: ShellRun, input: string): Promise<Outcome | undefined> {
    const { timeoutMs, killAfterMs } = this.#settings;
    const timer =
      timeoutMs === undefined ? undefined : startTimer(timeoutMs, () => void run.end("timeout", killAfterMs));
    const end = await launcher.run({ ...job, input });
    timer?.stop();
    await run.ended;
    if (run.reason === "stopped") return { kind: "stopped" };
    const stderr = job.output.tail;
    if (run.reason === "timeout") return { kind: "timeout", afterMs: timeoutMs ?? 0, stderr };
    if (job.output.ranWild) return job.output.outcome(shellOutcome(0, stderr));
    if (end.kind === "exit") return job.output.outcome(shellOutcome(end.code, stderr));
    if (end.kind === "no-input") {
      this.#unable = true;
      return undefined;
    }
    if (launcher.pgid === undefined) return startFailure(end.error);
    if (end.signal !== null) return signalOutcome(end.signal, stderr);
    return { kind: "exit", code: end.code ?? 1, stderr };
  }

  #launcherSettings(): LauncherSettings {
    const { command, env, cwd, group, consumer } = this.#settings;
    return {
      command,
      serves: this.#serves,
      env: { ...env, STREAMCTL_GROUP: group, STREAMCTL_CONSUMER: consumer },
      cwd,
    };
  }
}

/** One job on one shell, and why it is being ended: the first reason wins. */
class Run {
  readonly #launcher: Launcher;
  readonly #kill: Kill;
  reason: "timeout" | "stopped" | undefined;
  ended: Promise<void> | undefined;

  constructor(launcher: Launcher, kill: Kill) {
    this.#launcher = launcher;
    this.#kill = kill;
  }

  end(reason: "timeout" | "stopped", killAfterMs: number): Promise<void> {
    this.reason ??= reason;
    const { pgid } = this.#launcher;
    this.ended ??= pgid === undefined ? Promise.resolve() : endGroup(pgid, killAfterMs, this.#kill);
    return this.ended;
  }
}

/** Nobody guesses what the files are called for the moment they have names. */
const NAME = randomBytes(12).toString("hex");
let files = 0;

/** A file with the input and without a name, that other processes of this user open through /proc. */
class NamelessFile {
  readonly #fd: number;
  readonly path: string;

  constructor({ scratchDir, pid }: ShellSettings, bytes: Buffer) {
    const name = join(scratchDir, `streamctl-${NAME}-${files++}`);
    this.#fd = openSync(name, "wx+", 0o600);
    unlinkSync(name);
    try {
      writeSync(this.#fd, bytes);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    this.path = `/proc/${pid}/fd/${this.#fd}`;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** What fits into a control line as its last part: no line end, no blanks at the ends. */
function isPlainText(text: string): boolean {
  return !text.includes("\n") && text.trim() === text;
}
