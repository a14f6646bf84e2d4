import { CommanderError, type Command } from "commander";
import {
  type Act,
  type CommandDefinition,
  type Failure,
  type Operands,
  readFlags,
} from "./commands/command.ts";
import { Line } from "./commands/flag-rules.ts";
import { applyFlagDefaults } from "./commands/flag-defaults.ts";
import { checkDefaults, hasDefaults } from "./commands/file-defaults.ts";
import { acceptForm, mustHaveForm } from "./commands/output-forms.ts";
import { commandPath, rootOf } from "./commands/tree.ts";
import { builtInConfig, resolveConfig, type ResolvedConfig } from "./config/resolve.ts";
import { Context, signalExitCode } from "./context.ts";
import { errorText, ExitCode, Interrupted, StreamctlError, UsageError } from "./errors.ts";
import type { Io } from "./io.ts";
import { Log, type LogFormat } from "./output/log.ts";
import {
  type Format,
  FORMATS,
  PRETTY,
  isPipeError,
  Output,
  PipeClosed,
  wantsColor,
  writeWhole,
} from "./output/output.ts";
import { terminalSize } from "./output/terminal.ts";
import { buildProgram } from "./program.ts";
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
  /** Every command of the tree. */
  readonly #definitions: CommandDefinition[] = [];
  /** What an error means to who started this run: see `report`. */
  #failure: ((message: string) => Failure) | undefined;
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
    const program = await buildProgram(this.#act, argv[0]);
    this.#failure = failureFor(this.#definitions, argv);
    refuseAltered(this.#io);
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

  readonly #act: Act = (definition) => {
    this.#definitions.push(definition);
    return async (...parameters) => {
      const command = parameters.at(-1) as Command;
      const operands = parameters.slice(0, -2) as Operands;
      const config = await this.#configure(definition, command);
      const flags = this.#readFlags(definition, command);
      const context = this.#makeContext(command, flags, config);
      this.#context = context;
      const { args, program } = splitAtDashes(definition, command, operands);
      const own = rootOf(command);
      const tree = async (name?: string): Promise<Command> =>
        own.commands.some((one) => one.name() === name) ? own : buildProgram(NO_ACT, name);
      const { run } = await definition.run();
      const code = await Promise.race([run(context, args, flags, { program, tree }), this.#killed()]);
      // A finite command that a signal stopped early did not do all it was asked to.
      this.#code = code ?? context.signalCode();
    };
  };

  #readFlags({ failure }: CommandDefinition, command: Command): Record<string, unknown> {
    // Defaults may ask for it, too.
    if (failure && new Line(command).has(failure.with)) this.#failure = failure.of;
    return readFlags(command);
  }

  /**
   * A second signal does not wait for what the command is doing, but gives it a moment to kill its children.
   */
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

  /** Resolves the settings and gives the command the flags that the environment and files have for it. */
  async #configure(definition: CommandDefinition, command: Command): Promise<ResolvedConfig> {
    const given: Record<string, unknown> = command.optsWithGlobals();
    this.#verbose = given["verbose"] === true;
    this.#logFormat = logFormat(given);
    await mustHaveForm(definition, given["output"] as string | undefined);
    const config = definition.withoutConfig
      ? builtInConfig()
      : await resolveConfig(rootOf(command).opts(), this.#io, {
          otherTls: command.opts()["post"] !== undefined,
        });
    if (definition.withoutDefaults) return config;
    const withDefaults = config.files.filter(hasDefaults);
    if (withDefaults.length > 0) {
      const whole = await buildProgram(NO_ACT);
      for (const file of withDefaults) checkDefaults(whole, file);
    }
    applyFlagDefaults(command, { layers: config.layers, env: this.#io.env }, (option, value) =>
      acceptForm(definition, option, value),
    );
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
        format: outputFormat(options),
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

  /** The message on stderr and the exit code of whatever was thrown; a definition may have its own (`failure`). */
  async report(error: unknown): Promise<number> {
    const code = this.#tell(error);
    if (!this.#failure || code === ExitCode.ok) return code;
    const failure = this.#failure(withoutSecretArguments(errorText(error)).replace(/^error: /, ""));
    try {
      await writeWhole(this.#io.stdout, failure.text);
    } catch {
      // Where stdout itself has failed, the code says it alone.
    }
    return failure.code;
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

/** Undefined: what suits stdout, or a form of the command's own, which it prints by itself. */
function outputFormat({ json, output }: Record<string, unknown>): Format | undefined {
  if (output === PRETTY) return "table";
  return json === true ? "json" : FORMATS.find((format) => format === output);
}

/** How errors are told that come before any command runs: by the words of the line alone. */
function failureFor(
  definitions: readonly CommandDefinition[],
  argv: readonly string[],
): ((message: string) => Failure) | undefined {
  const found = definitions.find(
    ({ name, failure }) => failure && argv.includes(name) && argv.includes(failure.with),
  );
  return found?.failure?.of;
}

/** For a tree that runs nothing. */
const NO_ACT: Act = () => () => Promise.resolve();

/**
 * What stands after `--` is the program to run. commander takes it for more operands, so it is told apart
 * by its length.
 */
function splitAtDashes(
  { takesProgram }: CommandDefinition,
  command: Command,
  operands: Operands,
): { args: Operands; program: readonly string[] } {
  const { rawArgs } = rootOf(command) as Command & { readonly rawArgs: readonly string[] };
  const dashes = takesProgram ? rawArgs.indexOf("--") : -1;
  if (dashes < 0) return { args: operands, program: [] };
  const program = rawArgs.slice(dashes + 1);
  const [streams = []] = operands;
  const named = streams.slice(0, streams.length - program.length);
  if (named.length === 0) throw new UsageError("name at least one stream before --");
  return { args: [named], program };
}

function logFormat(options: Record<string, unknown>): LogFormat {
  return options["log"] === "json" ? "json" : "text";
}

/**
 * Text that Node could not decode would name another stream, group or file, and put other bytes into an
 * entry.
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
    // commander would ask Node's own streams; help has no colours.
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
  for (const child of command.commands) prepare(child, io, writeOut);
}
