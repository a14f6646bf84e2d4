import type { Readable } from "node:stream";
import type { Altered } from "./lib/undecodable.ts";

/** Called when what was written has left the process, or can't. */
export type Written = (error?: Error | null) => void;

/**
 * What is printed on, as far as Node's streams are needed for it. It may be a terminal. `absent`: the process was
 * started without it, and what is written is lost; with stderr it is as services are started that log nothing.
 */
export interface OutStream {
  write(text: Buffer | string, done?: Written): boolean;
  on(event: "error" | "resize", listener: (error: Error) => void): unknown;
  off(event: "error" | "resize", listener: (error: Error) => void): unknown;
  /** Bytes that are still on their way. */
  readonly writableLength: number;
  readonly writableNeedDrain?: boolean;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  readonly absent?: "alone" | "with stderr" | undefined;
}
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
