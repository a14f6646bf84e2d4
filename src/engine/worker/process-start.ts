import { ChildProcess, spawn, type StdioOptions } from "node:child_process";

export interface StartOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
}

/**
 * Starts a process as the leader of a process group of its own. What can't be started, for whatever
 * reason, is a child without a pid that emits `error`: Node throws for some reasons and emits for others.
 */
export function startProcess(program: string, args: readonly string[], options: StartOptions): ChildProcess {
  const { cwd, env, stdio } = options;
  try {
    return spawn(program, args, { cwd, env: { ...env }, stdio, detached: true });
  } catch (error) {
    const child = new ChildProcess();
    setImmediate(() => child.emit("error", error));
    return child;
  }
}

/** How a process ended; `error`: why it never started. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error: unknown;
}

export function exitOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal, error: undefined }));
    child.once("error", (error) => resolve({ code: null, signal: null, error }));
  });
}
