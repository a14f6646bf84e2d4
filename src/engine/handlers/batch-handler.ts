import { eachLine } from "../../lib/lines.ts";
import { AnswerSheet, Complaints, TOO_LONG } from "./answers.ts";
import { CommandRunner } from "./command-runner.ts";
import { batchVariables } from "./environment.ts";
import type { BatchRule, Handler, HandlerOutput, HandlerSettings, Job, Notice } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import { inputLine, joinPayloads, type Payload } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { type Results, RunOutput } from "./run.ts";
import { TraceContext } from "./trace.ts";

/** So many useless lines on fd 3 are shown for one run; the rest is counted. */
const SHOWN_COMPLAINTS = 3;

/**
 * A run of the command for several entries, a line of stdin for each. Its exit settles all of them but those
 * of which it said something else on fd 3 (see AnswerSheet); what it said before it crashed counts.
 */
export class BatchHandler implements Handler {
  readonly batch: BatchRule;
  readonly slots: number;
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #notice: Notice;
  readonly #runner: CommandRunner;
  readonly #trace: TraceContext;

  constructor(
    settings: HandlerSettings,
    rule: BatchRule,
    output: HandlerOutput,
    processes: Processes,
    notice: Notice,
  ) {
    this.batch = rule;
    this.slots = settings.concurrency;
    this.#settings = settings;
    this.#output = output;
    this.#notice = notice;
    this.#runner = new CommandRunner(settings, "batch", processes);
    this.#trace = new TraceContext(notice);
  }

  async run(jobs: readonly Job[]): Promise<readonly Outcome[]> {
    const { stdin, consumer } = this.#settings;
    const batch: Job[] = [];
    const lines: Payload[] = [];
    const outcomes = new Map<Job, Outcome>();
    for (const job of jobs) {
      const input = inputLine(job, stdin, consumer);
      if ("outcome" in input) outcomes.set(job, input.outcome);
      else {
        batch.push(job);
        lines.push(input.line);
      }
    }
    if (batch.length > 0) await this.#runBatch(batch, joinPayloads(lines), outcomes);
    return jobs.map((job) => outcomes.get(job) ?? UNRUN);
  }

  killAll(killAfterMs: number): Promise<void> {
    return this.#runner.killAll(killAfterMs);
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  async #runBatch(batch: readonly Job[], input: Payload, outcomes: Map<Job, Outcome>): Promise<void> {
    const tag = this.#settings.tag ? `${tagOf(batch)} ` : undefined;
    const sheet = new AnswerSheet(batch);
    const complaints = new Complaints(this.#notice, SHOWN_COMPLAINTS);
    const results: Results = {
      untilExit: false,
      lines(lines) {
        for (const line of eachLine(lines)) complaints.add(sheet.note(line));
      },
      tooLong: () => complaints.add(TOO_LONG),
    };
    const output = new RunOutput(this.#output, { tag, capture: false });
    const [first, ...others] = batch;
    const trace = first && others.length === 0 ? this.#trace.variables(first.entry) : undefined;
    const variables = { ...batchVariables(batch, this.#settings), ...trace };
    const outcome = await this.#runner.run({ input, variables, output, results });
    complaints.end();
    const stderr = "stderr" in outcome ? outcome.stderr : Buffer.alloc(0);
    for (const job of batch) {
      const answer = sheet.of(job);
      // Which of the entries lost output was about is not known: it spoils all successes.
      outcomes.set(job, answer ? output.outcome({ kind: "answer", ...answer, stderr }) : outcome);
    }
  }
}

const UNRUN: Outcome = { kind: "unrun" };

/** The one ID, or the first and the last. */
function tagOf(batch: readonly Job[]): string {
  const first = batch[0]?.entry.id ?? "";
  return batch.length === 1 ? first : `${first}..${batch.at(-1)?.entry.id}`;
}
