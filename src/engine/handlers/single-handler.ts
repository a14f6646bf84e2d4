import { CommandRunner } from "./command-runner.ts";
import { entryVariables } from "./environment.ts";
import type { BatchRule, Handler, HandlerOutput, HandlerSettings, Job } from "./handler.ts";
import type { Outcome } from "./outcome.ts";
import { noField, stdinFor } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { RunOutput } from "./run.ts";

const ONE: BatchRule = { size: 1, waitMs: 0 };

/** A run of the command for each entry. */
export class SingleHandler implements Handler {
  readonly batch = ONE;
  readonly slots: number;
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #runner: CommandRunner;

  constructor(settings: HandlerSettings, output: HandlerOutput, processes: Processes) {
    this.slots = settings.concurrency;
    this.#settings = settings;
    this.#output = output;
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
    return this.#runner.run({ input, variables: entryVariables(job, this.#settings), output });
  }
}
