import { UsageError } from "../errors.ts";
import type { Io } from "../io.ts";
import { fitWidth } from "./fit.ts";

function mustBeTerminal(io: Io, question: string): void {
  if (io.stdin.isTTY && io.stderr.isTTY) return;
  throw new UsageError(`can't ask without a terminal: ${question}`, { hint: "pass -y to say yes" });
}

/** Prompts go to stderr: stdout carries data only. */
export async function askYesNo(
  io: Io,
  question: string,
  options: { readonly suggested?: boolean } = {},
): Promise<boolean> {
  mustBeTerminal(io, question);
  const { default: inquirer } = await import("inquirer");
  const prompt = inquirer.createPromptModule({ input: io.stdin, output: io.stderr });
  const { answer } = await prompt<{ answer: boolean }>([
    { type: "confirm", name: "answer", message: question, default: options.suggested === true },
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

/** Lets a person tick any number of rows; what was ticked. Rows are cut to the terminal's width. */
export async function askForMany(
  io: Io,
  question: string,
  rows: readonly { readonly value: string; readonly name: string }[],
): Promise<string[]> {
  mustBeTerminal(io, question);
  const { default: inquirer } = await import("inquirer");
  const prompt = inquirer.createPromptModule({ input: io.stdin, output: io.stderr });
  const width = (io.stderr.columns ?? 80) - MARGIN;
  const choices = rows.map(({ value, name }) => ({ value, name: fitWidth(name, width), short: value }));
  const { answer } = await prompt<{ answer: string[] }>([
    { type: "checkbox", name: "answer", message: question, choices, pageSize: PAGE_ROWS, loop: false },
  ]);
  return answer;
}

/** The columns of the mark before a row. */
const MARGIN = 6;
const PAGE_ROWS = 15;
