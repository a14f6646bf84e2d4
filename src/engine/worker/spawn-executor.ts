import { ChildRun } from "./child-run.ts";
import type { HandlerOutput, HandlerSettings } from "./handler.ts";
import { envFor, stdinFor } from "./payload.ts";
import type { Kill } from "./process-group.ts";
import { RunOutput } from "./run-output.ts";
import type { Delivery, Executor, Outcome } from "./types.ts";

/** One process per entry, started from here. */
export class SpawnExecutor implements Executor {
  readonly #settings: HandlerSettings;
  readonly #output: HandlerOutput;
  readonly #kill: Kill;
  readonly #running = new Set<ChildRun>();

  constructor(settings: HandlerSettings, output: HandlerOutput, kill: Kill) {
    this.#settings = settings;
    this.#output = output;
    this.#kill = kill;
  }

  run(unit: readonly Delivery[]): Promise<Outcome[]> {
    return Promise.all(unit.map((delivery) => this.runOne(delivery)));
  }

  async runOne(delivery: Delivery): Promise<Outcome> {
    const settings = this.#settings;
    const child = new ChildRun({
      settings,
      kill: this.#kill,
      env: envFor(delivery, settings),
      input: stdinFor(delivery, settings.stdin, settings.consumer),
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

  /** Nothing waits here: a process per entry ends with its entry. */
  async close(): Promise<void> {}
}
