import type { Entry } from "../../entry/entry.ts";
import type { GroupName, StreamKey } from "../../entry/names.ts";
import type { Outcome } from "./outcome.ts";
import type { StdinForm } from "./payload.ts";

/**
 * What handles entries, whatever it is: a worker knows this interface and the outcomes (outcome.ts), nothing
 * else of this folder. `makeHandler` chooses among the kinds; a new one is a file beside them and a case
 * there.
 */
export interface Handler {
  /** How jobs are put together for one run. */
  readonly batch: BatchRule;
  /** How many runs it can have under way. A persistent handler has more while it answers fast. */
  readonly slots: number;
  /**
   * One run for all of these jobs, at most `batch.size`. Gives an outcome for each, in their order. Never
   * rejects: what goes wrong is an outcome. What has waited here is begun only while `mayBegin` says so, else it
   * is `unrun`.
   */
  run<J extends Job>(jobs: readonly J[], mayBegin: (job: J) => boolean): Promise<readonly Outcome[]>;
  /** Ends everything that runs: TERM to the process groups, KILL after `killAfterMs`. */
  killAll(killAfterMs: number): Promise<void>;
  /** Nothing runs any more: releases what waits for further jobs. */
  close(): Promise<void>;
}

/** An entry to handle. */
export interface Job {
  readonly stream: StreamKey;
  readonly entry: Entry;
  /** How often it has been delivered, this time included. */
  readonly deliveries: number;
}

export interface BatchRule {
  /** How many jobs one run gets at most. */
  readonly size: number;
  /** How long the first of them waits for the others. */
  readonly waitMs: number;
}

/** What is started. Nothing from a message becomes part of it. */
export type Command =
  /** `whole`: the text is a whole program by itself (see shell-syntax.ts). */
  | { readonly kind: "shell"; readonly text: string; readonly whole: boolean }
  | { readonly kind: "program"; readonly program: string; readonly args: readonly string[] };

/** How a command and entries come together. */
export type Manner =
  /** A run of the command for each entry. */
  | { readonly kind: "single" }
  /** A run of the command for several entries. */
  | { readonly kind: "batch"; readonly rule: BatchRule }
  /** Processes that take entry after entry; `ahead`: how many unanswered ones each may have at most. */
  | { readonly kind: "persistent"; readonly ahead: number };

/** How handlers are run. */
export interface HandlerSettings {
  readonly command: Command;
  readonly manner: Manner;
  /** How many processes run at once. */
  readonly concurrency: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly group: GroupName;
  readonly consumer: string;
  readonly stdin: StdinForm;
  readonly envFields: boolean;
  /** Prefix every line of output with the entry's ID. */
  readonly tag: boolean;
  /** Keep each run's stdout with its outcome instead of passing it on. */
  readonly captureStdout: boolean;
  readonly timeoutMs: number | undefined;
  readonly killAfterMs: number;
}

/**
 * Where handlers' output goes, by whole lines. Resolves when the reader has taken it: that is the
 * backpressure. What stdout rejects is lost, and the worker is ending; stderr never rejects.
 */
export interface HandlerOutput {
  stdout(lines: Buffer): Promise<void>;
  stderr(lines: Buffer): Promise<void>;
}

/** What a handler has to say to the log. */
export type Notice = (level: "info" | "warn", message: string) => void;

/** A handler that prints more than this in one line, or for one entry that is to be emitted, has run wild. */
export const MAX_PRINTED = 16 * 1024 * 1024;
