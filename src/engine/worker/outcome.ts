import { constants } from "node:os";
import { errorText } from "../../errors.ts";
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

const SHORTAGES = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ENOSPC"]);

/** Why a process could not be started: not there, not executable, or this machine has no room for it now. */
export function startFailure(error: unknown): Outcome {
  const { code } = error as NodeJS.ErrnoException;
  const message = errorText(error);
  if (code !== undefined && SHORTAGES.has(code)) return { kind: "shortage", message };
  return { kind: "unstarted", code: code === "ENOENT" ? 127 : 126, message };
}
