import { closeSync, fstatSync, statSync } from "node:fs";
import { isatty } from "node:tty";
import { ExitCode } from "./errors.ts";
import type { Io } from "./io.ts";
import type { Altered } from "./lib/undecodable.ts";
import { openOut } from "./output/file-out.ts";
import { isPipeError } from "./output/output.ts";

/** Runs one command line (without node and script name) and resolves with its exit code. Never rejects. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const { runCommandLine } = await import("./run.ts");
  return runCommandLine(argv, io);
}

export interface Ended {
  readonly code: number;
  /** Nothing that was printed is still on its way: the process may end at once. */
  readonly written: boolean;
}

/** The entry of bin/start.js: this process as Io. */
export async function run(): Promise<Ended> {
  const terminals = [0, 1, 2].filter(isTerminal);
  const stdout = openOut(1, { isTerminal: terminals.includes(1), nodes: () => process.stdout });
  const stderr = openOut(2, { isTerminal: terminals.includes(2), nodes: () => process.stderr });
  // A stream may report its error after the run has ended, when nobody else listens any more. What stderr could not
  // take says nothing about what was done.
  stdout.on("error", (error) => {
    if (!isPipeError(error)) process.exitCode = ExitCode.failed;
  });
  stderr.on("error", ignore);
  const argv = process.argv.slice(2);
  const altered = await alteredText(argv);
  await hidePasswords(argv);
  const code = await main(argv, {
    altered,
    // Making the stream takes a while, and few commands read it.
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    env: process.env,
    cwd: workingDirectory(),
    pid: process.pid,
    kill: (pid, signal) => process.kill(pid, signal),
    onSignal(listener) {
      const signals: NodeJS.Signals[] = ["SIGINT", "SIGTERM"];
      // It says that the terminal is gone. Node forgets at its start that nohup had the signal ignored, but
      // nohup also takes the terminal away, and who has none is not concerned.
      if (terminals.length > 0) signals.push("SIGHUP");
      else process.on("SIGHUP", ignore);
      for (const signal of signals) process.on(signal, listener);
      return () => {
        process.off("SIGHUP", ignore);
        for (const signal of signals) process.off(signal, listener);
      };
    },
  });
  // Node ends by setting them back to what they were, and aborts where one is gone.
  for (const fd of terminals) if (!isTerminal(fd)) closeSync(fd);
  return { code, written: stdout.writableLength === 0 && stderr.writableLength === 0 };
}

/** Under cron and in pipes there is none: then Node need not load what knows terminals. */
function isTerminal(fd: number): boolean {
  try {
    const { rdev } = fstatSync(fd);
    return rdev !== 0 && rdev !== nullDevice() && isatty(fd);
  } catch {
    return false;
  }
}

function nullDevice(): number {
  return statSync("/dev/null", { throwIfNoEntry: false })?.rdev ?? 0;
}

/** One that was deleted has its name still: what is looked for in it is not there, and no more than that fails. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return process.env["PWD"] ?? "/";
  }
}

function ignore(): void {}

async function alteredText(argv: readonly string[]): Promise<Altered | undefined> {
  const suspect = (text: string | undefined): boolean => text?.includes("\ufffd") ?? false;
  if (!argv.some(suspect) && !Object.values(process.env).some(suspect)) return undefined;
  const { findAltered } = await import("./lib/undecodable.ts");
  return findAltered(argv, process.env);
}

/** Overwrites what ps shows of this process when it holds a URL's password. */
async function hidePasswords(argv: readonly string[]): Promise<void> {
  if (!argv.some((arg) => /:\/\/.*@/.test(arg))) return;
  const { withoutPasswords } = await import("./lib/secret-text.ts");
  process.title = process.argv.map(withoutPasswords).join(" ");
}
