import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import { waitAtMost } from "../../lib/timer.ts";
import type { Command } from "./handler.ts";
import type { Pipe } from "./pipes.ts";
import { type Ended, exitOf } from "./process.ts";
import type { Processes } from "./processes.ts";
import { RunPipes } from "./stdio.ts";
import type { RunRequest } from "./run.ts";
import { EXPORT_TRACE, traceOf } from "./trace.ts";

/** What its runs are for: one entry each, or several. */
export type Serves = "entry" | "batch";

export interface WaitingShellSettings {
  readonly command: Command & { readonly kind: "shell" };
  readonly serves: Serves;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly killAfterMs: number;
}

export type ShellEnd =
  | { readonly kind: "exit"; readonly code: number }
  /** The shell could not open the run's files: nothing was run. */
  | { readonly kind: "unopened" }
  /** The shell ended before it had taken the run: nothing was run. */
  | { readonly kind: "unbegun" }
  /** The shell ended while the run was with it. */
  | { readonly kind: "gone"; readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** The run under way. */
interface Expected {
  readonly nonce: string;
  readonly resolve: (end: ShellEnd) => void;
}

/**
 * A shell that waits for runs and forks a subshell for each: starting a process from a small shell costs
 * a fraction of starting it from Node, which copies its own page tables every time. Each handler has its
 * own subshell (variables, directory, traps, exit), its own stdin and environment; the shell leads a process
 * group that is ended as a whole.
 *
 * Requests and answers go over a socket that the subshell does not have, and an answer counts only with the
 * nonce of the run under way. The pipes for output are opened anew by each run, so when it is over this
 * side sees whether something that it left behind still holds them: then the shell is not used again.
 */
export class WaitingShell {
  readonly #processes: Processes;
  readonly #pipes: readonly Pipe[];
  readonly #child: ChildProcess;
  readonly #channel: Socket;
  readonly #closed: Promise<void>;
  readonly #exited: Promise<Ended>;
  readonly #onGone: (shell: WaitingShell) => void;
  readonly #killAfterMs: number;
  readonly #serves: Serves;
  /** The stream of the last entry. */
  #stream = "";
  #expected: Expected | undefined;
  #answer = "";
  #chatty = false;
  #unread = false;
  #gone = false;
  #held: readonly Pipe[] = [];

  /** Takes over `pipes`: one for stdout, one for stderr, one for fd 3. */
  private constructor(
    settings: WaitingShellSettings,
    processes: Processes,
    pipes: readonly Pipe[],
    child: ChildProcess,
    onGone: (shell: WaitingShell) => void,
  ) {
    this.#processes = processes;
    this.#pipes = pipes;
    this.#child = child;
    this.#onGone = onGone;
    this.#killAfterMs = settings.killAfterMs;
    this.#serves = settings.serves;
    this.#channel = child.stdio[3] as Socket;
    this.#closed = new Promise((resolve) => this.#channel.once("close", resolve));
    this.#channel.setEncoding("latin1").on("data", (text: string) => this.#read(text));
    // The shell ended with something unread: it had not taken the run.
    this.#channel.on("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNRESET") this.#unread = true;
    });
    this.#exited = exitOf(child);
    void this.#exited.then((ended) => this.#end(ended));
  }

  /** Rejects when no shell can be started, or no pipe made; undefined where this system has no such pipes. */
  static async start(
    settings: WaitingShellSettings,
    processes: Processes,
    onGone: (shell: WaitingShell) => void,
  ): Promise<WaitingShell | undefined> {
    const { command, serves, env, cwd } = settings;
    const pipes = await processes.pipes.take(3);
    if (!pipes) return undefined;
    const [stdout, stderr, results] = pipes as [Pipe, Pipe, Pipe];
    const paths = { serves, stdout: stdout.path, stderr: stderr.path, results: results.path };
    const stdio = ["ignore", "ignore", "ignore", "pipe"] as const;
    const args = shellArguments(command.text, command.whole, paths);
    const child = processes.start("/bin/sh", args, { cwd, env, stdio: [...stdio] });
    if (child.pid !== undefined) return new WaitingShell(settings, processes, pipes, child, onGone);
    processes.pipes.give(pipes);
    throw (await exitOf(child)).error;
  }

  /** The process group of the shell and of whatever its handlers started. */
  get pgid(): number {
    return this.#child.pid as number;
  }

  /** Whether it can take another run. */
  get usable(): boolean {
    return !this.#gone && this.#held.length === 0;
  }

  /** The directory in which its handlers run has been deleted, which no run of this shell gets over. */
  get inDeletedDirectory(): boolean {
    try {
      return readlinkSync(`/proc/${this.pgid}/cwd`).endsWith(" (deleted)");
    } catch {
      return false;
    }
  }

  /**
   * Runs the command once; resolves when its output has been passed on, too. One at a time. `input`: the path
   * of its stdin; `onExit`: it has ended, and what it printed may still have to be taken.
   */
  async run(request: RunRequest, input: string, onExit: () => void): Promise<ShellEnd> {
    const pipes = new RunPipes(this.#pipes, request, this.#chatty);
    const end = await new Promise<ShellEnd>((resolve) => {
      const nonce = newNonce();
      this.#expected = { nonce, resolve };
      this.#channel.write(`${nonce} ${input} ${this.#words(request)}\n`, (error) => {
        if (error) this.#unread = true;
      });
    });
    if (end.kind === "exit" || end.kind === "gone") onExit();
    this.#held = await pipes.finish(0);
    this.#chatty = pipes.chatty;
    return end;
  }

  /** Lets an idle shell end; one that can't be ended is not waited for. */
  async close(): Promise<void> {
    this.#channel.end();
    await waitAtMost(CLOSE_GRACE_MS, this.#exited);
    this.#channel.destroy();
    const { pipes, leftovers } = this.#processes;
    for (const [i, pipe] of this.#pipes.entries()) {
      if (this.#held.includes(pipe)) leftovers.take(pipe, i);
      else if (this.#gone && pipe.read() === "closed") pipes.give([pipe]);
      else pipe.close();
    }
  }

  /** A run's variables as its line has them; the stream only where it is not the one before. A trace follows in lines. */
  #words({ variables }: RunRequest): string {
    const stream = streamOf(variables);
    const trace = traceOf(variables);
    const lines = trace ? `\n${trace.join("\n")}` : "";
    const mark = trace ? TRACED : "";
    const { STREAMCTL_ID: id, STREAMCTL_DELIVERIES: deliveries, STREAMCTL_TIMESTAMP: timestamp } = variables;
    const words =
      this.#serves === "entry"
        ? `${id}${mark} ${deliveries} ${timestamp}`
        : `${variables["STREAMCTL_BATCH"]}${mark} - -`;
    if (stream === this.#stream) return words + lines;
    if (this.#serves === "entry") this.#stream = stream;
    return `${words} ${stream}${lines}`;
  }

  #read(text: string): void {
    this.#answer += text;
    const end = this.#answer.indexOf("\n");
    if (end < 0) return;
    const [nonce, code = ""] = this.#answer.slice(0, end).split(" ");
    this.#answer = this.#answer.slice(end + 1);
    const expected = this.#expected;
    if (nonce !== expected?.nonce) return;
    this.#expected = undefined;
    expected?.resolve(code === UNOPENED ? { kind: "unopened" } : { kind: "exit", code: Number(code) });
  }

  async #end({ code, signal }: Ended): Promise<void> {
    this.#gone = true;
    this.#onGone(this);
    // What it said before is still on the way.
    await waitAtMost(CLOSE_GRACE_MS, this.#closed);
    this.#channel.destroy();
    const expected = this.#expected;
    this.#expected = undefined;
    // A handler must not go on beside its own retry.
    if (expected && !this.#unread) await this.#processes.end(this.pgid, this.#killAfterMs);
    expected?.resolve(this.#unread ? { kind: "unbegun" } : { kind: "gone", code, signal });
  }
}

const CLOSE_GRACE_MS = 500;

function streamOf(variables: RunRequest["variables"]): string {
  return variables["STREAMCTL_STREAM"] ?? "";
}

/**
 * Whether a stream's name fits as the last word of a line: no line end, no blanks at its ends; empty says
 * something else.
 */
export function fitsLine({ variables }: RunRequest, serves: Serves): boolean {
  const stream = streamOf(variables);
  return !stream.includes("\n") && stream.trim() === stream && (stream !== "" || serves === "batch");
}

const NONCE = 16;
let nonces = "";

/** As many at once as make asking for random bytes cheap. 96 bits each. */
function newNonce(): string {
  if (nonces.length < NONCE) nonces = randomBytes(NONCE * 96).toString("base64url");
  const nonce = nonces.slice(0, NONCE);
  nonces = nonces.slice(NONCE);
  return nonce;
}

/** How a shell answers in place of an exit code: it could not open the run's files, so nothing was run. */
const UNOPENED = "-";

/** Behind a line's first word: three lines follow, with the run's trace. */
const TRACED = "+";

interface ScriptPaths {
  readonly serves: Serves;
  readonly stdout: string;
  readonly stderr: string;
  /** Where fd 3 goes. */
  readonly results: string;
}

/**
 * What a waiting shell executes: the arguments of /bin/sh. Its fd 3 is the channel to the worker.
 *
 * A line in: `nonce input id deliveries timestamp [stream]`, without the stream when it is the last one's; or
 * `nonce input count - - [stream]` for a batch, without it when there are several. A shell reads a line byte
 * by byte, so every byte costs; what few runs have, a trace, stands in lines of its own. A line out for each:
 * `nonce code`. The run has its own stdin, stdout and stderr
 * from the first to the last of its commands, and neither the channel nor the nonce: nothing it does or
 * prints can pass for an answer.
 *
 * A command that stands in the loop's own text saves a fork: the subshell becomes its last program, where
 * `eval` would start one more. It may stand there when it is a whole program by itself (which `whole` says),
 * and reads the same with a line end behind it. Otherwise the loop evaluates it.
 */
export function shellArguments(command: string, whole: boolean, paths: ScriptPaths): string[] {
  const args = (run: string): string[] => ["-c", script(run, paths), "sh", command];
  // A subshell has its parent's `$$` and is inside its parent's loop, so such a command gets a shell of its
  // own.
  if (/\$\$|\b(?:break|continue)\b/.test(command)) return args('exec /bin/sh -c "$__streamctl_command"');
  if (!whole || /\n|<<|\\$/.test(command)) return args('eval "$__streamctl_command"');
  return args(command);
}

function script(run: string, { serves, stdout, stderr, results }: ScriptPaths): string {
  const variables =
    serves === "entry"
      ? `export STREAMCTL_ID="$__streamctl_a" STREAMCTL_DELIVERIES="$__streamctl_b"
      export STREAMCTL_TIMESTAMP="$__streamctl_c" STREAMCTL_STREAM="$__streamctl_stream"`
      : `export STREAMCTL_BATCH="$__streamctl_a"
      [ -z "$__streamctl_d" ] || export STREAMCTL_STREAM="$__streamctl_d"`;
  // What came with the environment would be exported on.
  return `
unset ${VARIABLES}
__streamctl_command=$1
set --
while IFS=' ' read -r __streamctl_nonce __streamctl_input \\
  __streamctl_a __streamctl_b __streamctl_c __streamctl_d <&3
do
  __streamctl_stream=\${__streamctl_d:-$__streamctl_stream}
  __streamctl_status=${UNOPENED}
  __streamctl_traced=
  case $__streamctl_a in *${TRACED})
    __streamctl_a=\${__streamctl_a%${TRACED}} __streamctl_traced=1
    IFS= read -r __streamctl_t0 <&3 && IFS= read -r __streamctl_t1 <&3 && IFS= read -r __streamctl_t2 <&3 || exit
  esac
  {
    (
      unset __streamctl_nonce
      ${variables}
      [ -z "$__streamctl_traced" ] || {
        ${EXPORT_TRACE.join("\n        ")}
      }
      ${run}
    ) 3>&4 4>&-
    __streamctl_status=$?
  } <"$__streamctl_input" >${stdout} 2>${stderr} 4>${results}
  printf '%s %s\\n' "$__streamctl_nonce" "$__streamctl_status" >&3
done
`;
}

const VARIABLES = [
  "command",
  "nonce",
  "input",
  "a",
  "b",
  "c",
  "d",
  "stream",
  "status",
  "traced",
  "t0",
  "t1",
  "t2",
]
  .map((name) => `__streamctl_${name}`)
  .join(" ");
