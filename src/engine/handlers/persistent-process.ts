import { eachLine, tagLines, Tail } from "../../lib/lines.ts";
import { startTimeLimit, startTimer, type Timer, waitAtMost } from "../../lib/timer.ts";
import { type Answer, parseAnswer, quoted } from "./answers.ts";
import { Emitted, isEmission } from "./emitted.ts";
import { memberVariables } from "./environment.ts";
import type { HandlerOutput, HandlerSettings, Job, Notice } from "./handler.ts";
import { LineWindow } from "./line-window.ts";
import { exitOutcome, type Outcome, startFailure } from "./outcome.ts";
import { GRACE_MS, OutputPump } from "./pipes.ts";
import { joinPayloads, type Payload } from "./payload.ts";
import { type PersistentStdio, startWithStdio } from "./stdio.ts";
import { type Ended, KILLED } from "./process.ts";
import type { Processes } from "./processes.ts";
import { writePieces } from "./run-input.ts";
import { RunEnd, STDERR_TAIL } from "./run.ts";

/** An entry for a persistent handler, and where its outcome goes. */
export interface QueuedJob {
  readonly job: Job;
  /** Its line of stdin, line end included. */
  readonly line: Payload;
  /** Asked whenever a process is to get it. */
  readonly mayBegin: () => boolean;
  readonly resolve: (outcome: Outcome) => void;
}

export interface PersistentParts {
  readonly settings: HandlerSettings;
  readonly output: HandlerOutput;
  readonly processes: Processes;
  readonly notice: Notice;
  /** The most lines that may be unanswered at once. */
  readonly ahead: number;
  /** It can take more. */
  readonly onReady: () => void;
  /** It runs no more; `unstarted` were written to it behind the one that it was working on. */
  readonly onGone: (process: PersistentProcess, unstarted: readonly QueuedJob[]) => void;
}

/** Why it is being ended. The first reason wins. */
type EndReason =
  | { readonly kind: "timeout" | "stopped" | "closing" | "unasked" }
  /** What it did wrong while it had an entry to answer for. */
  | { readonly kind: "fault"; readonly reason: string };

/** Beyond this many bytes that it has not read nothing more is written ahead. */
const MAX_UNREAD = 256 * 1024;
/** A process that closed its stdin or stdout is about to exit, or will never answer again. */
const PIPE_GRACE_MS = 500;

/**
 * One long-lived process that answers for each line of its stdin with a line on its stdout, in their order; with --emit,
 * lines that it puts out stand before the answer.
 * The oldest unanswered entry is the one it is taken to work on: an exit, a timeout or nonsense is that
 * entry's outcome, and those behind it count as not started.
 */
export class PersistentProcess {
  readonly #parts: PersistentParts;
  readonly #end: RunEnd;
  readonly #unanswered: QueuedJob[] = [];
  readonly #window: LineWindow;
  /** Of the oldest unanswered entry; undefined where nothing is to be emitted. */
  readonly #emitted: Emitted | undefined;
  readonly #gone: Promise<void>;
  #ends: PersistentStdio | undefined;
  #unwritten: Payload[] = [];
  #unwrittenBytes = 0;
  #writing = false;
  #tail = new Tail(STDERR_TAIL);
  #answered = false;
  #over = false;
  #endedBy: EndReason | undefined;
  #workingSince = 0;
  #timer: Pick<Timer, "stop"> | undefined;
  #pipeTimer: Timer | undefined;

  constructor(parts: PersistentParts) {
    this.#parts = parts;
    this.#end = new RunEnd(parts.processes);
    this.#window = new LineWindow(parts.ahead);
    this.#emitted = parts.settings.captureStdout ? new Emitted() : undefined;
    this.#gone = this.#live();
  }

  /** How many lines it has not answered. */
  get load(): number {
    return this.#unanswered.length;
  }

  /** How many unanswered lines it may have. */
  get window(): number {
    return this.#over || this.#endedBy ? 1 : this.#window.lines;
  }

