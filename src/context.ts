import type { Connection } from "./redis/connection.ts";
import type { ResolvedConfig } from "./config/resolve.ts";
import { Interrupted, UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import type { Log } from "./output/log.ts";
import type { Output } from "./output/output.ts";

export interface ContextParts {
  readonly io: Io;
  readonly command: string;
  readonly config: ResolvedConfig;
  readonly output: Output;
  readonly log: Log;
  /** Aborts at the first SIGINT, SIGTERM or SIGHUP, and when stdout's reader has gone: stop cleanly. */
  readonly stop: AbortSignal;
  /** Aborts at the second signal: stop now. */
  readonly kill: AbortSignal;
  readonly assumeYes: boolean;
}

export interface ConnectOptions {
  /** A signal is the run's end, not a failure. */
  readonly untilStopped?: boolean | undefined;
  /** What the names of its connections say besides the command. */
  readonly runName?: string | undefined;
}

/**
 * What one run of one command has at hand. Heavy things are functions, so that a command pays only for
 * what it uses; what they open is released in reverse order when the command ends, however it ends.
 */
export class Context {
  readonly io: Io;
  readonly command: string;
  readonly config: ResolvedConfig;
  readonly output: Output;
  readonly log: Log;
  readonly stop: AbortSignal;
  readonly kill: AbortSignal;
  readonly #assumeYes: boolean;
  readonly #releases: (() => void | Promise<void>)[] = [];
  #connection: Promise<Connection> | undefined;
  #terminalLent = false;

  constructor(parts: ContextParts) {
    this.io = parts.io;
    this.command = parts.command;
    this.config = parts.config;
    this.output = parts.output;
    this.log = parts.log;
    this.stop = parts.stop;
    this.kill = parts.kill;
    this.#assumeYes = parts.assumeYes;
  }

  /** The connection of this run, made at the first call. */
  connect(options: ConnectOptions = {}): Promise<Connection> {
    this.#connection ??= this.#open(options);
    return this.#connection;
  }

  async #open({ untilStopped: isItsEnd = false, runName }: ConnectOptions): Promise<Connection> {
    const { config, log } = this;
    const [{ Connection }, { loadSecrets }] = await Promise.all([
      import("./redis/connection.ts"),
      import("./config/secrets.ts"),
    ]);
    const warn = (message: string): void => log.warn(message);
    config.warnings.forEach(warn);
    const settings = await loadSecrets(config.connection, config.secrets, this.io, warn, this.stop);
    const connection = await Connection.open(settings, {
      name: [`streamctl:${this.command.replaceAll(" ", "-")}`, runName].filter(Boolean).join(":"),
      signal: this.stop,
      onWarning: warn,
    }).catch((error: unknown) => {
      throw this.stop.aborted ? new Interrupted({ isItsEnd }) : error;
    });
    this.defer(() => connection.close());
    return connection;
  }

  /** The same run with another server's settings; what it opens is released with this run. `stop` ends it earlier. */
  elsewhere(config: ResolvedConfig, stop: AbortSignal): Context {
    const { io, command, output, log, kill } = this;
    const other = new Context({ io, command, config, output, log, stop, kill, assumeYes: this.#assumeYes });
    this.defer(() => other.release());
    return other;
  }

  /** Registers a release; they run last in, first out. */
  defer(release: () => void | Promise<void>): void {
    this.#releases.push(release);
  }

  async release(): Promise<void> {
    for (let next = this.#releases.pop(); next; next = this.#releases.pop()) await next();
  }

  /**
   * Before anything is changed in Redis: refuses under a read-only profile, and under a protected one asks
   * for the profile's name.
   */
  async mustBeWritable(): Promise<void> {
    const { readOnlyBy, protectedBy } = this.config;
    if (readOnlyBy !== undefined)
      throw new UsageError(`profile "${readOnlyBy}" is read-only: ${this.command} would change data`);
    if (protectedBy === undefined || this.#assumeYes) return;
    const { askForText } = await import("./output/prompt.ts");
    const question = `${protectedBy} is protected. Type its name to go on`;
    const answer = await askForText(this.io, question, { signal: this.stop });
    if (answer !== protectedBy) throw new UsageError("not confirmed: nothing was changed");
  }

  /** Another program has the terminal: Ctrl-C is meant for that one. */
  get terminalLent(): boolean {
    return this.#terminalLent;
  }

  async lendTerminal<T>(use: () => Promise<T>): Promise<T> {
    this.#terminalLent = true;
    try {
      return await use();
    } finally {
      this.#terminalLent = false;
    }
  }

  /** Resolves when this run is to stop. */
  stopped(): Promise<void> {
    return new Promise((resolve) => {
      if (this.stop.aborted) resolve();
      else this.stop.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** 128 + n for the signal that stopped this run; 0 when none did. */
  signalCode(): number {
    return signalExitCode(this.stop, this.kill);
  }

  /** Asks before something that can't be undone; `-y` answers yes. Fails with exit 2 where it can't ask. */
  async confirm(question: string): Promise<void> {
    if (!(await this.agrees(question))) throw new UsageError("not confirmed: nothing was changed");
  }

  /** The same as a question that may be answered with no. */
  async agrees(question: string): Promise<boolean> {
    // What the question says may be half of it, and after it everything would go on as if nothing had been.
    if (this.stop.aborted) throw new Interrupted();
    if (this.#assumeYes) return true;
    const { askYesNo } = await import("./output/prompt.ts");
    return askYesNo(this.io, question, { signal: this.stop });
  }

  /** Whether a question would be answered, by somebody at the terminal or by `-y`. */
  get answered(): boolean {
    return this.#assumeYes || this.atTerminal;
  }

  /** Somebody sits there who can be asked. */
  get atTerminal(): boolean {
    return this.io.stdin.isTTY === true && this.log.terminal;
  }
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** The exit code of a run that a signal ended before it was done; 0 when no signal did. */
export function signalExitCode(stop: AbortSignal, kill: AbortSignal): number {
  const signal: unknown = kill.reason ?? stop.reason;
  const number = typeof signal === "string" ? SIGNAL_NUMBERS[signal] : undefined;
  return number === undefined ? 0 : 128 + number;
}
