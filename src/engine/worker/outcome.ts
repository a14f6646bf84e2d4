import { existsSync } from "node:fs";
import { constants } from "node:os";
import { errorText } from "../../errors.ts";
import type { HandlerSettings } from "./handler.ts";
import type { Ended } from "./process-start.ts";
import { isShortage } from "./shortage.ts";
import type { Outcome } from "./types.ts";

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
  { shell, cwd }: Pick<HandlerSettings, "shell" | "cwd">,
): Outcome {
  if (signal !== null) return signalOutcome(signal, stderr);
  if (code !== 0 && !existsSync(cwd)) return directoryGone(cwd);
  return shell ? shellOutcome(code ?? 1, stderr) : { kind: "exit", code: code ?? 1, stderr };
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
