import { ConnectionError, StreamctlError } from "../errors.ts";

/**
 * Runs a write that is sent once. When its reply is lost, nobody knows whether it was done: that is said
 * with the exit code of its own, and `hint` says what to do about it.
 */
export async function writeOnce<T>(what: string, hint: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    throw ifLost(error, what, hint);
  }
}

/** The error to throw instead of one that ended a write sent once; `error` itself unless its reply was lost. */
export function ifLost(error: unknown, what: string, hint: string): unknown {
  if (!(error instanceof ConnectionError) || !error.sent) return error;
  return new StreamctlError("unknownOutcome", `lost the connection while ${what}: it may have been done`, {
    hint,
    cause: error,
  });
}
