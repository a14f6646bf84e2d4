import { exitOf, startProcess, type StartOptions } from "./process.ts";

export interface Syntax {
  /** The text is a whole program by itself: it means the same wherever it stands. */
  readonly whole: boolean;
  /** What the shell says is wrong with it. */
  readonly complaint?: string;
}

/**
 * Has the shell read a command without running it. Where it can't be asked, nothing is said against the
 * command.
 */
export async function checkSyntax(
  command: string,
  { cwd, env }: Omit<StartOptions, "stdio">,
): Promise<Syntax> {
  const child = startProcess("/bin/sh", ["-n", "-c", command], {
    cwd,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    if (said.length < MAX_SAID) said += text;
  });
  const read = new Promise<void>((resolve) => {
    if (child.stderr) child.stderr.once("close", resolve);
    else resolve();
  });
  const { code } = await exitOf(child);
  if (code === null) return { whole: false };
  await read;
  if (code === 0) return { whole: true };
  // An alias may stand for any piece of text, and is known only when the command runs.
  if (/\balias\b/.test(command)) return { whole: false };
  const [line = ""] = said.trim().split("\n");
  return { whole: false, complaint: line.replace(/^\S*sh: /, "") || `exit ${code}` };
}

const MAX_SAID = 4_096;
