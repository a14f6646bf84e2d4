import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { errorText } from "../../errors.ts";
import { Tail } from "./lines.ts";
import { shellOutcome, signalOutcome } from "./outcome.ts";
import { OutputPump } from "./output-pump.ts";
import { envFor, type StdinForm, stdinFor } from "./payload.ts";
import { endGroup, type Kill } from "./process-group.ts";
import type { Delivery, Executor, Outcome } from "./types.ts";

/** How handlers are run. Nothing from a message becomes part of the command. */
export interface HandlerSettings {
  /** A program and its arguments; a shell command is `/bin/sh -c COMMAND`. */
  readonly program: string;
  readonly args: readonly string[];
  /** True when the program is the shell that runs --exec's command. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly group: string;
  readonly consumer: string;
  readonly stdin: StdinForm;
  readonly envFields: boolean;
  /** Prefix every line of output with the entry's ID. */
  readonly tag: boolean;
  readonly timeoutMs: number | undefined;
  readonly killAfterMs: number;
}

/** Where handlers' output goes, by whole lines. Resolves when the reader has taken it: that is the backpressure. */
export interface HandlerOutput {
  stdout(lines: Buffer): Promise<void>;
  stderr(lines: Buffer): Promise<void>;
}

/** How much of a handler's stderr a dead letter keeps. */
export const STDERR_TAIL = 4 * 1024;

type EndReason = "timeout" | "stopped";

/**
 * One process per entry, in a process group of its own, so that ending it ends its children too.
 */
export class SpawnExecutor implements Executor {
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #kill: Kill;
  readonly #running = new Set<(reason: EndReason, killAfterMs: number) => Promise<void>>();

  constructor(settings: HandlerSettings, output: HandlerOutput, kill: Kill) {
    this.#settings = settings;
    this.#output = output;
    this.#kill = kill;
  }

  async run(delivery: Delivery): Promise<Outcome> {
    const settings = this.#settings;
    const child = spawn(settings.program, settings.args, {
      cwd: settings.cwd,
      env: { ...settings.env, ...envFor(delivery, settings) },
      stdio: [settings.stdin.kind === "none" ? "ignore" : "pipe", "pipe", "pipe"],
      detached: true,
    });
    const exited = exitOf(child);
    if (child.pid === undefined) {
      const ended = await exited;
      return { kind: "unstarted", code: ended.missing ? 127 : 126, message: ended.message };
    }
    const pgid = child.pid;
    let endedBy: EndReason | undefined;
    let ending: Promise<void> | undefined;
    const end = (reason: EndReason, killAfterMs: number): Promise<void> => {
      // The first cause wins; a second call only waits for it.
      endedBy ??= reason;
      ending ??= endGroup(pgid, killAfterMs, this.#kill);
      return ending;
    };
    this.#running.add(end);
    const timer =
      settings.timeoutMs === undefined
        ? undefined
        : setTimeout(() => void end("timeout", settings.killAfterMs), settings.timeoutMs);
    try {
      feed(child, stdinFor(delivery, settings.stdin, settings.consumer));
      const tail = new Tail(STDERR_TAIL);
      const tag = settings.tag ? `${delivery.entry.id} ` : undefined;
      const { stdout, stderr } = child as ChildProcess & { stdout: Readable; stderr: Readable };
      const pumps = [
        new OutputPump(stdout, tag, (lines) => this.#output.stdout(lines)),
        new OutputPump(stderr, tag, (lines) => this.#output.stderr(lines), tail),
      ];
      const { code, signal } = await exited;
      clearTimeout(timer);
      if (ending) await ending;
      await Promise.all(pumps.map((pump) => pump.finish()));
      child.stdin?.destroy();
      if (endedBy === "stopped") return { kind: "stopped" };
      if (endedBy === "timeout")
        return { kind: "timeout", afterMs: settings.timeoutMs ?? 0, stderr: tail.bytes };
      if (signal !== null) return signalOutcome(signal, tail.bytes);
      if (settings.shell) return shellOutcome(code ?? 1, tail.bytes);
      return { kind: "exit", code: code ?? 1, stderr: tail.bytes };
    } finally {
      clearTimeout(timer);
      this.#running.delete(end);
    }
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((end) => end("stopped", killAfterMs)));
  }

  /** Nothing waits here: a process per entry ends with its entry. */
  async close(): Promise<void> {}
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly missing: boolean;
  readonly message: string;
}

function exitOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal, missing: false, message: "" }));
    child.once("error", (error: NodeJS.ErrnoException) =>
      resolve({ code: null, signal: null, missing: error.code === "ENOENT", message: errorText(error) }),
    );
  });
}

/** A handler that does not read its stdin, or not all of it, is fine. */
function feed(child: ChildProcess, bytes: Buffer): void {
  child.stdin?.on("error", () => {});
  child.stdin?.end(bytes);
}
