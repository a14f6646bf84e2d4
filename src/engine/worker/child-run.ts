import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { startTimer } from "../../lib/timer.ts";
import { shellOutcome, signalOutcome, startFailure } from "./outcome.ts";
import { OutputPump } from "./output-pump.ts";
import { endGroup, type Kill } from "./process-group.ts";
import type { HandlerSettings } from "./handler.ts";
import { type Ended, exitOf, startProcess } from "./process-start.ts";
import type { RunOutput } from "./run-output.ts";
import type { Outcome } from "./types.ts";

export interface ChildParts {
  readonly settings: HandlerSettings;
  readonly kill: Kill;
  readonly env: Readonly<Record<string, string>>;
  readonly input: Buffer;
  readonly output: RunOutput;
  /** Reads what the child writes to fd 3, where it may. */
  readonly results?: Results;
}

/** What a handler of several entries writes to fd 3. */
export interface Results {
  lines(lines: Buffer): void;
  /** A line was too long to hold, and was left out. */
  tooLong(): void;
}

type EndReason = "timeout" | "stopped";

/**
 * One invocation as a process of its own, in a process group of its own, so that ending it ends its
 * children too.
 */
export class ChildRun {
  readonly #parts: ChildParts;
  readonly #child: ChildProcess;
  readonly #exited: Promise<Ended>;
  #endedBy: EndReason | undefined;
  #ending: Promise<void> | undefined;

  constructor(parts: ChildParts) {
    this.#parts = parts;
    const { settings } = parts;
    this.#child = startProcess(settings.program, settings.args, {
      cwd: settings.cwd,
      env: { ...settings.env, ...parts.env },
      stdio: [
        settings.stdin.kind === "none" ? "ignore" : "pipe",
        "pipe",
        "pipe",
        ...(parts.results ? (["pipe"] as const) : []),
      ],
    });
    this.#exited = exitOf(this.#child);
  }

  /** How it ended. Never rejects. */
  async outcome(): Promise<Outcome> {
    const { settings, output, results } = this.#parts;
    if (this.#child.pid === undefined) {
      return startFailure((await this.#exited).error);
    }
    const { timeoutMs, killAfterMs } = settings;
    const timer =
      timeoutMs === undefined
        ? undefined
        : startTimer(timeoutMs, () => void this.end("timeout", killAfterMs));
    const pumps = [
      new OutputPump(
        this.#child.stdout as Readable,
        (lines) => output.stdout(lines),
        () => output.tooLong(),
      ),
      new OutputPump(this.#child.stderr as Readable, (lines) => output.stderr(lines)),
    ];
    if (results)
      pumps.push(
        new OutputPump(
          this.#child.stdio[3] as Readable,
          async (lines) => results.lines(lines),
          () => results.tooLong(),
        ),
      );
    this.#feed();
    const { code, signal } = await this.#exited;
    timer?.stop();
    await this.#ending;
    await Promise.all(pumps.map((pump) => pump.finish()));
    this.#child.stdin?.destroy();
    if (this.#endedBy === "stopped") return { kind: "stopped" };
    const stderr = output.tail;
    if (this.#endedBy === "timeout") return { kind: "timeout", afterMs: timeoutMs ?? 0, stderr };
    if (signal !== null) return signalOutcome(signal, stderr);
    return output.outcome(
      settings.shell ? shellOutcome(code ?? 1, stderr) : { kind: "exit", code: code ?? 1, stderr },
    );
  }

  /** TERM, then KILL, to the process group; the first reason wins, a second call only waits. */
  end(reason: EndReason, killAfterMs: number): Promise<void> {
    this.#endedBy ??= reason;
    const { pid } = this.#child;
    this.#ending ??= pid === undefined ? Promise.resolve() : endGroup(pid, killAfterMs, this.#parts.kill);
    return this.#ending;
  }

  /** A handler that does not read its stdin, or not all of it, is fine. */
  #feed(): void {
    this.#child.stdin?.on("error", () => {});
    this.#child.stdin?.end(this.#parts.input);
  }
}
