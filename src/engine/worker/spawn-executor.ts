import { ChildRun } from "./child-run.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import { envFor, noField, stdinFor } from "./payload.ts";
import type { Processes } from "./processes.ts";
import { RunOutput } from "./run-output.ts";
import type { Delivery, Executor, Outcome } from "./types.ts";

/** One process per entry, started from here. */
export class SpawnExecutor implements Executor {
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #processes: Processes;
  readonly #running = new Set<ChildRun>();

  constructor(settings: HandlerSettings, output: HandlerOutput, processes: Processes) {
    this.#settings = settings;
    this.#output = output;
    this.#processes = processes;
  }

  run(unit: readonly Delivery[]): Promise<Outcome[]> {
    return Promise.all(unit.map((delivery) => this.runOne(delivery)));
  }

  async runOne(delivery: Delivery): Promise<Outcome> {
    const settings = this.#settings;
    const input = stdinFor(delivery, settings.stdin, settings.consumer);
    if (!input) return noField(settings.stdin);
    const child = new ChildRun({
      settings,
      processes: this.#processes,
      env: envFor(delivery, settings),
      input,
      output: new RunOutput(this.#output, {
        tag: settings.tag ? `${delivery.entry.id} ` : undefined,
        capture: settings.captureStdout,
      }),
    });
    this.#running.add(child);
    try {
      return await child.outcome();
    } finally {
      this.#running.delete(child);
    }
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.end("stopped", killAfterMs)));
  }

  close(): Promise<void> {
    return this.#processes.close();
  }
}
