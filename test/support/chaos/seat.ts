import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BinResult, BinRun } from "../bin.ts";
import type { SmallDisk } from "../small-disk.ts";

/** A worker that ends for want of a connection is started again, as a service manager would. */
const NO_CONNECTION = 3;
/** So does one whose stdout takes nothing more. */
const FAILED = 1;
const RESTART_AFTER_MS = 200;
/** Until its program runs, a process can do nothing about a signal but die of it. */
const START_UP_MS = 6_000;
/** From the first output that was not taken to the end: what runs may go on until its --timeout. */
const END_OF_FULL_MS = 8_000;
/** Longer than any handler may run and any link stays away. */
const STOP_WITHIN_MS = 45_000;

/** By which way a worker comes to its server. */
interface Link {
  readonly url: string;
}

export interface SeatOptions<L extends Link> {
  readonly name: string;
  readonly link: L;
  readonly program: readonly [string, ...string[]];
  /** Its workers' server, where they don't go by the link. */
  readonly url?: string;
  /** Each worker's arguments. */
  readonly argv: () => readonly string[];
  /** Told of everything that a worker must not do. */
  readonly complain: (complaint: string) => void;
  /** Where the files are that its workers' stdout goes to, in place of a pipe; it may be filled. */
  readonly outputDisk?: SmallDisk;
  /** Its workers' /dev/shm, which may be filled, too. */
  readonly shm?: SmallDisk;
}

/** A place at which one worker after the other is at work. */
export class Seat<L extends Link = Link> {
  readonly name: string;
  readonly link: L;
  readonly #options: SeatOptions<L>;
  readonly #past: BinRun[] = [];
  readonly #unprinted: number[] = [];
  #fullUntil = 0;
  #run: BinRun;
  #leaving = false;
  #startedAt = 0;

  constructor(options: SeatOptions<L>) {
    this.name = options.name;
    this.link = options.link;
    this.#options = options;
    this.#run = this.#start();
  }

  /** Everything that its workers wrote to stderr. */
  get stderr(): string {
    return [...this.#past, this.#run].map((run) => run.stderr).join("");
  }

  /** The process at work now: consumers are named after it. */
  get pid(): number {
    return this.#run.pid;
  }

  get workers(): number {
    return this.#past.length + 1;
  }

  get shm(): SmallDisk | undefined {
    return this.#options.shm;
  }

  get outputDisk(): SmallDisk | undefined {
    return this.#options.outputDisk;
  }

  /** Everything that its workers wrote to stdout. */
  get stdout(): string {
    const { outputDisk } = this.#options;
    if (!outputDisk) return [...this.#past, this.#run].map((run) => run.stdout).join("\n");
    const files = Array.from({ length: this.workers }, (_, n) => join(outputDisk.path, `stdout-${n}`));
    return files.map((file) => readFileSync(file, "utf8")).join("\n");
  }

  /** The processes that ended because their stdout was full: what they had printed was not taken. */
  get unprinted(): readonly number[] {
    return this.#unprinted;
  }

  /** When the last worker that met a full stdout will have ended at the latest. */
  get overFullDiskAt(): number {
    return this.#fullUntil + END_OF_FULL_MS;
  }

  /** Its workers' stdout takes nothing more for that long. */
  async fillOutput(ms: number): Promise<void> {
    this.#fullUntil = Number.POSITIVE_INFINITY;
    this.outputDisk?.fill("bytes");
    await pause(ms);
    this.outputDisk?.free();
    this.#fullUntil = Date.now();
  }

  /** kill -9, and another worker after a while. */
  async kill(pauseMs: number): Promise<void> {
    this.#leaving = true;
    this.#run.signal("SIGKILL");
    await this.#run.done;
    await pause(pauseMs);
    this.#replace();
  }

  /** A clean stop, which must be one; then another worker. */
  async stopAndReplace(): Promise<void> {
    await this.stop();
    this.#replace();
  }

  /** A clean stop: exit 0 and nothing left behind. */
  async stop(): Promise<void> {
    this.#leaving = true;
    const starting = Date.now() - this.#startedAt < START_UP_MS;
    this.#run.signal("SIGTERM");
    const end = await within(STOP_WITHIN_MS, this.#run.done);
    if (end === undefined) {
      this.#complain(`does not stop: ${this.#tail()}`);
      this.#run.signal("SIGKILL");
      await this.#run.done;
      // One without a connection, or with a full stdout, ends in its own way before it hears the signal.
    } else if (end.code !== 0 && !this.#isRight(this.#run, end) && !(starting && end.signal === "SIGTERM"))
      this.#complain(`ended with ${end.signal ?? end.code} at SIGTERM: ${this.#tail()}`);
    await this.#run.untilGone().catch((error: Error) => this.#complain(error.message));
  }

  /** The worker, not its handlers, stands still for that long. */
  async freeze(ms: number): Promise<void> {
    this.#run.signal("SIGSTOP");
    await pause(ms);
    this.#run.signal("SIGCONT");
  }

  #replace(): void {
    this.#past.push(this.#run);
    this.#leaving = false;
    this.#run = this.#start();
  }

  #start(): BinRun {
    const { program, argv, link, url = link.url, outputDisk } = this.#options;
    this.#startedAt = Date.now();
    const stdout = outputDisk && openSync(join(outputDisk.path, `stdout-${this.#past.length}`), "wx");
    const run = new BinRun(argv(), { program, url, ...(stdout === undefined ? {} : { stdout }) });
    if (stdout !== undefined) closeSync(stdout);
    void run.done.then(async (end) => {
      if (this.#leaving || this.#run !== run) return;
      if (!this.#isRight(run, end))
        this.#complain(`ended by itself with ${end.signal ?? end.code}: ${this.#tail()}`);
      await pause(RESTART_AFTER_MS);
      if (!this.#leaving && this.#run === run) this.#replace();
    });
    return run;
  }

  /** Whether a worker was right to end so by itself. */
  #isRight(run: BinRun, { code, stderr }: BinResult): boolean {
    if (code === NO_CONNECTION) return true;
    // It ends when its last handler has.
    const full = code === FAILED && /could not write to stdout: ENOSPC/.test(stderr);
    if (!full || this.#startedAt > this.#fullUntil) return false;
    this.#unprinted.push(run.pid);
    return true;
  }

  #complain(text: string): void {
    this.#options.complain(`${this.name}: ${text}`);
  }

  #tail(): string {
    return this.#run.stderr.trim().split("\n").slice(-5).join(" / ");
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Undefined when the promise takes longer. */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
