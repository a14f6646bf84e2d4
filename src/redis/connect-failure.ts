import { errorText, ServerError, type StreamctlError } from "../errors.ts";
import { NoSentinel } from "./connect-error.ts";
import { errorCode, translateReply } from "./errors.ts";
import { type ConnectionSettings, describeTarget } from "./settings.ts";

/** ioredis' words for a connection that ended, for whatever reason. */
const HUNG_UP = "Connection is closed";

/** Why a connection is not up, as far as it is known. */
export class ConnectFailure {
  #last: unknown;
  #part: unknown;

  /** What happened last, in the words of the one who knew best; undefined: nothing is known. */
  get last(): unknown {
    return this.#last;
  }

  /** A new attempt begins. */
  clear(): void {
    this.#last = undefined;
  }

  set(error: unknown): void {
    this.#last = error;
  }

  /** What was wrong with a cluster's node, or with a Sentinel: of the whole, ioredis says less. */
  notePart(error: unknown): void {
    if (!errorText(error).includes(HUNG_UP)) this.#part = error;
  }

  /** Takes note of an error, and gives what was behind it. */
  note(error: unknown): unknown {
    const cause = this.#rootCause(error);
    // A server that says why before it hangs up said it better than the socket does.
    if (codeOf(this.#last) === "" || codeOf(cause) !== "") this.#last = cause;
    return cause;
  }

  /** ioredis wraps what the nodes and the Sentinels said, or tells only that they hung up. */
  #rootCause(error: unknown): unknown {
    const said = (error as { lastNodeError?: unknown }).lastNodeError ?? error;
    const text = errorText(said);
    const [wrapped, sentinel] = /^All sentinels are unreachable.*?(?:Last error: (.*))?$/.exec(text) ?? [];
    const closed = text.includes(HUNG_UP);
    const better = closed ? (this.#part ?? said) : said;
    if (wrapped === undefined) return better;
    return new NoSentinel(closed || sentinel === undefined ? better : new Error(sentinel));
  }
}

/** The code of an error reply; "" for anything else that was thrown. */
export function codeOf(error: unknown): string {
  if (error instanceof ServerError) return error.code;
  return error instanceof Error && error.name === "ReplyError" ? errorCode(error.message) : "";
}

/** What the handshake was refused for, as an error that ends the run with the exit code of a connection. */
export function refusedForGood(
  error: Error & { command?: { name?: string } },
  settings: ConnectionSettings,
): StreamctlError {
  const refused = translateReply(error.message, {
    command: (error.command?.name ?? "connect").toUpperCase(),
  });
  const { code, reply, hint } = refused;
  const kind = refused.kind === "failed" ? "connection" : refused.kind;
  const message = CREDENTIALS.has(code) ? `${refused.message}: ${credentials(settings)}` : refused.message;
  return new ServerError(kind, code, reply, message, hint === undefined ? {} : { hint });
}

const CREDENTIALS = new Set(["NOAUTH", "WRONGPASS"]);

function credentials(settings: ConnectionSettings): string {
  const { username = "default", password, passwordFrom = "the settings" } = settings;
  const secret = password === undefined ? "no password" : `the password from ${passwordFrom}`;
  return `user ${username} at ${describeTarget(settings)}, with ${secret}`;
}
