import { CommanderError, type Command } from "commander";
import { applyOptionDefaults, checkDefaults, commandPath, hasDefaults } from "./config/option-defaults.ts";
import { builtInConfig, resolveConfig, type ResolvedConfig } from "./config/resolve.ts";
import { Context, signalExitCode } from "./context.ts";
import { errorText, ExitCode, Interrupted, StreamctlError, UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import { Log, type LogFormat } from "./output/log.ts";
import { PLUGIN_EXIT, unknownLine } from "./output/lag-plugin.ts";
import {
  type Format,
  isPipeError,
  Output,
  OWN_FORMATS,
  PipeClosed,
  wantsColor,
  writeWhole,
} from "./output/output.ts";
import { terminalSize } from "./output/terminal.ts";
import { type Act, buildProgram } from "./program.ts";
import { withoutSecretArguments } from "./lib/secret-text.ts";
import { startTimer } from "./lib/timer.ts";

/**
 * Runs one command line (without node and script name) and resolves with its exit code. The only error
 * boundary: nothing below exits the process, and nothing above sees an error.
 */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const run = new Run(io);
  try {
    return await run.execute(argv);
  } catch (error) {
    return await run.report(error);
  } finally {
    await run.end();
  }
}

class Run {
  readonly #io: Io;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  readonly #stopListening: () => void;
  readonly #onStdoutError: (error: Error) => void;
  readonly #onStderrError = (): void => {};
  #context: Context | undefined;
  #verbose = false;
  #logFormat: LogFormat = "text";
  /** This is a monitoring plugin's run: see `report`. */
  #check = false;
  #code: number | undefined;
  /** Settles when the help that was asked for has been written. */
  #help: Promise<unknown> | undefined;

