import type { Readable, Writable } from "node:stream";
import type { Altered } from "./lib/undecodable.ts";

/**
 * A stream that may be a terminal. `absent`: the process was started without it, and what is written is lost;
 * with stderr it is as services are started that log nothing.
 */
export type OutStream = Writable & {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  absent?: "alone" | "with stderr" | undefined;
};
export type InStream = Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };

/** Everything a run may touch of the process around it. Tests hand in their own. */
export interface Io {
  readonly stdin: InStream;
  readonly stdout: OutStream;
  readonly stderr: OutStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly altered?: Altered | undefined;
  readonly pid: number;
  /** Signals a process, or with a negative number its process group, as process.kill does. */
  kill(pid: number, signal: NodeJS.Signals | 0): boolean;
  /** Calls back at every SIGINT, SIGTERM or SIGHUP; returns the way to stop listening. */
  onSignal(listener: (signal: NodeJS.Signals) => void): () => void;
}
