import { EventEmitter } from "node:events";
import { PassThrough, Readable, Writable } from "node:stream";

import { type StreamKey, streamKey } from "../../src/entry/names.ts";
import type { Io, OutStream } from "../../src/io.ts";
import { main } from "../../src/main.ts";
import { checkPrintout } from "./contract/check.ts";
import { markedEnv } from "./processes.ts";
import { serverUrl } from "./server-url.ts";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

export interface CliOptions {
  /** What stdin holds; a stream for input that comes bit by bit. */
  readonly stdin?: string | Buffer | Readable;
  readonly env?: Record<string, string | undefined>;
  /** Default: the shared test server. */
  readonly url?: string;
  readonly cwd?: string;
  /** Pretend that stdout and stderr are a terminal this wide. */
  readonly columns?: number;
  /** … and this high; default: it does not tell. */
  readonly rows?: number;
  /** A stdout of the test's own, such as one that fails; then the result's stdout is empty. */
  readonly stdout?: OutStream;
  /** The same for stderr. */
  readonly stderr?: OutStream;
}

/**
 * A run in this process that can be signalled and watched while it goes on. What it prints for programs has to be
 * what docs/schemas says.
 */
export class CliRun {
  readonly #signals = new EventEmitter();
  readonly #out = new Sink();
  readonly #err = new Sink();
  readonly done: Promise<CliResult>;

  constructor(argv: readonly string[], options: CliOptions = {}) {
    const { stdin = "" } = options;
    const input =
      stdin instanceof Readable
        ? stdin
        : Readable.from([Buffer.isBuffer(stdin) ? stdin : Buffer.from(stdin)]);
    if (options.columns !== undefined) {
      for (const sink of [this.#out, this.#err])
        Object.assign(sink, { isTTY: true, columns: options.columns, rows: options.rows, ...CURSOR });
    }
    const io: Io = {
      stdin: input,
      stdout: options.stdout ?? this.#out,
      stderr: options.stderr ?? this.#err,
      env: {
        PATH: process.env["PATH"],
        HOME: "/nonexistent",
        STREAMCTL_URL: options.url ?? serverUrl(),
        ...options.env,
        ...markedEnv(),
      },
      cwd: options.cwd ?? "/",
      pid: process.pid,
      kill: (pid, signal) => process.kill(pid, signal),
      onSignal: (listener) => {
        this.#signals.on("signal", listener);
        return () => this.#signals.off("signal", listener);
      },
    };
    this.done = main(argv, io).then(async (code) => {
      const { stdout, stderr } = this;
      if (options.columns === undefined) await checkPrintout({ argv, stdout, stderr });
      return { code, stdout, stderr, stdoutBytes: this.#out.bytes };
    });
  }

  get stdout(): string {
    return this.#out.bytes.toString("utf8");
  }

  get stderr(): string {
    return this.#err.bytes.toString("utf8");
  }

  signal(signal: NodeJS.Signals): void {
    this.#signals.emit("signal", signal);
  }

  /** Makes the terminal that `columns` pretends wider or narrower. */
  resize(columns: number): void {
    for (const sink of [this.#out, this.#err]) {
      Object.assign(sink, { columns });
      sink.emit("resize");
    }
  }
}

/** What whoever draws on a terminal calls; the text itself is what tests look at. */
const CURSOR = { cursorTo() {}, moveCursor() {}, clearLine() {} };

class Sink extends Writable {
  readonly #chunks: Buffer[] = [];

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  /** Like the process' own streams it stays open when something that was piped into it ends, as a prompt does. */
  override end(): this {
    return this;
  }
}

/** Runs one command line in this process against the shared test server. */
export function cli(argv: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new CliRun(argv, options).done;
}

/** stdin that a test feeds while the command runs. */
export function openStdin(): PassThrough {
  return new PassThrough();
}

let counter = 0;

/** A key that no other test uses. */
export function uniqueKey(label = "orders"): StreamKey {
  return streamKey(`${label}:${process.pid}:${Date.now().toString(36)}:${counter++}`);
}

/** The NDJSON lines of an output as values. */
export function ndjson(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
