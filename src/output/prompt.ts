import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";

function mustBeTerminal(io: Io, question: string): void {
  if (io.stdin.isTTY && io.stderr.isTTY) return;
  throw new UsageError(`can't ask without a terminal: ${question}`, { hint: "pass -y to say yes" });
}

/** Prompts go to stderr: stdout carries data only. */
export async function askYesNo(io: Io, question: string): Promise<boolean> {
  mustBeTerminal(io, question);
  const { default: inquirer } = await import("inquirer");
  const prompt = inquirer.createPromptModule({ input: io.stdin, output: io.stderr });
  const { answer } = await prompt<{ answer: boolean }>([
    { type: "confirm", name: "answer", message: question, default: false },
  ]);
  return answer;
}

export async function askForText(
  io: Io,
  question: string,
  options: { hidden?: boolean } = {},
): Promise<string> {
  mustBeTerminal(io, question);
  const { default: inquirer } = await import("inquirer");
  const prompt = inquirer.createPromptModule({ input: io.stdin, output: io.stderr });
  const { answer } = await prompt<{ answer: string }>([
    options.hidden
      ? { type: "password", name: "answer", message: question, mask: "*" }
      : { type: "input", name: "answer", message: question },
  ]);
  return answer;
}
