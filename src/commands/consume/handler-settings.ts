import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Context } from "../../context.ts";
import { markVariables } from "../../engine/handlers/environment.ts";
import type { Command, HandlerSettings, Manner } from "../../engine/handlers/handler.ts";
import type { PostSettings, PostTarget } from "../../engine/handlers/post.ts";
import { postAuthority } from "../../config/secrets.ts";
import { version } from "../../version.ts";
import type { System } from "../../engine/handlers/processes.ts";
import { checkSyntax } from "../../engine/handlers/shell-syntax.ts";
import { withoutTrace } from "../../engine/handlers/trace.ts";
import { StreamctlError, UsageError } from "../../errors.ts";
import type { Io } from "../../io.ts";
import type { ConsumeFlags } from "./consume.ts";
import { parseStdinForm } from "./handler-flags.ts";

export interface HandlerRequest {
  readonly flags: ConsumeFlags;
  /** A program and its arguments from after `--`; empty with --exec. */
  readonly program: readonly string[];
}

/**
 * How handlers are run. Refuses what could never be: no command, no shell program, a directory that is not
 * there.
 */
export async function handlerSettings(
  { io, config }: Context,
  request: HandlerRequest,
  member: Pick<HandlerSettings, "group" | "consumer">,
): Promise<HandlerSettings | PostSettings> {
  const { flags, program } = request;
  if (flags.post !== undefined)
    return postSettings(flags, flags.post, member, await postAuthority(config, io));
  if (flags.exec !== undefined && program.length > 0) {
    throw new UsageError("give --exec COMMAND or a program after --, not both");
  }
  if (flags.exec?.trim() === "") throw new UsageError("--exec: the command is empty");
  if (flags.persistent && flags.stdin === "none")
    throw new UsageError("--stdin none: a persistent command learns of entries by its stdin only");
  const manner = mannerOf(flags);
  const env = manner.kind === "persistent" ? io.env : withoutTrace(io.env);
  const where = { cwd: io.cwd, env: markVariables(env, manner.kind) };
  const stdin = parseStdinForm(flags.stdin);
  return {
    command: await commandOf(request, where),
    manner,
    concurrency: flags.jobs,
    ...where,
    ...member,
    stdin,
    envFields: flags.envFields,
    tag: flags.tag,
    captureStdout: flags.emit !== undefined,
    timeoutMs: flags.timeout === 0 ? undefined : flags.timeout,
    killAfterMs: flags.killAfter,
  };
}

/** A user and password of the URL become a header: they are in no log and in no error. */
function postSettings(
  flags: ConsumeFlags,
  given: URL,
  member: Pick<HandlerSettings, "group" | "consumer">,
  ca: string | undefined,
): PostSettings {
  const url = new URL(given);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const headers: PostTarget["headers"] = [
    ["User-Agent", `streamctl/${version}`],
    ...(username === "" && password === ""
      ? []
      : [["Authorization", `Basic ${credentials.toString("base64")}`] as const]),
    ...(flags.header ?? []),
  ];
  return {
    target: { url, headers, ca },
    concurrency: flags.jobs,
    ...member,
    stdin: parseStdinForm(flags.stdin),
    captureStdout: flags.emit !== undefined,
    timeoutMs: flags.timeout === 0 ? undefined : flags.timeout,
  };
}

/**
 * How many entries may wait for each job. Delivering counts, and the worker may die: one that is delivered no more than
 * once would be dead-lettered without a run.
 */
export function aheadOf({ ahead, maxDeliveries }: ConsumeFlags): number {
  return maxDeliveries === 1 ? 0 : ahead;
}

function mannerOf(flags: ConsumeFlags): Manner {
  if (flags.persistent) return { kind: "persistent", ahead: Math.max(1, aheadOf(flags)) };
  if (flags.batch !== undefined)
    return { kind: "batch", rule: { size: flags.batch, waitMs: flags.batchWait } };
  return { kind: "single" };
}

async function commandOf(
  { flags, program: [program = "/bin/sh", ...args] }: HandlerRequest,
  where: Pick<HandlerSettings, "cwd" | "env">,
): Promise<Command> {
  if (!existsSync(where.cwd))
    throw new StreamctlError("failed", `the working directory ${where.cwd} is gone`, {
      hint: "start the worker in one that is there",
    });
  const { exec: text } = flags;
  if (text === undefined) return { kind: "program", program, args };
  const { whole, complaint } = await checkSyntax(text, where);
  if (complaint !== undefined) throw new UsageError(`--exec: the shell can't read the command: ${complaint}`);
  return { kind: "shell", text, whole };
}

/** What handlers get of this process. */
export function systemOf(io: Io): System {
  return {
    pid: io.pid,
    kill: (pid, signal) => io.kill(pid, signal),
    // The first may be full, or read-only.
    scratchDirs: ["/dev/shm", tmpdir()],
  };
}
