import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";

/** A server that runs, whatever runs it. */
export interface ServerProcess {
  readonly pid: number | undefined;
  readonly running: boolean;
  /** Resolves when it has ended, by itself or not. */
  readonly exited: Promise<void>;
  /** The last 4 KiB of what it printed. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
}

export interface Launch {
  readonly args: readonly string[];
  /** A folder to remove even when this process is killed before it can. */
  readonly temporaryDir: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a server is reached that is not the process which was started, but one that this stands for. */
export interface StandsFor {
  /** A program and its arguments that end the server whatever state it is in. */
  readonly end: readonly [string, ...string[]];
  /** `otherwise` sends it to the process that was started. */
  readonly signal: (signal: NodeJS.Signals, otherwise: () => void) => void;
}

/**
 * Becomes the server, after leaving a guard behind that holds the reading end of a pipe. A line on the
 * pipe dismisses the guard; the pipe's end means that streamctl was killed, and the server has to go too. What ends a
 * container is more than a signal to the process that waits for it.
 */
const GUARDED_EXEC = `
dir=$1 ends=$2; shift 2
(
  read -r _ <&3 && exit
  kill -TERM $$
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    kill -0 $$ || break
    sleep 0.1
  done
  kill -KILL $$
  [ -z "$ends" ] || eval "$ends"
  [ -z "$dir" ] || rm -rf -- "$dir"
) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$@"
`;

/** Starts an executable in a session of its own, so that Ctrl-C in a terminal doesn't reach it. */
export function launchProcess(
  executable: string,
  { args, temporaryDir = "" }: Launch,
  standsFor?: StandsFor,
): ServerProcess {
  const end = standsFor?.end.map(quoted).join(" ") ?? "";
  const child = spawn("/bin/sh", ["-c", GUARDED_EXEC, "sandbox", temporaryDir, end, executable, ...args], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  const log = new LogTail();
  child.stdout?.on("data", log.add);
  child.stderr?.on("data", log.add);
  const guard = child.stdio[3] as Duplex;
  guard.on("error", () => {});
  // The guard never writes; reading is what notices that it has gone.
  guard.resume();
  const exited = new Promise<void>((resolve) => {
    const ended = (): void => {
      guard.end("\n");
      resolve();
    };
    child.once("exit", ended);
    child.once("error", (error) => {
      log.add(Buffer.from(error.message));
      ended();
    });
  });
  return {
    pid: child.pid,
    get running() {
      return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
    },
    exited,
    log: () => log.text,
    signal(signal) {
      const toChild = (): void => void child.kill(signal);
      if (standsFor) standsFor.signal(signal, toChild);
      else toChild();
    },
  };
}

/** A word as the shell reads it back. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The end of a log. */
export class LogTail {
  #text = "";

  get text(): string {
    return this.#text;
  }

  readonly add = (chunk: Buffer | string): void => {
    this.#text = (this.#text + chunk.toString()).slice(-4_096);
  };
}
