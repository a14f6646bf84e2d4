import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { inject, onTestFinished } from "vitest";
import { ROOT } from "./build.ts";
import { type FoundProcess, killAll, markedEnv, markedProcesses } from "./processes.ts";
import { until } from "./redis.ts";
import { serverUrl } from "./server-url.ts";

export const BIN = join(ROOT, "bin", "streamctl.js");

const named = process.env["STREAMCTL_TEST_PROGRAM"];

/** What tests start: the built program by this Node, or the executable that STREAMCTL_TEST_PROGRAM names. */
export const PROGRAM: readonly [string, ...string[]] = named ? [named] : [process.execPath, BIN];

const GRACE_MS = 10_000;

export interface BinResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

export interface BinOptions {
  /** What stdin holds; nothing closes it at once, `{ open: true }` leaves it to the test. */
  readonly stdin?: string | Buffer | { readonly open: true };
  readonly env?: Record<string, string | undefined>;
  readonly url?: string;
  readonly cwd?: string;
  /** A descriptor that stdout is, in place of a pipe to the test. */
  readonly stdout?: number;
  /** Another program than streamctl: what an `npm pack` installed, or a shell pipeline around it. */
  readonly program?: readonly [string, ...string[]];
}

/**
 * The built streamctl as a process of its own, with nothing of this machine's environment but PATH, the
 * temporary folder and the test server. Killed, with all it started, when the test ends.
 */
export class BinRun {
  readonly done: Promise<BinResult>;
  readonly #child: ChildProcess;
  readonly #env: Record<string, string>;
  readonly #stdout: Buffer[] = [];
  readonly #stderr: Buffer[] = [];

  constructor(argv: readonly string[], options: BinOptions = {}) {
    this.#env = markedEnv();
    const [program, ...first] = options.program ?? PROGRAM;
    this.#child = spawn(program, [...first, ...argv], {
      cwd: options.cwd ?? tmpdir(),
      stdio: ["pipe", options.stdout ?? "pipe", "pipe"],
      env: {
        PATH: process.env["PATH"],
        HOME: tmpdir(),
        TMPDIR: tmpdir(),
        NODE_COMPILE_CACHE: inject("codeCache"),
        STREAMCTL_REDIS_SERVER: inject("redisExecutable"),
        STREAMCTL_URL: options.url ?? serverUrl(),
        ...options.env,
        ...this.#env,
      },
    });
    this.#child.stdin?.on("error", () => {});
    const { stdin } = options;
    if (stdin === undefined || typeof stdin === "string" || Buffer.isBuffer(stdin))
      this.#child.stdin?.end(stdin);
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#stdout.push(chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => this.#stderr.push(chunk));
    this.done = this.#finish();
    onTestFinished(async () => {
      this.#child.kill("SIGKILL");
      await this.done;
      // A sandbox's guard takes its server down; killed too early, it would leave it behind.
      await this.untilGone(GRACE_MS).catch(() => {});
      killAll(await this.processes());
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error("it did not start");
    return this.#child.pid;
  }

  get stdin(): Writable {
    return this.#child.stdin as Writable;
  }

  /** For a test that closes it, or stops reading. */
  get stdoutStream(): Readable {
    return this.#child.stdout as Readable;
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString("utf8");
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString("utf8");
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The process itself, while it lives, and everything it started that still lives. */
  processes(): Promise<FoundProcess[]> {
    return markedProcesses(this.#env);
  }

  /** Waits until nothing of this run lives any more; fails with a list of what does. */
  async untilGone(timeoutMs = 30_000): Promise<void> {
    let left: FoundProcess[] = [];
    await until(
      "the run left no process",
      async () => (left = await this.processes()).length === 0,
      timeoutMs,
    ).catch((error: unknown) => {
      throw new Error(`still alive: ${JSON.stringify(left)}`, { cause: error });
    });
  }

  async #finish(): Promise<BinResult> {
    const [code, signal] = (await once(this.#child, "close")) as [number | null, NodeJS.Signals | null];
    const stdoutBytes = Buffer.concat(this.#stdout);
    return { code, signal, stdout: this.stdout, stderr: this.stderr, stdoutBytes };
  }
}

/** Runs the built streamctl to its end. */
export function bin(argv: readonly string[], options: BinOptions = {}): Promise<BinResult> {
  return new BinRun(argv, options).done;
}

/** A copy of the built program in `dir`, for tests that start it again and again: `dist` may be built anew meanwhile. */
export async function copyOfProgram(dir: string): Promise<[string, string]> {
  const copy = join(dir, "streamctl");
  await mkdir(copy);
  for (const name of ["bin", "dist", "package.json"])
    await cp(join(ROOT, name), join(copy, name), { recursive: true });
  return [process.execPath, join(copy, "bin", "streamctl.js")];
}
