/** Exit codes, the same in every command; docs/formats.md and `--help` print this table. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  connection: 3,
  notFound: 4,
  partial: 5,
  threshold: 6,
  unknownOutcome: 7,
} as const;

export type ErrorKind = Exclude<keyof typeof ExitCode, "ok">;

/**
 * An error meant for people: `message` says what failed and on what, `hint` what to do about it.
 * `kind` alone decides the exit code. Anything else that reaches the error boundary is a bug.
 */
export class StreamctlError extends Error {
  readonly kind: ErrorKind;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "StreamctlError";
    this.kind = kind;
    this.hint = options.hint;
  }
}

/** Bad flags, or bad input to a flag. */
export class UsageError extends StreamctlError {
  constructor(message: string, options: { hint?: string; cause?: unknown } = {}) {
    super("usage", message, options);
    this.name = "UsageError";
  }
}

/** The connection could not be made, or was lost. `sent`: a command had left and its reply never came. */
export class ConnectionError extends StreamctlError {
  readonly sent: boolean;

  constructor(message: string, options: { hint?: string; cause?: unknown; sent?: boolean } = {}) {
    super("connection", message, options);
    this.name = "ConnectionError";
    this.sent = options.sent ?? false;
  }
}

/** An error reply of the server. `code` is its first word (`WRONGTYPE`, `NOGROUP`, `OOM`, …, `ERR`). */
export class ServerError extends StreamctlError {
  readonly code: string;
  readonly reply: string;
  /** The key that the command was about. */
  readonly key: string | undefined;

  constructor(
    kind: ErrorKind,
    code: string,
    reply: string,
    message: string,
    options: { hint?: string; cause?: unknown; key?: string | undefined } = {},
  ) {
    super(kind, message, options);
    this.name = "ServerError";
    this.key = options.key;
    this.code = code;
    this.reply = reply;
  }
}

/**
 * A signal ended the run at a prompt or while it was connecting, or Ctrl-C answered the prompt: nothing was changed,
 * and there is nothing to be said about it.
 */
export class Interrupted extends Error {
  /** The run would have gone on until it is stopped, so that is its end: exit 0. */
  readonly isItsEnd: boolean;

  constructor(options: { readonly isItsEnd?: boolean } = {}) {
    super("interrupted");
    this.name = "Interrupted";
    this.isItsEnd = options.isItsEnd === true;
  }
}

/** The text of any thrown value, for a log line. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