  /** Whether it may be given a line now. */
  get ready(): boolean {
    if (this.#over || this.#endedBy) return false;
    if (!this.#ends) return this.load === 0;
    const { writable, writableLength } = this.#ends.stdin;
    if (!writable || this.load === 0) return writable;
    return this.load < this.window && this.#unwrittenBytes + writableLength < MAX_UNREAD;
  }

  /** Whether it has ever answered. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Takes a job; `flush` writes it. */
  give(queued: QueuedJob): void {
    if (this.load === 0) this.#nowWorksOnNext();
    this.#unanswered.push(queued);
    const { line } = queued;
    this.#unwritten.push(line);
    this.#unwrittenBytes += Buffer.isBuffer(line) ? line.length : MAX_UNREAD;
  }

  /** Writes what it was given, in one piece; a large line piece by piece, and what follows behind it. */
  flush(): void {
    if (this.#unwritten.length === 0 || !this.#ends || this.#writing) return;
    const lines = joinPayloads(this.#unwritten);
    this.#unwritten = [];
    this.#unwrittenBytes = 0;
    if (Buffer.isBuffer(lines)) this.#ends.stdin.write(lines);
    else void this.#writeLarge(this.#ends, lines);
  }

  /** TERM, then KILL, to the process group. Resolves when it is gone and its entries have their outcomes. */
  end(reason: EndReason, killAfterMs: number): Promise<void> {
    if (!this.#over) {
      this.#endedBy ??= reason;
      void this.#end.end("stopped", killAfterMs);
    }
    return this.#gone;
  }

  /** Nothing more will come: it may end by itself, for `killAfterMs`, before it is ended. */
  async close(killAfterMs: number): Promise<void> {
    this.#endedBy ??= { kind: "closing" };
    this.#ends?.stdin.end();
    await waitAtMost(killAfterMs, this.#gone);
    if (!this.#over) await this.end({ kind: "closing" }, killAfterMs);
    await this.#gone;
  }

  async #live(): Promise<void> {
    const ended = await this.#run();
    this.#over = true;
    this.#timer?.stop();
    this.#pipeTimer?.stop();
    const outcome = this.#outcome(ended);
    const [first, ...unstarted] = this.#unanswered.splice(0);
    first?.resolve(outcome);
    this.#parts.onGone(this, unstarted);
    if (!first && !this.#endedBy) {
      const how = ended.signal ?? `exit ${ended.code}`;
      this.#parts.notice("info", `a persistent command ended between entries (${how})`);
    }
  }

  /** From the start to the end of the process. Never rejects. */
  async #run(): Promise<Ended> {
    const { settings, processes } = this.#parts;
    try {
      const { child, exited, ends } = await startWithStdio(processes, (stdio) =>
        processes.startCommand(settings, memberVariables(settings), stdio),
      );
      if (!ends) return await exited;
      const pid = child.pid as number;
      this.#end.on(pid);
      this.#ends = ends;
      // Told so before it had begun.
      if (this.#endedBy?.kind === "closing") ends.stdin.end();
      else if (this.#endedBy) void processes.end(pid, settings.killAfterMs);
      const pumps = this.#openPipes(ends);
      this.flush();
      this.#parts.onReady();
      const ended = await Promise.race([exited, this.#end.abandoned.then(() => KILLED)]);
      this.#over = true;
      await this.#end.over();
      // What it answered before it died counts.
      await Promise.all(pumps.map((pump) => pump.finish(GRACE_MS)));
      ends.stdin.destroy();
      return ended;
    } catch (error) {
      return { code: null, signal: null, error };
    }
  }

  #openPipes({ stdin, stdout, stderr }: PersistentStdio): OutputPump[] {
    stdin.on("error", () => this.#pipeClosed("stdin"));
    stdin.on("drain", () => this.#parts.onReady());
    stdout.stream.once("end", () => this.#pipeClosed("stdout"));
    return [
      new OutputPump(
        stdout,
        async (lines) => this.#read(lines),
        () => this.#misunderstood(TOO_LONG, this.#unanswered.length > 0),
      ),
      new OutputPump(stderr, (lines) => this.#passOn(lines)),
    ];
  }

  async #writeLarge({ stdin }: PersistentStdio, lines: Payload): Promise<void> {
    this.#writing = true;
    await writePieces(stdin, lines);
    this.#writing = false;
    this.flush();
    this.#parts.onReady();
  }

  #read(lines: Buffer): void {
    let answers = 0;
    for (const line of eachLine(lines)) {
      // What it says while it is stopped for other reasons than its own doing still counts.
      if (this.#endedBy && this.#endedBy.kind !== "stopped") break;
      const [oldest] = this.#unanswered;
      if (oldest && this.#emitted && isEmission(line)) {
        this.#emitted.add(line);
        continue;
      }
      const answer = oldest && parseAnswer(line);
      if (!oldest || !answer) {
        this.#misunderstood(line, oldest !== undefined);
        break;
      }
      this.#unanswered.shift();
      this.#conclude(oldest, answer);
      answers++;
    }
    if (answers === 0) return;
    this.#answered = true;
    this.#window.answered(answers, performance.now() - this.#workingSince);
    this.#nowWorksOnNext();
    this.#parts.onReady();
  }

  /** From here on its answers can't be told apart any more: it is replaced. */
  #misunderstood(line: Buffer, asked: boolean): void {
    if (this.#endedBy) return;
    const { notice, settings } = this.#parts;
    if (!asked)
      notice("warn", `a persistent command answered without being asked, and is replaced: ${quoted(line)}`);
    const reason: EndReason = asked
      ? {
          kind: "fault",
          reason: `answered nonsense: ${quoted(line)}${isEmission(line) ? ", without --emit" : ""}`,
        }
      : { kind: "unasked" };
    void this.end(reason, settings.killAfterMs);
  }

  #conclude({ resolve }: QueuedJob, answer: Answer): void {
    const tail = this.#tail;
    if (answer.answer === "ok") {
      if (tail.bytes.length > 0) this.#tail = new Tail(STDERR_TAIL);
      resolve(this.#emitted?.succeed(NO_BYTES) ?? { kind: "answer", answer: "ok", stderr: NO_BYTES });
      return;
    }
    this.#emitted?.forget();
    // What it wrote to stderr before this answer lies in the other pipe and may be read a moment later.
    setImmediate(() => {
      if (this.#tail === tail) this.#tail = new Tail(STDERR_TAIL);
      resolve({ kind: "answer", ...answer, stderr: tail.bytes });
    });
  }

  #passOn(lines: Buffer): Promise<void> {
    const { settings, output } = this.#parts;
    this.#tail.push(lines);
    const id = settings.tag ? this.#unanswered[0]?.job.entry.id : undefined;
    return output.stderr(id === undefined ? lines : tagLines(lines, `${id} `));
  }

  #pipeClosed(name: string): void {
    if (this.#over || this.#endedBy) return;
    this.#pipeTimer ??= startTimer(PIPE_GRACE_MS, () => {
      void this.end({ kind: "fault", reason: `closed its ${name}` }, this.#parts.settings.killAfterMs);
    });
  }

  /**
   * Its time for the next entry begins. One timer serves many entries: it looks at the clock when it fires.
   */
  #nowWorksOnNext(): void {
    this.#workingSince = performance.now();
    const { timeoutMs } = this.#parts.settings;
    if (timeoutMs !== undefined) this.#timer ??= startTimeLimit(timeoutMs, () => this.#watch(timeoutMs));
  }

  #watch(timeoutMs: number): void {
    this.#timer = undefined;
    if (this.load === 0 || this.#endedBy) return;
    const left = this.#workingSince + timeoutMs - performance.now();
    if (left > 0) this.#timer = startTimeLimit(left, () => this.#watch(timeoutMs));
    else void this.end({ kind: "timeout" }, this.#parts.settings.killAfterMs);
  }

  /** What its end means for the entry that it was working on. */
  #outcome({ code, signal, error }: Ended): Outcome {
    const stderr = this.#tail.bytes;
    const { cwd, timeoutMs = 0 } = this.#parts.settings;
    if (error !== undefined) return startFailure(error, cwd);
    if (this.#endedBy?.kind === "timeout") return { kind: "timeout", afterMs: timeoutMs, stderr };
    if (this.#endedBy?.kind === "fault")
      return { kind: "answer", answer: "retry", reason: this.#endedBy.reason, stderr };
    if (this.#endedBy) return { kind: "stopped" };
    if (code === 0) return { kind: "answer", answer: "retry", reason: "exit 0 without an answer", stderr };
    return exitOutcome({ code, signal }, stderr, this.#parts.settings);
  }
}

const TOO_LONG = Buffer.from("(a line that is too long)");
const NO_BYTES = Buffer.alloc(0);
