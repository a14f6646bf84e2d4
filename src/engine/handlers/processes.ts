import type { ChildProcess, StdioOptions } from "node:child_process";
import { GroupGuard } from "./group-guard.ts";
import type { Command, HandlerOutput, HandlerSettings } from "./handler.ts";
import { OutputPump, type Pipe, PipeStream } from "./pipes.ts";
import type { Payload } from "./payload.ts";
import { PipePool } from "./pipe-pool.ts";
import { endGroup, type Kill, startProcess, type StartOptions } from "./process.ts";
import { openInput, type RunInput } from "./run-input.ts";

/** What handlers need of this process and its machine. */
export interface System {
  readonly pid: number;
  readonly kill: Kill;
  /**
   * Where files and pipes have names for a moment, the best first: in memory where the system has such a
   * folder.
   */
  readonly scratchDirs: readonly string[];
}

/** What all ways of running a handler share: how processes are started and ended, and the pipes they get. */
export class Processes {
  readonly pipes: PipePool;
  readonly leftovers: Leftovers;
  readonly #system: System;
  readonly #guard: GroupGuard;

  /** `late`: where goes what processes say that a run left behind. */
  constructor(
    system: System,
    { env, killAfterMs }: Pick<HandlerSettings, "env" | "killAfterMs">,
    late: HandlerOutput,
  ) {
    this.pipes = new PipePool({ ...system, env });
    this.#system = system;
    this.#guard = new GroupGuard({ ...system, env, killAfterMs });
    this.leftovers = new Leftovers(late);
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

  /** Starts a handler's command as it stands. */
  startCommand(
    { command, cwd, env }: Pick<HandlerSettings, "command" | "cwd" | "env">,
    variables: Readonly<Record<string, string>>,
    stdio: StdioOptions,
  ): ChildProcess {
    const [program, args] = programOf(command);
    return this.start(program, args, { cwd, env: { ...env, ...variables }, stdio });
  }

  /** Undefined where this system has no pipes but those of Node. Rejects for want of descriptors. */
  input(payload: Payload): Promise<RunInput | undefined> {
    return openInput(payload, this.#system, this.pipes);
  }

  /** TERM to the whole group, then KILL to what is left of it. */
  end(pgid: number, killAfterMs: number): Promise<void> {
    return endGroup(pgid, killAfterMs, this.#system.kill);
  }

  /** Every process has ended, or is not waited for any more. */
  async close(): Promise<void> {
    this.leftovers.close();
    await Promise.all([this.pipes.close(), this.#guard.close()]);
  }
}

function programOf(command: Command): [string, readonly string[]] {
  return command.kind === "shell" ? ["/bin/sh", ["-c", command.text]] : [command.program, command.args];
}

const KINDS = ["stdout", "stderr"] as const;

/** Each costs two descriptors; past that many the oldest are closed. */
const MOST_LEFTOVERS = 64;

/**
 * The pipes of runs that are over, but left processes behind that may still write to them. That belongs to
 * no entry any more: it is passed on, and nothing else.
 */
class Leftovers {
  readonly #output: HandlerOutput;
  readonly #streams = new Set<PipeStream>();

  constructor(output: HandlerOutput) {
    this.#output = output;
  }

  /**
   * Takes over a run's `index`th pipe: its stdout, its stderr, or its fd 3, on which nothing counts any more.
   */
  take(pipe: Pipe, index: number): void {
    const kind = KINDS[index];
    const stream = new PipeStream(pipe);
    this.#streams.add(stream);
    const pump = new OutputPump(stream, async (lines) => {
      if (kind) await this.#output[kind](lines);
    });
    void pump.done.then(() => {
      this.#streams.delete(stream);
      pipe.close();
    });
    const [oldest] = this.#streams;
    if (this.#streams.size > MOST_LEFTOVERS) oldest?.destroy();
  }

  close(): void {
    for (const stream of this.#streams) stream.destroy();
  }
}
