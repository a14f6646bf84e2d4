import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { startTimer } from "../../lib/timer.ts";
import { launcherArguments, NO_INPUT } from "./launcher-script.ts";
import { exitOf, startProcess } from "./process-start.ts";
import { LineCutter } from "./lines.ts";
import type { Results } from "./child-run.ts";
import { type HandlerOutput, MAX_PRINTED } from "./handler.ts";
import type { RunOutput } from "./run-output.ts";

export interface LauncherSettings {
  readonly command: string;
  readonly serves: "entry" | "batch";
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** What one subshell gets. None of the words may hold white space, but `stream`, inside. */
export interface LauncherJob {
  /** The path of what it reads. */
  readonly input: string;
  /** An entry's ID, deliveries and timestamp, or a batch's count. */
  readonly words: readonly [string, string, string];
  readonly stream: string;
  readonly output: RunOutput;
  /** Takes what a batch's run writes to fd 3. */
  readonly results?: Results;
}

export type LauncherEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** The shell itself ended while the entry was with it. */
  | {
      readonly kind: "gone";
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      /** Why it never started, when it did not. */
      readonly error: unknown;
    }
  /** Nothing was run: this system does not let the shell open the input. */
  | { readonly kind: "no-input" };

interface Job extends LauncherJob {
  readonly resolve: (end: LauncherEnd) => void;
  code: number | undefined;
  marksLeft: number;
}

/**
 * A shell that waits for entries and forks a subshell for each: starting a process from a small shell costs
 * a fraction of starting it from Node, which copies its own page tables every time. Each handler has its
 * own subshell (variables, directory, traps, exit), its own stdin (a file of its own, opened by path) and
 * environment; the shell leads a process group that is ended as a whole.
 */
export class Launcher {
  readonly #child: ChildProcess;
  readonly #mark = Buffer.from(randomBytes(16).toString("hex"));
  readonly #exited: Promise<void>;
  #job: Job | undefined;
  #gone = false;

  constructor(settings: LauncherSettings, output: HandlerOutput) {
    const { command, serves, env, cwd } = settings;
    const args = launcherArguments(command, serves, this.#mark.toString());
    const stdio = new Array<"pipe">(serves === "batch" ? 4 : 3).fill("pipe");
    this.#child = startProcess("/bin/sh", args, { cwd, env, stdio });
    this.#child.stdin?.on("error", () => {});
    const { stdout, stderr } = this.#child;
    const drained = [
      // The worker itself hears of what is lost where no job is to blame.
      this.#pump(
        stdout,
        (job, lines) => job?.output.stdout(lines) ?? output.stdout(lines).catch(() => {}),
        (job) => job?.output.tooLong(),
      ),
      this.#pump(stderr, (job, lines) => (job?.output ?? output).stderr(lines)),
      this.#pump(
        this.#results,
        async (job, lines) => job?.results?.lines(lines),
        (job) => job?.results?.tooLong(),
      ),
    ];
    this.#exited = this.#end(drained);
  }

  async #end(drained: readonly Promise<void>[]): Promise<void> {
    const { code, signal, error } = await exitOf(this.#child);
    this.#gone = true;
    if (!this.#job) return;
    // What the handler wrote last is worth waiting for, but a child that keeps the pipes is not.
    const timer = startTimer(PIPE_GRACE_MS, () => this.#destroyPipes());
    await Promise.all(drained);
    timer.stop();
    const job = this.#job;
    this.#job = undefined;
    job?.resolve(code === NO_INPUT ? { kind: "no-input" } : { kind: "gone", code, signal, error });
  }

  /** The process group of the shell and of whatever its handlers started; undefined when it never started. */
  get pgid(): number | undefined {
    return this.#child.pid;
  }

  /** The other end of the shell's fd 3, when it serves batches. */
  get #results(): Readable | null {
    return (this.#child.stdio?.[3] as Readable | undefined) ?? null;
  }

  get usable(): boolean {
    return !this.#gone;
  }

  /** Runs one job; the shell, while it is usable, takes one at a time. */
  run(job: LauncherJob): Promise<LauncherEnd> {
    return new Promise((resolve) => {
      this.#job = { ...job, resolve, code: undefined, marksLeft: this.#results ? 3 : 2 };
      const { input, words, stream } = job;
      this.#child.stdin?.write(`${input} ${words.join(" ")} ${stream}\n`);
    });
  }

  /** Lets an idle shell end, and gives up its pipes: a daemon that a handler left behind may hold them. */
  async close(): Promise<void> {
    this.#child.stdin?.end();
    const timer = startTimer(PIPE_GRACE_MS, () => this.#destroyPipes());
    await this.#exited;
    timer.stop();
    this.#destroyPipes();
  }

  #destroyPipes(): void {
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    this.#results?.destroy();
  }

  async #pump(
    source: Readable | null,
    pass: (job: Job | undefined, lines: Buffer) => Promise<void>,
    tooLong?: (job: Job | undefined) => void,
  ): Promise<void> {
    const onTooLong = (): void => {
      tooLong?.(this.#job);
      // The mark may stand in the same line.
      this.#child.kill("SIGKILL");
    };
    const cutter = new LineCutter({ maxLine: MAX_PRINTED, onTooLong });
    if (!source) return;
    try {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        const lines = cutter.push(chunk);
        if (!lines) continue;
        const at = lines.lastIndexOf(this.#mark);
        const job = this.#job;
        if (at < 0) await pass(job, lines);
        else {
          if (at > 0) await pass(job, endLine(lines.subarray(0, at)));
          this.#marked(lines.subarray(at + this.#mark.length).toString("latin1"));
        }
      }
      const rest = cutter.end();
      if (rest) await pass(this.#job, rest);
    } catch {
      // The pipes were given up.
    }
  }

  #marked(text: string): void {
    const job = this.#job;
    if (!job) return;
    const code = Number.parseInt(text, 10);
    if (!Number.isNaN(code)) job.code = code;
    if (--job.marksLeft > 0) return;
    this.#job = undefined;
    job.resolve({ kind: "exit", code: job.code ?? 1 });
  }
}

const PIPE_GRACE_MS = 500;

function endLine(bytes: Buffer): Buffer {
  return bytes.at(-1) === 0x0a ? bytes : Buffer.concat([bytes, Buffer.from("\n")]);
}
