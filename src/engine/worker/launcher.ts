import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { sleep } from "../../lib/timer.ts";
import { launcherArguments, UNOPENED } from "./launcher-script.ts";
import type { Pipe } from "./pipes.ts";
import { type Ended, exitOf } from "./process-start.ts";
import type { Processes } from "./processes.ts";
import { RunPipes, type Sinks } from "./run-pipes.ts";

export interface LauncherSettings {
  readonly command: string;
  /** The command is a whole program by itself. */
  readonly whole: boolean;
  readonly serves: "entry" | "batch";
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly killAfterMs: number;
}

/** What one subshell gets. None of the words may hold white space, but `stream`, inside. */
export interface LauncherJob extends Sinks {
  /** The path of what it reads. */
  readonly input: string;
  /** An entry's ID, deliveries and timestamp, or a batch's count. */
  readonly words: readonly [string, string, string];
  readonly stream: string;
  /** The command has ended; what it printed may still have to be taken. */
  readonly onEnd?: () => void;
}

export type LauncherEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** The shell could not open the run's files: nothing was run. */
  | { readonly kind: "unopened" }
  /** The shell ended before it had taken the job: nothing was run. */
  | { readonly kind: "unbegun" }
  /** The shell ended while the job was with it. */
  | { readonly kind: "gone"; readonly code: number | null; readonly signal: NodeJS.Signals | null };

interface Job {
  readonly nonce: string;
  readonly resolve: (end: LauncherEnd) => void;
}

/**
 * A shell that waits for jobs and forks a subshell for each: starting a process from a small shell costs
 * a fraction of starting it from Node, which copies its own page tables every time. Each handler has its
 * own subshell (variables, directory, traps, exit), its own stdin and environment; the shell leads a process
 * group that is ended as a whole.
 *
 * Jobs and answers go over a socket that the subshell does not have, and an answer counts only with the
 * nonce of the job under way. The pipes for output are opened anew by each run, so when it is over this
 * side sees whether something that it left behind still holds them: then the shell is not used again.
 */
export class Launcher {
  readonly #processes: Processes;
  readonly #pipes: readonly Pipe[];
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #closed: Promise<void>;
  readonly #exited: Promise<Ended>;
  readonly #onGone: (launcher: Launcher) => void;
  readonly #killAfterMs: number;
  readonly #serves: LauncherSettings["serves"];
  /** The stream of the last entry. */
  #stream = "";
  #job: Job | undefined;
  #answer = "";
  #chatty = false;
  #unread = false;
  #gone = false;
  #held: readonly Pipe[] = [];