  constructor(io: Io) {
    this.#io = io;
    this.#stopListening = io.onSignal((signal) => {
      if (signal === "SIGINT" && this.#context?.terminalLent) return;
      if (this.#stop.signal.aborted) this.#kill.abort(signal);
      else this.#stop.abort(signal);
    });
    this.#onStdoutError = (error) => {
      if (isPipeError(error)) this.#stop.abort(new PipeClosed());
    };
    io.stdout.on("error", this.#onStdoutError);
    io.stderr.on("error", this.#onStderrError);
  }

  async execute(argv: readonly string[]): Promise<number> {
    this.#check = asksForCheck(argv);
    refuseAltered(this.#io);
    const program = await buildProgram(this.#act, argv[0]);
    prepare(program, this.#io, (text) => {
      this.#help = Promise.all([this.#help, writeWhole(this.#io.stdout, text)]);
    });
    try {
      await program.parseAsync([...argv], { from: "user" });
    } catch (error) {
      if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
    }
    await this.#help;
    return this.#code ?? ExitCode.ok;
  }

  readonly #act: Act =
    (action) =>
    async (...parameters) => {
      const command = parameters.at(-1) as Command;
      const args = (parameters.slice(0, -2) as (string | string[] | undefined)[])
        .flat()
        .filter((arg) => arg !== undefined);
      const config = await this.#configure(command);
      const options: Record<string, unknown> = command.optsWithGlobals();
      this.#check ||= commandPath(command) === "lag" && options["check"] === true;
      const context = this.#makeContext(command, options, config);
      this.#context = context;
      const code = await Promise.race([action(context, args, options), this.#killed()]);
      // A finite command that a signal stopped early did not do all it was asked to.
      this.#code = code ?? context.signalCode();
    };

  /** A second signal does not wait for what the command is doing, but gives it a moment to kill its children. */
  #killed(): Promise<number> {
    return new Promise((resolve) => {
      this.#kill.signal.addEventListener(
        "abort",
        () => {
          startTimer(KILL_GRACE_MS, () =>
            resolve(signalExitCode(this.#stop.signal, this.#kill.signal)),
          ).unref();
        },
        { once: true },
      );
    });
  }

  /** Resolves the settings and gives the command the options that the environment and files have for it. */
  async #configure(command: Command): Promise<ResolvedConfig> {
    const given: Record<string, unknown> = command.optsWithGlobals();
    this.#verbose = given["verbose"] === true;
    this.#logFormat = logFormat(given);
    const path = commandPath(command);
    const config = WITHOUT_CONFIG.has(path)
      ? builtInConfig()
      : await resolveConfig(rootOf(command).opts(), this.#io);
    const withDefaults = config.files.filter(hasDefaults);
    if (withDefaults.length > 0) {
      const whole = await buildProgram(this.#act);
      for (const file of withDefaults) checkDefaults(whole, file);
    }
    applyOptionDefaults(command, { layers: config.layers, env: this.#io.env });
    return config;
  }

  #makeContext(command: Command, options: Record<string, unknown>, config: ResolvedConfig): Context {
    const io = this.#io;
    this.#verbose = options["verbose"] === true;
    const log = new Log(io.stderr, {
      quiet: options["quiet"] === true,
      verbose: this.#verbose,
      format: logFormat(options),
    });
    return new Context({
      io,
      command: commandPath(command),
      config,
      output: new Output(io, {
        format: outputFormat(options, commandPath(command)),
        color: wantsColor(io.stdout, io.env, options["color"] as boolean | undefined),
        wide: options["wide"] === true,
        drawn: log,
      }),
      log,
      stop: this.#stop.signal,
      kill: this.#kill.signal,
      assumeYes: options["yes"] === true,
    });
  }

  /**
   * The message on stderr and the exit code of whatever was thrown. For a monitoring system any other code
   * than that of UNKNOWN would be a statement about the groups.
   */
  async report(error: unknown): Promise<number> {
    const code = this.#tell(error);
    if (!this.#check || code === ExitCode.ok) return code;
    try {
      await writeWhole(
        this.#io.stdout,
        unknownLine(withoutSecretArguments(errorText(error)).replace(/^error: /, "")),
      );
    } catch {
      // Where stdout itself has failed, the code says it alone.
    }
    return PLUGIN_EXIT.unknown;
  }

  #tell(error: unknown): number {
    if (error instanceof PipeClosed || isPipeError(error)) return ExitCode.ok;
    if (error instanceof Interrupted)
      return error.isItsEnd
        ? ExitCode.ok
        : signalExitCode(this.#stop.signal, this.#kill.signal) || SIGINT_EXIT;
    if (error instanceof CommanderError) return ExitCode.usage;
    const log =
      this.#context?.log ??
      new Log(this.#io.stderr, { quiet: false, verbose: this.#verbose, format: this.#logFormat });
    const stack = this.#verbose && error instanceof Error ? error.stack : undefined;
    if (error instanceof StreamctlError) {
      log.error(error.hint === undefined ? error.message : `${error.message}: ${error.hint}`, stack);
      return ExitCode[error.kind];
    }
    log.error(`bug: ${errorText(error)}`, stack);
    return ExitCode.failed;
  }

  async end(): Promise<void> {
    await this.#context?.release();
    this.#stopListening();
    this.#io.stdout.off("error", this.#onStdoutError);
    this.#io.stderr.off("error", this.#onStderrError);
  }
}

const KILL_GRACE_MS = 5_000;
const SIGINT_EXIT = 130;

/** Undefined: what suits stdout. */
function outputFormat(options: Record<string, unknown>, path: string): Format | undefined {
  if (options["json"] === true) return "json";
  const output = options["output"] as string | undefined;
  const owner = OWN_FORMATS[output ?? ""];
  if (owner === undefined) return output as Format | undefined;
  if (owner !== path) throw new UsageError(`-o ${output} is for ${owner} alone`);
  return undefined;
}

/** `lag --check` on the command line; that it may also be configured shows only later. */
function asksForCheck(argv: readonly string[]): boolean {
  return argv.includes("lag") && argv.includes("--check");
}

/** They touch no configured server, and must work when a configuration file is broken. */
const WITHOUT_CONFIG = new Set(["completion", "config init", "sandbox", "__complete"]);

function logFormat(options: Record<string, unknown>): LogFormat {
  return options["log"] === "json" ? "json" : "text";
}

function rootOf(command: Command): Command {
  return command.parent ? rootOf(command.parent) : command;
}

/**
 * Text that Node could not decode would name another stream, group or file, and put other bytes into an entry.
 */
function refuseAltered({ altered }: Io): void {
  const hint = 'produce --input entries takes any bytes as {"base64": …}';
  for (const text of altered?.arguments ?? [])
    throw new UsageError(`an argument is not UTF-8: ${text}`, { hint });
  for (const name of altered?.variables ?? [])
    if (/^(STREAMCTL|REDIS)/.test(name)) throw new UsageError(`the variable ${name} is not UTF-8`);
}

/** Help and usage errors go to the run's own streams; every subcommand inherits that. */
function prepare(command: Command, io: Io, writeOut: (text: string) => void): void {
  command.configureOutput({
    writeOut,
    writeErr: (text) => void io.stderr.write(text),
    outputError: (text, write) =>
      write(withoutSecretArguments(text).replace(/^error: /, "streamctl: error: ")),
    // Behind a pager it is still a terminal that people read it on.
    getOutHelpWidth: () => terminalSize(io.stdout.columns === undefined ? io.stderr : io.stdout).columns,
    getErrHelpWidth: () => terminalSize(io.stderr).columns,
  });
  for (const child of command.commands) prepare(child, io, writeOut);
}
