import { Interrupted, UsageError } from "../errors.ts";
import type { Writable } from "node:stream";
import type { Io, OutStream } from "../io.ts";
import { fitWidth } from "./fit.ts";
import { terminalSize } from "./terminal.ts";

function mustBeTerminal(io: Io, { message, type }: Question): void {
  if (io.stdin.isTTY && io.stderr.isTTY) return;
  const hint = type === "password" ? "--password-file or REDISCLI_AUTH can hold it" : "pass -y to say yes";
  throw new UsageError(`can't ask without a terminal: ${message.replace(/\?$/, "")}`, { hint });
}

/** Prompts go to stderr: stdout carries data only. Throws Interrupted at Ctrl-C and when the signal aborts. */
async function ask<T>(io: Io, question: Question, signal: AbortSignal): Promise<T> {
  mustBeTerminal(io, question);
  const { default: inquirer } = await import("inquirer");
  // What was counted for a question may be half of it, when the signal came meanwhile.
  if (signal.aborted) throw new Interrupted();
  // A terminal is always Node's own stream.
  const output = io.stderr as OutStream & Writable;
  const prompt = inquirer.createPromptModule({ input: io.stdin, output, signal });
  try {
    const { answer }: { answer: unknown } = await prompt([{ ...question, name: "answer" }]);
    return answer as T;
  } catch (error) {
    if (error instanceof Error && /^(Exit|Abort)PromptError$/.test(error.name)) throw new Interrupted();
    throw error;
  }
}

type Question =
  | { type: "confirm"; message: string; default: boolean }
  | { type: "input"; message: string }
  | { type: "password"; message: string; mask: string }
  | {
      type: "checkbox";
      message: string;
      choices: { readonly value: string; readonly name: string }[];
      pageSize: number;
      loop: boolean;
      theme: { style: { renderSelectedChoices: (chosen: readonly unknown[]) => string } };
    };

export function askYesNo(
  io: Io,
  question: string,
  options: { readonly signal: AbortSignal; readonly suggested?: boolean },
): Promise<boolean> {
  return ask(io, { type: "confirm", message: question, default: options.suggested === true }, options.signal);
}

export function askForText(
  io: Io,
  question: string,
  options: { readonly signal: AbortSignal; readonly hidden?: boolean },
): Promise<string> {
  return ask(
    io,
    options.hidden
      ? { type: "password", message: question, mask: "*" }
      : { type: "input", message: question },
    options.signal,
  );
}

/** Lets a person tick any number of rows; what was ticked. Rows are cut to the terminal's width. */
export function askForMany<Value extends string>(
  io: Io,
  question: string,
  rows: readonly { readonly value: Value; readonly name: string }[],
  signal: AbortSignal,
): Promise<Value[]> {
  const width = terminalSize(io.stderr).columns - MARGIN;
  const choices = rows.map(({ value, name }) => ({ value, name: fitWidth(name, width) }));
  const renderSelectedChoices = (chosen: readonly unknown[]): string => `${chosen.length} of ${rows.length}`;
  return ask(
    io,
    {
      type: "checkbox",
      message: question,
      choices,
      pageSize: PAGE_ROWS,
      loop: false,
      theme: { style: { renderSelectedChoices } },
    },
    signal,
  );
}

/** The columns of the mark before a row. */
const MARGIN = 6;
const PAGE_ROWS = 15;
