import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Context } from "../context.ts";
import { ExitCode, StreamctlError, UsageError } from "../errors.ts";
import { findServer } from "../sandbox/find-server.ts";
import { SandboxServer } from "../sandbox/server.ts";
import type { SandboxFlags } from "./sandbox.ts";

export async function run(
  context: Context,
  [command]: readonly [string[]],
  { set = [], listen: port, output, json }: SandboxFlags,
): Promise<number> {
  const settings = set.flatMap(serverSetting);
  const executable = await findServer(context.io.env, {
    announce: (message) => context.log.info(message),
    signal: context.stop,
  });
  const server = await SandboxServer.start({
    executable,
    args: settings,
    signal: context.stop,
    ...(port !== undefined && { port }),
  });
  context.defer(() => server.stop());

  const [program, ...args] = command;
  if (program !== undefined) return runCommand(context, server.url, program, args);
  await context.output.write(
    output === "json" || output === "ndjson" || json
      ? `${JSON.stringify({ url: server.url, port: server.port, pid: server.pid ?? null, server: executable })}\n`
      : `${server.url}\n`,
  );
  if (context.log.terminal) context.log.info("the sandbox is up; end it with Ctrl-C");
  await Promise.race([context.stopped(), server.exited]);
  if (!context.stop.aborted) throw new StreamctlError("failed", "the sandbox's server has ended by itself");
  return ExitCode.ok;
}

/** `maxmemory=3mb` → what the server's command line wants. */
function serverSetting(text: string): string[] {
  const [, name, value] = /^([a-z][a-z0-9-]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new UsageError(`--set ${text}: give NAME=VALUE, as in --set maxmemory=3mb`);
  }
  return [`--${name}`, value];
}

/** Runs the command on this process' own stdin, stdout and stderr, and resolves with its exit code. */
async function runCommand(context: Context, url: string, program: string, args: string[]): Promise<number> {
  const child = spawn(program, args, { stdio: "inherit", env: commandEnv(context.io.env, url) });
  context.defer(() => void child.kill("SIGKILL"));
  const forward = (signal: AbortSignal) => (): void => passOn(context, child, signal.reason);
  const onStop = forward(context.stop);
  const onKill = forward(context.kill);
  context.stop.addEventListener("abort", onStop, { once: true });
  context.kill.addEventListener("abort", onKill, { once: true });
  try {
    return await exitCode(context, child, program);
  } finally {
    context.stop.removeEventListener("abort", onStop);
    context.kill.removeEventListener("abort", onKill);
  }
}

/** On a terminal, Ctrl-C reaches the command by itself: a second one would mean "at once". */
function passOn(context: Context, child: ChildProcess, reason: unknown): void {
  if (reason === "SIGINT" && context.io.stdin.isTTY) return;
  child.kill(typeof reason === "string" ? (reason as NodeJS.Signals) : "SIGTERM");
}

/** As a shell tells it: the command's own code, 128+n for a signal, 126 or 127 when it can't be run. */
function exitCode(context: Context, child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      const code = { ENOENT: 127, EACCES: 126 }[error.code ?? ""];
      const failure = `can't run ${program}: ${code === 127 ? "not found" : error.message}`;
      if (code === undefined) return reject(new StreamctlError("failed", failure, { cause: error }));
      context.log.error(failure);
      resolve(code);
    });
  });
}

/** What says where Redis is, in any of the forms streamctl knows, must all mean the sandbox. */
const ELSEWHERE = new RegExp(
  "^(REDIS_(HOST|PORT)|REDISCLI_AUTH|STREAMCTL_(HOST|PORT|DB|USER|PASSWORD_FILE|ASKPASS|TLS|CACERT|CERT|KEY|SNI|" +
    "INSECURE|CLUSTER|SENTINEL|MASTER|SENTINEL_USER|SENTINEL_PASSWORD_FILE|PROFILE))$",
);

function commandEnv(env: Context["io"]["env"], url: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !ELSEWHERE.test(name));
  return { ...Object.fromEntries(kept), REDIS_URL: url, STREAMCTL_URL: url };
}