  /** Takes over `pipes`: one for stdout, one for stderr and, for batches, one for fd 3. */
  private constructor(
    settings: LauncherSettings,
    processes: Processes,
    pipes: readonly Pipe[],
    child: ChildProcess,
    onGone: (launcher: Launcher) => void,
  ) {
    this.#processes = processes;
    this.#pipes = pipes;
    this.#child = child;
    this.#onGone = onGone;
    this.#killAfterMs = settings.killAfterMs;
    this.#serves = settings.serves;
    this.#channel = child.stdio[3] as Socket;
    this.#closed = new Promise((resolve) => this.#channel.once("close", resolve));
    this.#channel.setEncoding("latin1").on("data", (text: string) => this.#read(text));
    // The shell ended with something unread: it had not taken the job.
    this.#channel.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNRESET") this.#unread = true;
    });
    this.#exited = exitOf(child);
    void this.#exited.then((ended) => this.#end(ended));
  }

  /** Rejects when no shell can be started, or no pipe made; undefined where this system has no such pipes. */
  static async start(
    settings: LauncherSettings,
    processes: Processes,
    onGone: (launcher: Launcher) => void,
  ): Promise<Launcher | undefined> {
    const { command, whole, serves, env, cwd } = settings;
    const pipes = await processes.pipes.take(serves === "batch" ? 3 : 2);
    if (!pipes) return undefined;
    const [stdout, stderr, results] = pipes as [Pipe, Pipe, Pipe?];
    const paths = { stdout: stdout.path, stderr: stderr.path, results: results?.path };
    const stdio = ["ignore", "ignore", "ignore", "pipe"] as const;
    const args = launcherArguments(command, whole, paths);
    const child = processes.start("/bin/sh", args, { cwd, env, stdio: [...stdio] });
    if (child.pid !== undefined) return new Launcher(settings, processes, pipes, child, onGone);
    processes.pipes.give(pipes);
    throw (await exitOf(child)).error;
  }

  /** The process group of the shell and of whatever its handlers started. */
  get pgid(): number {
    return this.#child.pid as number;
  }

  /** Whether it can take another job. */
  get usable(): boolean {
    return !this.#gone && this.#held.length === 0;
  }

  /** The directory in which its handlers run has been deleted, which no run of this shell gets over. */
  get inDeletedDirectory(): boolean {
    try {
      return readlinkSync(`/proc/${this.pgid}/cwd`).endsWith(" (deleted)");
    } catch {
      return false;
    }
  }

  /** Runs one job; resolves when its output has been passed on, too. One at a time. */
  async run(job: LauncherJob): Promise<LauncherEnd> {
    const { input, words, stream } = job;
    const pipes = new RunPipes(this.#pipes, job, this.#chatty);
    const end = await new Promise<LauncherEnd>((resolve) => {
      const nonce = newNonce();
      this.#job = { nonce, resolve };
      const named = stream === this.#stream ? "" : ` ${stream}`;
      if (this.#serves === "entry") this.#stream = stream;
      this.#channel.write(`${nonce} ${input} ${words.join(" ")}${named}\n`, (error) => {
        if (error) this.#unread = true;
      });
    });
    if (end.kind !== "unbegun") job.onEnd?.();
    this.#held = await pipes.finish(0);
    this.#chatty = pipes.chatty;
    return end;
  }

  /** Lets an idle shell end; one that can't be ended is not waited for. */
  async close(): Promise<void> {
    this.#channel.end();
    const waiting = new AbortController();
    void this.#exited.then(() => waiting.abort());
    await sleep(CLOSE_GRACE_MS, waiting.signal);
    this.#channel.destroy();
    const { pipes, leftovers } = this.#processes;
    for (const [i, pipe] of this.#pipes.entries()) {
      if (this.#held.includes(pipe)) leftovers.take(pipe, i);
      else if (this.#gone && pipe.read() === "closed") pipes.give([pipe]);
      else pipe.close();
    }
  }

  #read(text: string): void {
    this.#answer += text;
    const end = this.#answer.indexOf("\n");
    if (end < 0) return;
    const [nonce, code = ""] = this.#answer.slice(0, end).split(" ");
    this.#answer = this.#answer.slice(end + 1);
    const job = this.#job;
    if (nonce !== job?.nonce) return;
    this.#job = undefined;
    job?.resolve(code === UNOPENED ? { kind: "unopened" } : { kind: "exit", code: Number(code) });
  }

  async #end({ code, signal }: Ended): Promise<void> {
    this.#gone = true;
    this.#onGone(this);
    // What it said before is still on the way.
    const waiting = new AbortController();
    void this.#closed.then(() => waiting.abort());
    await sleep(CLOSE_GRACE_MS, waiting.signal);
    this.#channel.destroy();
    const job = this.#job;
    this.#job = undefined;
    // A handler must not go on beside its own retry.
    if (job && !this.#unread) await this.#processes.end(this.pgid, this.#killAfterMs);
    job?.resolve(this.#unread ? { kind: "unbegun" } : { kind: "gone", code, signal });
  }
}

const CLOSE_GRACE_MS = 500;

const NONCE = 16;
let nonces = "";

/** As many at once as make asking for random bytes cheap. 96 bits each. */
function newNonce(): string {
  if (nonces.length < NONCE) nonces = randomBytes(NONCE * 96).toString("base64url");
  const nonce = nonces.slice(0, NONCE);
  nonces = nonces.slice(NONCE);
  return nonce;
}
