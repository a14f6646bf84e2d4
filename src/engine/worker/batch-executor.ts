import { AnswerSheet } from "./answers.ts";
import { ChildRun } from "./child-run.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import { inputLine } from "./input-lines.ts";
import { eachLine } from "./lines.ts";
import { joinPayloads, type Payload } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { RunOutput } from "./run-output.ts";
import type { Results } from "./run-pipes.ts";
import type { ShellRunner } from "./shell-runner.ts";
import type { Delivery, Executor, Outcome, WorkerObserver } from "./types.ts";

/** So many useless lines on fd 3 are shown for one invocation; the rest is counted. */
const SHOWN_COMPLAINTS = 3;

/**
 * One process for a unit of entries, a line of stdin for each. Its exit settles all of them but those of
 * which it said something else on fd 3 (see AnswerSheet); what it said before it crashed counts.
 */
export class BatchExecutor implements Executor {
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #processes: Processes;
  readonly #notice: WorkerObserver["notice"];
  readonly #shells: ShellRunner | undefined;
  readonly #running = new Set<ChildRun>();

  /** `shells`: runs what it can, where there are any. */
  constructor(
    settings: HandlerSettings,
    output: HandlerOutput,
    processes: Processes,
    notice: WorkerObserver["notice"],
    shells?: ShellRunner,
  ) {
    this.#settings = settings;
    this.#output = output;
    this.#processes = processes;
    this.#notice = notice;
    this.#shells = shells;
  }

  async run(unit: readonly Delivery[]): Promise<readonly Outcome[]> {
    const { stdin, consumer } = this.#settings;
    const batch: Delivery[] = [];
    const lines: Payload[] = [];
    const outcomes = new Map<Delivery, Outcome>();
    for (const delivery of unit) {
      const input = inputLine(delivery, stdin, consumer);
      if ("outcome" in input) outcomes.set(delivery, input.outcome);
      else {
        batch.push(delivery);
        lines.push(input.line);
      }
    }
    if (batch.length > 0) await this.#runBatch(batch, joinPayloads(lines), outcomes);
    return unit.map((delivery) => outcomes.get(delivery) ?? UNRUN);
  }

  async killAll(killAfterMs: number): Promise<void> {
    const ends = [...this.#running].map((child) => child.end("stopped", killAfterMs));
    await Promise.all([...ends, this.#shells?.killAll(killAfterMs)]);
  }

  async close(): Promise<void> {
    await this.#shells?.close();
    await this.#processes.close();
  }

  async #runBatch(
    batch: readonly Delivery[],
    input: Payload,
    outcomes: Map<Delivery, Outcome>,
  ): Promise<void> {
    const settings = this.#settings;
    const sheet = new AnswerSheet(batch);
    const complaints = new Complaints(this.#notice);
    const run: Run = {
      batch,
      input,
      output: new RunOutput(this.#output, {
        tag: settings.tag ? `${tagOf(batch)} ` : undefined,
        capture: false,
      }),
      results: {
        lines(lines) {
          for (const line of eachLine(lines)) complaints.add(sheet.note(line));
        },
        tooLong: () => complaints.add("a line that is too long to be a result"),
      },
    };
    const outcome = (await this.#inShell(run)) ?? (await this.#spawn(run));
    complaints.end();
    const stderr = "stderr" in outcome ? outcome.stderr : Buffer.alloc(0);
    for (const delivery of batch) {
      const answer = sheet.of(delivery);
      // Which of the entries lost output was about is not known: it spoils all successes.
      outcomes.set(delivery, answer ? run.output.outcome({ kind: "answer", ...answer, stderr }) : outcome);
    }
  }

  #inShell({ batch, input, output, results }: Run): Promise<Outcome | undefined> | undefined {
    const words = [String(batch.length), "-", "-"] as const;
    return this.#shells?.run({ input, words, stream: onlyStream(batch), output, results });
  }

  async #spawn({ batch, input, output, results }: Run): Promise<Outcome> {
    const { group, consumer } = this.#settings;
    const stream = onlyStream(batch);
    const child = new ChildRun({
      settings: this.#settings,
      processes: this.#processes,
      env: {
        STREAMCTL_BATCH: String(batch.length),
        STREAMCTL_GROUP: group,
        STREAMCTL_CONSUMER: consumer,
        ...(stream === "" ? {} : { STREAMCTL_STREAM: stream }),
      },
      input,
      output,
      results,
    });
    this.#running.add(child);
    try {
      return await child.outcome();
    } finally {
      this.#running.delete(child);
    }
  }
}

interface Run {
  readonly batch: readonly Delivery[];
  readonly input: Payload;
  readonly output: RunOutput;
  readonly results: Results;
}

const UNRUN: Outcome = { kind: "unrun" };

/** The one stream that the batch is of; empty when there are several: a line of stdin always says its own. */
function onlyStream(batch: readonly Delivery[]): string {
  const streams = new Set(batch.map(({ stream }) => stream));
  return streams.size === 1 ? (batch[0]?.stream ?? "") : "";
}

/** The one ID, or the first and the last. */
function tagOf(batch: readonly Delivery[]): string {
  const first = batch[0]?.entry.id ?? "";
  return batch.length === 1 ? first : `${first}..${batch.at(-1)?.entry.id}`;
}

/** Tells of lines that settled nothing, without letting a chatty handler fill the log. */
class Complaints {
  readonly #notice: WorkerObserver["notice"];
  #count = 0;

  constructor(notice: WorkerObserver["notice"]) {
    this.#notice = notice;
  }

  add(complaint: string | undefined): void {
    if (complaint === undefined) return;
    if (++this.#count <= SHOWN_COMPLAINTS) this.#notice("warn", `ignored on fd 3: ${complaint}`);
  }

  end(): void {
    const more = this.#count - SHOWN_COMPLAINTS;
    if (more > 0) this.#notice("warn", `ignored on fd 3: ${more} more lines of the same run`);
  }
}
