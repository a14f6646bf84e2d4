import { existsSync } from "node:fs";
import { constants } from "node:os";
import { errorText } from "../../errors.ts";
import type { Answer } from "./answers.ts";
import type { HandlerSettings } from "./handler.ts";
import type { Ended } from "./process.ts";

/** How a run ended for one of its jobs. `stderr` is the last of what the handler wrote there. */
export type Outcome =
  /** `stdout` only when it was captured and the code is 0. */
  | { readonly kind: "exit"; readonly code: number; readonly stderr: Buffer; readonly stdout?: Buffer }
  /** The handler's own word on this entry (fd 3, or a persistent handler's stdout). `stdout` as with `exit`, of an ok. */
  | ({ readonly kind: "answer"; readonly stderr: Buffer; readonly stdout?: Buffer } & Answer)
  /** `code` is 128 + n, the form in which shells and --dead-on name a signal. */
  | { readonly kind: "signal"; readonly signal: string; readonly code: number; readonly stderr: Buffer }
  | { readonly kind: "timeout"; readonly afterMs: number; readonly stderr: Buffer }
  /** A server's answer. `stderr` is the start of its body; `stdout` all of it, of a success when it was captured. */
  | {
      readonly kind: "response";
      readonly status: number;
      readonly stderr: Buffer;
      readonly stdout?: Buffer;
      /** How long the server asks to wait. */
      readonly retryAfterMs?: number | undefined;
      /** Where it says that it would be answered. */
      readonly location?: string | undefined;
    }
  /** No answer, or not the whole of one. `deployment`: what is wrong is not the entry's, nor will it pass. */
  | { readonly kind: "unanswered"; readonly reason: string; readonly deployment: boolean }
  /** This machine could not start it now (processes, memory, files): says nothing about entry or command. */
  | { readonly kind: "shortage"; readonly message: string }
  /** The command could not be started at all. */
  | { readonly kind: "unstarted"; readonly code: 126 | 127; readonly message: string }
  /** This worker ended it because it is stopping: says nothing about the entry. */
  | { readonly kind: "stopped" }
  /** It was not begun: says nothing about the entry, which goes back uncounted. */
  | { readonly kind: "unrun" }
  /**
   * It succeeded, but what it printed could not be passed on: the worker is ending, the entry goes back
   * uncounted.
   */
  | { readonly kind: "unprinted" };

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

const NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** A shell reports its command's death by signal n as exit code 128 + n. */
export function shellOutcome(code: number, stderr: Buffer): Outcome {
  const signal = code > 128 ? NAMES.get(code - 128) : undefined;
  return signal === undefined ? { kind: "exit", code, stderr } : { kind: "signal", signal, code, stderr };
}

export function signalOutcome(signal: NodeJS.Signals, stderr: Buffer): Outcome {
  return { kind: "signal", signal, code: 128 + constants.signals[signal], stderr };
}

/** What the end of a handler's process means. */
export function exitOutcome(
  { code, signal }: Pick<Ended, "code" | "signal">,
  stderr: Buffer,
  { command, cwd }: Pick<HandlerSettings, "command" | "cwd">,
): Outcome {
  if (signal !== null) return signalOutcome(signal, stderr);
  if (code !== 0 && !existsSync(cwd)) return directoryGone(cwd);
  if (command.kind === "shell") return shellOutcome(code ?? 1, stderr);
  return { kind: "exit", code: code ?? 1, stderr };
}

/** Why a process could not be started: not there, not executable, or this machine can't do it now. */
export function startFailure(error: unknown, cwd: string): Outcome {
  const message = errorText(error);
  if (isShortage(error)) return { kind: "shortage", message };
  // Node reports a directory that is not there as if it were the program.
  if (!existsSync(cwd)) return directoryGone(cwd);
  return {
    kind: "unstarted",
    code: (error as NodeJS.ErrnoException).code === "ENOENT" ? 127 : 126,
    message,
  };
}

/** Where handlers work is the deployment's affair: what fails without it says nothing about the entry. */
export function directoryGone(cwd: string): Outcome {
  return { kind: "shortage", message: `the working directory ${cwd} is gone` };
}

/** This machine has no room for it now: says nothing about an entry. */
export class Shortage extends Error {}

export function isShortage(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return error instanceof Shortage || (code !== undefined && SHORTAGES.has(code));
}

const SHORTAGES = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC"]);
