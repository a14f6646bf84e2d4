import { eachLine } from "../../lib/lines.ts";
import { type Answer, Complaints, GRAMMAR, parseAnswer, quoted, TOO_LONG } from "./answers.ts";
import { CommandRunner } from "./command-runner.ts";
import { entryVariables } from "./environment.ts";
import type { BatchRule, Handler, HandlerOutput, HandlerSettings, Job, Notice } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import { noField, stdinFor } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { type Results, RunOutput } from "./run.ts";
import { TraceContext } from "./trace.ts";

const ONE: BatchRule = { size: 1, waitMs: 0 };

/** Words that count in spite of how the run ended: a run past --timeout has failed, and one that never began said nothing. */
const OVERRULED: ReadonlySet<Outcome["kind"]> = new Set(["exit", "signal", "stopped", "unprinted", "answer"]);

/** The last word that one run said of its entry on fd 3. Lines that are none are told of with the first of them. */
class OwnWord implements Results {
  readonly untilExit = true;
  readonly #notice: Notice;
  #complaints: Complaints | undefined;
  #answer: Answer | undefined;

  constructor(notice: Notice) {
    this.#notice = notice;
  }

  lines(lines: Buffer): void {
    for (const line of eachLine(lines)) {
      const answer = parseAnswer(line);
      if (answer) this.#answer = answer;
      else this.#complain(`${quoted(line)} is no word: write ${GRAMMAR}`);
    }
  }

  tooLong(): void {
    this.#complain(TOO_LONG);
  }

  /** What the run comes to. */
  outcome(outcome: Outcome, output: RunOutput): Outcome {
    if (!this.#answer || !OVERRULED.has(outcome.kind)) return outcome;
    return output.outcome({ kind: "answer", ...this.#answer, stderr: output.tail });
  }

  #complain(of: string): void {
    this.#complaints ??= new Complaints(this.#notice, 1);
    this.#complaints.add(of);
  }
}

/** A run of the command for each entry. Its exit settles the entry, unless it said a word of its own on fd 3. */
export class SingleHandler implements Handler {
  readonly batch = ONE;
  readonly slots: number;
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #notice: Notice;
  readonly #runner: CommandRunner;
  readonly #trace: TraceContext;

  constructor(settings: HandlerSettings, output: HandlerOutput, processes: Processes, notice: Notice) {
    this.slots = settings.concurrency;
    this.#settings = settings;
    this.#output = output;
    this.#notice = notice;
    this.#trace = new TraceContext(notice);
    this.#runner = new CommandRunner(settings, "entry", processes);
  }

  run(jobs: readonly Job[]): Promise<Outcome[]> {
    return Promise.all(jobs.map((job) => this.#runOne(job)));
  }

  killAll(killAfterMs: number): Promise<void> {
    return this.#runner.killAll(killAfterMs);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  async #runOne(job: Job): Promise<Outcome> {
    const { stdin, consumer, tag, captureStdout: capture } = this.#settings;
    const input = stdinFor(job, stdin, consumer);
    if (!input) return noField(stdin);
    const output = new RunOutput(this.#output, { tag: tag ? `${job.entry.id} ` : undefined, capture });
    const trace = this.#trace.variables(job.entry);
    const variables = entryVariables(job, this.#settings);
    const results = new OwnWord(this.#notice);
    const request = { input, variables: trace ? { ...variables, ...trace } : variables, output, results };
    return results.outcome(await this.#runner.run(request), output);
  }
}
