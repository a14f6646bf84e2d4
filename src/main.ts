import { ExitCode } from "./errors.ts";
import type { Io } from "./io.ts";
import { isPipeError } from "./output/output.ts";
import { version } from "./version.ts";

/**
 * Runs one command line (without node and script name) and resolves with its exit code. Never rejects.
 * Asking for the version loads nothing else of the program.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    io.stdout.write(`${version}\n`);
    return ExitCode.ok;
  }
  const { runCommandLine } = await import("./run.ts");
  return runCommandLine(argv, io);
}

/** The entry of bin/streamctl.js: this process as Io. */
export async function run(): Promise<number> {
  // A stream may report its error after the run has ended, when nobody else listens any more.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error) => {
      if (!isPipeError(error)) process.exitCode = ExitCode.failed;
    });
  }
  return main(process.argv.slice(2), {
    // Making the stream takes a while, and few commands read it.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    pid: process.pid,
    kill: (pid, signal) => process.kill(pid, signal),
    onSignal(listener) {
      const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
  });
}
