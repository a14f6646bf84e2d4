import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { Launcher } from "./launcher.ts";
import { Tail } from "./lines.ts";
import { envFor, stdinFor } from "./payload.ts";
import { endGroup, type Kill } from "./process-group.ts";
import { shellOutcome, signalOutcome, startFailure, withStdout } from "./outcome.ts";
import { STDERR_TAIL } from "./child-run.ts";
import { Captured, type HandlerOutput, type HandlerSettings } from "./handler.ts";
import { SpawnExecutor } from "./spawn-executor.ts";
import type { Delivery, Executor, Outcome } from "./types.ts";

/** Larger inputs are worth a process of their own. */
const MAX_INPUT = 1024 * 1024;

export interface ShellSettings extends HandlerSettings {
  readonly command: string;
  /** Where input files live until they are opened; in memory where the system has such a folder. */
  readonly scratchDir: string;
  readonly pid: number;
}

/**
 * Runs shell commands through waiting shells (see launcher.ts), one per place, and through a spawn of its
 * own whatever they can't take. Needs /proc, by which the shell opens an input file that has no name any more.
 */
export class ShellExecutor implements Executor {
  readonly #settings: ShellSettings;
  readonly #output: HandlerOutput;
  readonly #kill: Kill;
  readonly #plain: SpawnExecutor;
  readonly #idle: Launcher[] = [];
  readonly #running = new Set<Run>();
  #unable = false;

  constructor(settings: ShellSettings, output: HandlerOutput, kill: Kill) {
    this.#settings = settings;
    this.#output = output;
    this.#kill = kill;
    this.#plain = new SpawnExecutor(settings, output, kill);
  }

  run(unit: readonly Delivery[]): Promise<Outcome[]> {
    return Promise.all(unit.map((delivery) => this.#runOne(delivery)));
  }

  async #runOne(delivery: Delivery): Promise<Outcome> {
    const input = stdinFor(delivery, this.#settings.stdin, this.#settings.consumer);
    if (this.#unable || input.length > MAX_INPUT || !isPlainWord(delivery.stream))
      return this.#plain.runOne(delivery);
    const launcher = this.#idle.pop() ?? new Launcher(this.#launcherSettings(), this.#output);
    const run = new Run(launcher, this.#kill);
    this.#running.add(run);
    let file: NamelessFile | undefined;
    try {
      if (input.length > 0) file = new NamelessFile(this.#settings, input);
      const outcome = await this.#runOn(run, launcher, delivery, file?.path ?? "/dev/null");
      if (outcome) return outcome;
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
    this.#unable = true;
    return this.#plain.runOne(delivery);
  }

  async killAll(killAfterMs: number): Promise<void> {
    const ends = [...this.#running].map((run) => run.end("stopped", killAfterMs));
    await Promise.all([...ends, this.#plain.killAll(killAfterMs)]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((launcher) => launcher.close()));
  }

  /** Undefined: the shell could not open its input, and nothing was run. */
  async #runOn(
    run: Run,
    launcher: Launcher,
    delivery: Delivery,
    input: string,
  ): Promise<Outcome | undefined> {
    const { timeoutMs, killAfterMs, tag, captureStdout } = this.#settings;
    const captured = captureStdout ? new Captured() : undefined;
    const env = envFor(delivery, { ...this.#settings, envFields: false });
    const tail = new Tail(STDERR_TAIL);
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => void run.end("timeout", killAfterMs), timeoutMs);
    try {
      const end = await launcher.run({
        input,
        id: delivery.entry.id,
        deliveries: String(delivery.deliveries),
        timestamp: env["STREAMCTL_TIMESTAMP"] as string,
        stream: delivery.stream,
        tag: tag ? `${delivery.entry.id} ` : undefined,
        tail,
        captured,
      });
      clearTimeout(timer);
      await run.ended;
      if (run.reason === "stopped") return { kind: "stopped" };
      if (run.reason === "timeout") return { kind: "timeout", afterMs: timeoutMs ?? 0, stderr: tail.bytes };
      if (end.kind === "no-input") return undefined;
      if (end.kind === "gone") {
        if (launcher.pgid === undefined) return startFailure(end.error);
        if (end.signal !== null) return signalOutcome(end.signal, tail.bytes);
        return { kind: "exit", code: end.code ?? 1, stderr: tail.bytes };
      }
      return withStdout(shellOutcome(end.code, tail.bytes), captured);
    } finally {
      clearTimeout(timer);
    }
  }

  #launcherSettings(): { command: string; env: Record<string, string | undefined>; cwd: string } {
    const { command, env, cwd, group, consumer } = this.#settings;
    return { command, env: { ...env, STREAMCTL_GROUP: group, STREAMCTL_CONSUMER: consumer }, cwd };
  }
}

/** One entry on one shell, and why it is being ended: the first reason wins. */
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

/** A file with the input and without a name, that other processes of this user open through /proc. */
class NamelessFile {
  readonly #fd: number;
  readonly path: string;

  constructor({ scratchDir, pid }: ShellSettings, bytes: Buffer) {
    const name = join(scratchDir, `streamctl-${randomBytes(12).toString("hex")}`);
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

/** What fits into a control line as its last word: no line end, no blanks at the ends. */
function isPlainWord(text: string): boolean {
  return !text.includes("\n") && text.trim() === text && text !== "";
}
