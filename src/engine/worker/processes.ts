import type { ChildProcess } from "node:child_process";
import type { HandlerOutput } from "./handler.ts";
import { GroupGuard } from "./group-guard.ts";
import { Leftovers } from "./leftovers.ts";
import type { Payload } from "./payload.ts";
import { PipePool, type PipePoolSettings } from "./pipe-pool.ts";
import { endGroup, type Kill } from "./process-group.ts";
import { openInput, type RunInput } from "./run-input.ts";
import { startProcess, type StartOptions } from "./process-start.ts";

export interface ProcessesSettings extends PipePoolSettings {
  readonly killAfterMs: number;
  readonly kill: Kill;
}

/** What all ways of running a handler share: how processes are started and ended, and the pipes they get. */
export class Processes {
  readonly pipes: PipePool;
  readonly leftovers: Leftovers;
  readonly #settings: ProcessesSettings;
  readonly #guard: GroupGuard;

  constructor(settings: ProcessesSettings, output: HandlerOutput) {
    this.pipes = new PipePool(settings);
    this.leftovers = new Leftovers(output);
    this.#settings = settings;
    this.#guard = new GroupGuard(settings);
  }

  /** As startProcess does; the process is ended with its group when the worker is killed. */
  start(program: string, args: readonly string[], options: StartOptions): ChildProcess {
    this.#guard.watch();
    const child = startProcess(program, args, options);
    const { pid } = child;
    if (pid !== undefined) {
      this.#guard.add(pid);
      child.once("exit", () => this.#guard.remove(pid));
    }
    return child;
  }

  /** Undefined where this system has no pipes but those of Node. Rejects for want of descriptors. */
  input(payload: Payload): Promise<RunInput | undefined> {
    return openInput(payload, this.#settings, this.pipes);
  }

  /** TERM to the whole group, then KILL to what is left of it. */
  end(pgid: number, killAfterMs: number): Promise<void> {
    return endGroup(pgid, killAfterMs, this.#settings.kill);
  }

  /** Every process has ended, or is not waited for any more. */
  async close(): Promise<void> {
    this.leftovers.close();
    await Promise.all([this.pipes.close(), this.#guard.close()]);
  }
}
