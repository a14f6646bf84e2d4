import { envFor, noField, stdinFor } from "./payload.ts";
import type { Processes } from "./processes.ts";
import type { HandlerOutput } from "./handler.ts";
import { RunOutput } from "./run-output.ts";
import { ShellRunner, type ShellSettings } from "./shell-runner.ts";
import { SpawnExecutor } from "./spawn-executor.ts";
import type { Delivery, Executor, Outcome } from "./types.ts";

/** Runs a shell command for each entry, through a spawn of its own where waiting shells can't take it. */
export class ShellExecutor implements Executor {
  readonly #settings: ShellSettings;
  readonly #output: HandlerOutput;
  readonly #processes: Processes;
  readonly #shells: ShellRunner;
  readonly #plain: SpawnExecutor;

  constructor(settings: ShellSettings, output: HandlerOutput, processes: Processes) {
    this.#settings = settings;
    this.#output = output;
    this.#processes = processes;
    this.#shells = new ShellRunner(settings, "entry", processes);
    this.#plain = new SpawnExecutor(settings, output, processes);
  }

  run(unit: readonly Delivery[]): Promise<Outcome[]> {
    return Promise.all(unit.map((delivery) => this.#runOne(delivery)));
  }

  async killAll(killAfterMs: number): Promise<void> {
    await Promise.all([this.#shells.killAll(killAfterMs), this.#plain.killAll(killAfterMs)]);
  }

  async close(): Promise<void> {
    await this.#shells.close();
    await this.#processes.close();
  }

  async #runOne(delivery: Delivery): Promise<Outcome> {
    const { stdin, consumer, tag, captureStdout } = this.#settings;
    const { id } = delivery.entry;
    const input = stdinFor(delivery, stdin, consumer);
    if (!input) return noField(stdin);
    const env = envFor(delivery, { ...this.#settings, envFields: false });
    const outcome = await this.#shells.run({
      input,
      words: [id, String(delivery.deliveries), env["STREAMCTL_TIMESTAMP"] as string],
      stream: delivery.stream,
      output: new RunOutput(this.#output, { tag: tag ? `${id} ` : undefined, capture: captureStdout }),
    });
    return outcome ?? this.#plain.runOne(delivery);
  }
}
