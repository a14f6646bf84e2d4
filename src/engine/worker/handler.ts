import type { StdinForm } from "./payload.ts";

/** How handlers are run. Nothing from a message becomes part of the command. */
export interface HandlerSettings {
  /** A program and its arguments; a shell command is `/bin/sh -c COMMAND`. */
  readonly program: string;
  readonly args: readonly string[];
  /** True when the program is the shell that runs --exec's command. */
  readonly shell: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly group: string;
  readonly consumer: string;
  readonly stdin: StdinForm;
  readonly envFields: boolean;
  /** Prefix every line of output with the entry's ID. */
  readonly tag: boolean;
  /** Keep each handler's stdout with its outcome instead of passing it on. */
  readonly captureStdout: boolean;
  readonly timeoutMs: number | undefined;
  readonly killAfterMs: number;
}

/**
 * Where handlers' output goes, by whole lines. Resolves when the reader has taken it: that is the backpressure.
 * What stdout rejects is lost, and the worker is ending; stderr never rejects.
 */
export interface HandlerOutput {
  stdout(lines: Buffer): Promise<void>;
  stderr(lines: Buffer): Promise<void>;
}

/** A handler that prints more than this in one line, or for one entry that is to be emitted, has run wild. */
export const MAX_PRINTED = 16 * 1024 * 1024;
